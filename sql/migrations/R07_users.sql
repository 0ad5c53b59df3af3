-- What services tell about users.

-- NULL leaves as it is, the empty text removes: a service that knows one address need not know the others.
CREATE OR REPLACE FUNCTION outbox.set_contact(
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

COMMENT ON FUNCTION outbox.set_contact IS
    'Sets what is given of a user''s addresses, language and time zone; an empty text removes';

CREATE OR REPLACE FUNCTION outbox.retire_device(
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

COMMENT ON FUNCTION outbox.retire_device IS
    'The user signed out on this device; false when it is not (any more) a device of this user';

CREATE OR REPLACE FUNCTION outbox.register_device(
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

COMMENT ON FUNCTION outbox.register_device IS
    'Call it at each start of the app: a device of this user from now on, whoever had its token before. '
    'replaces: the token that this one takes the place of. Language and time zone become the user''s';

CREATE OR REPLACE FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time, quiet_until time) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.contact AS c (user_id, quiet_from, quiet_until)
    VALUES (set_quiet_hours.user_id, set_quiet_hours.quiet_from, set_quiet_hours.quiet_until)
    ON CONFLICT (user_id) DO UPDATE
    SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until;
END;

COMMENT ON FUNCTION outbox.set_quiet_hours IS
    'Bulk messages wait in these hours of the user''s day, over midnight if need be; two NULLs end that';

CREATE OR REPLACE FUNCTION outbox.stop_user(user_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.contact AS c (user_id, stopped_at) VALUES (stop_user.user_id, now())
    ON CONFLICT (user_id) DO UPDATE SET stopped_at = excluded.stopped_at WHERE c.stopped_at IS NULL;
END;

COMMENT ON FUNCTION outbox.stop_user IS 'From now on the user gets nothing but mandatory categories';

CREATE OR REPLACE FUNCTION outbox.resume_user(user_id text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE outbox.contact AS c SET stopped_at = NULL
    WHERE c.user_id = resume_user.user_id AND c.stopped_at IS NOT NULL;
END;

COMMENT ON FUNCTION outbox.resume_user IS 'Takes outbox.stop_user back; refusals of categories stay';

CREATE OR REPLACE FUNCTION outbox.set_preference(
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

COMMENT ON FUNCTION outbox.set_preference IS
    'Allows or refuses a category, on one channel or (NULL) on all; allowed NULL: as the category is by itself';

-- A zone may be unknown after an update of the time zone database or on another server, and one such row would stop
-- every release and claim that reads it. The index is asked for the next zone again and again: there are few.
CREATE OR REPLACE FUNCTION outbox.forget_unknown_timezones() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    zone text := '';
    forgotten integer := 0;
    rows integer;
BEGIN
    UPDATE outbox.settings AS s SET default_timezone = 'UTC' WHERE NOT outbox.is_timezone(s.default_timezone);
    LOOP
        SELECT min(c.timezone) INTO zone FROM outbox.contact AS c WHERE c.timezone > zone;
        EXIT WHEN zone IS NULL;
        CONTINUE WHEN outbox.is_timezone(zone);
        UPDATE outbox.contact AS c SET timezone = NULL WHERE c.timezone = zone;
        GET DIAGNOSTICS rows = ROW_COUNT;
        forgotten := forgotten + rows;
    END LOOP;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION outbox.forget_unknown_timezones IS
    'Users whose time zone the server does not know (any more) get the default one; returns how many';
