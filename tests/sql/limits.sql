-- The limits of what SQL takes: the last value that is accepted, and the next one, which is refused.

-- The statement's n is the value.
CREATE FUNCTION test.limit(statement text, last numeric, next numeric, refusal text) RETURNS SETOF text
LANGUAGE sql AS $$
    VALUES (test.accepted(regexp_replace(statement, '\mn\M', last::text, 'g'))),
        (test.refused(regexp_replace(statement, '\mn\M', next::text, 'g'), refusal))
$$;

INSERT INTO outbox.template (name, channel, content) VALUES ('t', 'ios', '{"body": "x"}');
INSERT INTO outbox.provider (name, channel, adapter) VALUES ('p', 'sms', 'twilio');
SELECT outbox.register_device('u', 'ios', repeat('0', 64));

-- --- Messages

SELECT test.limit('INSERT INTO outbox.message ' || row, last, next, refusal)
FROM (VALUES
    ($$ (channel, recipient, payload) VALUES ('ios', repeat('r', n), '{}') $$,
        4096, 4097, 'OB002 recipient must not be longer than 4096 octets'),
    ($$ (channel, recipient, payload) VALUES ('ios', 'r', jsonb_build_object('a', repeat('x', n - 9))) $$,
        262144, 262145, 'OB003 payload must not be longer than 262144 octets'),
    ($$ (channel, recipient, payload, idempotency_key) VALUES ('ios', 'r', '{}', repeat('k', n)) $$,
        255, 256, 'OB005 idempotency_key must have 1 to 255 octets'),
    ($$ (channel, recipient, payload, idempotency_key) VALUES ('ios', 'r', '{}', repeat('k', n)) $$,
        1, 0, 'OB005 idempotency_key must have 1 to 255 octets'),
    ($$ (channel, recipient, payload, category, user_id) VALUES ('ios', 'r', '{}', 'service', repeat('u', n)) $$,
        200, 201, 'OB007 user_id must have 1 to 200 octets'))
    AS limits (row, last, next, refusal);

-- --- Users

SELECT test.limit('SELECT outbox.' || call, last, next, refusal)
FROM (VALUES
    ($$ register_device(repeat('u', n), 'ios', repeat('1', 64)) $$,
        200, 201, 'OB007 user_id must have 1 to 200 octets'),
    ($$ register_device('u', 'ios', repeat('1', 64), app => repeat('a', n)) $$,
        255, 256, 'OB007 app must have at most 255 octets'),
    ($$ register_device('u', 'ios', repeat('0', n)) $$, 32, 30, 'OB007 token must be an APNs device token'),
    ($$ register_device('u', 'ios', repeat('0', n)) $$, 400, 402, 'OB007 token must be an APNs device token'),
    ($$ register_device('u', 'android', repeat('x', n)) $$, 20, 19, 'OB007 token must be an FCM registration token'),
    ($$ register_device('u', 'android', repeat('x', n)) $$,
        2048, 2049, 'OB007 token must be an FCM registration token'),
    ($$ register_device('u', 'web', format('{"keys": {"auth": "%s", "p256dh": "B%s"}, "endpoint": "https://%s"}',
            repeat('b', 22), repeat('a', 86), repeat('e', n - 169))) $$,
        2048, 2049, 'OB007 token must not be longer than 2048 octets'),
    ($$ set_contact('u', email => repeat('a', n - 4) || '@b.c') $$, 254, 255, 'OB007 email must be a mail address'),
    ($$ set_contact('u', phone => '+' || repeat('1', n)) $$, 7, 6, 'OB007 phone must be a number like +8210'),
    ($$ set_contact('u', phone => '+' || repeat('1', n)) $$, 15, 16, 'OB007 phone must be a number like +8210'))
    AS limits (call, last, next, refusal);

-- --- Notifications, templates, schedules

SELECT test.limit('SELECT outbox.' || call, last, next, refusal)
FROM (VALUES
    ($$ notify(repeat('u', n), 't') $$, 200, 201, 'OB009 user_id must have 1 to 200 octets'),
    ($$ notify('u', 't', jsonb_build_object('a', repeat('x', n - 9))) $$,
        65536, 65537, 'OB009 variables must not be longer than 65536 octets'),
    ($$ notify('u', 't', idempotency_key => repeat('k', n)) $$,
        1, 0, 'OB005 idempotency_key must have 1 to 200 octets'),
    ($$ notify('u', 't', idempotency_key => repeat('k', n)) $$,
        200, 201, 'OB005 idempotency_key must have 1 to 200 octets'),
    ($$ mustache(repeat('{{#a}}', n) || repeat('{{/a}}', n), '{"a":true}') $$,
        64, 65, 'OB008 line 1: section "a" is nested more than 64 deep'),
    ($$ mustache('{{>p1}}', '{}', (SELECT jsonb_object_agg('p' || i, CASE WHEN i < n THEN '{{>p' || i + 1 || '}}'
            ELSE 'end' END) FROM generate_series(1, n) AS i)) $$,
        32, 33, 'OB008 partial "p33" is nested more than 32 deep'),
    ($$ cron_check(rpad('* * * * *', n), 'UTC') $$, 1000, 1001, 'OB010 cron must not be longer than 1000 characters'))
    AS limits (call, last, next, refusal);

SELECT test.limit($$ INSERT INTO outbox.schedule (name, cron, audience, template, category)
    VALUES (repeat('x', n), '0 9 * * *', 'SELECT user_id FROM outbox.device', 't', 'service') $$,
    last, next, 'OB010 name must')
FROM (VALUES (1, 0), (63, 64)) AS limits (last, next);

-- --- Channels and providers

SELECT test.limit(format('UPDATE outbox.channel SET %s = n WHERE name = %L', setting, 'sms'), last, next, '23514 ')
FROM (VALUES
    ('max_attempts', 1, 0), ('max_attempts', 1000, 1001), ('batch_size', 1, 0), ('batch_size', 5000, 5001),
    ('bulk_share', 0, -1), ('bulk_share', 100, 101))
    AS limits (setting, last, next);

SELECT test.limit(format('UPDATE outbox.provider SET %s = n', setting), last, next, '23514 ')
FROM (VALUES
    ('weight', 1, 0), ('weight', 1000, 1001), ('gone_limit', 1, 0), ('gone_limit', 100, 101), ('max_connections', 1, 0),
    ('max_connections', 64, 65), ('max_streams', 1, 0), ('max_streams', 10000, 10001), ('max_in_flight', 1, 0),
    ('rate_per_day', 1, 0), ('rate_per_second', 0.001, 0.0009), ('rate_per_second', 1000000, 1000001))
    AS limits (setting, last, next);

SELECT test.limit($$ UPDATE outbox.provider SET regions = array_fill('+1'::text, ARRAY[n]) $$, 256, 257, '23514 ');
SELECT test.limit($$ UPDATE outbox.provider SET regions = ARRAY['+' || repeat('1', n)] $$, last, next, 'OB006 regions')
FROM (VALUES (1, 0), (15, 16)) AS limits (last, next);

-- The adapter http: number of headers, seconds of a rule.
SELECT test.limit('INSERT INTO outbox.provider (name, channel, adapter, settings) SELECT ''v'' || gen_random_uuid(), '
    '''sms'', ''http'', jsonb_build_object(''url'', ''https://api.example'', ' || setting || ')', last, next, refusal)
FROM (VALUES
    ($$ 'headers', (SELECT jsonb_object_agg('x-' || i, 'v') FROM generate_series(1, n) AS i) $$,
        12, 13, 'OB006 settings.headers: must not be more than 12'),
    ($$ 'response', '{"rules": [{"status": ["5xx"], "verdict": "retry", "wait": n}]}'::jsonb $$,
        1, 0, 'OB006 settings.response.rules[0].wait'),
    ($$ 'response', '{"rules": [{"status": ["5xx"], "verdict": "retry", "wait": n}]}'::jsonb $$,
        86400, 86401, 'OB006 settings.response.rules[0].wait'))
    AS limits (setting, last, next, refusal);

-- --- Receipts

SELECT test.limit('SELECT outbox.record_receipt(' || arguments || ', ''delivered'')', last, next, refusal)
FROM (VALUES
    ($$ repeat('p', n), '1' $$, 1, 0, 'OB011 provider must have 1 to 500 octets'),
    ($$ repeat('p', n), '1' $$, 500, 501, 'OB011 provider must have 1 to 500 octets'),
    ($$ 'p', repeat('i', n) $$, 1, 0, 'OB011 provider_message_id must have 1 to 1000 octets'),
    ($$ 'p', repeat('i', n) $$, 1000, 1001, 'OB011 provider_message_id must have 1 to 1000 octets'))
    AS limits (arguments, last, next, refusal);
