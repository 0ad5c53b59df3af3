-- Views for people.

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

CREATE OR REPLACE VIEW outbox.notification_status AS
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

CREATE OR REPLACE VIEW outbox.schedule_status AS
SELECT s.id, s.name, s.cron, s.run_at, s.timezone, s.enabled, s.catch_up, s.next_fire_at,
    f.id AS firing_id, f.fire_at AS last_fire_at, f.state, f.audience, f.users, f.messages, f.finished_at,
    coalesce(s.error, f.error) AS error, f.retry_at
FROM outbox.schedule AS s
    LEFT JOIN LATERAL (
        SELECT l.* FROM outbox.firing AS l
        WHERE l.schedule_id = s.id
        ORDER BY l.fire_at DESC LIMIT 1) AS f ON true;

COMMENT ON VIEW outbox.schedule_status IS
    'Each schedule, when it fires next, and what became of its last firing';

CREATE OR REPLACE VIEW outbox.in_the_air AS
SELECT f.dispatcher, d.name AS dispatcher_name, d.host, f.seq, f.channel,
    cardinality(f.message_ids) AS messages, coalesce(n.noted, 0) AS noted, f.started_at, f.deadline,
    d.lost_at, f.message_ids
FROM outbox.flight AS f
    LEFT JOIN outbox.dispatcher AS d ON d.id = f.dispatcher
    LEFT JOIN LATERAL (
        SELECT count(DISTINCT u.id) AS noted
        FROM outbox.flight_note AS fn CROSS JOIN LATERAL unnest(fn.message_ids) AS u (id)
        WHERE fn.dispatcher = f.dispatcher AND fn.seq = f.seq) AS n ON true;

COMMENT ON VIEW outbox.in_the_air IS 'Batches being sent at this moment, by dispatcher';

CREATE OR REPLACE VIEW outbox.queue_stats AS
SELECT c.name AS channel, l.lane, c.paused,
    coalesce(p.pending, 0) AS pending,
    greatest(now() - p.oldest, '0') AS oldest_ready_age,
    coalesce(s.scheduled, 0) AS scheduled,
    coalesce(a.in_air, 0) AS in_air,
    (SELECT count(*)
     FROM outbox.dispatcher AS d JOIN pg_catalog.pg_locks AS k
         ON k.locktype = 'advisory' AND k.classid = 7302 AND k.objid = d.id::oid AND k.objsubid = 2 AND k.granted
     WHERE c.name = ANY (d.channels)
         AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    ) AS dispatchers
FROM outbox.channel AS c
    CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l (lane)
    LEFT JOIN outbox.queue AS q ON q.channel = c.name AND q.lane = l.lane
    LEFT JOIN LATERAL (
        SELECT count(*) AS pending, min(greatest(m.created_at, m.send_at)) AS oldest
        FROM outbox.message AS m
        WHERE m.channel = c.name AND m.lane = l.lane AND m.queue_pos >= coalesce(q.low_water, 0)
            AND m.status = 'pending') AS p ON true
    LEFT JOIN (
        SELECT m.channel, m.lane, count(*) AS scheduled
        FROM outbox.message AS m
        WHERE m.next_attempt_at IS NOT NULL
        GROUP BY m.channel, m.lane) AS s ON s.channel = c.name AND s.lane = l.lane
    LEFT JOIN (
        SELECT m.channel, m.lane, count(*) AS in_air
        FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS u (id)
            JOIN outbox.message AS m ON m.id = u.id
        WHERE m.status = 'pending'
        GROUP BY m.channel, m.lane) AS a ON a.channel = c.name AND a.lane = l.lane;

COMMENT ON VIEW outbox.queue_stats IS
    'Depth and age of each queue; pending includes what is in the air; counted by reading the queue, so not '
    'for every second on a large backlog';

CREATE OR REPLACE VIEW outbox.provider_health AS
SELECT p.name AS provider, p.channel, p.adapter,
    CASE
        WHEN NOT p.enabled THEN 'disabled'
        WHEN p.stopped_until > now() THEN 'stopped'
        WHEN s.open > 0 AND s.open = s.dispatchers THEN 'open'
        WHEN b.used_today >= p.rate_per_day THEN 'exhausted'
        WHEN s.open > 0 THEN 'partly open'
        ELSE 'working'
    END AS state,
    CASE WHEN p.enabled THEN CASE WHEN p.stopped_until > now() THEN p.stop_reason ELSE s.reason END END AS reason,
    CASE WHEN p.enabled THEN CASE WHEN p.stopped_until > now() THEN p.stopped_at ELSE s.since END END AS since,
    p.stopped_until, coalesce(s.open, 0) AS open_in_dispatchers, b.used_today, p.rate_per_day
FROM outbox.provider AS p
    LEFT JOIN LATERAL (
        SELECT count(*) AS dispatchers, count(*) FILTER (WHERE r.state <> 'closed') AS open,
            max(r.reason) FILTER (WHERE r.state <> 'closed') AS reason,
            min(r.since) FILTER (WHERE r.state <> 'closed') AS since
        FROM outbox.dispatcher AS d
            LEFT JOIN outbox.provider_state AS r ON r.dispatcher = d.id AND r.provider = p.name
        WHERE p.channel = ANY (d.channels) AND d.lost_at IS NULL) AS s ON true
    LEFT JOIN outbox.provider_budget AS b
        ON b.provider = p.name AND b.day = (now() AT TIME ZONE 'UTC')::date;

COMMENT ON VIEW outbox.provider_health IS 'Which providers work, and why one does not';
