-- What a device, a contact and a preference may be. Refusals: OB007.

CREATE OR REPLACE FUNCTION outbox.check_user(user_id text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF user_id IS NULL OR btrim(user_id) = '' OR octet_length(user_id) > 200 OR user_id ~ '[\x01-\x1f\x7f]' THEN
        PERFORM outbox.raise('OB007', 'user_id', 'must have 1 to 200 octets and no control characters');
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.check_user IS 'Refuses what cannot be the id of a user';

CREATE OR REPLACE FUNCTION outbox.checked_locale(locale text) RETURNS text
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

COMMENT ON FUNCTION outbox.checked_locale IS 'A language tag in lower case; refuses what is none';

-- The same subscription may be written with other spaces, in another order and with an expirationTime. It must be the
-- same token, or the former user of a browser would keep it.
CREATE OR REPLACE FUNCTION outbox.canonical_token(platform text, token text) RETURNS text
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

COMMENT ON FUNCTION outbox.canonical_token IS 'The one form of a token in which it is kept and sent to';

-- W3C Push API, PushSubscription.toJSON().
CREATE OR REPLACE FUNCTION outbox.why_no_subscription(token text) RETURNS text
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
        -- What no provider's settings would allow: no user name, no fragment, the characters of RFC 3986.
        WHEN coalesce(subscription ->> 'endpoint', '')
                !~* '^https://[a-z0-9._:[\]-]+([/?][!$-;=?-[\]_a-z~]*)?$'
            THEN 'must have an endpoint that begins with https:// and is a URL'
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

COMMENT ON FUNCTION outbox.why_no_subscription IS 'The rule that a Web Push subscription breaks; NULL = none';

CREATE OR REPLACE FUNCTION outbox.check_device() RETURNS trigger
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

COMMENT ON FUNCTION outbox.check_device IS 'Trigger: refuses what cannot be a device of its platform';

CREATE OR REPLACE TRIGGER check_device BEFORE INSERT OR UPDATE OF user_id, platform, app, environment, token, locale
    ON outbox.device FOR EACH ROW EXECUTE FUNCTION outbox.check_device();

CREATE OR REPLACE FUNCTION outbox.check_contact() RETURNS trigger
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

COMMENT ON FUNCTION outbox.check_contact IS 'Trigger: refuses what cannot be an address, a language or a time zone';

CREATE OR REPLACE TRIGGER check_contact BEFORE INSERT OR UPDATE ON outbox.contact
    FOR EACH ROW EXECUTE FUNCTION outbox.check_contact();

CREATE OR REPLACE FUNCTION outbox.check_preference() RETURNS trigger
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

COMMENT ON FUNCTION outbox.check_preference IS 'Trigger: a consent has a source, a mandatory category no refusal';

CREATE OR REPLACE TRIGGER check_preference BEFORE INSERT OR UPDATE ON outbox.preference
    FOR EACH ROW EXECUTE FUNCTION outbox.check_preference();
