-- Intake of messages: what a producer may insert, and the functions that spare SQL. Refusals: OB001 to OB005, OB007.

-- In every producer's way: with the producer's rights, without a pinned search_path, and with the statement's own
-- snapshot, which is as good as a new one because of what outbox.leaving waits for. The same id is the row itself
-- on its way back.
CREATE OR REPLACE FUNCTION outbox.skip_used_key() RETURNS trigger
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    -- What a notification makes needs no look: its keys begin with the notification's. A WHEN of the trigger would
    -- be read from the catalogue and prepared at every INSERT.
    IF NEW.notification_id IS NULL THEN
        IF EXISTS (SELECT FROM outbox.used_key AS u WHERE u.key = NEW.idempotency_key AND u.kind = 'message'
                   AND u.id <> NEW.id) THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.skip_used_key IS 'Trigger: a message whose key was used is not inserted';

CREATE OR REPLACE TRIGGER skip_used_key BEFORE INSERT ON outbox.message
    FOR EACH ROW EXECUTE FUNCTION outbox.skip_used_key();

-- What a state must have, for whoever changes a row by hand: a message that is pending without a place, or scheduled
-- without a time, is found by nobody. Not a CHECK, which costs each INSERT 15 us of 45; the conditions of a trigger for
-- UPDATE cost only the settling of a batch.
CREATE OR REPLACE TRIGGER state_is_possible AFTER UPDATE ON outbox.message
    FOR EACH ROW WHEN (NOT CASE NEW.status
        WHEN 'pending' THEN NEW.queue_pos IS NOT NULL AND NEW.next_attempt_at IS NULL AND NEW.finished_at IS NULL
        WHEN 'scheduled'
            THEN NEW.queue_pos IS NULL AND isfinite(NEW.next_attempt_at) IS TRUE AND NEW.finished_at IS NULL
        ELSE NEW.next_attempt_at IS NULL AND isfinite(NEW.finished_at) IS TRUE
    END)
    EXECUTE FUNCTION outbox.refuse('OB004', 'status',
        'must fit: pending has queue_pos only, scheduled next_attempt_at only, any other finished_at');

CREATE OR REPLACE FUNCTION outbox.schedule_message() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.status := 'scheduled';
    NEW.next_attempt_at := NEW.send_at;
    NEW.queue_pos := NULL;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.schedule_message IS 'Trigger: keeps a message with a later send_at out of the queue';

CREATE OR REPLACE TRIGGER schedule_message BEFORE INSERT ON outbox.message
    FOR EACH ROW WHEN (NEW.send_at > now()) EXECUTE FUNCTION outbox.schedule_message();

-- The rules for new messages, checked once for each statement. As CHECK constraints, or as a trigger for each rule,
-- they would be read from the catalogue and prepared at every INSERT (20 us on a 15 us INSERT); and CHECK would
-- run again, and fetch the payload again, each time a message is settled. Here the plan is kept by the session.
-- The text of a large payload is made only when its stored size hints at it.
CREATE OR REPLACE FUNCTION outbox.why_refused(new_message outbox.message) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = new_message.channel)
        THEN 'OB001 channel "' || new_message.channel || '" does not exist; see outbox.channel'
    WHEN btrim(new_message.recipient) = ''
        THEN 'OB002 recipient must not be empty'
    WHEN octet_length(new_message.recipient) > 4096
        THEN 'OB002 recipient must not be longer than 4096 octets'
    WHEN new_message.recipient ~ '[\x01-\x1f\x7f]'
        THEN 'OB002 recipient must not hold control characters'
    WHEN jsonb_typeof(new_message.payload) <> 'object'
        THEN 'OB003 payload must be a JSON object'
    WHEN pg_column_size(new_message.payload) > 8192 AND octet_length(new_message.payload::text) > 262144
        THEN 'OB003 payload must not be longer than 262144 octets'
    WHEN NOT isfinite(new_message.send_at)
        THEN 'OB004 send_at must be finite; leave it out for now'
    WHEN NOT isfinite(new_message.expires_at)
        THEN 'OB004 expires_at must be finite; leave it out for never'
    WHEN new_message.expires_at <= now()
        THEN 'OB004 expires_at must be in the future'
    WHEN new_message.expires_at <= new_message.send_at
        THEN 'OB004 expires_at must be after send_at'
    WHEN NOT octet_length(new_message.idempotency_key) BETWEEN 1 AND 255
        THEN 'OB005 idempotency_key must have 1 to 255 octets'
    WHEN (new_message.user_id IS NULL) <> (new_message.category IS NULL)
        THEN 'OB007 category must be given with user_id, and user_id with category'
    WHEN new_message.category IS NOT NULL
        AND NOT EXISTS (SELECT FROM outbox.category AS g WHERE g.name = new_message.category)
        THEN 'OB007 category "' || new_message.category || '" does not exist; see outbox.category'
    WHEN octet_length(new_message.user_id) > 200 OR btrim(new_message.user_id) = ''
        THEN 'OB007 user_id must have 1 to 200 octets'
    WHEN new_message.environment NOT IN ('production', 'sandbox')
        THEN 'OB007 environment must be production or sandbox'
END;

COMMENT ON FUNCTION outbox.why_refused IS 'SQLSTATE, column and rule that a new message breaks; NULL = it is welcome';

-- Three ways, from the cheapest to the dearest: rows of one channel that cannot break a rule, with nobody asleep;
-- rows of several channels, times and users, as notifications make them by the thousand; and rows that break a
-- rule, which are looked at one by one for what to say. It has the producer's rights and no pinned search_path,
-- which would cost more than all it does; every name that is not of pg_catalog is qualified.
CREATE OR REPLACE FUNCTION outbox.after_insert() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    plain boolean;
    refusal text;
BEGIN
    SELECT n.plain AND (
            SELECT pg_try_advisory_xact_lock_shared(7301, c.id) FROM outbox.channel AS c WHERE c.name = n.lowest)
    INTO plain
    FROM (
        SELECT min(m.channel) AS lowest, min(m.channel) = max(m.channel) AND bool_and(
                btrim(m.recipient) <> '' AND octet_length(m.recipient) <= 4096
                AND m.recipient !~ '[\x01-\x1f\x7f]' AND jsonb_typeof(m.payload) = 'object'
                AND pg_column_size(m.payload) <= 8192 AND m.status = 'pending' AND m.send_at IS NULL
                AND m.expires_at IS NULL
                AND octet_length(m.idempotency_key) BETWEEN 1 AND 255
                AND m.user_id IS NULL AND m.category IS NULL AND m.environment IS NULL) AS plain
        FROM new_messages AS m) AS n;
    IF plain THEN
        RETURN NULL;
    END IF;
    SELECT bool_and(
            btrim(m.recipient) <> '' AND octet_length(m.recipient) <= 4096
            AND m.recipient !~ '[\x01-\x1f\x7f]' AND jsonb_typeof(m.payload) = 'object'
            AND pg_column_size(m.payload) <= 8192 AND octet_length(m.idempotency_key) BETWEEN 1 AND 255
            AND coalesce(isfinite(m.send_at), true)
            AND coalesce(isfinite(m.expires_at) AND m.expires_at > greatest(now(), m.send_at), true)
            AND (m.user_id IS NULL) = (m.category IS NULL)
            AND coalesce(octet_length(m.user_id) <= 200 AND btrim(m.user_id) <> '', true)
            AND coalesce(m.environment IN ('production', 'sandbox'), true))
        AND NOT EXISTS (
            SELECT FROM (SELECT DISTINCT o.channel, o.category FROM new_messages AS o) AS kinds
            WHERE NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = kinds.channel)
                OR (kinds.category IS NOT NULL
                    AND NOT EXISTS (SELECT FROM outbox.category AS g WHERE g.name = kinds.category)))
    INTO plain
    FROM new_messages AS m;
    IF NOT plain THEN
        SELECT min(outbox.why_refused(m.*)) INTO refusal FROM new_messages AS m;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', substr(refusal, 7) USING
            ERRCODE = left(refusal, 5), SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(refusal, ' ', 2);
    END IF;
    PERFORM outbox.note_arrival(a.block, a.channel, a.lane, a.day, a.status, a.messages)
    FROM (
        SELECT m.id >> 18 AS block, m.channel, m.lane, (m.created_at AT TIME ZONE 'UTC')::date AS day, m.status,
            count(*) AS messages
        FROM new_messages AS m
        WHERE m.status <> 'pending'
        GROUP BY 1, 2, 3, 4, 5) AS a;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c
    WHERE c.name IN (SELECT m.channel FROM new_messages AS m WHERE m.status = 'pending');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.after_insert IS
    'Trigger: refuses what breaks a rule, notes for the ledger what is not pending, wakes the channels of the rest';

CREATE OR REPLACE TRIGGER after_insert AFTER INSERT ON outbox.message
    REFERENCING NEW TABLE AS new_messages
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.after_insert();

CREATE OR REPLACE FUNCTION outbox.send(
    channel text, recipient text, payload jsonb, idempotency_key text DEFAULT NULL,
    lane outbox.lane DEFAULT 'transactional', app text DEFAULT NULL,
    send_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    message_id bigint;
    key text := coalesce(send.idempotency_key, gen_random_uuid()::text);
BEGIN
    -- Twice round only if the earlier message disappears between the statements.
    LOOP
        IF send.idempotency_key IS NOT NULL THEN
            SELECT m.id INTO message_id FROM outbox.message AS m WHERE m.idempotency_key = key;
            EXIT WHEN FOUND;
            SELECT u.id INTO message_id FROM outbox.used_key AS u
            WHERE u.key = send.idempotency_key AND u.kind = 'message';
            EXIT WHEN FOUND;
        END IF;
        INSERT INTO outbox.message
            (channel, lane, app, recipient, payload, idempotency_key, send_at, expires_at)
        VALUES (send.channel, send.lane, send.app, send.recipient, send.payload, key, send.send_at,
                send.expires_at)
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id INTO message_id;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN message_id;
END
$$;

COMMENT ON FUNCTION outbox.send IS
    'Inserts a message; returns its id, or the id of the earlier one with the same idempotency_key';

CREATE OR REPLACE FUNCTION outbox.cancel(idempotency_key text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    message_id bigint;
    former outbox.message_status;
BEGIN
    SELECT m.id, m.status INTO message_id, former
    FROM outbox.message AS m
    WHERE m.idempotency_key = cancel.idempotency_key AND m.status IN ('scheduled', 'pending')
    FOR UPDATE SKIP LOCKED;
    -- A flight whose dispatcher died holds no lock, but its messages were perhaps sent.
    IF NOT FOUND OR EXISTS (SELECT FROM outbox.flight AS f WHERE message_id = ANY (f.message_ids)) THEN
        RETURN false;
    END IF;
    UPDATE outbox.message AS m
    SET status = 'cancelled', finished_at = now(), next_attempt_at = NULL
    WHERE m.id = message_id;
    PERFORM outbox.note_moves(ARRAY[message_id], ARRAY[former]);
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.cancel IS
    'Cancels a message that waits; false when there is none, it is in the air, or it is final';
