-- Messages whose time has come.

CREATE OR REPLACE FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamptz[]) RETURNS integer
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
        RETURNING m.id, m.lane, m.created_at, m.channel, m.status
    ), noted AS (
        INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
        SELECT v.id >> 18, v.channel, v.lane, (v.created_at AT TIME ZONE 'UTC')::date,
            'scheduled'::outbox.message_status, v.status, count(*)
        FROM moved AS v
        WHERE v.status <> 'scheduled'
        GROUP BY 1, 2, 3, 4, 5, 6
    )
    SELECT count(*), array_agg(DISTINCT v.channel) FILTER (WHERE v.status = 'pending') INTO released, ready
    FROM moved AS v;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = ANY (ready);
    RETURN released;
END
$$;

COMMENT ON FUNCTION outbox.release IS 'The part of outbox.release_due that moves the messages';

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

COMMENT ON FUNCTION outbox.release_due IS
    'Moves due scheduled messages into the queue in order, expired and refused ones to their end, and those that '
    'have to wait to a later time; returns how many';

CREATE OR REPLACE FUNCTION outbox.next_due() RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT least(
        (SELECT min(m.next_attempt_at) FROM outbox.message AS m WHERE m.next_attempt_at IS NOT NULL),
        (SELECT min(n.due_at) FROM outbox.notification AS n WHERE n.due_at IS NOT NULL));
END;

COMMENT ON FUNCTION outbox.next_due IS
    'When the next scheduled message or notification falls due; NULL = none is scheduled';
