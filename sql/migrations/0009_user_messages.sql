-- Messages that know their user: whether they may be sent is asked at release and at the claim, and a device is
-- retired by the provider's answer about it.

ALTER TABLE outbox.message
    ADD COLUMN notification_id bigint,
    ADD COLUMN device_id bigint,
    ADD COLUMN template_id integer,
    ADD COLUMN user_id text COLLATE "C",
    ADD COLUMN category text COLLATE "C",
    ADD COLUMN environment text,
    ADD COLUMN cost numeric,
    ADD COLUMN currency text;

CREATE INDEX message_notification_idx ON outbox.message (notification_id) WHERE notification_id IS NOT NULL;

COMMENT ON COLUMN outbox.message.notification_id IS 'The notification it was made from; NULL = inserted as it is';
COMMENT ON COLUMN outbox.message.device_id IS 'The device it goes to, whatever its token is by then';
COMMENT ON COLUMN outbox.message.template_id IS
    'The version that renders it in the dispatcher; payload then holds its variables';
COMMENT ON COLUMN outbox.message.user_id IS 'Whose refusals and quiet hours count; NULL = nobody''s';
COMMENT ON COLUMN outbox.message.category IS 'The category they are asked for; goes with user_id';
COMMENT ON COLUMN outbox.message.environment IS 'sandbox: by a provider of that environment; NULL = production';

COMMENT ON COLUMN outbox.message.cost IS 'What the vendor said that it charges; NULL = it does not say';

ALTER TABLE outbox.provider ADD COLUMN environment text NOT NULL DEFAULT 'production'
    CONSTRAINT environment_is_known CHECK (environment IN ('production', 'sandbox'));

COMMENT ON COLUMN outbox.provider.environment IS 'sandbox: only for tokens of APNs'' sandbox';

-- Not earlier than `at`, whatever the clocks of a summer time night do. No pinned search_path: it is inlined.
CREATE FUNCTION outbox.quiet_end(at timestamptz, timezone text, quiet_from time, quiet_until time)
RETURNS timestamptz
LANGUAGE sql STABLE
RETURN CASE
    WHEN quiet_from < quiet_until
        AND (at AT TIME ZONE timezone)::time >= quiet_from AND (at AT TIME ZONE timezone)::time < quiet_until
        THEN greatest(((at AT TIME ZONE timezone)::date + quiet_until) AT TIME ZONE timezone, at)
    WHEN quiet_from > quiet_until AND (at AT TIME ZONE timezone)::time >= quiet_from
        THEN ((at AT TIME ZONE timezone)::date + 1 + quiet_until) AT TIME ZONE timezone
    WHEN quiet_from > quiet_until AND (at AT TIME ZONE timezone)::time < quiet_until
        THEN greatest(((at AT TIME ZONE timezone)::date + quiet_until) AT TIME ZONE timezone, at)
END;

COMMENT ON FUNCTION outbox.quiet_end(timestamptz, text, time, time) IS
    'When the quiet hours that hold at a moment end; NULL = it is not quiet';

-- The only place that judges. Asked when messages are made, when they are released and when they are claimed: an
-- opt-out that was committed before the claim is honoured, however long the message has waited. It has no pinned
-- search_path, because it is to be inlined into those statements; its names are bound when it is created.
CREATE FUNCTION outbox.standing(
    at timestamptz, channel text, recipient text, lane outbox.lane, user_id text, category text,
    notification_id bigint, device_id bigint
) RETURNS TABLE (refusal text, wait_until timestamptz, moved_to text)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT
        CASE WHEN s.address IS NOT NULL THEN 'the address is suppressed' ELSE known.refusal END,
        known.wait_until,
        nullif(known.address, standing.recipient)
    FROM (SELECT) AS row
        -- Of a message that knows nobody the executor visits none of these tables.
        LEFT JOIN LATERAL (
            SELECT
                CASE
                    WHEN standing.device_id IS NOT NULL AND (d.id IS NULL OR d.retired_at IS NOT NULL)
                        THEN 'the device was retired: ' || coalesce(d.retired_reason, 'deleted')
                    WHEN d.user_id <> standing.user_id THEN 'the device belongs to another user now'
                    WHEN standing.notification_id IS NOT NULL AND standing.device_id IS NULL
                        AND CASE standing.channel WHEN 'email' THEN c.email WHEN 'sms' THEN c.phone END IS NULL
                        THEN 'the user has no such address any more'
                    WHEN standing.user_id IS NULL OR g.consent = 'mandatory' THEN NULL
                    WHEN c.stopped_at IS NOT NULL THEN 'the user stopped all notifications'
                    WHEN g.name IS NULL THEN 'the category does not exist any more'
                    WHEN NOT coalesce(one.allowed, every.allowed, g.consent = 'opt_out') THEN
                        CASE WHEN coalesce(one.allowed, every.allowed) IS NULL
                            THEN 'no consent to ' || g.name ELSE 'the user refused ' || g.name END
                END AS refusal,
                CASE WHEN standing.lane = 'bulk' AND g.consent <> 'mandatory' THEN greatest(
                    CASE WHEN c.quiet_from IS NOT NULL THEN outbox.quiet_end(
                        standing.at, coalesce(c.timezone, (SELECT o.default_timezone FROM outbox.settings AS o)),
                        c.quiet_from, c.quiet_until) END,
                    CASE WHEN g.quiet_from IS NOT NULL AND NOT coalesce(one.at_night, every.at_night, false)
                        THEN outbox.quiet_end(
                            standing.at,
                            coalesce(c.timezone, (SELECT o.default_timezone FROM outbox.settings AS o)),
                            g.quiet_from, g.quiet_until) END)
                END AS wait_until,
                CASE
                    WHEN standing.device_id IS NOT NULL THEN d.token
                    WHEN standing.notification_id IS NOT NULL THEN
                        CASE standing.channel WHEN 'email' THEN c.email WHEN 'sms' THEN c.phone END
                END AS address
            FROM (SELECT) AS row
                LEFT JOIN outbox.device AS d ON d.id = standing.device_id
                LEFT JOIN outbox.contact AS c ON c.user_id = standing.user_id
                LEFT JOIN outbox.category AS g ON g.name = standing.category
                LEFT JOIN outbox.preference AS one ON one.user_id = standing.user_id
                    AND one.category = standing.category AND one.channel = standing.channel
                LEFT JOIN outbox.preference AS every ON every.user_id = standing.user_id
                    AND every.category = standing.category AND every.channel = '*'
            WHERE standing.user_id IS NOT NULL OR standing.notification_id IS NOT NULL
                OR standing.device_id IS NOT NULL) AS known ON true
        -- The address that it would go to: a rotated token was perhaps reported gone before the message moved on.
        LEFT JOIN outbox.suppression AS s
            ON s.channel = standing.channel AND s.address = coalesce(known.address, standing.recipient);
END;

COMMENT ON FUNCTION outbox.standing(timestamptz, text, text, outbox.lane, text, text, bigint, bigint) IS
    'Of one message: why it must not be sent (NULL = it may), until when it has to wait (NULL = not at all), '
    'and the address that its device or user has now (NULL = the one it has)';

CREATE OR REPLACE FUNCTION outbox.why_refused(new_message outbox.message) RETURNS text
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
    WHEN (new_message.user_id IS NULL) <> (new_message.category IS NULL)
        THEN 'OB007 category must be given with user_id, and user_id with category'
    WHEN new_message.category IS NOT NULL
        AND NOT EXISTS (SELECT FROM outbox.category AS g WHERE g.name = new_message.category)
        THEN 'OB007 category "' || new_message.category || '" does not exist; see outbox.category'
    WHEN octet_length(new_message.user_id) > 200 OR btrim(new_message.user_id) = ''
        THEN 'OB007 user_id must have 1 to 200 octets'
    WHEN new_message.environment NOT IN ('production', 'sandbox')
        THEN 'OB007 environment must be production or sandbox'
END;

-- Three ways, from the cheapest to the dearest: rows of one channel that cannot break a rule, with nobody asleep;
-- rows of several channels, times and users, as notifications make them by the thousand; and rows that break a
-- rule, which are looked at one by one for what to say. It has the producer's rights and no pinned search_path,
-- which would cost more than all it does; every name that is not of pg_catalog is qualified.
CREATE OR REPLACE FUNCTION outbox.after_insert() RETURNS trigger
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
                AND octet_length(m.idempotency_key) BETWEEN 1 AND 255
                AND m.user_id IS NULL AND m.category IS NULL AND m.environment IS NULL) AS plain
        FROM new_messages AS m) AS n;
    IF plain THEN
        RETURN NULL;
    END IF;
    SELECT bool_and(
            btrim(m.recipient) <> '' AND octet_length(m.recipient) <= 4096
            AND m.recipient !~ '[\x01-\x1f\x7f]' AND jsonb_typeof(m.payload) = 'object'
            AND pg_column_size(m.payload) <= 8192 AND octet_length(m.idempotency_key) BETWEEN 1 AND 255
            AND coalesce(isfinite(m.send_at), true)
            AND coalesce(isfinite(m.expires_at) AND m.expires_at > greatest(now(), m.send_at), true)
            AND (m.user_id IS NULL) = (m.category IS NULL)
            AND coalesce(octet_length(m.user_id) <= 200 AND btrim(m.user_id) <> '', true)
            AND coalesce(m.environment IN ('production', 'sandbox'), true))
        AND NOT EXISTS (
            SELECT FROM (SELECT DISTINCT o.channel, o.category FROM new_messages AS o) AS kinds
            WHERE NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = kinds.channel)
                OR (kinds.category IS NOT NULL
                    AND NOT EXISTS (SELECT FROM outbox.category AS g WHERE g.name = kinds.category)))
    INTO plain
    FROM new_messages AS m;
    IF NOT plain THEN
        SELECT min(outbox.why_refused(m.*)) INTO refusal FROM new_messages AS m;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', substr(refusal, 7) USING
            ERRCODE = left(refusal, 5), SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(refusal, ' ', 2);
    END IF;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c
    WHERE c.name IN (SELECT m.channel FROM new_messages AS m WHERE m.status = 'pending');
    RETURN NULL;
END
$$;

-- ---- Settling ----

ALTER TABLE outbox.flight_note ADD COLUMN as_ofs timestamptz[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN outbox.flight_note.as_ofs IS
    'The moment that a verdict speaks of: an address that is gone was gone then, a message in doubt was perhaps sent '
    'from then on; NULL = when the answer came';

DROP FUNCTION outbox.settle(text, integer, bigint[], text[], text[], text[], text[], timestamptz[], timestamptz[]);
DROP FUNCTION outbox.settle_unsent(
    text, integer, bigint[], text[], text[], text[], timestamptz[], timestamptz[]);

-- An index on provider_message_id of outbox.message would end HOT settling, so the ids stand in a table of their own,
-- for the channels whose providers send receipts.
ALTER TABLE outbox.channel ADD COLUMN receipts boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN outbox.channel.receipts IS 'Ids of providers are kept, so that outbox.record_receipt finds messages';

UPDATE outbox.channel SET receipts = true WHERE name IN ('email', 'sms');

CREATE TABLE outbox.provider_message (
    provider text COLLATE "C",
    provider_message_id text COLLATE "C",
    message_id bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (provider, provider_message_id)
);

CREATE INDEX provider_message_sent_idx ON outbox.provider_message (sent_at);

COMMENT ON TABLE outbox.provider_message IS 'Which message a receipt is about';

CREATE FUNCTION outbox.keep_provider_ids(message_ids bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO outbox.provider_message (provider, provider_message_id, message_id, sent_at)
    SELECT m.provider, m.provider_message_id, m.id, m.sent_at
    FROM outbox.message AS m
    WHERE m.id = ANY (message_ids) AND m.status = 'sent'
        AND octet_length(m.provider_message_id) <= 1000 -- more does not fit into the index
    ORDER BY m.provider, m.provider_message_id -- one order everywhere: two batches cannot wait for each other
    ON CONFLICT (provider, provider_message_id) DO NOTHING;
END
$$;

COMMENT ON FUNCTION outbox.keep_provider_ids(bigint[]) IS
    'Keeps the ids that providers gave to those of these messages that are sent';

-- A queue of its own, because nothing indexes the status of messages.
CREATE TABLE outbox.doubt (
    message_id bigint PRIMARY KEY,
    channel text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    sent_from timestamptz NOT NULL,
    sent_upto timestamptz NOT NULL,
    doubted_at timestamptz NOT NULL DEFAULT now(),
    next_at timestamptz NOT NULL DEFAULT now(),
    asked integer NOT NULL DEFAULT 0
);

CREATE INDEX doubt_due_idx ON outbox.doubt (channel, provider, next_at);

COMMENT ON TABLE outbox.doubt IS
    'Messages in doubt that a provider may yet be asked about; a row whose message is no longer in doubt means nothing';
COMMENT ON COLUMN outbox.doubt.provider IS 'Whom it was given to; empty = unknown, because a dispatcher was lost';
COMMENT ON COLUMN outbox.doubt.sent_from IS 'If it was sent, then between this and sent_upto';
COMMENT ON COLUMN outbox.doubt.next_at IS 'When the provider is asked next';
COMMENT ON COLUMN outbox.doubt.asked IS 'Answers that ended nothing';

-- The everyday case is a batch whose every verdict is "sent": it is one UPDATE. A session plans it once, perhaps
-- while the table is empty, and the planner cannot know how long the arrays are or how the table will grow. So
-- the plan is pinned: one index scan over m.id = ANY (ids), joined to the arrays by hash.
CREATE FUNCTION outbox.settle(
    channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[],
    reasons text[], ats timestamptz[], not_befores timestamptz[], as_ofs timestamptz[] DEFAULT NULL,
    costs numeric[] DEFAULT NULL, currencies text[] DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
DECLARE
    settled integer;
BEGIN
    UPDATE outbox.message AS m
    SET status = 'sent', provider = v.provider, provider_message_id = nullif(v.provider_id, ''),
        sent_at = coalesce(v.at, now()), finished_at = coalesce(v.at, now()),
        attempts = m.attempts + 1, last_error = NULL,
        cost = v.cost, currency = CASE WHEN v.cost IS NOT NULL THEN v.currency END
    FROM unnest(ids, verdicts, providers, provider_ids, ats, costs, currencies)
        AS v (id, verdict, provider, provider_id, at, cost, currency)
    WHERE m.id = v.id AND m.id = ANY (ids) AND m.status = 'pending' AND v.verdict = 'sent';
    GET DIAGNOSTICS settled = ROW_COUNT;
    PERFORM outbox.keep_provider_ids(ids) FROM outbox.channel AS c WHERE c.name = settle.channel AND c.receipts;
    IF settled < cardinality(ids) THEN
        settled := settled + outbox.settle_unsent(
            settle.channel, settle.dispatcher, ids, verdicts, providers, reasons, ats, not_befores, as_ofs);
    END IF;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle(
    text, integer, bigint[], text[], text[], text[], text[], timestamptz[], timestamptz[], timestamptz[], numeric[],
    text[]) IS
    'Settles the messages that are still pending by verdict; element i of each array is about ids[i]; '
    'returns how many were settled';

-- What a verdict other than "sent" does, in two steps: when the message would be tried again (NULL = never),
-- then the state that follows from it.
CREATE FUNCTION outbox.settle_unsent(
    channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[],
    ats timestamptz[], not_befores timestamptz[], as_ofs timestamptz[]
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    rules outbox.channel;
    unknown text;
    settled integer;
    gone_ids bigint[];
    gone_ats timestamptz[];
    gone_reasons text[];
    gone_providers text[];
    moved_ids bigint[];
BEGIN
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = settle_unsent.channel;
    SELECT v INTO unknown
    FROM unnest(settle_unsent.verdicts) AS v
    WHERE v IS NULL OR v NOT IN ('sent', 'retry', 'unsent', 'throttled', 'rejected', 'address_gone', 'refresh',
                                 'stopped', 'in_doubt', 'expired', 'suppressed', 'deferred', 'moved')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'verdict "%" does not exist', unknown USING ERRCODE = 'invalid_parameter_value';
    END IF;

    WITH given AS MATERIALIZED (
        SELECT m.id, m.expires_at, v.verdict, v.provider, v.reason, v.not_before, v.as_of,
            coalesce(v.at, now()) AS at,
            m.attempts + (v.verdict IN ('retry', 'in_doubt', 'rejected', 'address_gone'))::integer AS attempts
        FROM unnest(settle_unsent.ids, settle_unsent.verdicts, settle_unsent.providers, settle_unsent.reasons,
                    settle_unsent.ats, settle_unsent.not_befores, settle_unsent.as_ofs)
                AS v (id, verdict, provider, reason, at, not_before, as_of)
            JOIN outbox.message AS m ON m.id = v.id
        WHERE m.id = ANY (settle_unsent.ids) AND v.verdict <> 'sent'
    ), timed AS MATERIALIZED (
        SELECT g.*, CASE
            WHEN g.verdict = 'retry' OR (g.verdict = 'in_doubt' AND rules.in_doubt = 'resend')
            THEN CASE WHEN g.attempts < rules.max_attempts THEN greatest(
                g.not_before, now() + outbox.backoff(rules.backoff_base, rules.backoff_cap, g.attempts)) END
            WHEN g.verdict IN ('unsent', 'throttled', 'refresh', 'stopped')
            THEN coalesce(g.not_before, now() + make_interval(secs => 1 + 4 * random()))
            WHEN g.verdict IN ('deferred', 'moved') THEN coalesce(g.not_before, now())
        END AS next_at
        FROM given AS g
    ), decided AS MATERIALIZED (
        SELECT t.*, CASE
            WHEN t.next_at IS NOT NULL AND t.expires_at <= t.next_at THEN 'expired'
            WHEN t.next_at IS NOT NULL THEN 'scheduled'
            WHEN t.verdict IN ('expired', 'suppressed') THEN t.verdict
            WHEN t.verdict = 'in_doubt' AND rules.in_doubt = 'hold' THEN 'in_doubt'
            ELSE 'failed'
        END::outbox.message_status AS status
        FROM timed AS t
    ), updated AS (
        UPDATE outbox.message AS m
        SET status = d.status,
            queue_pos = CASE WHEN d.status <> 'scheduled' THEN m.queue_pos END,
            next_attempt_at = CASE WHEN d.status = 'scheduled' THEN d.next_at END,
            finished_at = CASE WHEN d.status <> 'scheduled' THEN now() END,
            attempts = d.attempts, provider = coalesce(d.provider, m.provider), last_error = d.reason
        FROM decided AS d
        WHERE m.id = d.id AND m.id = ANY (settle_unsent.ids) AND m.status = 'pending'
        RETURNING d.*
    ), doubted AS (
        INSERT INTO outbox.doubt AS d (message_id, channel, provider, sent_from, sent_upto)
        SELECT u.id, settle_unsent.channel, coalesce(u.provider, ''), least(u.as_of, u.at, now()), greatest(u.at, now())
        FROM updated AS u
        WHERE u.status = 'in_doubt'
        ON CONFLICT (message_id) DO UPDATE
        SET provider = excluded.provider, sent_from = excluded.sent_from, sent_upto = excluded.sent_upto,
            doubted_at = excluded.doubted_at, next_at = excluded.next_at, asked = 0
    ), logged AS (
        INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
        SELECT u.id, u.at, settle_unsent.dispatcher, u.attempts, u.verdict, u.provider, u.reason
        FROM updated AS u
        WHERE u.verdict NOT IN ('expired', 'suppressed', 'deferred', 'moved')
    )
    SELECT count(*), array_agg(u.id) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(coalesce(u.as_of, u.at)) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(u.reason) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(u.provider) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(u.id) FILTER (WHERE u.verdict = 'moved')
    INTO settled, gone_ids, gone_ats, gone_reasons, gone_providers, moved_ids
    FROM updated AS u;
    IF gone_ids IS NOT NULL THEN
        PERFORM outbox.retire_addresses(gone_ids, gone_ats, gone_reasons, gone_providers);
    END IF;
    IF moved_ids IS NOT NULL THEN
        PERFORM outbox.follow_addresses(moved_ids);
    END IF;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle_unsent(
    text, integer, bigint[], text[], text[], text[], timestamptz[], timestamptz[], timestamptz[]) IS
    'The part of outbox.settle for every verdict but sent';

-- The dispatcher's role may not change a recipient; this changes it only to where the user is by now.
CREATE FUNCTION outbox.follow_addresses(message_ids bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE outbox.message AS m
    SET recipient = coalesce(
        CASE
            WHEN m.device_id IS NOT NULL THEN (SELECT d.token FROM outbox.device AS d WHERE d.id = m.device_id)
            ELSE (SELECT CASE m.channel WHEN 'email' THEN c.email WHEN 'sms' THEN c.phone END
                  FROM outbox.contact AS c WHERE c.user_id = m.user_id)
        END, m.recipient)
    WHERE m.id = ANY (follow_addresses.message_ids) AND m.notification_id IS NOT NULL AND m.status = 'scheduled';
END;

COMMENT ON FUNCTION outbox.follow_addresses(bigint[]) IS
    'Gives scheduled messages the address that their device or user has now';

-- A device that is being registered at this moment is locked, perhaps for long, and surely not gone: it is left
-- alone. An address that no device has is suppressed.
CREATE FUNCTION outbox.retire_addresses(
    message_ids bigint[], gone_befores timestamptz[], reasons text[], providers text[]
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    WITH gone AS MATERIALIZED (
        SELECT d.id, v.gone_before, v.reason
        FROM unnest(retire_addresses.message_ids, retire_addresses.gone_befores, retire_addresses.reasons)
                AS v (id, gone_before, reason)
            JOIN outbox.message AS m ON m.id = v.id
            JOIN outbox.device AS d
                ON d.platform = m.channel AND d.token = m.recipient
                AND CASE WHEN m.device_id IS NOT NULL THEN d.id = m.device_id ELSE coalesce(d.app = m.app, true) END
        WHERE d.retired_at IS NULL AND d.last_seen_at <= v.gone_before
        ORDER BY d.id
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE outbox.device AS d SET retired_at = now(), retired_reason = g.reason
    FROM gone AS g
    WHERE d.id = g.id;

    INSERT INTO outbox.suppression (channel, address, reason, provider, at, message_id)
    SELECT m.channel, m.recipient, v.reason, v.provider, v.gone_before, m.id
    FROM unnest(retire_addresses.message_ids, retire_addresses.gone_befores, retire_addresses.reasons,
                retire_addresses.providers) AS v (id, gone_before, reason, provider)
        JOIN outbox.message AS m ON m.id = v.id
    WHERE NOT EXISTS (
        SELECT FROM outbox.device AS d WHERE d.platform = m.channel AND d.token = m.recipient)
        AND octet_length(m.recipient) <= 2500 -- more does not fit into the index
    ORDER BY m.channel, m.recipient -- one order everywhere: two batches cannot wait for each other
    ON CONFLICT (channel, address) DO NOTHING;
END
$$;

COMMENT ON FUNCTION outbox.retire_addresses(bigint[], timestamptz[], text[], text[]) IS
    'The provider said that the addresses of these messages were gone at these moments: retires the devices that '
    'were not seen since, and suppresses addresses that belong to no device';

-- Takes one lost flight over, unless somebody still holds one of its messages: then its claim has not ended
-- yet, or another dispatcher is at it, and the next call sees to it. NULL = nothing done.
CREATE OR REPLACE FUNCTION outbox.recover_flight(
    dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    lost outbox.flight;
    open_ids bigint[];
    doubt_ids bigint[];
    noted record;
BEGIN
    SELECT f.* INTO lost FROM outbox.flight AS f
    WHERE f.dispatcher = recover_flight.dispatcher AND f.seq = recover_flight.seq
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(l.id), '{}') INTO open_ids FROM (
        SELECT m.id FROM outbox.message AS m
        WHERE m.id = ANY (lost.message_ids) AND m.status = 'pending'
        ORDER BY m.id FOR UPDATE SKIP LOCKED) AS l;
    IF EXISTS (SELECT FROM outbox.message AS m WHERE m.id = ANY (lost.message_ids) AND m.status = 'pending'
               AND m.id <> ALL (open_ids)) THEN
        RETURN;
    END IF;

    SELECT array_agg(v.id) AS ids, array_agg(v.verdict) AS verdicts, array_agg(v.provider) AS providers,
        array_agg(v.provider_id) AS provider_ids, array_agg(v.reason) AS reasons, array_agg(v.at) AS ats,
        array_agg(v.not_before) AS not_befores, array_agg(v.as_of) AS as_ofs
    INTO noted
    FROM (
        SELECT DISTINCT ON (u.id) u.*
        FROM outbox.flight_note AS n CROSS JOIN LATERAL unnest(
            n.message_ids, n.verdicts, n.providers, n.provider_ids, n.reasons, n.at, n.not_befores,
            n.as_ofs)
            WITH ORDINALITY AS u (id, verdict, provider, provider_id, reason, at, not_before, as_of, place)
        WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq AND u.id = ANY (open_ids)
        ORDER BY u.id, n.n DESC, u.place DESC) AS v;
    settled := coalesce(outbox.settle(
        lost.channel, lost.dispatcher, noted.ids, noted.verdicts, noted.providers, noted.provider_ids,
        noted.reasons, noted.ats, noted.not_befores, noted.as_ofs), 0);

    -- The rest was perhaps sent. What the policy sends again need not wait: it has waited long enough.
    SELECT coalesce(array_agg(o), '{}') INTO doubt_ids
    FROM unnest(open_ids) AS o WHERE o <> ALL (coalesce(noted.ids, '{}'));
    in_doubt := cardinality(doubt_ids);
    IF in_doubt > 0 THEN
        PERFORM outbox.settle(
            lost.channel, lost.dispatcher, doubt_ids, array_fill('in_doubt'::text, ARRAY[in_doubt]),
            array_fill(NULL::text, ARRAY[in_doubt]), array_fill(NULL::text, ARRAY[in_doubt]),
            array_fill(recover_flight.reason, ARRAY[in_doubt]),
            array_fill(now(), ARRAY[in_doubt]), array_fill(NULL::timestamptz, ARRAY[in_doubt]),
            array_fill(lost.started_at, ARRAY[in_doubt]));
        -- A dispatcher that is only cut off may go on until then.
        UPDATE outbox.doubt AS d SET sent_upto = greatest(d.sent_upto, lost.deadline)
        WHERE d.message_id = ANY (doubt_ids);
        UPDATE outbox.message AS m
        SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL
        WHERE m.id = ANY (doubt_ids) AND m.status = 'scheduled';
        PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = lost.channel;
    END IF;

    DELETE FROM outbox.flight_note AS n WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq;
    DELETE FROM outbox.flight AS f WHERE f.dispatcher = lost.dispatcher AND f.seq = lost.seq;
END
$$;

-- ---- Releasing ----

-- Refusals are asked for here too, so that what must not be sent does not queue; the claim asks once more. The
-- lookups want nested loops and the update must not have them, hence two functions.
CREATE OR REPLACE FUNCTION outbox.release_due(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    due_ids bigint[];
    refusals text[];
    waits timestamptz[];
BEGIN
    SELECT array_agg(d.id), array_agg(CASE WHEN d.expires_at <= now() THEN 'expired' ELSE s.refusal END),
        array_agg(s.wait_until)
    INTO due_ids, refusals, waits
    FROM (
        SELECT m.id, m.channel, m.recipient, m.lane, m.user_id, m.category, m.notification_id, m.device_id,
            m.expires_at
        FROM outbox.message AS m
        WHERE m.next_attempt_at <= now()
        ORDER BY m.next_attempt_at
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED) AS d
        -- As a condition of the join it would be asked, and then forgotten.
        LEFT JOIN LATERAL (
            SELECT j.*
            FROM outbox.standing(
                now(), d.channel, d.recipient, d.lane, d.user_id, d.category, d.notification_id, d.device_id) AS j
            WHERE d.user_id IS NOT NULL) AS s ON true;
    IF due_ids IS NULL THEN
        RETURN 0;
    END IF;
    RETURN outbox.release(due_ids, refusals, waits);
END
$$;

COMMENT ON FUNCTION outbox.release_due(integer) IS
    'Moves due scheduled messages into the queue in order, expired and refused ones to their end, and those that '
    'have to wait to a later time; returns how many';

CREATE FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamptz[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
DECLARE
    released integer;
    ready text[];
BEGIN
    -- Positions are given in the order in which the rows fell due.
    WITH placed AS MATERIALIZED (
        SELECT v.id, v.refusal, v.wait_until,
            CASE WHEN v.refusal IS NULL AND v.wait_until IS NULL THEN outbox.next_queue_pos() END AS pos
        FROM unnest(ids, refusals, waits) AS v (id, refusal, wait_until)
    ), moved AS (
        UPDATE outbox.message AS m
        SET status = CASE
                WHEN p.refusal = 'expired' THEN 'expired'
                WHEN p.refusal IS NOT NULL THEN 'suppressed'
                WHEN p.wait_until >= m.expires_at THEN 'expired'
                WHEN p.wait_until IS NOT NULL THEN 'scheduled'
                ELSE 'pending'
            END::outbox.message_status,
            queue_pos = p.pos,
            next_attempt_at = CASE
                WHEN p.refusal IS NULL AND (m.expires_at IS NULL OR p.wait_until < m.expires_at) THEN p.wait_until
            END,
            finished_at = CASE WHEN p.refusal IS NOT NULL OR p.wait_until >= m.expires_at THEN now() END,
            last_error = CASE
                WHEN p.refusal <> 'expired' THEN p.refusal
                WHEN p.refusal IS NULL AND p.wait_until IS NOT NULL THEN 'quiet hours'
                ELSE m.last_error
            END
        FROM placed AS p
        WHERE m.id = p.id AND m.id = ANY (ids) -- pins the plan, as in outbox.settle
        RETURNING m.channel, m.status
    )
    SELECT count(*), array_agg(DISTINCT v.channel) FILTER (WHERE v.status = 'pending') INTO released, ready
    FROM moved AS v;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = ANY (ready);
    RETURN released;
END
$$;

COMMENT ON FUNCTION outbox.release(bigint[], text[], timestamptz[]) IS
    'The part of outbox.release_due that moves the messages';

INSERT INTO outbox.transition (from_status, to_status) VALUES ('scheduled', 'suppressed');

REVOKE ALL ON FUNCTION
    outbox.quiet_end(timestamptz, text, time, time),
    outbox.standing(timestamptz, text, text, outbox.lane, text, text, bigint, bigint),
    outbox.settle(text, integer, bigint[], text[], text[], text[], text[], timestamptz[], timestamptz[],
                  timestamptz[], numeric[], text[]),
    outbox.settle_unsent(text, integer, bigint[], text[], text[], text[], timestamptz[], timestamptz[],
                         timestamptz[]),
    outbox.follow_addresses(bigint[]), outbox.retire_addresses(bigint[], timestamptz[], text[], text[]),
    outbox.keep_provider_ids(bigint[]), outbox.release(bigint[], text[], timestamptz[])
    FROM PUBLIC;
GRANT INSERT (user_id, category, environment) ON outbox.message TO outbox_producer;
GRANT UPDATE (cost, currency) ON outbox.message TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT, INSERT ON outbox.provider_message TO outbox_dispatcher, outbox_scheduler;
GRANT DELETE ON outbox.provider_message TO outbox_scheduler;
GRANT ALL ON outbox.provider_message, outbox.doubt TO outbox_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox.doubt TO outbox_dispatcher, outbox_scheduler;
GRANT SELECT ON outbox.doubt TO outbox_reader;
GRANT SELECT (name) ON outbox.category TO outbox_producer; -- the trigger on message has the producer's rights
GRANT EXECUTE ON FUNCTION
    outbox.quiet_end(timestamptz, text, time, time),
    outbox.standing(timestamptz, text, text, outbox.lane, text, text, bigint, bigint),
    outbox.settle(text, integer, bigint[], text[], text[], text[], text[], timestamptz[], timestamptz[],
                  timestamptz[], numeric[], text[]),
    outbox.settle_unsent(text, integer, bigint[], text[], text[], text[], timestamptz[], timestamptz[],
                         timestamptz[]),
    outbox.follow_addresses(bigint[]), outbox.retire_addresses(bigint[], timestamptz[], text[], text[]),
    outbox.keep_provider_ids(bigint[])
    TO outbox_dispatcher, outbox_scheduler, outbox_admin;
GRANT EXECUTE ON FUNCTION outbox.release(bigint[], text[], timestamptz[]) TO outbox_scheduler, outbox_admin;
