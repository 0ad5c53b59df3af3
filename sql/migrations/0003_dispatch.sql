-- Dispatch: the registry of dispatchers, settling by verdict, and the recovery of lost flights.

-- A key that is a UUID stays as it is; any other gives a version 8 UUID (RFC 9562, 5.8) of its SHA-256. No
-- pinned search_path: the body is bound when it is created, and without it the function is inlined.
CREATE FUNCTION outbox.message_uuid(idempotency_key text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    -- One anchored regular expression says the same and costs four times as much, in every claim.
    WHEN idempotency_key LIKE '________-____-____-____-____________'
        AND octet_length(replace(idempotency_key, '-', '')) = 32 AND idempotency_key !~ '[^0-9A-Fa-f-]'
    THEN lower(idempotency_key)
    ELSE overlay(overlay(left(encode(sha256(convert_to(idempotency_key, 'UTF8')), 'hex'), 32)
        PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid::text
END;

COMMENT ON FUNCTION outbox.message_uuid(text) IS
    'The UUID that goes to the provider, the same at each attempt: apns-id, Message-ID, outbox_id';

-- A new dispatcher's row and its lock become visible together, so nobody sees it without its lock.
CREATE FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id integer;
BEGIN
    INSERT INTO outbox.dispatcher (name, host, pid, session, channels)
    VALUES (register_dispatcher.name, register_dispatcher.host, register_dispatcher.pid, pg_backend_pid(),
            register_dispatcher.channels)
    RETURNING id INTO new_id;
    PERFORM pg_advisory_lock(7302, new_id);
    RETURN new_id;
END
$$;

COMMENT ON FUNCTION outbox.register_dispatcher(text, text, integer, text[]) IS
    'Registers the caller; its session holds the advisory lock (7302, id) for as long as it lives';

CREATE FUNCTION outbox.reattach_dispatcher(id integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    former integer;
BEGIN
    SELECT d.session INTO former FROM outbox.dispatcher AS d WHERE d.id = reattach_dispatcher.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The server may not have noticed the end of the former session yet, which would keep the lock for long.
    PERFORM pg_terminate_backend(l.pid)
    FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.classid = 7302 AND l.objid = reattach_dispatcher.id
        AND l.objsubid = 2 AND l.granted AND l.pid = former AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());
    PERFORM pg_advisory_lock(7302, reattach_dispatcher.id);
    UPDATE outbox.dispatcher AS d SET lost_at = NULL, session = pg_backend_pid()
    WHERE d.id = reattach_dispatcher.id;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.reattach_dispatcher(integer) IS
    'Takes the dispatcher''s lock again after a reconnect; false: it was given up, register again';

CREATE FUNCTION outbox.unregister_dispatcher(id integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM outbox.dispatcher AS d
    WHERE d.id = unregister_dispatcher.id
        AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE f.dispatcher = d.id);
    PERFORM pg_advisory_unlock(7302, unregister_dispatcher.id);
END
$$;

COMMENT ON FUNCTION outbox.unregister_dispatcher(integer) IS
    'Ends a registration; with open flights the row stays, for recovery to settle them';

CREATE FUNCTION outbox.backoff(base interval, cap interval, attempts integer) RETURNS interval
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    base_s double precision := extract(epoch FROM base);
    cap_s double precision := extract(epoch FROM cap);
    floor_s double precision := base_s / 10;
    top_s double precision := least(cap_s, base_s * power(2, least(attempts, 100) - 1));
BEGIN
    RETURN make_interval(secs => floor_s + random() * (top_s - floor_s));
END
$$;

COMMENT ON FUNCTION outbox.backoff(interval, interval, integer) IS
    'Wait after so many used attempts: uniform between a tenth of base and min(cap, base * 2^(attempts - 1))';

-- The everyday case is a batch whose every verdict is "sent": it is one UPDATE. A session plans it once, perhaps
-- while the table is empty, and the planner cannot know how long the arrays are or how the table will grow. So
-- the plan is pinned: one index scan over m.id = ANY (ids), joined to the arrays by hash.
CREATE FUNCTION outbox.settle(
    channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[],
    reasons text[], ats timestamptz[], not_befores timestamptz[]
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
        attempts = m.attempts + 1, last_error = NULL
    FROM unnest(ids, verdicts, providers, provider_ids, ats) AS v (id, verdict, provider, provider_id, at)
    WHERE m.id = v.id AND m.id = ANY (ids) AND m.status = 'pending' AND v.verdict = 'sent';
    GET DIAGNOSTICS settled = ROW_COUNT;
    IF settled < cardinality(ids) THEN
        settled := settled + outbox.settle_unsent(
            settle.channel, settle.dispatcher, ids, verdicts, providers, reasons, ats, not_befores);
    END IF;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle(
    text, integer, bigint[], text[], text[], text[], text[], timestamptz[], timestamptz[]) IS
    'Settles the messages that are still pending by verdict; element i of each array is about ids[i]; '
    'returns how many were settled';

-- What a verdict other than "sent" does, in two steps: when the message would be tried again (NULL = never),
-- then the state that follows from it.
CREATE FUNCTION outbox.settle_unsent(
    channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[],
    ats timestamptz[], not_befores timestamptz[]
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
BEGIN
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = settle_unsent.channel;
    SELECT v INTO unknown
    FROM unnest(settle_unsent.verdicts) AS v
    WHERE v IS NULL OR v NOT IN ('sent', 'retry', 'unsent', 'throttled', 'rejected', 'address_gone', 'refresh',
                                 'stopped', 'in_doubt', 'expired', 'suppressed')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'verdict "%" does not exist', unknown USING ERRCODE = 'invalid_parameter_value';
    END IF;

    WITH given AS MATERIALIZED (
        SELECT m.id, m.recipient, m.expires_at, v.verdict, v.provider, v.reason, v.not_before,
            coalesce(v.at, now()) AS at,
            m.attempts + (v.verdict IN ('retry', 'in_doubt', 'rejected', 'address_gone'))::integer AS attempts
        FROM unnest(settle_unsent.ids, settle_unsent.verdicts, settle_unsent.providers,
                    settle_unsent.reasons, settle_unsent.ats, settle_unsent.not_befores)
                AS v (id, verdict, provider, reason, at, not_before)
            JOIN outbox.message AS m ON m.id = v.id
        WHERE m.id = ANY (settle_unsent.ids) AND v.verdict <> 'sent'
    ), timed AS MATERIALIZED (
        SELECT g.*, CASE
            WHEN g.verdict = 'retry' OR (g.verdict = 'in_doubt' AND rules.in_doubt = 'resend')
            THEN CASE WHEN g.attempts < rules.max_attempts THEN greatest(
                g.not_before, now() + outbox.backoff(rules.backoff_base, rules.backoff_cap, g.attempts)) END
            WHEN g.verdict IN ('unsent', 'throttled', 'refresh', 'stopped')
            THEN coalesce(g.not_before, now() + make_interval(secs => 1 + 4 * random()))
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
    ), suppressed AS (
        INSERT INTO outbox.suppression (channel, address, reason, provider, at, message_id)
        SELECT settle_unsent.channel, u.recipient, u.reason, u.provider, u.at, u.id
        FROM updated AS u
        WHERE u.verdict = 'address_gone'
        ORDER BY u.recipient -- one order everywhere: two batches cannot wait for each other
        ON CONFLICT (channel, address) DO NOTHING
    ), logged AS (
        INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
        SELECT u.id, u.at, settle_unsent.dispatcher, u.attempts, u.verdict, u.provider, u.reason
        FROM updated AS u
        WHERE u.verdict NOT IN ('expired', 'suppressed')
    )
    SELECT count(*) INTO settled FROM updated;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle_unsent(
    text, integer, bigint[], text[], text[], text[], timestamptz[], timestamptz[]) IS
    'The part of outbox.settle for every verdict but sent';

CREATE FUNCTION outbox.stop_provider(name text, reason text, duration interval) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE outbox.provider AS p
    SET stopped_until = now() + duration, stop_reason = left(reason, 500), stopped_at = now()
    WHERE p.name = stop_provider.name;
END;

COMMENT ON FUNCTION outbox.stop_provider(text, text, interval) IS
    'A dispatcher''s brake: the provider is not used for a while; a person''s edit of its row clears it';

CREATE FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.queue AS q (channel, lane, low_water)
    VALUES (raise_low_water.channel, raise_low_water.lane, raise_low_water.pos)
    ON CONFLICT (channel, lane) DO UPDATE SET low_water = excluded.low_water
    WHERE q.low_water < excluded.low_water;
END;

COMMENT ON FUNCTION outbox.raise_low_water(text, outbox.lane, bigint) IS
    'Says that all rows below this position are final; a lower value than the stored one changes nothing';

-- Takes one lost flight over, unless somebody still holds one of its messages: then its claim has not ended
-- yet, or another dispatcher is at it, and the next call sees to it. NULL = nothing done.
CREATE FUNCTION outbox.recover_flight(
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
        array_agg(v.not_before) AS not_befores
    INTO noted
    FROM (
        SELECT DISTINCT ON (u.id) u.*
        FROM outbox.flight_note AS n CROSS JOIN LATERAL unnest(
            n.message_ids, n.verdicts, n.providers, n.provider_ids, n.reasons, n.at, n.not_befores)
            WITH ORDINALITY AS u (id, verdict, provider, provider_id, reason, at, not_before, place)
        WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq AND u.id = ANY (open_ids)
        ORDER BY u.id, n.n DESC, u.place DESC) AS v;
    settled := coalesce(outbox.settle(
        lost.channel, lost.dispatcher, noted.ids, noted.verdicts, noted.providers, noted.provider_ids,
        noted.reasons, noted.ats, noted.not_befores), 0);

    -- The rest was perhaps sent. What the policy sends again need not wait: it has waited long enough.
    SELECT coalesce(array_agg(o), '{}') INTO doubt_ids
    FROM unnest(open_ids) AS o WHERE o <> ALL (coalesce(noted.ids, '{}'));
    in_doubt := cardinality(doubt_ids);
    IF in_doubt > 0 THEN
        PERFORM outbox.settle(
            lost.channel, lost.dispatcher, doubt_ids, array_fill('in_doubt'::text, ARRAY[in_doubt]),
            array_fill(NULL::text, ARRAY[in_doubt]), array_fill(NULL::text, ARRAY[in_doubt]),
            array_fill(recover_flight.reason, ARRAY[in_doubt]),
            array_fill(now(), ARRAY[in_doubt]), array_fill(NULL::timestamptz, ARRAY[in_doubt]));
        UPDATE outbox.message AS m
        SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL
        WHERE m.id = ANY (doubt_ids) AND m.status = 'scheduled';
        PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = lost.channel;
    END IF;

    DELETE FROM outbox.flight_note AS n WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq;
    DELETE FROM outbox.flight AS f WHERE f.dispatcher = lost.dispatcher AND f.seq = lost.seq;
END
$$;

COMMENT ON FUNCTION outbox.recover_flight(integer, bigint, text) IS
    'Settles one lost flight: noted verdicts as they stand, the rest by the channel''s in-doubt policy';

-- grace: how long after its loss (or the server's start) a dispatcher may come back, and how long after its
-- deadline a flight may still be settled by its owner. self: the caller's own dispatcher, whose lock the
-- calling session could take a second time.
CREATE FUNCTION outbox.recover_flights(
    grace interval DEFAULT '3 seconds', self integer DEFAULT NULL,
    OUT flights integer, OUT settled integer, OUT in_doubt integer
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    candidate record;
    lost record;
    recovered record;
    dead boolean;
BEGIN
    flights := 0;
    settled := 0;
    in_doubt := 0;
    FOR candidate IN
        SELECT d.id FROM outbox.dispatcher AS d WHERE d.id IS DISTINCT FROM recover_flights.self ORDER BY d.id
    LOOP
        dead := pg_try_advisory_xact_lock(7302, candidate.id);
        CONTINUE WHEN NOT dead AND NOT EXISTS (
            SELECT FROM outbox.flight AS f WHERE f.dispatcher = candidate.id AND f.deadline + grace <= now());
        SELECT d.id, d.lost_at INTO candidate FROM outbox.dispatcher AS d WHERE d.id = candidate.id
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        IF dead AND candidate.lost_at IS NULL THEN
            UPDATE outbox.dispatcher AS d SET lost_at = now() WHERE d.id = candidate.id;
        END IF;
        dead := dead AND coalesce(candidate.lost_at, now()) + grace <= now()
            AND pg_postmaster_start_time() + grace <= now();
        FOR lost IN
            SELECT f.seq FROM outbox.flight AS f
            WHERE f.dispatcher = candidate.id AND (dead OR f.deadline + grace <= now())
            ORDER BY f.seq
        LOOP
            recovered := outbox.recover_flight(
                candidate.id, lost.seq, CASE WHEN dead THEN 'dispatcher died' ELSE 'deadline passed' END);
            IF recovered.settled IS NOT NULL THEN
                flights := flights + 1;
                settled := settled + recovered.settled;
                in_doubt := in_doubt + recovered.in_doubt;
            END IF;
        END LOOP;
        IF dead THEN
            DELETE FROM outbox.dispatcher AS d
            WHERE d.id = candidate.id
                AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE f.dispatcher = d.id);
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION outbox.recover_flights(interval, integer) IS
    'Takes over the flights of dead dispatchers, and those well past their deadline';
