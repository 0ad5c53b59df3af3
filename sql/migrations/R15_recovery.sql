-- Recovery of lost flights.

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

COMMENT ON FUNCTION outbox.recover_flight IS
    'Settles one lost flight: noted verdicts as they stand, the rest by the channel''s in-doubt policy';

-- grace: how long after its loss (or the server's start) a dispatcher may come back, and how long after its
-- deadline a flight may still be settled by its owner. self: the caller's own dispatcher, whose lock the
-- calling session could take a second time.
CREATE OR REPLACE FUNCTION outbox.recover_flights(
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

COMMENT ON FUNCTION outbox.recover_flights IS
    'Takes over the flights of dead dispatchers, and those well past their deadline';
