-- Views for people, and who may do what.

CREATE VIEW outbox.delivery AS
SELECT id, idempotency_key, outbox.message_uuid(idempotency_key) AS uuid, channel, recipient, status, lane, app,
    provider, provider_message_id, created_at, send_at, next_attempt_at, expires_at, sent_at, finished_at, attempts, last_error
FROM outbox.message;

COMMENT ON VIEW outbox.delivery IS 'What became of each message';

CREATE VIEW outbox.in_the_air AS
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

CREATE VIEW outbox.queue_stats AS
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

REVOKE ALL ON ALL TABLES IN SCHEMA outbox FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA outbox FROM PUBLIC;
GRANT USAGE ON SCHEMA outbox
    TO outbox_producer, outbox_dispatcher, outbox_scheduler, outbox_reader, outbox_admin;

-- RETURNING id, and ON CONFLICT (idempotency_key), need the right to read these two columns.
GRANT INSERT (channel, lane, app, recipient, payload, idempotency_key, send_at, expires_at),
    SELECT (id, idempotency_key) ON outbox.message TO outbox_producer;
GRANT SELECT (id, name) ON outbox.channel TO outbox_producer; -- the trigger on message has the producer's rights
GRANT USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_producer;
GRANT EXECUTE ON FUNCTION
    outbox.send(text, text, jsonb, text, outbox.lane, text, timestamptz, timestamptz),
    outbox.cancel(text), outbox.why_refused(outbox.message), outbox.wake(integer, text)
    TO outbox_producer;

GRANT SELECT, UPDATE (status, queue_pos, next_attempt_at, sent_at, finished_at, attempts, provider,
                      provider_message_id, last_error) ON outbox.message TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT ON outbox.channel, outbox.provider TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, INSERT ON outbox.suppression, outbox.attempt TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON outbox.dispatcher, outbox.flight, outbox.flight_note, outbox.queue TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_dispatcher, outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.message_uuid(text), outbox.next_queue_pos(), outbox.wake(integer, text),
    outbox.backoff(interval, interval, integer),
    outbox.settle(text, integer, bigint[], text[], text[], text[], text[], timestamptz[], timestamptz[]),
    outbox.settle_unsent(text, integer, bigint[], text[], text[], text[], timestamptz[], timestamptz[]),
    outbox.recover_flight(integer, bigint, text), outbox.recover_flights(interval, integer),
    outbox.raise_low_water(text, outbox.lane, bigint), outbox.next_due()
    TO outbox_dispatcher, outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.register_dispatcher(text, text, integer, text[]), outbox.reattach_dispatcher(integer),
    outbox.unregister_dispatcher(integer), outbox.stop_provider(text, text, interval)
    TO outbox_dispatcher;
GRANT EXECUTE ON FUNCTION outbox.release_due(integer) TO outbox_scheduler;

GRANT SELECT ON outbox.delivery, outbox.queue_stats, outbox.in_the_air, outbox.attempt, outbox.suppression,
    outbox.channel TO outbox_reader;
GRANT EXECUTE ON FUNCTION outbox.message_uuid(text) TO outbox_reader;

GRANT ALL ON ALL TABLES IN SCHEMA outbox TO outbox_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA outbox TO outbox_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
