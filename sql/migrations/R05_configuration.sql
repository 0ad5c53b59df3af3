-- Channels, providers and settings: what a row may hold, who is told of a change, and the handles of people.

CREATE OR REPLACE FUNCTION outbox.config_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM outbox.ring('outbox_config', '');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.config_changed IS 'Trigger: tells dispatchers to read their configuration again';

CREATE OR REPLACE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON outbox.channel
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.config_changed();

CREATE OR REPLACE FUNCTION outbox.channel_is_used() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    pending bigint := (SELECT count(*) FROM outbox.message AS m
                       WHERE m.channel = OLD.name AND m.queue_pos IS NOT NULL AND m.status = 'pending');
    scheduled bigint := (SELECT count(*) FROM outbox.message AS m
                         WHERE m.channel = OLD.name AND m.next_attempt_at IS NOT NULL);
    in_air bigint := (SELECT count(*) FROM outbox.flight AS f WHERE f.channel = OLD.name);
    doubts bigint := (SELECT count(*) FROM outbox.doubt AS d JOIN outbox.message AS m ON m.id = d.message_id
                      WHERE d.channel = OLD.name AND m.status = 'in_doubt');
BEGIN
    IF pending + scheduled + in_air + doubts > 0 THEN
        RAISE EXCEPTION 'channel "%" has % pending and % scheduled messages, % flights and % messages in doubt',
            OLD.name, pending, scheduled, in_air, doubts USING
            ERRCODE = 'OB001', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'name',
            HINT = 'Pause it (outbox.pause), let flights land, end what waits (outbox.cancel, outbox.resolve_doubt).';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION outbox.channel_is_used IS
    'Trigger: a channel is neither deleted nor renamed while messages wait for it or are in the air';

CREATE OR REPLACE TRIGGER channel_is_used BEFORE DELETE ON outbox.channel
    FOR EACH ROW EXECUTE FUNCTION outbox.channel_is_used();

CREATE OR REPLACE TRIGGER channel_is_used_by_its_name BEFORE UPDATE OF name ON outbox.channel
    FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION outbox.channel_is_used();

CREATE OR REPLACE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON outbox.provider
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.config_changed();

CREATE OR REPLACE FUNCTION outbox.check_settings() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT outbox.is_timezone(NEW.default_timezone) THEN
        PERFORM outbox.raise('OB007', 'default_timezone', format('"%s" does not exist', NEW.default_timezone));
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_settings IS 'Trigger: the default time zone exists';

CREATE OR REPLACE TRIGGER check_settings BEFORE INSERT OR UPDATE OF default_timezone ON outbox.settings
    FOR EACH ROW EXECUTE FUNCTION outbox.check_settings();

CREATE OR REPLACE TRIGGER settings_is_object BEFORE INSERT OR UPDATE OF settings ON outbox.provider
    FOR EACH ROW WHEN (jsonb_typeof(NEW.settings) <> 'object')
    EXECUTE FUNCTION outbox.refuse('OB006', 'settings', 'must be a JSON object');

CREATE OR REPLACE TRIGGER settings_without_secrets BEFORE INSERT OR UPDATE OF settings, adapter ON outbox.provider
    FOR EACH ROW WHEN (NEW.settings ?| ARRAY[
        'key', 'private_key', 'password', 'passwd', 'token', 'access_token', 'auth_token', 'secret',
        'client_secret', 'service_account', 'credentials', 'secret_key', 'api_secret', 'secret_access_key',
        'session_token', 'signing_key', 'former_signing_key', 'vapid_key', 'dkim_key', 'dkim_key2']
        -- Of these vendors it is only the name of a key.
        OR (NEW.settings ? 'api_key' AND NEW.adapter NOT IN ('twilio', 'vonage')))
    EXECUTE FUNCTION outbox.refuse('OB006', 'settings',
        'must not hold a secret: name it by NAME_file (a path) or NAME_env (a variable)');

CREATE OR REPLACE FUNCTION outbox.refuse_http_settings() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem CONSTANT text := outbox.check_http_settings(NEW.settings);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = 'OB006', COLUMN = 'settings', CONSTRAINT = TG_NAME,
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.refuse_http_settings IS
    'Trigger: refuses an http provider whose settings outbox.check_http_settings finds fault with';

-- After settings_is_object and settings_without_secrets: triggers fire in the order of their names.
CREATE OR REPLACE TRIGGER vendor_is_described BEFORE INSERT OR UPDATE OF adapter, settings ON outbox.provider
    FOR EACH ROW WHEN (NEW.adapter = 'http') EXECUTE FUNCTION outbox.refuse_http_settings();

-- The codes of src/providers/country_table.c, which has the numbers to them.
CREATE OR REPLACE FUNCTION outbox.countries() RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN string_to_array(
    'AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT '
    'BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER '
    'ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE '
    'IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV '
    'LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP '
    'NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK '
    'SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA '
    'VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW', ' ');

COMMENT ON FUNCTION outbox.countries IS
    'Countries that have phone numbers, by ISO 3166-1 alpha-2 code: what may stand in outbox.provider.regions';

CREATE OR REPLACE FUNCTION outbox.refuse_regions() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    region text;
BEGIN
    FOREACH region IN ARRAY NEW.regions LOOP
        IF region = '' THEN
            PERFORM outbox.raise('OB006', 'regions', 'must not be empty texts; {} = all');
        ELSIF region LIKE '+%' AND region !~ '^\+[1-9][0-9]{0,14}$' THEN
            PERFORM outbox.raise('OB006', 'regions',
                format('"%s" must be + and 1 to 15 digits, the first not 0', region));
        ELSIF region ~ '^[A-Z]{2}$' AND region <> ALL (outbox.countries()) THEN
            PERFORM outbox.raise('OB006', 'regions',
                format('"%s" is no country that has phone numbers; see outbox.countries()', region));
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.refuse_regions IS 'Trigger: refuses a region that no recipient can be in';

CREATE OR REPLACE TRIGGER regions_are_places BEFORE INSERT OR UPDATE OF regions ON outbox.provider
    FOR EACH ROW WHEN (NEW.regions <> '{}') EXECUTE FUNCTION outbox.refuse_regions();

-- Deferred, because the old provider is used until the change is committed; whose rights hold then is not known.
CREATE OR REPLACE FUNCTION outbox.note_provider() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        UPDATE outbox.provider AS p SET identity_since = clock_timestamp() WHERE p.name = NEW.name;
    END IF;
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        UPDATE outbox.channel AS c SET provider_removed_at = clock_timestamp()
        WHERE c.name = OLD.channel AND OLD.channel IS DISTINCT FROM NEW.channel;
    ELSIF TG_OP = 'TRUNCATE' THEN
        UPDATE outbox.channel AS c SET provider_removed_at = clock_timestamp();
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_provider IS
    'Trigger: what was sent before was perhaps sent through another provider, and one that is gone cannot be asked';

-- Constraint triggers are the one kind that cannot be replaced.
DROP TRIGGER IF EXISTS note_provider ON outbox.provider;
DROP TRIGGER IF EXISTS note_other_provider ON outbox.provider;

CREATE CONSTRAINT TRIGGER note_provider AFTER INSERT OR DELETE ON outbox.provider
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outbox.note_provider();

CREATE CONSTRAINT TRIGGER note_other_provider AFTER UPDATE OF name, channel, adapter, settings ON outbox.provider
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (ROW (OLD.name, OLD.channel, OLD.adapter, OLD.settings)
        IS DISTINCT FROM ROW (NEW.name, NEW.channel, NEW.adapter, NEW.settings))
    EXECUTE FUNCTION outbox.note_provider();

CREATE OR REPLACE TRIGGER note_no_provider AFTER TRUNCATE ON outbox.provider
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_provider();

CREATE OR REPLACE FUNCTION outbox.forget_stop() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.stopped_until := NULL;
    NEW.stop_reason := NULL;
    NEW.stopped_at := NULL;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.forget_stop IS 'Trigger: a person''s edit may have mended what stopped a provider';

CREATE OR REPLACE TRIGGER forget_stop BEFORE UPDATE OF channel, adapter, app, environment, regions, settings, enabled
    ON outbox.provider FOR EACH ROW EXECUTE FUNCTION outbox.forget_stop();

CREATE OR REPLACE FUNCTION outbox.stop_provider(name text, reason text, duration interval) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE outbox.provider AS p
    SET stopped_until = now() + duration, stop_reason = left(reason, 500), stopped_at = now()
    WHERE p.name = stop_provider.name;
END;

COMMENT ON FUNCTION outbox.stop_provider IS
    'A dispatcher''s brake: the provider is not used for a while; a person''s edit of its row clears it';

CREATE OR REPLACE FUNCTION outbox.resume_provider(name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE outbox.provider AS p SET stopped_until = NULL, stop_reason = NULL, stopped_at = NULL
    WHERE p.name = resume_provider.name;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION outbox.resume_provider IS 'Uses a stopped provider again at once; false: no such name';

CREATE OR REPLACE FUNCTION outbox.set_paused(channel text, paused boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    channel_id integer;
BEGIN
    UPDATE outbox.channel AS c SET paused = set_paused.paused WHERE c.name = set_paused.channel
    RETURNING c.id INTO channel_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'channel "%" does not exist', set_paused.channel USING
            ERRCODE = 'OB001', HINT = 'The channels are listed in outbox.channel.';
    END IF;
    PERFORM outbox.wake(channel_id, set_paused.channel);
END
$$;

COMMENT ON FUNCTION outbox.set_paused IS 'The part that outbox.pause and outbox.resume share';

CREATE OR REPLACE FUNCTION outbox.pause(channel text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN outbox.set_paused(channel, true);

COMMENT ON FUNCTION outbox.pause IS 'Stops sending on a channel; what is in the air is finished';

CREATE OR REPLACE FUNCTION outbox.resume(channel text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN outbox.set_paused(channel, false);

COMMENT ON FUNCTION outbox.resume IS 'Sends on a paused channel again';
