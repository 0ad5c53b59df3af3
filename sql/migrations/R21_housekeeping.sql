-- Duties that keep house: what nobody claims expires, old days go, the depth of the queues is noted.

-- ---- Expiry of what nobody claims ----

-- First the locks, then the look at the flights: what is in the air now is locked or in a flight.
CREATE OR REPLACE FUNCTION outbox.expire_messages(ids bigint[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
DECLARE
    locked bigint[];
    expired integer;
BEGIN
    SELECT array_agg(l.id) INTO locked
    FROM (
        SELECT m.id FROM outbox.message AS m
        WHERE m.id = ANY (ids) AND m.status = 'pending' AND m.expires_at <= now()
        ORDER BY m.id
        FOR UPDATE SKIP LOCKED) AS l;
    UPDATE outbox.message AS m SET status = 'expired', finished_at = now()
    WHERE m.id = ANY (locked) AND m.id NOT IN (
        SELECT u.id FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS u (id));
    GET DIAGNOSTICS expired = ROW_COUNT;
    PERFORM outbox.note_moves(locked, array_fill('pending'::outbox.message_status, ARRAY[cardinality(locked)]))
    WHERE expired > 0;
    RETURN expired;
END
$$;

COMMENT ON FUNCTION outbox.expire_messages IS 'The part of outbox.expire_waiting that changes messages';

CREATE OR REPLACE FUNCTION outbox.expire_waiting(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    walk outbox.walk;
    step record;
    late bigint[] := '{}';
BEGIN
    INSERT INTO outbox.walk (duty, channel, lane)
    SELECT 'expire_waiting', c.name, l FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l
    WHERE NOT EXISTS (
        SELECT FROM outbox.walk AS w WHERE w.duty = 'expire_waiting' AND w.channel = c.name AND w.lane = l)
    ON CONFLICT DO NOTHING;
    FOR walk IN
        SELECT w.* FROM outbox.walk AS w
        WHERE w.duty = 'expire_waiting' AND w.next_round_at <= now()
        ORDER BY w.channel, w.lane
        FOR UPDATE SKIP LOCKED
    LOOP
        EXIT WHEN cardinality(late) >= max_rows;
        WITH visited AS MATERIALIZED (
            SELECT m.id, m.queue_pos, m.status = 'pending' AND m.expires_at <= now() AS late
            FROM outbox.message AS m
            WHERE m.channel = walk.channel AND m.lane = walk.lane AND m.queue_pos >= greatest(
                walk.position + 1, (SELECT q.low_water FROM outbox.queue AS q
                                    WHERE q.channel = walk.channel AND q.lane = walk.lane))
            ORDER BY m.queue_pos
            LIMIT max_rows
        )
        SELECT array_agg(v.id) FILTER (WHERE v.late) AS ids,
            CASE WHEN count(*) = max_rows THEN max(v.queue_pos) END AS reached
        INTO step
        FROM visited AS v;
        late := late || coalesce(step.ids, '{}');
        PERFORM outbox.end_walk(walk, NULL, step.reached, 0, NULL, '5 seconds');
    END LOOP;
    RETURN CASE WHEN late <> '{}' THEN outbox.expire_messages(late) ELSE 0 END;
END
$$;

COMMENT ON FUNCTION outbox.expire_waiting IS
    'Ends pending messages whose time has passed though nobody claims them; visits some of each queue at a call and '
    'returns how many expired';

-- ---- Old days ----

CREATE OR REPLACE VIEW outbox.partitions AS
SELECT p.relname::text AS parent, c.relname::text AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day,
    pg_total_relation_size(c.oid) AS size
FROM pg_catalog.pg_inherits AS i
    JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
WHERE n.nspname = 'outbox' AND p.relname IN ('archive', 'notification_archive') AND c.relkind = 'r';

COMMENT ON VIEW outbox.partitions IS 'The days that the archives hold';

-- The locks that a drop takes are kept until the transaction ends, and the archive waits for them, so nothing else
-- is done after it. Who does not get the lock at once tries again next time.
CREATE OR REPLACE FUNCTION outbox.drop_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
    old text;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT p.name
        FROM outbox.partitions AS p CROSS JOIN outbox.settings AS s
        WHERE (p.day + 1)::timestamp AT TIME ZONE 'UTC' <= now() - s.keep_archive
        ORDER BY p.parent, p.name
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE outbox.%I', old);
            dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
    RETURN dropped;
END
$$;

COMMENT ON FUNCTION outbox.drop_partitions IS
    'Drops the days of the archives that are older than settings.keep_archive; returns how many';

CREATE OR REPLACE FUNCTION outbox.drop_old_days() RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    kept_since CONSTANT timestamptz := now() - (SELECT s.keep_archive FROM outbox.settings AS s);
BEGIN
    PERFORM outbox.make_partition(p.parent, now() + make_interval(days => d.ahead))
    FROM unnest(ARRAY['archive', 'notification_archive']) AS p (parent), generate_series(0, 1) AS d (ahead);
    DELETE FROM outbox.queue_history AS h
    WHERE h.at < now() - interval '30 days' AND h.at <= (
        SELECT max(o.at) FROM (SELECT n.at FROM outbox.queue_history AS n ORDER BY n.at LIMIT 10000) AS o);
    DELETE FROM outbox.attempt AS a
    WHERE a.at < kept_since AND a.id <= (
        SELECT max(o.id) FROM (SELECT n.id FROM outbox.attempt AS n ORDER BY n.id LIMIT 10000) AS o);
    -- As many as may have come in a busy minute: one for each message of some channels.
    DELETE FROM outbox.provider_message AS p
    WHERE p.sent_at < kept_since AND p.sent_at <= (
        SELECT max(o.sent_at)
        FROM (SELECT n.sent_at FROM outbox.provider_message AS n ORDER BY n.sent_at LIMIT 50000) AS o);
    DELETE FROM outbox.receipt AS r
    WHERE r.recorded_at < kept_since AND r.recorded_at <= (
        SELECT max(o.recorded_at)
        FROM (SELECT n.recorded_at FROM outbox.receipt AS n ORDER BY n.recorded_at LIMIT 50000) AS o);
    DELETE FROM outbox.audit_finding AS a WHERE a.at < kept_since;
    DELETE FROM outbox.ledger_block AS l
    WHERE (l.messages = 0 OR (l.place > '-infinity' AND (l.place + 1)::timestamp AT TIME ZONE 'UTC' <= kept_since))
        AND l.block <= (
            SELECT max(o.block) FROM (SELECT n.block FROM outbox.ledger_block AS n ORDER BY n.block LIMIT 10000) AS o);
    DELETE FROM outbox.doubt AS d WHERE d.sent_upto < now() - interval '1 day';
    DELETE FROM outbox.provider_state AS s
    WHERE NOT EXISTS (SELECT FROM outbox.dispatcher AS d WHERE d.id = s.dispatcher);
    PERFORM outbox.forget_keys(10000);
    RETURN outbox.drop_partitions();
END
$$;

COMMENT ON FUNCTION outbox.drop_old_days IS
    'Makes the partitions of today and tomorrow, deletes some of the old rows of the log of attempts, of '
    'outbox.queue_history, of receipts and the ids they go by, and of outbox.used_key, drops old days; returns how '
    'many partitions were dropped';

-- ---- History of the queues ----

-- Twenty windows over the queue's positions. Where a window has no more than 1,000 rows, these are counted; else
-- their density is taken for the whole window.
CREATE OR REPLACE FUNCTION outbox.measure_queue(
    channel text, lane outbox.lane, OUT pending bigint, OUT estimated boolean, OUT oldest timestamptz
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
BEGIN ATOMIC
    WITH span AS MATERIALIZED (
        SELECT coalesce((SELECT q.low_water FROM outbox.queue AS q
                         WHERE q.channel = measure_queue.channel AND q.lane = measure_queue.lane), 0) AS low,
            (SELECT m.queue_pos FROM outbox.message AS m
             WHERE m.channel = measure_queue.channel AND m.lane = measure_queue.lane AND m.queue_pos IS NOT NULL
             ORDER BY m.queue_pos DESC LIMIT 1) AS high
    ), edge AS MATERIALIZED (
        SELECT greatest(s.low, (
                SELECT m.queue_pos FROM outbox.message AS m
                WHERE m.channel = measure_queue.channel AND m.lane = measure_queue.lane AND m.queue_pos >= s.low
                ORDER BY m.queue_pos LIMIT 1)) AS low, s.high + 1 AS high
        FROM span AS s WHERE s.high >= s.low
    ), win AS (
        SELECT e.low + (e.high - e.low) * i / 20 AS low, e.low + (e.high - e.low) * (i + 1) / 20 AS high
        FROM edge AS e CROSS JOIN generate_series(0, 19) AS i
    ), sampled AS (
        SELECT w.low, w.high, x.visited, x.pending, x.reached, x.oldest
        FROM win AS w CROSS JOIN LATERAL (
            SELECT count(*) AS visited, count(*) FILTER (WHERE r.status = 'pending') AS pending,
                max(r.queue_pos) AS reached,
                min(greatest(r.created_at, r.send_at)) FILTER (WHERE r.status = 'pending') AS oldest
            FROM (
                SELECT m.queue_pos, m.status, m.created_at, m.send_at FROM outbox.message AS m
                WHERE m.channel = measure_queue.channel AND m.lane = measure_queue.lane
                    AND m.queue_pos >= w.low AND m.queue_pos < w.high
                ORDER BY m.queue_pos LIMIT 1000) AS r) AS x
    )
    SELECT coalesce(sum(CASE
            WHEN s.visited < 1000 OR s.reached = s.high - 1 THEN s.pending
            ELSE round(s.pending::numeric * (s.high - s.low) / (s.reached + 1 - s.low))
        END), 0)::bigint,
        coalesce(bool_or(s.visited = 1000 AND s.reached < s.high - 1), false), min(s.oldest)
    FROM sampled AS s;
END;

COMMENT ON FUNCTION outbox.measure_queue IS 'Depth and age of a queue, reading 20,000 of its rows at most';

CREATE OR REPLACE FUNCTION outbox.snapshot_queues() RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    written integer;
BEGIN
    WITH due AS MATERIALIZED (
        SELECT m.channel, m.lane FROM outbox.message AS m
        WHERE m.next_attempt_at IS NOT NULL
        ORDER BY m.next_attempt_at
        LIMIT 20000
    ), total AS MATERIALIZED (
        SELECT count(*) AS seen, CASE
            WHEN count(*) < 20000 THEN 1
            ELSE greatest((SELECT c.reltuples FROM pg_class AS c
                           WHERE c.oid = 'outbox.message_due_idx'::regclass) / count(*), 1)
        END AS factor
        FROM due AS d
    ), flying AS MATERIALIZED (
        SELECT m.channel, m.lane, count(*) AS messages
        FROM outbox.message AS m
        WHERE m.status = 'pending'
            AND m.id = ANY (ARRAY(SELECT unnest(f.message_ids) FROM outbox.flight AS f))
        GROUP BY m.channel, m.lane
    )
    INSERT INTO outbox.queue_history (at, channel, lane, estimated, pending, scheduled, in_air, oldest_ready_age)
    SELECT now(), c.name, l.lane, q.estimated, q.pending,
        round((SELECT count(*) FROM due AS d WHERE d.channel = c.name AND d.lane = l.lane) * t.factor),
        coalesce((SELECT f.messages FROM flying AS f WHERE f.channel = c.name AND f.lane = l.lane), 0),
        coalesce(greatest(now() - q.oldest, '0'), '0')
    FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l (lane) CROSS JOIN total AS t
        CROSS JOIN LATERAL outbox.measure_queue(c.name, l.lane) AS q
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

COMMENT ON FUNCTION outbox.snapshot_queues IS
    'Notes depth and age of each queue in outbox.queue_history; returns how many queues';
