-- Users: where they can be reached, what they allow, and when. A user is no more than an id of the services'.

-- A channel that somebody made before keeps the rules that it has.
INSERT INTO outbox.channel (name) VALUES ('web') ON CONFLICT (name) DO NOTHING;
-- An SMS costs money and cannot be unsent: a doubtful one waits for a person.
INSERT INTO outbox.channel (name, max_attempts, batch_size, batch_deadline, in_doubt)
VALUES ('sms', 6, 100, '1 minute', 'hold')
ON CONFLICT (name) DO NOTHING;

CREATE TYPE outbox.consent AS ENUM ('mandatory', 'opt_out', 'opt_in');

COMMENT ON TYPE outbox.consent IS
    'mandatory = sent whatever the user prefers, opt_out = sent until refused, opt_in = sent only with consent';

CREATE TABLE outbox.settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    default_timezone text NOT NULL DEFAULT 'UTC',
    key_window interval NOT NULL DEFAULT '7 days' CHECK (key_window >= '0'),
    keep_finished interval NOT NULL DEFAULT '1 hour' CHECK (keep_finished >= '0'),
    keep_archive interval NOT NULL DEFAULT '90 days' CHECK (keep_archive >= '1 day')
);

COMMENT ON TABLE outbox.settings IS 'What holds for all channels; one row';
COMMENT ON COLUMN outbox.settings.default_timezone IS 'Of users whose time zone is not known';
COMMENT ON COLUMN outbox.settings.key_window IS
    'An idempotency key blocks repeats at least this long after its row was made, and after its send_at';
COMMENT ON COLUMN outbox.settings.keep_finished IS
    'Messages stay in outbox.message this long after they are finished, then they go to outbox.archive';
COMMENT ON COLUMN outbox.settings.keep_archive IS 'Days of the archive older than this are dropped';

INSERT INTO outbox.settings DEFAULT VALUES;

CREATE TABLE outbox.category (
    name text COLLATE "C" PRIMARY KEY
        CONSTRAINT name_is_lower_case_identifier CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    consent outbox.consent NOT NULL DEFAULT 'opt_out',
    lane outbox.lane NOT NULL DEFAULT 'transactional',
    quiet_from time,
    quiet_until time,
    max_per_user integer CHECK (max_per_user > 0),
    cap_period interval CHECK (cap_period > '0'),
    expires_after interval CHECK (expires_after > '0'),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL)),
    CHECK ((max_per_user IS NULL) = (cap_period IS NULL))
);

COMMENT ON TABLE outbox.category IS 'Kinds of notifications, and the rules of each';
COMMENT ON COLUMN outbox.category.lane IS 'Of its messages, unless the notification names one';
COMMENT ON COLUMN outbox.category.quiet_from IS
    'From then until quiet_until, in the user''s time zone, bulk messages wait';
COMMENT ON COLUMN outbox.category.max_per_user IS
    'No user gets more notifications of this category within any cap_period; NULL = no cap';
COMMENT ON COLUMN outbox.category.expires_after IS
    'A message that could not be sent so long is not sent any more; NULL = it is sent late';

INSERT INTO outbox.category (name, consent, lane, quiet_from, quiet_until, expires_after) VALUES
    ('security', 'mandatory', 'transactional', NULL, NULL, '10 minutes'),
    ('billing', 'opt_out', 'transactional', NULL, NULL, NULL),
    ('service', 'opt_out', 'transactional', NULL, NULL, NULL),
    ('marketing', 'opt_in', 'bulk', '21:00', '08:00', '7 days');

CREATE TABLE outbox.contact (
    user_id text COLLATE "C" PRIMARY KEY,
    email text COLLATE "C",
    phone text COLLATE "C",
    locale text COLLATE "C",
    timezone text,
    quiet_from time,
    quiet_until time,
    stopped_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX contact_timezone_idx ON outbox.contact (timezone) WHERE timezone IS NOT NULL;

COMMENT ON TABLE outbox.contact IS 'One row a user: addresses, language, time zone, quiet hours, global stop';
COMMENT ON COLUMN outbox.contact.phone IS 'E.164: + and 7 to 15 digits';
COMMENT ON COLUMN outbox.contact.timezone IS 'NULL = the default of outbox.settings';
COMMENT ON COLUMN outbox.contact.quiet_from IS 'The user''s own quiet hours, for bulk messages of every category';
COMMENT ON COLUMN outbox.contact.stopped_at IS 'Since then nothing but mandatory categories is sent';

CREATE TABLE outbox.device (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    platform text COLLATE "C" NOT NULL,
    app text COLLATE "C" NOT NULL DEFAULT '',
    environment text NOT NULL DEFAULT 'production',
    token text COLLATE "C" NOT NULL,
    locale text COLLATE "C",
    registered_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz,
    retired_reason text,
    UNIQUE (platform, token, app)
) WITH (fillfactor = 80);

CREATE INDEX device_user_idx ON outbox.device (user_id) WHERE retired_at IS NULL;

COMMENT ON TABLE outbox.device IS 'Devices and browsers; a token belongs to one user at a time';
COMMENT ON COLUMN outbox.device.platform IS 'ios, android or web: the channel that reaches it';
COMMENT ON COLUMN outbox.device.app IS 'The app the token is of; empty = there is only one';
COMMENT ON COLUMN outbox.device.environment IS 'production or sandbox: which of APNs'' two services knows the token';
COMMENT ON COLUMN outbox.device.last_seen_at IS
    'When the app last showed this token. A provider''s "gone" about an earlier moment does not retire it';

CREATE TABLE outbox.preference (
    user_id text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL REFERENCES outbox.category (name) ON UPDATE CASCADE ON DELETE CASCADE,
    channel text COLLATE "C" NOT NULL DEFAULT '*',
    allowed boolean NOT NULL,
    at_night boolean NOT NULL DEFAULT false,
    source text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, category, channel)
) WITH (fillfactor = 80);

COMMENT ON TABLE outbox.preference IS 'What a user allowed or refused; no row = the category''s consent decides';
COMMENT ON COLUMN outbox.preference.channel IS '* = every channel without a row of its own';
COMMENT ON COLUMN outbox.preference.at_night IS 'The user agreed to be reached in the category''s quiet hours too';
COMMENT ON COLUMN outbox.preference.source IS 'How it was given: a form, a call, a law; required for an opt-in';
COMMENT ON COLUMN outbox.preference.changed_at IS 'When it was given';

CREATE TABLE outbox.frequency (
    user_id text COLLATE "C",
    category text COLLATE "C" REFERENCES outbox.category (name) ON UPDATE CASCADE ON DELETE CASCADE,
    recent timestamptz[] NOT NULL,
    granted integer NOT NULL,
    PRIMARY KEY (user_id, category)
) WITH (fillfactor = 70);

COMMENT ON TABLE outbox.frequency IS 'When a user was last notified of a category with a cap';
COMMENT ON COLUMN outbox.frequency.granted IS 'How many of recent the last statement added';

CREATE FUNCTION outbox.raise(code text, field text, rule text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% %', field, rule USING ERRCODE = code, SCHEMA = 'outbox', COLUMN = field;
END
$$;

COMMENT ON FUNCTION outbox.raise(text, text, text) IS 'Refuses: "field rule" with this SQLSTATE';

-- What AT TIME ZONE takes without asking is wider than the names: "XYZ3", and "Asia/Seoul3" just as well, would be
-- three hours west of Greenwich. Of the names only those of Etc/GMT have digits.
CREATE FUNCTION outbox.is_timezone(name text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR name !~ '^(UTC|GMT|Etc/GMT([+-]?[0-9]|[+-]1[0-4])|[A-Za-z_]+(/[A-Za-z_-]+)+)$' THEN
        RETURN false;
    END IF;
    PERFORM now() AT TIME ZONE name;
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION outbox.is_timezone(text) IS 'A name of the time zone database, as "Asia/Seoul", or UTC';

CREATE FUNCTION outbox.check_user(user_id text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF user_id IS NULL OR btrim(user_id) = '' OR octet_length(user_id) > 200 OR user_id ~ '[\x01-\x1f\x7f]' THEN
        PERFORM outbox.raise('OB007', 'user_id', 'must have 1 to 200 octets and no control characters');
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.check_user(text) IS 'Refuses what cannot be the id of a user';

CREATE FUNCTION outbox.check_device() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad text;
BEGIN
    PERFORM outbox.check_user(NEW.user_id);
    NEW.locale := outbox.checked_locale(NEW.locale);
    IF NEW.platform NOT IN ('ios', 'android', 'web') THEN
        PERFORM outbox.raise('OB007', 'platform', 'must be ios, android or web');
    END IF;
    IF NEW.environment NOT IN ('production', 'sandbox') THEN
        PERFORM outbox.raise('OB007', 'environment', 'must be production or sandbox');
    END IF;
    IF octet_length(NEW.app) > 255 OR NEW.app ~ '[\x01-\x20\x7f]' THEN
        PERFORM outbox.raise('OB007', 'app', 'must have at most 255 octets and no spaces');
    END IF;
    -- Providers change the length of tokens, so only the letters and the room for them are checked. An index holds
    -- no more than some 2600 octets.
    NEW.token := outbox.canonical_token(NEW.platform, NEW.token);
    IF NEW.platform = 'ios' THEN
        IF NEW.token !~ '^([0-9a-f]{2})+$' OR octet_length(NEW.token) NOT BETWEEN 32 AND 400 THEN
            bad := 'must be an APNs device token in hexadecimal';
        END IF;
    ELSIF NEW.platform = 'android' THEN
        IF NEW.token !~ '^[A-Za-z0-9_:.-]+$' OR octet_length(NEW.token) NOT BETWEEN 20 AND 2048 THEN
            bad := 'must be an FCM registration token';
        END IF;
    ELSE
        bad := outbox.why_no_subscription(NEW.token);
    END IF;
    IF bad IS NOT NULL THEN
        PERFORM outbox.raise('OB007', 'token', bad);
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_device() IS 'Trigger: refuses what cannot be a device of its platform';

-- The same subscription may be written with other spaces, in another order and with an expirationTime. It must be the
-- same token, or the former user of a browser would keep it.
CREATE FUNCTION outbox.canonical_token(platform text, token text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription jsonb;
BEGIN
    IF platform = 'ios' THEN
        RETURN lower(token);
    ELSIF platform <> 'web' OR octet_length(token) > 4096 THEN
        RETURN token;
    END IF;
    subscription := token::jsonb;
    IF jsonb_typeof(subscription) <> 'object' THEN
        RETURN token;
    END IF;
    RETURN jsonb_build_object(
        'endpoint', subscription -> 'endpoint', 'keys', jsonb_build_object(
            'p256dh', rtrim(subscription #>> '{keys,p256dh}', '='),
            'auth', rtrim(subscription #>> '{keys,auth}', '=')))::text;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
    RETURN token;
END
$$;

COMMENT ON FUNCTION outbox.canonical_token(text, text) IS 'The one form of a token in which it is kept and sent to';

-- W3C Push API, PushSubscription.toJSON().
CREATE FUNCTION outbox.why_no_subscription(token text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription jsonb;
BEGIN
    IF octet_length(token) > 2048 THEN
        RETURN 'must not be longer than 2048 octets';
    END IF;
    subscription := token::jsonb;
    RETURN CASE
        WHEN jsonb_typeof(subscription) <> 'object'
            THEN 'must be a push subscription: a JSON object with endpoint and keys'
        WHEN coalesce(subscription ->> 'endpoint', '') !~ '^https://[!#-[\]-~]{4,}$'
            THEN 'must have an endpoint that begins with https://'
        -- An uncompressed P-256 point has 65 octets, the authentication secret 16 (RFC 8291, section 3).
        WHEN coalesce(subscription #>> '{keys,p256dh}', '') !~ '^[A-Za-z0-9_-]{87}$'
            THEN 'must have keys.p256dh of 65 octets in base64url'
        WHEN coalesce(subscription #>> '{keys,auth}', '') !~ '^[A-Za-z0-9_-]{22}$'
            THEN 'must have keys.auth of 16 octets in base64url'
    END;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
    RETURN 'must be a push subscription in JSON';
END
$$;

COMMENT ON FUNCTION outbox.why_no_subscription(text) IS 'The rule that a Web Push subscription breaks; NULL = none';

CREATE FUNCTION outbox.checked_locale(locale text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    normal text := lower(replace(locale, '_', '-'));
BEGIN
    IF normal !~ '^[a-z]{2,8}(-[a-z0-9]{1,8})*$' THEN
        PERFORM outbox.raise('OB007', 'locale', 'must look like "ko" or "ko-KR"');
    END IF;
    RETURN normal;
END
$$;

COMMENT ON FUNCTION outbox.checked_locale(text) IS 'A language tag in lower case; refuses what is none';

CREATE TRIGGER check_device BEFORE INSERT OR UPDATE OF user_id, platform, app, environment, token, locale
    ON outbox.device FOR EACH ROW EXECUTE FUNCTION outbox.check_device();

CREATE FUNCTION outbox.check_contact() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM outbox.check_user(NEW.user_id);
    NEW.locale := outbox.checked_locale(NEW.locale);
    NEW.updated_at := now();
    -- The same form as the mail providers accept (RFC 5321, 4.1.2, dot-atom): safe in commands and headers.
    IF octet_length(NEW.email) > 254 OR NEW.email !~
        '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$'
    THEN
        PERFORM outbox.raise('OB007', 'email', 'must be a mail address like kim@example.com');
    END IF;
    IF NEW.phone !~ '^\+[1-9][0-9]{6,14}$' THEN
        PERFORM outbox.raise('OB007', 'phone', 'must be a number like +821012345678');
    END IF;
    IF NEW.timezone IS NOT NULL AND NOT outbox.is_timezone(NEW.timezone) THEN
        PERFORM outbox.raise('OB007', 'timezone', format('"%s" does not exist', NEW.timezone));
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_contact() IS 'Trigger: refuses what cannot be an address, a language or a time zone';

CREATE TRIGGER check_contact BEFORE INSERT OR UPDATE ON outbox.contact
    FOR EACH ROW EXECUTE FUNCTION outbox.check_contact();

CREATE FUNCTION outbox.check_preference() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rules outbox.category;
BEGIN
    PERFORM outbox.check_user(NEW.user_id);
    SELECT g.* INTO rules FROM outbox.category AS g WHERE g.name = NEW.category;
    IF NOT FOUND THEN
        PERFORM outbox.raise('OB007', 'category', format('"%s" does not exist; see outbox.category', NEW.category));
    END IF;
    IF NEW.channel <> '*' AND NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = NEW.channel) THEN
        PERFORM outbox.raise('OB007', 'channel', format('"%s" does not exist; see outbox.channel', NEW.channel));
    END IF;
    IF rules.consent = 'mandatory' AND NOT NEW.allowed THEN
        PERFORM outbox.raise('OB007', 'category', format('"%s" is mandatory and cannot be refused', NEW.category));
    END IF;
    IF ((rules.consent = 'opt_in' AND NEW.allowed) OR NEW.at_night) AND coalesce(btrim(NEW.source), '') = '' THEN
        PERFORM outbox.raise('OB007', 'source', 'must say how the consent was given');
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_preference() IS 'Trigger: a consent has a source, a mandatory category no refusal';

CREATE TRIGGER check_preference BEFORE INSERT OR UPDATE ON outbox.preference
    FOR EACH ROW EXECUTE FUNCTION outbox.check_preference();

CREATE FUNCTION outbox.check_settings() RETURNS trigger
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

COMMENT ON FUNCTION outbox.check_settings() IS 'Trigger: the default time zone exists';

CREATE TRIGGER check_settings BEFORE INSERT OR UPDATE OF default_timezone ON outbox.settings
    FOR EACH ROW EXECUTE FUNCTION outbox.check_settings();

CREATE FUNCTION outbox.register_device(
    user_id text, platform text, token text, app text DEFAULT '', locale text DEFAULT NULL,
    timezone text DEFAULT NULL, environment text DEFAULT 'production', replaces text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    device_id bigint;
    canonical text := outbox.canonical_token(register_device.platform, register_device.token);
    former text := outbox.canonical_token(register_device.platform, register_device.replaces);
BEGIN
    IF register_device.token IS NULL OR register_device.platform IS NULL THEN
        PERFORM outbox.raise('OB007', CASE WHEN register_device.token IS NULL THEN 'token' ELSE 'platform' END,
                             'must be given');
    END IF;
    -- A rotated token stays the same device, so that what waits for it follows. Unless the new one is known
    -- already: then the old one is a device of its own that is gone.
    IF former <> canonical THEN
        UPDATE outbox.device AS d SET token = canonical
        WHERE d.platform = register_device.platform AND d.app = coalesce(register_device.app, '')
            AND d.token = former AND d.user_id = register_device.user_id
            AND NOT EXISTS (
                SELECT FROM outbox.device AS o
                WHERE o.platform = d.platform AND o.app = d.app AND o.token = canonical);
        IF NOT FOUND THEN
            PERFORM outbox.retire_device(
                register_device.user_id, register_device.platform, former, register_device.app,
                'its token was replaced');
        END IF;
    END IF;
    INSERT INTO outbox.device AS d (user_id, platform, token, app, environment, locale)
    VALUES (register_device.user_id, register_device.platform, canonical, coalesce(register_device.app, ''),
            coalesce(register_device.environment, 'production'), register_device.locale)
    ON CONFLICT (platform, token, app) DO UPDATE
    SET user_id = excluded.user_id, environment = excluded.environment,
        locale = coalesce(excluded.locale, CASE WHEN d.user_id = excluded.user_id THEN d.locale END),
        registered_at = CASE WHEN d.user_id = excluded.user_id AND d.retired_at IS NULL THEN d.registered_at
                             ELSE excluded.registered_at END,
        last_seen_at = excluded.last_seen_at, retired_at = NULL, retired_reason = NULL
    RETURNING d.id INTO device_id;
    -- The app shows the token, so whatever a provider once said about it is over.
    DELETE FROM outbox.suppression AS s
    WHERE s.channel = register_device.platform AND s.address = canonical AND s.message_id IS NOT NULL;
    IF register_device.timezone IS NOT NULL OR register_device.locale IS NOT NULL THEN
        PERFORM outbox.set_contact(
            register_device.user_id, locale => register_device.locale, timezone => register_device.timezone);
    END IF;
    RETURN device_id;
END
$$;

COMMENT ON FUNCTION outbox.register_device(text, text, text, text, text, text, text, text) IS
    'Call it at each start of the app: a device of this user from now on, whoever had its token before. '
    'replaces: the token that this one takes the place of. Language and time zone become the user''s';

CREATE FUNCTION outbox.retire_device(
    user_id text, platform text, token text, app text DEFAULT '', reason text DEFAULT 'signed out'
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE outbox.device AS d SET retired_at = now(), retired_reason = retire_device.reason
    WHERE d.platform = retire_device.platform AND d.app = coalesce(retire_device.app, '')
        AND d.token = outbox.canonical_token(retire_device.platform, retire_device.token)
        AND d.user_id = retire_device.user_id AND d.retired_at IS NULL;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION outbox.retire_device(text, text, text, text, text) IS
    'The user signed out on this device; false when it is not (any more) a device of this user';

-- NULL leaves as it is, the empty text removes: a service that knows one address need not know the others.
CREATE FUNCTION outbox.set_contact(
    user_id text, email text DEFAULT NULL, phone text DEFAULT NULL, locale text DEFAULT NULL,
    timezone text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO outbox.contact AS c (user_id, email, phone, locale, timezone)
    VALUES (set_contact.user_id, nullif(set_contact.email, ''), nullif(set_contact.phone, ''),
            nullif(set_contact.locale, ''), nullif(set_contact.timezone, ''))
    ON CONFLICT (user_id) DO UPDATE
    SET email = CASE WHEN set_contact.email IS NULL THEN c.email ELSE excluded.email END,
        phone = CASE WHEN set_contact.phone IS NULL THEN c.phone ELSE excluded.phone END,
        locale = CASE WHEN set_contact.locale IS NULL THEN c.locale ELSE excluded.locale END,
        timezone = CASE WHEN set_contact.timezone IS NULL THEN c.timezone ELSE excluded.timezone END
    -- At each start of an app nothing has changed: no row is written then.
    WHERE (c.email, c.phone, c.locale, c.timezone) IS DISTINCT FROM (
        coalesce(set_contact.email, c.email), coalesce(set_contact.phone, c.phone),
        coalesce(lower(replace(set_contact.locale, '_', '-')), c.locale),
        coalesce(set_contact.timezone, c.timezone));
END
$$;

COMMENT ON FUNCTION outbox.set_contact(text, text, text, text, text) IS
    'Sets what is given of a user''s addresses, language and time zone; an empty text removes';

CREATE FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time, quiet_until time) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.contact AS c (user_id, quiet_from, quiet_until)
    VALUES (set_quiet_hours.user_id, set_quiet_hours.quiet_from, set_quiet_hours.quiet_until)
    ON CONFLICT (user_id) DO UPDATE
    SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until;
END;

COMMENT ON FUNCTION outbox.set_quiet_hours(text, time, time) IS
    'Bulk messages wait in these hours of the user''s day, over midnight if need be; two NULLs end that';

CREATE FUNCTION outbox.stop_user(user_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.contact AS c (user_id, stopped_at) VALUES (stop_user.user_id, now())
    ON CONFLICT (user_id) DO UPDATE SET stopped_at = excluded.stopped_at WHERE c.stopped_at IS NULL;
END;

COMMENT ON FUNCTION outbox.stop_user(text) IS 'From now on the user gets nothing but mandatory categories';

CREATE FUNCTION outbox.resume_user(user_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE outbox.contact AS c SET stopped_at = NULL
    WHERE c.user_id = resume_user.user_id AND c.stopped_at IS NOT NULL;
END;

COMMENT ON FUNCTION outbox.resume_user(text) IS 'Takes outbox.stop_user back; refusals of categories stay';

CREATE FUNCTION outbox.set_preference(
    user_id text, category text, allowed boolean, channel text DEFAULT NULL, source text DEFAULT NULL,
    at_night boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    -- Who decides about all channels means those, too, that were decided one by one before.
    DELETE FROM outbox.preference AS p
    WHERE p.user_id = set_preference.user_id AND p.category = set_preference.category
        AND (set_preference.channel IS NULL OR (p.channel = set_preference.channel AND set_preference.allowed IS NULL))
        AND NOT (set_preference.allowed IS NOT NULL AND p.channel = '*');
    IF set_preference.allowed IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO outbox.preference AS p (user_id, category, channel, allowed, at_night, source)
    VALUES (set_preference.user_id, set_preference.category, coalesce(set_preference.channel, '*'),
            set_preference.allowed, set_preference.at_night, set_preference.source)
    ON CONFLICT (user_id, category, channel) DO UPDATE
    SET allowed = excluded.allowed, at_night = excluded.at_night, source = excluded.source,
        changed_at = excluded.changed_at;
END
$$;

COMMENT ON FUNCTION outbox.set_preference(text, text, boolean, text, text, boolean) IS
    'Allows or refuses a category, on one channel or (NULL) on all; allowed NULL: as the category is by itself';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
GRANT SELECT ON outbox.settings, outbox.category, outbox.contact, outbox.device, outbox.preference
    TO outbox_dispatcher, outbox_scheduler, outbox_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.frequency TO outbox_scheduler;
GRANT UPDATE (retired_at, retired_reason) ON outbox.device TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, UPDATE ON outbox.settings TO outbox_admin; -- without its row nobody has a time zone
GRANT ALL ON outbox.category, outbox.contact, outbox.device, outbox.preference, outbox.frequency
    TO outbox_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO outbox_admin;
GRANT EXECUTE ON FUNCTION
    outbox.register_device(text, text, text, text, text, text, text, text),
    outbox.retire_device(text, text, text, text, text), outbox.set_contact(text, text, text, text, text),
    outbox.set_quiet_hours(text, time, time), outbox.stop_user(text), outbox.resume_user(text),
    outbox.set_preference(text, text, boolean, text, text, boolean)
    TO outbox_producer;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
