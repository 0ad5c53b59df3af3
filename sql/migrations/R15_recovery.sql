-- Recovery of lost flights, and answers that come after it.

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
        PERFORM outbox.note_moves(doubt_ids, array_fill('scheduled'::outbox.message_status, ARRAY[in_doubt]));
        PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = lost.channel;
    END IF;

    DELETE FROM outbox.flight_note AS n WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq;
    DELETE FROM outbox.flight AS f WHERE f.dispatcher = lost.dispatcher AND f.seq = lost.seq;
END
$$;

COMMENT ON FUNCTION outbox.recover_flight IS
    'Settles one lost flight: noted verdicts as they stand, the rest by the channel''s in-doubt policy';

-- When this server was first seen: before that nobody could come back. A restart and the promotion of a standby, whose
-- server may be old, are told by the start time of the server that was seen before.
CREATE OR REPLACE FUNCTION outbox.server_seen_at() RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    since timestamptz;
BEGIN
    SELECT s.seen_at INTO since FROM outbox.server AS s WHERE s.started_at = pg_postmaster_start_time();
    IF NOT FOUND THEN
        INSERT INTO outbox.server AS s (started_at) VALUES (pg_postmaster_start_time())
        ON CONFLICT (only_row) DO UPDATE SET started_at = excluded.started_at, seen_at = excluded.seen_at
        WHERE s.started_at <> excluded.started_at;
        SELECT s.seen_at INTO since FROM outbox.server AS s;
    END IF;
    RETURN since;
END
$$;

COMMENT ON FUNCTION outbox.server_seen_at IS 'When somebody first looked at the dispatchers on this server';

-- Who lives and answers lands by itself, however late: it knows what became of its messages, and recovery only guesses.
-- So a flight is taken over when its dispatcher is gone (its lock is free), when that hangs and the flight is past its
-- deadline, and only long after the deadline whatever the dispatcher says. All three wait until the dispatcher had time
-- to come back to this server. A row that its own dispatcher does not know has landed in a database that has lost this
-- since.
--
-- grace: longer than the longest pause between two tries to connect. silence: one that answers calls every second, and
-- its seen_at is never older than a few seconds. self: the caller, whose lock its session could take a second
-- time; own: its flights that it knows of. marked, marks: up to where dispatchers have no open flight, so that what
-- landed long ago need not be visited. Without them flights that no dispatcher is registered for are found, too.
CREATE OR REPLACE FUNCTION outbox.recover_flights(
    grace interval DEFAULT '10 seconds', self integer DEFAULT NULL, own bigint[] DEFAULT NULL,
    marked integer[] DEFAULT NULL, marks bigint[] DEFAULT NULL,
    silence interval DEFAULT '1 minute', patience interval DEFAULT '10 minutes',
    OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    watched timestamptz := outbox.server_seen_at();
    candidate record;
    lost record;
    recovered record;
    is_free boolean;
    dead integer[] := '{}';
    hanging integer[] := '{}';
BEGIN
    flights := 0;
    settled := 0;
    in_doubt := 0;
    failed := 0;
    UPDATE outbox.dispatcher AS d SET seen_at = now(), lost_at = NULL
    WHERE d.id = (
        SELECT o.id FROM outbox.dispatcher AS o
        WHERE o.id = recover_flights.self AND (o.lost_at IS NOT NULL OR o.seen_at <= now() - interval '5 seconds')
        FOR UPDATE SKIP LOCKED);

    FOR candidate IN
        SELECT d.id, d.seen_at FROM outbox.dispatcher AS d
        WHERE d.id IS DISTINCT FROM recover_flights.self
        ORDER BY d.id
    LOOP
        is_free := pg_try_advisory_xact_lock(7302, candidate.id);
        CONTINUE WHEN NOT is_free AND candidate.seen_at + silence > now();
        SELECT d.id, d.seen_at, d.lost_at INTO candidate FROM outbox.dispatcher AS d WHERE d.id = candidate.id
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND OR (NOT is_free AND candidate.seen_at + silence > now());
        IF candidate.lost_at IS NULL THEN
            UPDATE outbox.dispatcher AS d SET lost_at = now() WHERE d.id = candidate.id;
        END IF;
        CONTINUE WHEN coalesce(candidate.lost_at, now()) + grace > now() OR watched + grace > now();
        IF is_free THEN
            dead := dead || candidate.id;
        ELSE
            hanging := hanging || candidate.id;
        END IF;
    END LOOP;

    FOR lost IN
        SELECT f.dispatcher, f.seq, CASE
            WHEN f.dispatcher = ANY (dead) THEN 'dispatcher died'
            WHEN f.dispatcher = ANY (hanging) THEN 'dispatcher hangs'
            WHEN f.dispatcher = recover_flights.self THEN 'its landing was lost'
            ELSE 'deadline passed' END AS reason
        FROM (
            SELECT o.dispatcher, o.seq, o.deadline
            FROM outbox.dispatcher AS d
                LEFT JOIN unnest(recover_flights.marked, recover_flights.marks) AS known (dispatcher, mark)
                    ON known.dispatcher = d.id
                CROSS JOIN LATERAL (
                    SELECT i.* FROM outbox.flight AS i
                    WHERE i.dispatcher = d.id AND i.seq >= coalesce(known.mark, 0)) AS o
            UNION ALL
            SELECT o.dispatcher, o.seq, o.deadline
            FROM outbox.flight AS o
            WHERE recover_flights.marks IS NULL
                AND NOT EXISTS (SELECT FROM outbox.dispatcher AS d WHERE d.id = o.dispatcher)) AS f
        WHERE f.dispatcher = ANY (dead)
            OR (f.dispatcher = ANY (hanging) AND f.deadline + grace <= now())
            OR (f.dispatcher = recover_flights.self AND f.seq <> ALL (recover_flights.own))
            OR (f.dispatcher IS DISTINCT FROM recover_flights.self
                AND greatest(f.deadline, watched) + patience <= now())
        ORDER BY f.dispatcher, f.seq
    LOOP
        BEGIN -- one that cannot be settled must not keep the others
            recovered := outbox.recover_flight(lost.dispatcher, lost.seq, lost.reason);
            IF recovered.settled IS NOT NULL THEN
                flights := flights + 1;
                settled := settled + recovered.settled;
                in_doubt := in_doubt + recovered.in_doubt;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            failed := failed + 1;
            RAISE WARNING 'flight % of dispatcher % cannot be settled: %', lost.seq, lost.dispatcher, SQLERRM;
        END;
    END LOOP;
    DELETE FROM outbox.dispatcher AS d
    WHERE d.id = ANY (dead) AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE f.dispatcher = d.id);
END
$$;

COMMENT ON FUNCTION outbox.recover_flights IS
    'Says that the dispatcher self lives; takes over the flights of dead dispatchers, those past their deadline of '
    'dispatchers that hang, those well past it, and those of self that it does not know. failed: that could not be '
    'settled, for the server''s log';

-- A verdict of "sent" is true whatever was decided meanwhile, so it ends every message that is not at its end. Any
-- other one replaces the doubt of recovery, and says nothing about a message that was tried again since.
CREATE OR REPLACE FUNCTION outbox.settle_late(
    channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[],
    provider_ids text[], reasons text[], ats timestamptz[], not_befores timestamptz[],
    as_ofs timestamptz[] DEFAULT NULL, costs numeric[] DEFAULT NULL, currencies text[] DEFAULT NULL,
    OUT settled integer, OUT repeated integer, OUT left_alone bigint[]
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    locked bigint[];
    late record;
BEGIN
    -- What a claim holds is locked, or, if the claim's connection broke, in a flight that is visible by now.
    SELECT coalesce(array_agg(l.id), '{}') INTO locked FROM (
        SELECT m.id FROM outbox.message AS m
        WHERE m.id = ANY (settle_late.ids)
        ORDER BY m.id FOR UPDATE SKIP LOCKED) AS l;
    WITH known AS MATERIALIZED (
        SELECT v.*, m.status, coalesce(doubt.found, false) AS doubted, coalesce(doubt.at < v.at, true) AS is_last
        FROM unnest(settle_late.ids, settle_late.uuids, settle_late.verdicts, settle_late.providers,
                    settle_late.provider_ids, settle_late.reasons, settle_late.ats, settle_late.not_befores,
                    settle_late.as_ofs, settle_late.costs, settle_late.currencies)
                AS v (id, uuid, verdict, provider, provider_id, reason, at, not_before, as_of, cost, currency)
            JOIN outbox.message AS m
                ON m.id = v.id AND m.channel = settle_late.channel
                AND outbox.message_uuid(m.idempotency_key) = v.uuid
            LEFT JOIN LATERAL (
                SELECT a.at, a.verdict = 'in_doubt' AND a.provider IS NULL
                    AND a.dispatcher = settle_late.dispatcher AS found
                FROM outbox.attempt AS a WHERE a.message_id = m.id
                ORDER BY a.id DESC LIMIT 1) AS doubt ON true
        WHERE m.id = ANY (locked)
            AND m.id NOT IN (
                SELECT air.id FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS air (id))
    )
    SELECT coalesce(array_agg(k.id), '{}') AS ids, array_agg(k.doubted) AS doubted, array_agg(k.status) AS statuses,
        array_agg(k.verdict) AS verdicts, array_agg(k.provider) AS providers,
        array_agg(k.provider_id) AS provider_ids, array_agg(k.reason) AS reasons, array_agg(k.at) AS ats,
        array_agg(k.not_before) AS not_befores, array_agg(k.as_of) AS as_ofs, array_agg(k.cost) AS costs,
        array_agg(k.currency) AS currencies
    INTO late
    FROM known AS k
    WHERE k.status IN ('pending', 'scheduled', 'in_doubt') AND k.verdict = 'sent'
        OR k.status IN ('pending', 'scheduled', 'in_doubt', 'failed', 'expired') AND k.doubted
            AND k.verdict <> 'in_doubt'
        OR k.status IN ('pending', 'scheduled') AND NOT k.doubted AND k.is_last;

    UPDATE outbox.message AS m
    SET status = 'pending', queue_pos = coalesce(m.queue_pos, outbox.next_queue_pos()), next_attempt_at = NULL,
        finished_at = NULL, attempts = greatest(m.attempts - l.doubted::integer, 0)
    FROM unnest(late.ids, late.doubted) AS l (id, doubted)
    WHERE m.id = l.id AND m.id = ANY (late.ids) AND (m.status <> 'pending' OR l.doubted);
    PERFORM outbox.note_moves(late.ids, late.statuses);
    DELETE FROM outbox.doubt AS d WHERE d.message_id = ANY (late.ids);
    settled := coalesce(outbox.settle(
        settle_late.channel, settle_late.dispatcher, late.ids, late.verdicts, late.providers, late.provider_ids,
        late.reasons, late.ats, late.not_befores, late.as_ofs, late.costs, late.currencies), 0);
    INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
    SELECT m.id, coalesce(l.at, now()), settle_late.dispatcher, m.attempts, l.verdict, l.provider,
        'answered after it was put in doubt'
    FROM unnest(late.ids, late.doubted, late.verdicts, late.providers, late.ats)
            AS l (id, doubted, verdict, provider, at)
        JOIN outbox.message AS m ON m.id = l.id
    WHERE m.id = ANY (late.ids) AND l.doubted AND l.verdict = 'sent';

    -- A message that this very answer has settled before, by a note or by a landing, was not sent twice.
    INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
    SELECT m.id, v.at, settle_late.dispatcher, m.attempts, v.verdict, v.provider,
        'answered too late: sent more than once'
    FROM unnest(settle_late.ids, settle_late.uuids, settle_late.verdicts, settle_late.providers, settle_late.ats)
            AS v (id, uuid, verdict, provider, at)
        JOIN outbox.message AS m ON m.id = v.id AND outbox.message_uuid(m.idempotency_key) = v.uuid
    WHERE m.id = ANY (settle_late.ids) AND m.id NOT IN (SELECT unnest(late.ids)) AND v.verdict = 'sent'
        AND m.sent_at IS DISTINCT FROM greatest(v.at, m.created_at)
        AND NOT EXISTS (
            SELECT FROM outbox.attempt AS a
            WHERE a.message_id = m.id AND a.at = v.at AND a.dispatcher = settle_late.dispatcher
                AND a.verdict = 'sent');
    GET DIAGNOSTICS repeated = ROW_COUNT;
    left_alone := ARRAY(SELECT i FROM unnest(settle_late.ids) AS i WHERE i NOT IN (SELECT unnest(late.ids)) ORDER BY i);
END
$$;

COMMENT ON FUNCTION outbox.settle_late IS
    'Settles by their true verdicts the messages of a flight that somebody else has taken over, or that this database '
    'does not know to have landed: those that have not ended and are not in the air again, if they are still the same '
    'messages (uuids, as outbox.message_uuid). Those sent more than once get a row in outbox.attempt each; left_alone: '
    'all that were not settled. May be called again with the same verdicts';
