-- What functions of every subject use: how something is refused, a place in the queue, how a dispatcher is woken, the
-- wait after a failure, the id that goes to a provider.
--
-- SQLSTATEs of refusals:
--   OB001 unknown channel      OB002 bad recipient          OB003 bad payload           OB004 bad time
--   OB005 bad idempotency_key  OB006 bad provider           OB007 bad user, device, contact or preference
--   OB008 bad template         OB009 bad notification       OB010 bad schedule          OB011 bad receipt
--   OB012 bad history

CREATE OR REPLACE FUNCTION outbox.refuse() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% %', TG_ARGV[1], TG_ARGV[2] USING
        ERRCODE = TG_ARGV[0], SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[1],
        CONSTRAINT = TG_NAME;
END
$$;

COMMENT ON FUNCTION outbox.refuse IS 'Trigger (SQLSTATE, column, rule): raises "column rule"';

CREATE OR REPLACE FUNCTION outbox.raise(code text, field text, rule text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% %', field, rule USING ERRCODE = code, SCHEMA = 'outbox', COLUMN = field;
END
$$;

COMMENT ON FUNCTION outbox.raise IS 'Refuses: "field rule" with this SQLSTATE';

-- A key that is a UUID stays as it is; any other gives a version 8 UUID (RFC 9562, 5.8) of its SHA-256. No
-- pinned search_path: the body is bound when it is created, and without it the function is inlined.
CREATE OR REPLACE FUNCTION outbox.message_uuid(idempotency_key text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    -- One anchored regular expression says the same and costs four times as much, in every claim.
    WHEN idempotency_key LIKE '________-____-____-____-____________'
        AND octet_length(replace(idempotency_key, '-', '')) = 32 AND idempotency_key !~ '[^0-9A-Fa-f-]'
    THEN lower(idempotency_key)
    ELSE overlay(overlay(left(encode(sha256(convert_to(idempotency_key, 'UTF8')), 'hex'), 32)
        PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid::text
END;

COMMENT ON FUNCTION outbox.message_uuid IS
    'The UUID that goes to the provider, the same at each attempt: apns-id, Message-ID, outbox_id';

CREATE OR REPLACE FUNCTION outbox.next_queue_pos() RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
RETURN CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('outbox.queue_pos_seq') END;

COMMENT ON FUNCTION outbox.next_queue_pos IS
    'The next queue position, taken only after the transaction has its id: every row with a position <= P '
    'belongs to a transaction that had its id when P was read';

-- PREPARE TRANSACTION refuses a transaction that has notified, and no trigger can know whether it will follow. So where
-- it is possible at all nobody is notified, and what waits is found by the dispatchers' next poll.
CREATE OR REPLACE FUNCTION outbox.ring(bell text, word text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    wish text := pg_catalog.current_setting('outbox.notify', true);
BEGIN
    IF wish = 'on' OR (wish IS DISTINCT FROM 'off'
                       AND pg_catalog.current_setting('max_prepared_transactions') = '0') THEN
        PERFORM pg_catalog.pg_notify(bell, word);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.ring IS
    'NOTIFY, as the setting outbox.notify allows: on, off, or else only where no transaction can be prepared';

-- Waking a dispatcher. A NOTIFY in every producer's commit would serialise all commits of the cluster, so one
-- is sent only while a dispatcher of the channel sleeps. "Asleep" is not a row: the sleeper's control
-- connection holds the exclusive advisory lock (7301, channel id).
--   * The shared lock is granted: nobody sleeps. It is held until this transaction ends, and as long nobody
--     can fall asleep: a dispatcher gets the exclusive lock only when every producer that did not notify has
--     ended, and it looks at the queue once more after getting it. So no message is missed.
--   * It is refused: somebody sleeps (or falls asleep just now) and is notified when this transaction commits, or,
--     where outbox.ring may not, polls.
-- A lock dies with its connection and with the server: nothing is left behind by a crash.
-- Called for each insert, so it does without a pinned search_path; it has its caller's rights only.
CREATE OR REPLACE FUNCTION outbox.wake(channel_id integer, name text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7301, channel_id) THEN
        PERFORM outbox.ring('outbox_wake', name);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.wake IS
    'Notifies the sleeping dispatchers of a channel, if any; else keeps them awake until the transaction ends';

CREATE OR REPLACE FUNCTION outbox.backoff(base interval, cap interval, attempts integer) RETURNS interval
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base_s double precision := extract(epoch FROM base);
    cap_s double precision := extract(epoch FROM cap);
    floor_s double precision := base_s / 10;
    top_s double precision := least(cap_s, base_s * power(2, least(attempts, 100) - 1));
BEGIN
    RETURN make_interval(secs => floor_s + random() * (top_s - floor_s));
END
$$;

COMMENT ON FUNCTION outbox.backoff IS
    'Wait after so many used attempts: uniform between a tenth of base and min(cap, base * 2^(attempts - 1))';
