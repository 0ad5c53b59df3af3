-- What needs a person.

-- Only members of pg_read_all_stats see what other roles' sessions do, so it has the rights of its owner. A transaction
-- that pins nothing may still be one that leaving rows wait for, see outbox.leaving.
CREATE OR REPLACE FUNCTION outbox.horizon_pins(pinned_for interval, pinned_xids bigint) RETURNS SETOF text
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

COMMENT ON FUNCTION outbox.horizon_pins IS
    'Who keeps vacuum from removing dead rows, or rows from leaving for the archive, for so long, or since so many '
    'transactions';

CREATE OR REPLACE FUNCTION outbox.check_health(
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
        UNION ALL
        SELECT 10, 'conservation', format('%s of %s: %s', c.channel, c.day, CASE
            WHEN c.missing > 0 THEN c.missing || ' messages are missing'
            ELSE -c.missing || ' messages are more than were accepted' END)
        FROM outbox.conservation AS c WHERE NOT c.adds_up
        UNION ALL
        SELECT 11, 'audit', format('%s: %s messages%s (%s)', a.kind, sum(a.messages), ' of ' || a.channel,
                                   coalesce(a.mended, 'see outbox.audit_finding'))
        FROM outbox.audit_finding AS a WHERE a.at >= (SELECT r.started_at FROM outbox.audit_run AS r)
        GROUP BY a.kind, a.channel, a.mended
    )
    SELECT c.name, count(f.n) = 0, coalesce(string_agg(f.detail, '; ' ORDER BY f.detail), '')
    FROM unnest(ARRAY['horizon', 'scheduler', 'dispatchers', 'ready age', 'providers', 'channels', 'flights',
                      'in doubt', 'schedules', 'conservation', 'audit']) WITH ORDINALITY AS c (name, n)
        LEFT JOIN finding AS f ON f.n = c.n
    GROUP BY c.name, c.n
    ORDER BY c.n;
END;

COMMENT ON FUNCTION outbox.check_health IS
    'outbox.health with limits of one''s own: the age of what pins the horizon, in time and in transactions, of the '
    'oldest ready message, and of a flight without its dispatcher';

CREATE OR REPLACE VIEW outbox.health AS SELECT * FROM outbox.check_health();

COMMENT ON VIEW outbox.health IS 'One row per check; what is not ok needs a person';
