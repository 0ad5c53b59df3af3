-- Finished rows leave the hot tables for the archive, and come back when they are sent again.
--
-- A key must never be free between its row's leaving and its record's being seen. So a row leaves in three steps,
-- each in a transaction of its own:
--   1. Its key is recorded in outbox.used_key, and the row is put on the list of leaving rows.
--   2. The transactions that run then are noted on the list: the record may be too young for their snapshots.
--   3. When all of these have ended, the row goes. Whoever inserts the key sees its record from then on; until
--      then the row itself is in the way.

CREATE TABLE outbox.leaving (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind outbox.key_kind NOT NULL,
    ids bigint[] NOT NULL,
    running text[]
);

COMMENT ON TABLE outbox.leaving IS 'Rows whose keys are recorded and which leave next';
COMMENT ON COLUMN outbox.leaving.running IS
    'Transactions that ran after recorded_by had ended; the rows stay until these have ended too';

CREATE TABLE outbox.walk (
    duty text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL DEFAULT '',
    lane outbox.lane NOT NULL DEFAULT 'transactional',
    position bigint NOT NULL DEFAULT 0,
    lowest bigint,
    found bigint NOT NULL DEFAULT 0,
    next_round_at timestamptz NOT NULL DEFAULT '-infinity',
    full_round_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (duty, channel, lane)
) WITH (fillfactor = 50);

COMMENT ON TABLE outbox.walk IS 'How far the duties that go round a table have come';
COMMENT ON COLUMN outbox.walk.position IS 'The last row that was visited: its id, or its queue_pos';
COMMENT ON COLUMN outbox.walk.lowest IS 'The lowest row that stays; the next round begins there';
COMMENT ON COLUMN outbox.walk.found IS 'Rows with which something was to be done in this round';
COMMENT ON COLUMN outbox.walk.full_round_at IS
    'From then on a round begins at the very first row: rows of late transactions and of outbox.retry lie there';

INSERT INTO outbox.walk (duty) VALUES ('archive_finished'), ('archive_notifications');

-- From pg_locks, which hides nothing from anybody: every transaction holds a lock on its virtual id, also before
-- it has written anything. Background processes insert no keys.
CREATE FUNCTION outbox.running_transactions() RETURNS text[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
RETURN ARRAY(
    SELECT l.virtualtransaction
    FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
        AND a.usesysid IS NOT NULL
        AND a.datid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()));

COMMENT ON FUNCTION outbox.running_transactions() IS
    'Virtual ids of the transactions that run in other sessions of this database';

CREATE FUNCTION outbox.take_leaving(kind outbox.key_kind) RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    running_now text[];
    ready_ids bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM outbox.leaving AS l WHERE l.kind = take_leaving.kind) THEN
        RETURN NULL;
    END IF;
    running_now := outbox.running_transactions();
    UPDATE outbox.leaving AS l SET running = running_now
    WHERE l.kind = take_leaving.kind AND l.running IS NULL AND l.recorded_by <> pg_current_xact_id();
    DELETE FROM outbox.leaving AS l
    WHERE l.id = (SELECT o.id FROM outbox.leaving AS o
                  WHERE o.kind = take_leaving.kind AND NOT o.running && running_now
                  ORDER BY o.id LIMIT 1)
    RETURNING l.ids INTO ready_ids;
    RETURN ready_ids;
END
$$;

COMMENT ON FUNCTION outbox.take_leaving(outbox.key_kind) IS
    'Takes rows off the list of leaving rows, none of which any running transaction could insert again';

-- Where a walk goes on from; NULL = not now. A new round waits until the former one's rows have left.
CREATE FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN (SELECT count(*) FROM outbox.leaving AS l WHERE l.kind = begin_walk.kind) >= 200 THEN NULL
    WHEN (walk).position > 0 THEN (walk).position
    WHEN (walk).next_round_at > now()
        OR EXISTS (SELECT FROM outbox.leaving AS l WHERE l.kind = begin_walk.kind) THEN NULL
    WHEN (walk).full_round_at <= now() THEN 0
    ELSE greatest((walk).lowest - 1, 0)
END;

COMMENT ON FUNCTION outbox.begin_walk(outbox.walk, outbox.key_kind) IS
    'Where a round of the archive''s walks goes on; NULL = it has to wait';

-- started: where this step began; reached: where it ended, NULL = at the end of the table.
CREATE FUNCTION outbox.end_walk(
    walk outbox.walk, started bigint, reached bigint, found bigint, lowest bigint, pause interval
) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE outbox.walk AS w
    SET position = coalesce(reached, 0),
        found = CASE WHEN reached IS NULL THEN 0 ELSE w.found + end_walk.found END,
        lowest = CASE WHEN (walk).position = 0 THEN end_walk.lowest ELSE coalesce(w.lowest, end_walk.lowest) END,
        full_round_at = CASE
            WHEN (walk).position = 0 AND started = 0 THEN now() + interval '1 hour' ELSE w.full_round_at END,
        next_round_at = CASE WHEN reached IS NULL THEN now() + pause ELSE w.next_round_at END
    WHERE w.duty = (walk).duty AND w.channel = (walk).channel AND w.lane = (walk).lane;
END;

COMMENT ON FUNCTION outbox.end_walk(outbox.walk, bigint, bigint, bigint, bigint, interval) IS
    'Notes how far a walk came';

-- Rows are locked in the order of their ids, as everywhere. What flights and fallbacks still need is looked at after
-- the locks were taken.
CREATE FUNCTION outbox.move_messages(ids bigint[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
DECLARE
    locked bigint[];
    days timestamptz[];
    moved integer;
BEGIN
    SELECT array_agg(l.id), array_agg(DISTINCT date_trunc('day', l.finished_at, 'UTC')) INTO locked, days
    FROM (
        SELECT m.id, m.finished_at
        FROM outbox.message AS m CROSS JOIN outbox.settings AS s
        WHERE m.id = ANY (ids) AND m.status NOT IN ('scheduled', 'pending', 'in_doubt')
            AND m.finished_at <= now() - s.keep_finished
        ORDER BY m.id
        FOR UPDATE OF m SKIP LOCKED) AS l;
    IF locked IS NULL THEN
        RETURN 0;
    END IF;
    SELECT array_agg(u.id) INTO locked
    FROM unnest(locked) AS u (id)
        LEFT JOIN (SELECT a.id FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS a (id)) AS air
            ON air.id = u.id
        LEFT JOIN (
            SELECT m.id FROM outbox.notification AS n JOIN outbox.message AS m ON m.notification_id = n.id
            WHERE n.fallback_at IS NOT NULL AND m.id = ANY (locked)) AS waiting
            ON waiting.id = u.id
    WHERE air.id IS NULL AND waiting.id IS NULL;
    PERFORM outbox.make_partition('archive', d) FROM unnest(days) AS d;
    WITH gone AS (
        DELETE FROM outbox.message AS m WHERE m.id = ANY (locked) RETURNING m.*
    )
    INSERT INTO outbox.archive (
        id, created_at, queue_pos, send_at, next_attempt_at, expires_at, sent_at, finished_at, lane, status, attempts,
        channel, app, recipient, idempotency_key, payload, provider, provider_message_id, last_error, notification_id,
        device_id, template_id, user_id, category, environment, cost, currency)
    SELECT g.id, g.created_at, g.queue_pos, g.send_at, g.next_attempt_at, g.expires_at, g.sent_at, g.finished_at,
        g.lane, g.status, g.attempts, g.channel, g.app, g.recipient, g.idempotency_key, g.payload, g.provider,
        g.provider_message_id, g.last_error, g.notification_id, g.device_id, g.template_id, g.user_id, g.category,
        g.environment, g.cost, g.currency
    FROM gone AS g;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.move_messages(bigint[]) IS
    'Moves those of these messages that are still finished, and that nobody holds or needs, to outbox.archive';

CREATE FUNCTION outbox.archive_finished(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    walk outbox.walk;
    started bigint;
    ready bigint[];
    step record;
    moved integer := 0;
BEGIN
    SELECT w.* INTO walk FROM outbox.walk AS w WHERE w.duty = 'archive_finished' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    WHILE moved < max_rows LOOP
        ready := outbox.take_leaving('message');
        EXIT WHEN ready IS NULL;
        moved := moved + outbox.move_messages(ready);
    END LOOP;
    started := outbox.begin_walk(walk, 'message');
    IF started IS NULL THEN
        RETURN moved;
    END IF;
    PERFORM outbox.forget_keys(2 * max_rows); -- more than one step records, so old keys never pile up
    WITH visited AS MATERIALIZED (
        SELECT m.id, m.created_at, m.send_at, m.notification_id, m.idempotency_key,
            m.status NOT IN ('scheduled', 'pending', 'in_doubt') AND m.finished_at <= now() - s.keep_finished AS ready
        FROM outbox.message AS m CROSS JOIN outbox.settings AS s
        WHERE m.id > started
        ORDER BY m.id
        LIMIT 4 * max_rows
    ), chosen AS MATERIALIZED (
        SELECT v.* FROM visited AS v WHERE v.ready ORDER BY v.id LIMIT max_rows
    ), recorded AS (
        INSERT INTO outbox.used_key (key, kind, id)
        SELECT c.idempotency_key, 'message', c.id
        FROM chosen AS c CROSS JOIN outbox.settings AS s
        WHERE c.notification_id IS NULL AND greatest(c.created_at, c.send_at) > now() - s.key_window
        ON CONFLICT DO NOTHING -- it came back and finished again
    )
    SELECT array_agg(c.id) AS ids, count(*) AS found,
        (SELECT min(v.id) FROM visited AS v WHERE NOT v.ready) AS lowest,
        CASE
            WHEN count(*) = max_rows THEN max(c.id)
            WHEN (SELECT count(*) FROM visited) = 4 * max_rows THEN (SELECT max(v.id) FROM visited AS v)
        END AS reached
    INTO step
    FROM chosen AS c;
    IF step.ids IS NOT NULL THEN
        INSERT INTO outbox.leaving (kind, ids) VALUES ('message', step.ids);
    END IF;
    PERFORM outbox.end_walk(walk, started, step.reached, step.found, step.lowest,
        CASE WHEN walk.found + step.found >= max_rows THEN '1 second' ELSE '30 seconds' END::interval);
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.archive_finished(integer) IS
    'Moves some of the messages that are finished for longer than settings.keep_finished to outbox.archive, and '
    'records the keys of the next; returns how many were moved. A message leaves at the second call at the earliest';

CREATE FUNCTION outbox.move_notifications(ids bigint[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    locked bigint[];
    days timestamptz[];
    moved integer;
BEGIN
    SELECT array_agg(l.id), array_agg(DISTINCT date_trunc('day', l.created_at, 'UTC')) INTO locked, days
    FROM (
        SELECT n.id, n.created_at
        FROM outbox.notification AS n
        WHERE n.id = ANY (ids) AND n.state <> 'scheduled' AND n.fallback_at IS NULL
        ORDER BY n.id
        FOR UPDATE SKIP LOCKED) AS l;
    IF locked IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM outbox.make_partition('notification_archive', d) FROM unnest(days) AS d;
    WITH gone AS (
        DELETE FROM outbox.notification AS n
        WHERE n.id = ANY (locked) AND NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.notification_id = n.id)
        RETURNING n.*
    )
    INSERT INTO outbox.notification_archive (
        id, created_at, send_at, due_at, expires_at, fallback_at, state, lane, fallback_step, firing_id, user_id,
        category, template, variables, channels, fallback, fallback_after, idempotency_key, withheld)
    SELECT g.id, g.created_at, g.send_at, g.due_at, g.expires_at, g.fallback_at, g.state, g.lane, g.fallback_step,
        g.firing_id, g.user_id, g.category, g.template, g.variables, g.channels, g.fallback, g.fallback_after,
        g.idempotency_key, g.withheld
    FROM gone AS g;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.move_notifications(bigint[]) IS
    'Moves those of these notifications that nobody holds or needs to outbox.notification_archive';

CREATE FUNCTION outbox.archive_notifications(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    walk outbox.walk;
    started bigint;
    ready bigint[];
    step record;
    moved integer := 0;
BEGIN
    SELECT w.* INTO walk FROM outbox.walk AS w WHERE w.duty = 'archive_notifications' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    WHILE moved < max_rows LOOP
        ready := outbox.take_leaving('notification');
        EXIT WHEN ready IS NULL;
        moved := moved + outbox.move_notifications(ready);
    END LOOP;
    started := outbox.begin_walk(walk, 'notification');
    IF started IS NULL THEN
        RETURN moved;
    END IF;
    PERFORM outbox.forget_keys(2 * max_rows); -- more than one step records, so old keys never pile up
    WITH visited AS MATERIALIZED (
        SELECT n.id, n.created_at, n.send_at, n.idempotency_key,
            n.state <> 'scheduled' AND n.fallback_at IS NULL
            AND greatest(n.created_at, n.send_at) <= now() - s.keep_finished
            AND NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.notification_id = n.id) AS ready
        FROM outbox.notification AS n CROSS JOIN outbox.settings AS s
        WHERE n.id > started
        ORDER BY n.id
        LIMIT 4 * max_rows
    ), chosen AS MATERIALIZED (
        SELECT v.* FROM visited AS v WHERE v.ready ORDER BY v.id LIMIT max_rows
    ), recorded AS (
        INSERT INTO outbox.used_key (key, kind, id)
        SELECT c.idempotency_key, 'notification', c.id
        FROM chosen AS c CROSS JOIN outbox.settings AS s
        WHERE greatest(c.created_at, c.send_at) > now() - s.key_window
        ON CONFLICT DO NOTHING
    )
    SELECT array_agg(c.id) AS ids, count(*) AS found,
        (SELECT min(v.id) FROM visited AS v WHERE NOT v.ready) AS lowest,
        CASE
            WHEN count(*) = max_rows THEN max(c.id)
            WHEN (SELECT count(*) FROM visited) = 4 * max_rows THEN (SELECT max(v.id) FROM visited AS v)
        END AS reached
    INTO step
    FROM chosen AS c;
    IF step.ids IS NOT NULL THEN
        INSERT INTO outbox.leaving (kind, ids) VALUES ('notification', step.ids);
    END IF;
    PERFORM outbox.end_walk(walk, started, step.reached, step.found, step.lowest,
        CASE WHEN walk.found + step.found >= max_rows THEN '1 second' ELSE '30 seconds' END::interval);
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.archive_notifications(integer) IS
    'Moves some of the notifications that are past, and of which no message is left in outbox.message, to '
    'outbox.notification_archive; as outbox.archive_finished does';

-- ---- The way back ----

CREATE FUNCTION outbox.bring_back(message_id bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old outbox.archive;
BEGIN
    SELECT a.* INTO old FROM outbox.archive AS a
    WHERE a.id = bring_back.message_id AND EXISTS (
        SELECT FROM outbox.transition AS t WHERE t.from_status = a.status AND t.to_status = 'pending')
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- When the window of its key has passed, another message may have it now.
    INSERT INTO outbox.message (
        id, created_at, send_at, expires_at, sent_at, lane, channel, app, recipient, idempotency_key, payload,
        provider, provider_message_id, last_error, notification_id, device_id, template_id, user_id, category,
        environment, cost, currency)
    OVERRIDING SYSTEM VALUE
    VALUES (old.id, old.created_at, least(old.send_at, now()), CASE WHEN old.expires_at > now() THEN old.expires_at END,
        old.sent_at, old.lane, old.channel, old.app, old.recipient, old.idempotency_key, old.payload,
        old.provider, old.provider_message_id, old.last_error, old.notification_id, old.device_id, old.template_id,
        old.user_id, old.category, old.environment, old.cost, old.currency)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM outbox.archive AS a WHERE a.id = old.id AND a.finished_at = old.finished_at;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.bring_back(bigint) IS
    'Queues an archived message that may be sent again, with its id and key; false when there is none';

CREATE OR REPLACE FUNCTION outbox.requeue(message_id bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    channel_name text;
BEGIN
    UPDATE outbox.message AS m
    SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL, finished_at = NULL,
        attempts = 0,
        expires_at = CASE WHEN m.expires_at > now() THEN m.expires_at END -- else it would expire at once
    WHERE m.id = requeue.message_id AND m.status <> 'scheduled' AND EXISTS (
        SELECT FROM outbox.transition AS t WHERE t.from_status = m.status AND t.to_status = 'pending')
    RETURNING m.channel INTO channel_name;
    IF NOT FOUND THEN
        RETURN outbox.bring_back(requeue.message_id);
    END IF;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = channel_name;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.retry(bigint) IS
    'Sends a failed, expired, cancelled, suppressed or doubtful message again, with all its attempts, also when it '
    'is archived; false when it is in none of these states';

-- ---- Views over both ----

CREATE OR REPLACE VIEW outbox.delivery AS
SELECT id, idempotency_key, outbox.message_uuid(idempotency_key) AS uuid, channel, recipient, status, lane, app,
    provider, provider_message_id, created_at, send_at, next_attempt_at, expires_at, sent_at, finished_at, attempts,
    last_error, notification_id, user_id, category, template_id, device_id, false AS archived, cost,
    currency
FROM outbox.message
UNION ALL
SELECT id, idempotency_key, outbox.message_uuid(idempotency_key), channel, recipient, status, lane, app,
    provider, provider_message_id, created_at, send_at, next_attempt_at, expires_at, sent_at, finished_at, attempts,
    last_error, notification_id, user_id, category, template_id, device_id, true, cost, currency
FROM outbox.archive;

COMMENT ON VIEW outbox.delivery IS 'What became of each message, archived or not';

CREATE VIEW outbox.notification_status AS
SELECT n.id, n.idempotency_key, n.user_id, n.category, n.template, n.created_at, n.send_at,
    x.channel, x.recipient, coalesce(x.status, n.state::text) AS status, x.reason,
    x.provider, x.attempts, x.sent_at, x.finished_at, x.message_id, n.archived
FROM (
        SELECT id, idempotency_key, user_id, category, template, created_at, send_at, state, withheld,
            false AS archived
        FROM outbox.notification
        UNION ALL
        SELECT id, idempotency_key, user_id, category, template, created_at, send_at, state, withheld, true
        FROM outbox.notification_archive) AS n
    LEFT JOIN LATERAL (
        SELECT m.channel, m.recipient, m.status::text AS status, m.last_error AS reason, m.provider, m.attempts,
            m.sent_at, m.finished_at, m.id AS message_id
        FROM outbox.delivery AS m
        WHERE m.notification_id = n.id
        UNION ALL
        SELECT w.key, NULL, 'withheld', w.value, NULL, NULL, NULL, NULL, NULL
        FROM jsonb_each_text(n.withheld) AS w) AS x ON true;

COMMENT ON VIEW outbox.notification_status IS
    'Each notification, archived or not, with its messages and with what was withheld and why; one row when there '
    'is neither';

REVOKE ALL ON FUNCTION
    outbox.running_transactions(), outbox.take_leaving(outbox.key_kind),
    outbox.begin_walk(outbox.walk, outbox.key_kind),
    outbox.end_walk(outbox.walk, bigint, bigint, bigint, bigint, interval),
    outbox.move_messages(bigint[]), outbox.archive_finished(integer),
    outbox.move_notifications(bigint[]), outbox.archive_notifications(integer), outbox.bring_back(bigint)
    FROM PUBLIC;
GRANT DELETE ON outbox.message TO outbox_scheduler;
GRANT DELETE, UPDATE (fallback_at) ON outbox.notification TO outbox_scheduler; -- UPDATE: to lock a row
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.walk, outbox.leaving TO outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.running_transactions(), outbox.take_leaving(outbox.key_kind),
    outbox.begin_walk(outbox.walk, outbox.key_kind),
    outbox.end_walk(outbox.walk, bigint, bigint, bigint, bigint, interval),
    outbox.move_messages(bigint[]), outbox.archive_finished(integer),
    outbox.move_notifications(bigint[]), outbox.archive_notifications(integer)
    TO outbox_scheduler;
GRANT SELECT ON outbox.notification_status TO outbox_reader;
GRANT ALL ON outbox.leaving, outbox.walk, outbox.delivery, outbox.notification_status TO outbox_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO outbox_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
