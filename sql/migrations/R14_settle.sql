-- Settling: what a verdict does to its message, its address and its device.
--
-- Times come from dispatchers' clocks and from vendors. None may fail a batch, which would be sent again and again, or
-- decide a date: what lies outside of a window around now is taken as now.

-- No pinned search_path: the body is bound when it is created, and without it the function is inlined.
CREATE OR REPLACE FUNCTION outbox.moment(ms bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ms BETWEEN 0 AND 253402300799999 THEN to_timestamp(ms / 1000.0) END;

COMMENT ON FUNCTION outbox.moment IS 'A time in Unix ms; NULL when it is not within the years 1970 to 9999';

CREATE OR REPLACE FUNCTION outbox.plausible(at timestamptz, moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN at BETWEEN moment - interval '7 days' AND moment THEN at ELSE moment END;

COMMENT ON FUNCTION outbox.plausible IS
    'When something happened that another clock has timed: at most a week before this moment, else at this moment';

CREATE OR REPLACE FUNCTION outbox.keep_provider_ids(message_ids bigint[]) RETURNS void
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

COMMENT ON FUNCTION outbox.keep_provider_ids IS
    'Keeps the ids that providers gave to those of these messages that are sent';

-- The dispatcher's role may not change a recipient; this changes it only to where the user is by now.
CREATE OR REPLACE FUNCTION outbox.follow_addresses(message_ids bigint[]) RETURNS void
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

COMMENT ON FUNCTION outbox.follow_addresses IS 'Gives scheduled messages the address that their device or user has now';

-- A device that is being registered at this moment is locked, perhaps for long, and surely not gone: it is left
-- alone. An address that no device has is suppressed.
CREATE OR REPLACE FUNCTION outbox.retire_addresses(
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

COMMENT ON FUNCTION outbox.retire_addresses IS
    'The provider said that the addresses of these messages were gone at these moments: retires the devices that '
    'were not seen since, and suppresses addresses that belong to no device';

-- What a verdict other than "sent" does, in two steps: when the message would be tried again (NULL = never),
-- then the state that follows from it.
CREATE OR REPLACE FUNCTION outbox.settle_unsent(
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
    moment timestamptz := clock_timestamp();
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
        SELECT m.id, m.lane, m.created_at, m.expires_at, v.verdict, v.provider, v.reason,
            CASE WHEN v.not_before IS NOT NULL
                THEN greatest(least(v.not_before, moment + interval '31 days'), now()) END AS not_before,
            -- However long ago: a device that was seen since is not retired.
            CASE WHEN v.as_of IS NOT NULL THEN greatest(least(v.as_of, moment), 'epoch') END AS as_of,
            outbox.plausible(v.at, moment) AS at,
            least(m.attempts, 32766) + (v.verdict IN ('retry', 'in_doubt', 'rejected', 'address_gone'))::integer
                AS attempts
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
    ), noted AS (
        INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
        SELECT u.id >> 18, settle_unsent.channel, u.lane, (u.created_at AT TIME ZONE 'UTC')::date,
            'pending'::outbox.message_status, u.status, count(*)
        FROM updated AS u
        GROUP BY 1, 2, 3, 4, 5, 6
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

COMMENT ON FUNCTION outbox.settle_unsent IS 'The part of outbox.settle for every verdict but sent';

-- The everyday case is a batch whose every verdict is "sent": it is one UPDATE. A session plans it once, perhaps
-- while the table is empty, and the planner cannot know how long the arrays are or how the table will grow. So
-- the plan is pinned: one index scan over m.id = ANY (ids), joined to the arrays by hash.
-- For the ledger it takes the caller's word: RETURNING and counting 500 rows would cost a tenth of all this.
CREATE OR REPLACE FUNCTION outbox.settle(
    channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[],
    reasons text[], ats timestamptz[], not_befores timestamptz[], as_ofs timestamptz[] DEFAULT NULL,
    costs numeric[] DEFAULT NULL, currencies text[] DEFAULT NULL, group_ids bigint[] DEFAULT NULL,
    group_sizes integer[] DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
DECLARE
    settled integer;
    open_ids bigint[];
    moment timestamptz := clock_timestamp(); -- now() is when the batch was claimed
BEGIN
    IF group_ids IS NULL THEN
        SELECT coalesce(array_agg(l.id), '{}') INTO open_ids
        FROM (
            SELECT m.id FROM outbox.message AS m
            WHERE m.id = ANY (ids) AND m.status = 'pending'
            ORDER BY m.id FOR UPDATE) AS l;
    END IF;
    UPDATE outbox.message AS m
    SET status = 'sent', provider = v.provider, provider_message_id = nullif(v.provider_id, ''),
        sent_at = greatest(outbox.plausible(v.at, moment), least(m.created_at, moment)), finished_at = moment,
        attempts = least(m.attempts, 32766) + 1, last_error = NULL,
        cost = CASE WHEN v.cost BETWEEN 0 AND 1e15 THEN v.cost END,
        currency = CASE WHEN v.cost BETWEEN 0 AND 1e15 THEN v.currency END
    FROM unnest(ids, verdicts, providers, provider_ids, ats, costs, currencies)
        AS v (id, verdict, provider, provider_id, at, cost, currency)
    WHERE m.id = v.id AND m.id = ANY (ids) AND m.status = 'pending' AND v.verdict = 'sent';
    GET DIAGNOSTICS settled = ROW_COUNT;
    IF group_ids IS NULL THEN
        PERFORM outbox.note_moves(
            open_ids, array_fill('pending'::outbox.message_status, ARRAY[cardinality(open_ids)]));
    ELSE
        INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
        SELECT m.id >> 18, m.channel, m.lane, (m.created_at AT TIME ZONE 'UTC')::date, 'pending', 'sent', g.size
        FROM unnest(group_ids, group_sizes) AS g (id, size) JOIN outbox.message AS m ON m.id = g.id
        WHERE m.id = ANY (group_ids);
        IF settled <> (SELECT coalesce(sum(s), 0) FROM unnest(group_sizes) AS s) THEN
            PERFORM outbox.request_audit('messages were not pending any more when they were settled');
        END IF;
    END IF;
    PERFORM outbox.keep_provider_ids(ids) FROM outbox.channel AS c WHERE c.name = settle.channel AND c.receipts;
    IF settled < cardinality(ids) THEN
        settled := settled + outbox.settle_unsent(
            settle.channel, settle.dispatcher, ids, verdicts, providers, reasons, ats, not_befores, as_ofs);
    END IF;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle IS
    'Settles the messages that are still pending by verdict; element i of each array is about ids[i]; '
    'returns how many were settled. group_ids, group_sizes: what is sent, by lane, UTC day of created_at and id >> 18: one '
    'id of each group and how many it has; NULL = they are counted here';
