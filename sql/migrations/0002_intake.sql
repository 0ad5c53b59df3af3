-- Intake: what a producer may insert, how dispatchers are woken, and the function that spares SQL.
--
-- SQLSTATEs of refusals:
--   OB001 unknown channel      OB002 bad recipient          OB003 bad payload
--   OB004 bad time             OB005 bad idempotency_key    OB006 bad provider settings

CREATE FUNCTION outbox.next_queue_pos() RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('outbox.queue_pos_seq') END;

COMMENT ON FUNCTION outbox.next_queue_pos() IS
    'The next queue position, taken only after the transaction has its id: every row with a position <= P '
    'belongs to a transaction that had its id when P was read';

CREATE FUNCTION outbox.refuse() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% %', TG_ARGV[1], TG_ARGV[2] USING
        ERRCODE = TG_ARGV[0], SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[1],
        CONSTRAINT = TG_NAME;
END
$$;

COMMENT ON FUNCTION outbox.refuse() IS 'Trigger (SQLSTATE, column, rule): raises "column rule"';

CREATE TRIGGER settings_is_object BEFORE INSERT OR UPDATE OF settings ON outbox.provider
    FOR EACH ROW WHEN (jsonb_typeof(NEW.settings) <> 'object')
    EXECUTE FUNCTION outbox.refuse('OB006', 'settings', 'must be a JSON object');
CREATE TRIGGER settings_without_secrets BEFORE INSERT OR UPDATE OF settings ON outbox.provider
    FOR EACH ROW WHEN (NEW.settings ?| ARRAY[
        'key', 'private_key', 'api_key', 'password', 'passwd', 'token', 'access_token', 'auth_token',
        'secret', 'client_secret', 'service_account', 'credentials'])
    EXECUTE FUNCTION outbox.refuse('OB006', 'settings',
        'must not hold a secret: name it by NAME_file (a path) or NAME_env (a variable)');

CREATE FUNCTION outbox.schedule_message() RETURNS trigger
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

COMMENT ON FUNCTION outbox.schedule_message() IS 'Trigger: keeps a message with a later send_at out of the queue';

CREATE TRIGGER schedule_message BEFORE INSERT ON outbox.message
    FOR EACH ROW WHEN (NEW.send_at > now()) EXECUTE FUNCTION outbox.schedule_message();

-- Waking a dispatcher. A NOTIFY in every producer's commit would serialise all commits of the cluster, so one
-- is sent only while a dispatcher of the channel sleeps. "Asleep" is not a row: the sleeper's control
-- connection holds the exclusive advisory lock (7301, channel id).
--   * The shared lock is granted: nobody sleeps. It is held until this transaction ends, and as long nobody
--     can fall asleep: a dispatcher gets the exclusive lock only when every producer that did not notify has
--     ended, and it looks at the queue once more after getting it. So no message is missed.
--   * It is refused: somebody sleeps (or falls asleep just now) and is notified when this transaction commits.
-- A lock dies with its connection and with the server: nothing is left behind by a crash.
-- Called for each insert, so it does without a pinned search_path; it has its caller's rights only.
CREATE FUNCTION outbox.wake(channel_id integer, name text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7301, channel_id) THEN
        PERFORM pg_catalog.pg_notify('outbox_wake', name);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.wake(integer, text) IS
    'Notifies the sleeping dispatchers of a channel, if any; else keeps them awake until the transaction ends';

-- The rules for new messages, checked once for each statement. As CHECK constraints, or as a trigger for each rule,
-- they would be read from the catalogue and prepared at every INSERT (20 us on a 15 us INSERT); and CHECK would
-- run again, and fetch the payload again, each time a message is settled. Here the plan is kept by the session.
-- The text of a large payload is made only when its stored size hints at it.
CREATE FUNCTION outbox.why_refused(new_message outbox.message) RETURNS text
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
END;

COMMENT ON FUNCTION outbox.why_refused(outbox.message) IS
    'SQLSTATE, column and rule that a new message breaks; NULL = it is welcome';

-- One query settles the everyday case: rows of one channel that cannot break a rule, and nobody asleep. All else
-- goes the long way. It has the producer's rights and no pinned search_path, which would cost more than all it
-- does; every name that is not of pg_catalog is qualified.
CREATE FUNCTION outbox.after_insert() RETURNS trigger
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
                AND pg_column_size(m.payload) <= 8192 AND m.send_at IS NULL AND m.expires_at IS NULL
                AND octet_length(m.idempotency_key) BETWEEN 1 AND 255) AS plain
        FROM new_messages AS m) AS n;
    IF plain THEN
        RETURN NULL;
    END IF;
    SELECT min(outbox.why_refused(m.*)) INTO refusal FROM new_messages AS m;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', substr(refusal, 7) USING
            ERRCODE = left(refusal, 5), SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(refusal, ' ', 2);
    END IF;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c
    WHERE EXISTS (SELECT FROM new_messages AS m WHERE m.channel = c.name AND m.status = 'pending');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.after_insert() IS 'Trigger: refuses what breaks a rule, wakes the channels of the rest';

CREATE TRIGGER after_insert AFTER INSERT ON outbox.message
    REFERENCING NEW TABLE AS new_messages
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.after_insert();

CREATE FUNCTION outbox.send(
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
    -- Twice round only if the earlier message disappears between the two statements.
    LOOP
        IF send.idempotency_key IS NOT NULL THEN
            SELECT m.id INTO message_id FROM outbox.message AS m WHERE m.idempotency_key = key;
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

COMMENT ON FUNCTION outbox.send(text, text, jsonb, text, outbox.lane, text, timestamptz, timestamptz) IS
    'Inserts a message; returns its id, or the id of the earlier one with the same idempotency_key';

CREATE FUNCTION outbox.cancel(idempotency_key text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    message_id bigint;
BEGIN
    SELECT m.id INTO message_id
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
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.cancel(text) IS
    'Cancels a message that waits; false when there is none, it is in the air, or it is final';
