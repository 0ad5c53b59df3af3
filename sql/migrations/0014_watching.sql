-- What nobody claims expires; the history of the queues; what needs a person.

-- ---- Expiry of what nobody claims ----

-- First the locks, then the look at the flights: what is in the air now is locked or in a flight.
CREATE FUNCTION outbox.expire_messages(ids bigint[]) RETURNS integer
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
    RETURN expired;
END
$$;

COMMENT ON FUNCTION outbox.expire_messages(bigint[]) IS 'The part of outbox.expire_waiting that changes messages';

CREATE FUNCTION outbox.expire_waiting(max_rows integer DEFAULT 5000) RETURNS integer
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

COMMENT ON FUNCTION outbox.expire_waiting(integer) IS
    'Ends pending messages whose time has passed though nobody claims them; visits some of each queue at a call and '
    'returns how many expired';

-- ---- History of the queues ----

CREATE TABLE outbox.queue_history (
    at timestamptz NOT NULL,
    channel text COLLATE "C" NOT NULL,
    lane outbox.lane NOT NULL,
    estimated boolean NOT NULL,
    pending bigint NOT NULL,
    scheduled bigint NOT NULL,
    in_air bigint NOT NULL,
    oldest_ready_age interval NOT NULL,
    PRIMARY KEY (at, channel, lane)
);

COMMENT ON TABLE outbox.queue_history IS 'Depth and age of the queues over the last 30 days, for plots';
COMMENT ON COLUMN outbox.queue_history.estimated IS
    'pending was too much to be counted: it is estimated from 20 samples of 1,000 positions';
COMMENT ON COLUMN outbox.queue_history.pending IS 'With what is in the air; exact unless estimated';
COMMENT ON COLUMN outbox.queue_history.scheduled IS
    'Exact up to 20,000 in all channels, else the share of the channel in the 20,000 that fall due first, of the '
    'number that the statistics of message_due_idx tell';
COMMENT ON COLUMN outbox.queue_history.in_air IS 'Exact';
COMMENT ON COLUMN outbox.queue_history.oldest_ready_age IS 'Of what was counted or sampled; 0 = nothing is pending';

-- Twenty windows over the queue's positions. Where a window has no more than 1,000 rows, these are counted; else
-- their density is taken for the whole window.
CREATE FUNCTION outbox.measure_queue(
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

COMMENT ON FUNCTION outbox.measure_queue(text, outbox.lane) IS
    'Depth and age of a queue, reading 20,000 of its rows at most';

CREATE FUNCTION outbox.snapshot_queues() RETURNS integer
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

COMMENT ON FUNCTION outbox.snapshot_queues() IS
    'Notes depth and age of each queue in outbox.queue_history; returns how many queues';

-- ---- Time zones ----

-- A zone may be unknown after an update of the time zone database or on another server, and one such row would stop
-- every release and claim that reads it. The index is asked for the next zone again and again: there are few.
CREATE FUNCTION outbox.forget_unknown_timezones() RETURNS integer
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

COMMENT ON FUNCTION outbox.forget_unknown_timezones() IS
    'Users whose time zone the server does not know (any more) get the default one; returns how many';

REVOKE ALL ON FUNCTION outbox.forget_unknown_timezones() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox.forget_unknown_timezones() TO outbox_scheduler, outbox_admin;

-- ---- Health ----

-- Only members of pg_read_all_stats see what other roles' sessions do, so it has the rights of its owner. A transaction
-- that pins nothing may still be one that leaving rows wait for, see outbox.leaving.
CREATE FUNCTION outbox.horizon_pins(pinned_for interval, pinned_xids bigint) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT format('pid %s (user %s, application "%s", %s) since %s, %s transactions back', a.pid, a.usename,
                  a.application_name, a.state, coalesce(a.xact_start::timestamptz(0)::text, 'an unknown time'),
                  coalesce(greatest(age(a.backend_xmin), age(a.backend_xid)), 0))
    FROM pg_stat_activity AS a
    WHERE a.pid <> pg_backend_pid() AND a.backend_type <> 'autovacuum worker'
        AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL OR EXISTS (
            SELECT FROM pg_locks AS k JOIN outbox.leaving AS l ON k.virtualtransaction = ANY (l.running)
            WHERE k.pid = a.pid AND k.locktype = 'virtualxid' AND k.mode = 'ExclusiveLock'))
        AND (a.datid IS NULL OR a.datid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
        AND (a.xact_start <= now() - pinned_for
             OR greatest(age(a.backend_xmin), age(a.backend_xid)) >= pinned_xids)
    UNION ALL
    SELECT format('replication slot "%s" (%s), %s transactions back', r.slot_name,
                  CASE WHEN r.active THEN 'active' ELSE 'nobody reads it' END, age(r.xmin))
    FROM pg_replication_slots AS r
    WHERE age(r.xmin) >= pinned_xids
    UNION ALL
    SELECT format('prepared transaction "%s" (user %s) since %s, %s transactions back', p.gid, p.owner,
                  p.prepared::timestamptz(0), age(p.transaction))
    FROM pg_prepared_xacts AS p
    WHERE p.database = current_database()
        AND (p.prepared <= now() - pinned_for OR age(p.transaction) >= pinned_xids)
    UNION ALL
    SELECT format('sessions of other roles are hidden from "%s": GRANT pg_read_all_stats TO it', current_user)
    WHERE NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE');
END;

COMMENT ON FUNCTION outbox.horizon_pins(interval, bigint) IS
    'Who keeps vacuum from removing dead rows, or rows from leaving for the archive, for so long, or since so many '
    'transactions';

CREATE FUNCTION outbox.check_health(
    pinned_for interval DEFAULT '5 minutes', pinned_xids bigint DEFAULT 1000000,
    ready_for interval DEFAULT '5 minutes', lost_for interval DEFAULT '1 minute'
) RETURNS TABLE ("check" text, ok boolean, detail text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
BEGIN ATOMIC
    WITH held AS MATERIALIZED (
        SELECT k.classid::bigint AS class, k.objid::bigint AS id
        FROM pg_locks AS k
        WHERE k.locktype = 'advisory' AND k.classid IN (7302, 7303) AND k.objsubid = 2 AND k.granted
            AND k.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    ), head AS MATERIALIZED (
        SELECT c.name, c.paused, l.lane, h.since,
            EXISTS (SELECT FROM outbox.dispatcher AS d JOIN held ON held.class = 7302 AND held.id = d.id
                    WHERE c.name = ANY (d.channels)) AS served
        FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l (lane)
            CROSS JOIN LATERAL (
                SELECT greatest(m.created_at, m.send_at) AS since
                FROM outbox.message AS m
                WHERE m.channel = c.name AND m.lane = l.lane AND m.status = 'pending'
                    AND m.queue_pos >= coalesce((SELECT q.low_water FROM outbox.queue AS q
                                                 WHERE q.channel = c.name AND q.lane = l.lane), 0)
                ORDER BY m.queue_pos
                LIMIT 1) AS h
    ), finding (n, "check", detail) AS (
        SELECT 1, 'horizon', p FROM outbox.horizon_pins(pinned_for, pinned_xids) AS p
        UNION ALL
        SELECT 2, 'scheduler', 'no outbox-scheduler leads'
        WHERE NOT EXISTS (SELECT FROM held WHERE held.class = 7303 AND held.id = 1)
        UNION ALL
        SELECT DISTINCT 3, 'dispatchers', format('%s has work but no dispatcher', h.name)
        FROM head AS h WHERE NOT h.served AND NOT h.paused
        UNION ALL
        SELECT 4, 'ready age', format('%s/%s waits since %s', h.name, h.lane, h.since::timestamptz(0))
        FROM head AS h WHERE h.since <= now() - ready_for AND NOT h.paused
        UNION ALL
        SELECT 5, 'providers', format('%s is stopped until %s: %s', p.name, p.stopped_until::timestamptz(0),
                                      p.stop_reason)
        FROM outbox.provider AS p WHERE p.stopped_until > now()
        UNION ALL
        SELECT 6, 'channels', format('%s is paused', c.name) FROM outbox.channel AS c WHERE c.paused
        UNION ALL
        SELECT 7, 'flights', format('%s messages of %s are in a lost flight since %s', cardinality(f.message_ids),
                                    f.channel, f.started_at::timestamptz(0))
        FROM outbox.flight AS f
        WHERE f.deadline <= now() - lost_for
            OR (f.started_at <= now() - lost_for
                AND NOT EXISTS (SELECT FROM held WHERE held.class = 7302 AND held.id = f.dispatcher))
        UNION ALL
        SELECT 8, 'in doubt', format('%s messages wait for outbox.resolve_doubt, the oldest is %s', count(*), min(m.id))
        FROM (SELECT DISTINCT a.message_id FROM outbox.attempt AS a WHERE a.verdict = 'in_doubt') AS d
            JOIN outbox.message AS m ON m.id = d.message_id
        WHERE m.status = 'in_doubt'
        HAVING count(*) > 0
        UNION ALL
        SELECT 9, 'schedules', format('%s: %s', s.name, s.error) FROM outbox.schedule AS s WHERE s.error IS NOT NULL
        UNION ALL
        SELECT 9, 'schedules', format('%s, firing of %s: %s', s.name, f.fire_at, f.error)
        FROM outbox.firing AS f JOIN outbox.schedule AS s ON s.id = f.schedule_id
        WHERE f.state IN ('gathering', 'expanding') AND f.error IS NOT NULL
    )
    SELECT c.name, count(f.n) = 0, coalesce(string_agg(f.detail, '; ' ORDER BY f.detail), '')
    FROM unnest(ARRAY['horizon', 'scheduler', 'dispatchers', 'ready age', 'providers', 'channels', 'flights',
                      'in doubt', 'schedules']) WITH ORDINALITY AS c (name, n)
        LEFT JOIN finding AS f ON f.n = c.n
    GROUP BY c.name, c.n
    ORDER BY c.n;
END;

COMMENT ON FUNCTION outbox.check_health(interval, bigint, interval, interval) IS
    'outbox.health with limits of one''s own: the age of what pins the horizon, in time and in transactions, of the '
    'oldest ready message, and of a flight without its dispatcher';

-- Messages in doubt are found by their attempts: an index on the status would be written by every settling.
CREATE INDEX attempt_in_doubt_idx ON outbox.attempt (message_id) WHERE verdict = 'in_doubt';

CREATE VIEW outbox.health AS SELECT * FROM outbox.check_health();

COMMENT ON VIEW outbox.health IS 'One row per check; what is not ok needs a person';

REVOKE ALL ON FUNCTION
    outbox.expire_messages(bigint[]), outbox.expire_waiting(integer), outbox.measure_queue(text, outbox.lane),
    outbox.snapshot_queues(), outbox.horizon_pins(interval, bigint),
    outbox.check_health(interval, bigint, interval, interval)
    FROM PUBLIC;
GRANT SELECT, INSERT, DELETE ON outbox.queue_history TO outbox_scheduler;
GRANT DELETE ON outbox.attempt TO outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.expire_messages(bigint[]), outbox.expire_waiting(integer), outbox.measure_queue(text, outbox.lane),
    outbox.snapshot_queues()
    TO outbox_scheduler;
GRANT SELECT ON outbox.queue_history, outbox.health TO outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.check_health(interval, bigint, interval, interval) TO outbox_reader;
GRANT ALL ON outbox.queue_history, outbox.health TO outbox_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
