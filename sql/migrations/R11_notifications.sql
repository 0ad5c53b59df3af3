-- Intake of notifications. Refusals: OB009, OB004, OB005.

CREATE OR REPLACE FUNCTION outbox.skip_used_notification_key() RETURNS trigger
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF EXISTS (SELECT FROM outbox.used_key AS u WHERE u.key = NEW.idempotency_key AND u.kind = 'notification') THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.skip_used_notification_key IS 'Trigger: a notification whose key was used is not inserted';

CREATE OR REPLACE TRIGGER skip_used_key BEFORE INSERT ON outbox.notification
    FOR EACH ROW EXECUTE FUNCTION outbox.skip_used_notification_key();

CREATE OR REPLACE FUNCTION outbox.schedule_notification() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.state := 'scheduled';
    NEW.due_at := NEW.send_at;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.schedule_notification IS 'Trigger: a later send_at waits for the scheduler';

CREATE OR REPLACE TRIGGER schedule_notification BEFORE INSERT ON outbox.notification
    FOR EACH ROW WHEN (NEW.send_at > now()) EXECUTE FUNCTION outbox.schedule_notification();

CREATE OR REPLACE FUNCTION outbox.required_variables(template text, channels text[]) RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN ARRAY(
    SELECT DISTINCT r
    FROM outbox.template AS t CROSS JOIN LATERAL unnest(t.required) AS r
    WHERE t.name = required_variables.template AND t.current AND t.strict
        AND (required_variables.channels IS NULL OR t.channel = ANY (required_variables.channels)));

COMMENT ON FUNCTION outbox.required_variables IS
    'Variables without which some text of the template cannot be rendered, on these channels or (NULL) on all';

CREATE OR REPLACE FUNCTION outbox.why_notification_refused(n outbox.notification) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN btrim(n.user_id) = '' OR octet_length(n.user_id) > 200 OR n.user_id ~ '[\x01-\x1f\x7f]'
        THEN 'OB009 user_id must have 1 to 200 octets and no control characters'
    WHEN NOT EXISTS (SELECT FROM outbox.category AS g WHERE g.name = n.category)
        THEN 'OB009 category "' || n.category || '" does not exist; see outbox.category'
    WHEN n.channels = '{}'
        THEN 'OB009 channels must not be empty; leave it out for all that the template has'
    WHEN EXISTS (SELECT FROM unnest(n.channels) AS u WHERE u IS NULL
                 OR NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = u))
        THEN 'OB009 channels "' || (
            SELECT coalesce(min(u), 'NULL') FROM unnest(n.channels) AS u
            WHERE u IS NULL OR NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = u))
            || '" does not exist; see outbox.channel'
    WHEN EXISTS (SELECT FROM unnest(n.fallback) AS u WHERE u IS NULL
                 OR NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = u))
        THEN 'OB009 fallback must name channels of outbox.channel'
    WHEN n.fallback && n.channels OR cardinality(n.fallback) > (SELECT count(DISTINCT u) FROM unnest(n.fallback) AS u)
        THEN 'OB009 fallback must not name a channel twice, nor one of channels'
    WHEN n.fallback_after <= '0'
        THEN 'OB009 fallback_after must be positive'
    WHEN NOT EXISTS (SELECT FROM outbox.template AS t WHERE t.name = n.template AND t.current)
        THEN 'OB009 template "' || n.template || '" does not exist; see outbox.template'
    WHEN NOT EXISTS (SELECT FROM outbox.template AS t WHERE t.name = n.template AND t.current
                     AND (n.channels IS NULL OR t.channel = ANY (n.channels || n.fallback)))
        THEN 'OB009 template "' || n.template || '" has no text for any of the channels'
    WHEN jsonb_typeof(n.variables) <> 'object'
        THEN 'OB009 variables must be a JSON object'
    WHEN octet_length(n.variables::text) > 65536
        THEN 'OB009 variables must not be longer than 65536 octets'
    -- Of an audience some may lack a variable: their messages fail, the others are sent.
    WHEN n.firing_id IS NULL
        AND EXISTS (SELECT FROM unnest(outbox.required_variables(
                        n.template, CASE WHEN n.channels IS NOT NULL THEN n.channels || n.fallback END)) AS r
                    WHERE n.variables #> string_to_array(r, '.') IS NULL)
        THEN 'OB009 variables must have "' || (
            SELECT min(r) FROM unnest(outbox.required_variables(
                n.template, CASE WHEN n.channels IS NOT NULL THEN n.channels || n.fallback END)) AS r
            WHERE n.variables #> string_to_array(r, '.') IS NULL)
            || '": template "' || n.template || '" needs it'
    WHEN NOT isfinite(n.send_at)
        THEN 'OB004 send_at must be finite; leave it out for now'
    WHEN NOT isfinite(n.expires_at)
        THEN 'OB004 expires_at must be finite; leave it out for the category''s rule'
    WHEN n.expires_at <= now()
        THEN 'OB004 expires_at must be in the future'
    WHEN n.expires_at <= n.send_at
        THEN 'OB004 expires_at must be after send_at'
    WHEN NOT octet_length(n.idempotency_key) BETWEEN 1 AND 200
        THEN 'OB005 idempotency_key must have 1 to 200 octets'
END;

COMMENT ON FUNCTION outbox.why_notification_refused IS
    'SQLSTATE, column and rule that a new notification breaks; NULL = it is welcome';

-- Two ways, as for messages: what many rows have in common is checked once for each kind of row, and only when
-- something is wrong they are looked at one by one for what to say.
CREATE OR REPLACE FUNCTION outbox.after_notification_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plain boolean;
    refusal text;
    ready bigint[];
BEGIN
    WITH kinds AS MATERIALIZED (
        SELECT d.category, d.template, d.channels, outbox.required_variables(d.template, d.channels) AS required,
            EXISTS (SELECT FROM outbox.category AS g WHERE g.name = d.category)
            AND EXISTS (SELECT FROM outbox.template AS t WHERE t.name = d.template AND t.current
                        AND (d.channels IS NULL OR t.channel = ANY (d.channels)))
            AND (d.channels IS NULL OR d.channels <@ ARRAY(SELECT c.name FROM outbox.channel AS c)) AS known
        FROM (SELECT DISTINCT o.category, o.template, o.channels FROM new_notifications AS o) AS d
    )
    SELECT bool_and(
        btrim(n.user_id) <> '' AND octet_length(n.user_id) <= 200 AND n.user_id !~ '[\x01-\x1f\x7f]'
        AND jsonb_typeof(n.variables) = 'object' AND pg_column_size(n.variables) <= 8192
        AND octet_length(n.idempotency_key) BETWEEN 1 AND 200 AND n.fallback IS NULL
        AND coalesce(isfinite(n.send_at), true)
        AND coalesce(isfinite(n.expires_at) AND n.expires_at > greatest(now(), n.send_at), true)
        AND k.known AND (k.required = '{}' OR n.firing_id IS NOT NULL OR NOT EXISTS (
            SELECT FROM unnest(k.required) AS r WHERE n.variables #> string_to_array(r, '.') IS NULL)))
    INTO plain
    FROM new_notifications AS n
        JOIN kinds AS k ON k.category = n.category AND k.template = n.template
            AND k.channels IS NOT DISTINCT FROM n.channels;
    IF NOT plain THEN
        SELECT min(outbox.why_notification_refused(n.*)) INTO refusal FROM new_notifications AS n;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', substr(refusal, 7) USING
            ERRCODE = left(refusal, 5), SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(refusal, ' ', 2);
    END IF;
    SELECT array_agg(n.id) INTO ready FROM new_notifications AS n WHERE n.state = 'expanded';
    IF ready IS NOT NULL THEN
        PERFORM outbox.expand(ready);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.after_notification_insert IS
    'Trigger: refuses what breaks a rule, makes the messages of the rest, unless they wait for their time';

CREATE OR REPLACE TRIGGER after_insert AFTER INSERT ON outbox.notification
    REFERENCING NEW TABLE AS new_notifications
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.after_notification_insert();

CREATE OR REPLACE FUNCTION outbox.notify(
    user_id text, template text, variables jsonb DEFAULT '{}', category text DEFAULT 'service',
    channels text[] DEFAULT NULL, idempotency_key text DEFAULT NULL, send_at timestamptz DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL, lane outbox.lane DEFAULT NULL, fallback text[] DEFAULT NULL,
    fallback_after interval DEFAULT '5 minutes'
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    notification_id bigint;
    key text := coalesce(notify.idempotency_key, gen_random_uuid()::text);
BEGIN
    -- Twice round only if the earlier notification disappears between the statements.
    LOOP
        IF notify.idempotency_key IS NOT NULL THEN
            SELECT n.id INTO notification_id FROM outbox.notification AS n WHERE n.idempotency_key = key;
            EXIT WHEN FOUND;
            SELECT u.id INTO notification_id FROM outbox.used_key AS u
            WHERE u.key = notify.idempotency_key AND u.kind = 'notification';
            EXIT WHEN FOUND;
        END IF;
        INSERT INTO outbox.notification (user_id, category, template, variables, channels, idempotency_key, send_at,
                                         expires_at, lane, fallback, fallback_after)
        VALUES (notify.user_id, notify.category, notify.template, notify.variables, notify.channels, key,
                notify.send_at, notify.expires_at, notify.lane, notify.fallback, notify.fallback_after)
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id INTO notification_id;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN notification_id;
END
$$;

COMMENT ON FUNCTION outbox.notify IS
    'Tells a user something, now or at send_at; returns the notification''s id, or the id of the earlier one with '
    'the same idempotency_key';

CREATE OR REPLACE FUNCTION outbox.cancel_notification(idempotency_key text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    found_id bigint;
    former outbox.notification_state;
    waiting bigint[];
    were outbox.message_status[];
    cancelled integer;
BEGIN
    SELECT n.id, n.state INTO found_id, former
    FROM outbox.notification AS n WHERE n.idempotency_key = cancel_notification.idempotency_key
    FOR UPDATE;
    IF NOT FOUND OR former NOT IN ('scheduled', 'expanded') THEN
        RETURN false;
    END IF;
    -- First the locks, then the look: a flight whose dispatcher has just died holds none.
    SELECT array_agg(l.id), array_agg(l.status) INTO waiting, were FROM (
        SELECT m.id, m.status FROM outbox.message AS m
        WHERE m.notification_id = found_id AND m.status IN ('scheduled', 'pending')
        ORDER BY m.id
        FOR UPDATE SKIP LOCKED) AS l;
    UPDATE outbox.message AS m SET status = 'cancelled', finished_at = now(), next_attempt_at = NULL
    WHERE m.id = ANY (waiting)
        AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE m.id = ANY (f.message_ids));
    GET DIAGNOSTICS cancelled = ROW_COUNT;
    PERFORM outbox.note_moves(waiting, were);
    UPDATE outbox.notification AS n
    SET state = CASE WHEN former = 'scheduled' THEN 'cancelled' ELSE n.state END::outbox.notification_state,
        due_at = NULL, fallback_at = NULL
    WHERE n.id = found_id;
    RETURN former = 'scheduled' OR cancelled > 0;
END
$$;

COMMENT ON FUNCTION outbox.cancel_notification IS
    'Cancels what of a notification still waits: itself, its messages, its fallback; false when nothing did';
