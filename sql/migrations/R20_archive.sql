-- Finished rows leave the hot tables for the archive, in the three steps that stand at outbox.leaving.

CREATE OR REPLACE FUNCTION outbox.make_partition(parent text, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    day date := (at AT TIME ZONE 'UTC')::date;
    name text := parent || to_char(day, '_YYYYMMDD');
BEGIN
    IF parent NOT IN ('archive', 'notification_archive') THEN
        RAISE EXCEPTION 'outbox.% has no partitions', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass('outbox.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7304, 1);
    IF to_regclass('outbox.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Made apart and then attached, which readers and writers of the others do not notice.
    EXECUTE format('CREATE TABLE outbox.%I (LIKE outbox.%I INCLUDING DEFAULTS)', name, parent);
    EXECUTE format('ALTER TABLE outbox.%I ATTACH PARTITION outbox.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, name, day || ' 00:00+00', day + 1 || ' 00:00+00');
END
$$;

COMMENT ON FUNCTION outbox.make_partition IS
    'Makes the partition of outbox.archive or notification_archive for a moment, unless there is one';

-- From pg_locks, which hides nothing from anybody: every transaction holds a lock on its virtual id, also before
-- it has written anything. Background processes insert no keys.
CREATE OR REPLACE FUNCTION outbox.running_transactions() RETURNS text[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
RETURN ARRAY(
    SELECT l.virtualtransaction
    FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
        AND a.usesysid IS NOT NULL
        AND a.datid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()));

COMMENT ON FUNCTION outbox.running_transactions IS
    'Virtual ids of the transactions that run in other sessions of this database';

CREATE OR REPLACE FUNCTION outbox.take_leaving(kind outbox.key_kind) RETURNS bigint[]
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

COMMENT ON FUNCTION outbox.take_leaving IS
    'Takes rows off the list of leaving rows, none of which any running transaction could insert again';

-- Where a walk goes on from; NULL = not now. A new round waits until the former one's rows have left.
CREATE OR REPLACE FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) RETURNS bigint
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

COMMENT ON FUNCTION outbox.begin_walk IS 'Where a round of the archive''s walks goes on; NULL = it has to wait';

-- started: where this step began; reached: where it ended, NULL = at the end of the table.
CREATE OR REPLACE FUNCTION outbox.end_walk(
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

COMMENT ON FUNCTION outbox.end_walk IS 'Notes how far a walk came';

CREATE OR REPLACE FUNCTION outbox.forget_keys(max_rows integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM outbox.used_key AS k WHERE k.ctid = ANY (ARRAY(
        SELECT u.ctid FROM outbox.used_key AS u
        WHERE u.recorded_at <= now() - (SELECT s.key_window FROM outbox.settings AS s)
        ORDER BY u.recorded_at
        LIMIT max_rows));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION outbox.forget_keys IS
    'Deletes keys that were recorded longer than settings.key_window ago; returns how many';

-- Rows are locked in the order of their ids, as everywhere. What flights and fallbacks still need is looked at after
-- the locks were taken.
CREATE OR REPLACE FUNCTION outbox.move_messages(ids bigint[]) RETURNS integer
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

COMMENT ON FUNCTION outbox.move_messages IS
    'Moves those of these messages that are still finished, and that nobody holds or needs, to outbox.archive';

CREATE OR REPLACE FUNCTION outbox.move_notifications(ids bigint[]) RETURNS integer
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

COMMENT ON FUNCTION outbox.move_notifications IS
    'Moves those of these notifications that nobody holds or needs to outbox.notification_archive';

-- No pinned search_path: it is inlined, so that the caller's settings make its plan, which visits one of the tables.
CREATE OR REPLACE FUNCTION outbox.visit_rows(kind outbox.key_kind, after bigint, max_rows integer) RETURNS TABLE (
    id bigint, key text, used_at timestamptz, ready boolean
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    (SELECT m.id, CASE WHEN m.notification_id IS NULL THEN m.idempotency_key END, greatest(m.created_at, m.send_at),
        m.status NOT IN ('scheduled', 'pending', 'in_doubt') AND m.finished_at <= now() - s.keep_finished
    FROM outbox.message AS m CROSS JOIN outbox.settings AS s
    WHERE visit_rows.kind = 'message' AND m.id > visit_rows.after
    ORDER BY m.id
    LIMIT visit_rows.max_rows)
    UNION ALL
    (SELECT n.id, n.idempotency_key, greatest(n.created_at, n.send_at),
        n.state <> 'scheduled' AND n.fallback_at IS NULL
        AND greatest(n.created_at, n.send_at) <= now() - s.keep_finished
        AND NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.notification_id = n.id)
    FROM outbox.notification AS n CROSS JOIN outbox.settings AS s
    WHERE visit_rows.kind = 'notification' AND n.id > visit_rows.after
    ORDER BY n.id
    LIMIT visit_rows.max_rows);
END;

COMMENT ON FUNCTION outbox.visit_rows IS
    'The next messages or notifications, whether they may leave, and the key to record (NULL = none: it begins with '
    'that of a notification)';

CREATE OR REPLACE FUNCTION outbox.archive_rows(kind outbox.key_kind, duty text, max_rows integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    walk outbox.walk;
    started bigint;
    leaving bigint[];
    step record;
    moved integer := 0;
BEGIN
    SELECT w.* INTO walk FROM outbox.walk AS w WHERE w.duty = archive_rows.duty FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    WHILE moved < max_rows LOOP
        leaving := outbox.take_leaving(kind);
        EXIT WHEN leaving IS NULL;
        moved := moved + CASE kind
            WHEN 'message' THEN outbox.move_messages(leaving)
            WHEN 'notification' THEN outbox.move_notifications(leaving)
        END;
    END LOOP;
    started := outbox.begin_walk(walk, kind);
    IF started IS NULL THEN
        RETURN moved;
    END IF;
    PERFORM outbox.forget_keys(2 * max_rows); -- more than one step records, so old keys never pile up
    WITH visited AS MATERIALIZED (
        SELECT v.* FROM outbox.visit_rows(archive_rows.kind, started, 4 * max_rows) AS v
    ), chosen AS MATERIALIZED (
        SELECT v.* FROM visited AS v WHERE v.ready ORDER BY v.id LIMIT max_rows
    ), recorded AS (
        INSERT INTO outbox.used_key (key, kind, id)
        SELECT c.key, archive_rows.kind, c.id
        FROM chosen AS c CROSS JOIN outbox.settings AS s
        WHERE c.key IS NOT NULL AND c.used_at > now() - s.key_window
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
        INSERT INTO outbox.leaving (kind, ids) VALUES (archive_rows.kind, step.ids);
    END IF;
    PERFORM outbox.end_walk(walk, started, step.reached, step.found, step.lowest,
        CASE WHEN walk.found + step.found >= max_rows THEN '1 second' ELSE '30 seconds' END::interval);
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.archive_rows IS 'The part that outbox.archive_finished and archive_notifications share';

CREATE OR REPLACE FUNCTION outbox.archive_finished(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN outbox.archive_rows('message', 'archive_finished', max_rows);

COMMENT ON FUNCTION outbox.archive_finished IS
    'Moves some of the messages that are finished for longer than settings.keep_finished to outbox.archive, and '
    'records the keys of the next; returns how many were moved. A message leaves at the second call at the earliest';

CREATE OR REPLACE FUNCTION outbox.archive_notifications(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN outbox.archive_rows('notification', 'archive_notifications', max_rows);

COMMENT ON FUNCTION outbox.archive_notifications IS
    'Moves some of the notifications that are past, and of which no message is left in outbox.message, to '
    'outbox.notification_archive; as outbox.archive_finished does';
