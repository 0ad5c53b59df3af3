-- The audit: slow and exact. It counts the rows themselves, one block of ids after the other, and names what should not be.

CREATE OR REPLACE FUNCTION outbox.request_audit(reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.audit_request (reason) VALUES (request_audit.reason);
END;

COMMENT ON FUNCTION outbox.request_audit IS 'The scheduler audits all that is there now, as soon as it can';

CREATE OR REPLACE FUNCTION outbox.report_finding(
    kind text, channel text, lane outbox.lane, day date, messages bigint, message_ids bigint[], detail text, mended text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO outbox.audit_finding (kind, channel, lane, day, messages, message_ids, detail, mended)
    VALUES (report_finding.kind, report_finding.channel, report_finding.lane, report_finding.day,
            report_finding.messages, report_finding.message_ids[1:100], report_finding.detail, report_finding.mended);
    UPDATE outbox.audit_run AS r SET findings = r.findings + 1;
END
$$;

COMMENT ON FUNCTION outbox.report_finding IS 'Keeps what the audit found';

-- One statement has one snapshot: a row and the change that tells of it are both in it or both not. What is not
-- counted as accepted yet is pending by rule. Days of the archive that were dropped when they were old are not asked for.
CREATE OR REPLACE FUNCTION outbox.compare_block(block bigint) RETURNS TABLE (
    channel text, lane outbox.lane, day date, place date, status outbox.message_status, booked bigint, found bigint
)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
BEGIN ATOMIC
    WITH mark AS MATERIALIZED (
        SELECT m.counted_id, m.folded_id FROM outbox.ledger_mark AS m
    ), rows AS MATERIALIZED (
        SELECT x.channel, x.lane, (x.created_at AT TIME ZONE 'UTC')::date AS day, x.place, x.status,
            x.id > (SELECT k.counted_id FROM mark AS k) AS is_new, count(*) AS n
        FROM (
            SELECT m.id, m.channel, m.lane, m.created_at, '-infinity'::date AS place, m.status
            FROM outbox.message AS m
            WHERE m.id >= compare_block.block << 18 AND m.id < (compare_block.block + 1) << 18
            UNION ALL
            SELECT a.id, a.channel, a.lane, a.created_at, (a.finished_at AT TIME ZONE 'UTC')::date, a.status
            FROM outbox.archive AS a
            WHERE a.id >= compare_block.block << 18 AND a.id < (compare_block.block + 1) << 18) AS x
        GROUP BY 1, 2, 3, 4, 5, 6
    ), sides AS (
        SELECT r.channel, r.lane, r.day, r.place, r.status, 0 AS booked, r.n AS found FROM rows AS r
        UNION ALL
        SELECT r.channel, r.lane, r.day, '-infinity', 'pending', r.n, 0 FROM rows AS r WHERE r.is_new
        UNION ALL
        SELECT b.channel, b.lane, b.day, b.place, b.status, b.messages, 0
        FROM outbox.ledger_block AS b WHERE b.block = compare_block.block
        UNION ALL
        SELECT c.channel, c.lane, c.day, c.place, l.status, l.sign * c.messages, 0
        FROM outbox.change AS c
            CROSS JOIN LATERAL (VALUES (c.from_status, -1), (c.to_status, 1)) AS l (status, sign)
        WHERE c.id > (SELECT k.folded_id FROM mark AS k) AND c.block = compare_block.block AND l.status IS NOT NULL
    )
    SELECT s.channel, s.lane, s.day, s.place, s.status, sum(s.booked)::bigint, sum(s.found)::bigint
    FROM sides AS s
    WHERE s.place = '-infinity' OR s.place + 1 > (
        SELECT (now() - t.keep_archive) AT TIME ZONE 'UTC' FROM outbox.settings AS t)
    GROUP BY 1, 2, 3, 4, 5
    HAVING sum(s.booked) <> sum(s.found);
END;

COMMENT ON FUNCTION outbox.compare_block IS 'Where the ledger of a block of ids differs from its rows';

-- The states follow the rows; what was accepted stays. So a row that is gone shows in outbox.conservation for ever.
CREATE OR REPLACE FUNCTION outbox.audit_ledger(block bigint, opening boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong record;
BEGIN
    FOR wrong IN
        WITH differing AS MATERIALIZED (
            SELECT d.* FROM outbox.compare_block(audit_ledger.block) AS d
        ), mended AS (
            INSERT INTO outbox.change (block, channel, lane, day, place, to_status, messages)
            SELECT audit_ledger.block, d.channel, d.lane, d.day, d.place, d.status, d.found - d.booked
            FROM differing AS d
        )
        SELECT d.channel, d.lane, d.day, sum(abs(d.found - d.booked))::bigint AS messages, string_agg(
            format('%s%s: %s rows, %s in the ledger', d.status,
                   CASE WHEN d.place > '-infinity' THEN ' in the archive of ' || d.place END, d.found, d.booked),
            '; ' ORDER BY d.place, d.status) AS detail
        FROM differing AS d
        GROUP BY 1, 2, 3
    LOOP
        IF NOT opening THEN
            PERFORM outbox.report_finding('ledger', wrong.channel, wrong.lane, wrong.day, wrong.messages, '{}',
                format('ids from %s: %s', audit_ledger.block << 18, wrong.detail), 'the states follow the rows');
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION outbox.audit_ledger IS 'Brings the states of a block to what its rows say, and reports where they differed';

-- A row that somebody holds is on its way. Rows in a flight are recovery's, which gives them a place if need be.
CREATE OR REPLACE FUNCTION outbox.audit_waiting(block bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        WITH stranded AS MATERIALIZED (
            SELECT m.id, m.channel, m.lane, m.queue_pos, c.id AS channel_id
            FROM outbox.message AS m
                LEFT JOIN outbox.channel AS c ON c.name = m.channel
                LEFT JOIN outbox.queue AS q ON q.channel = m.channel AND q.lane = m.lane
            WHERE m.id >= audit_waiting.block << 18 AND m.id < (audit_waiting.block + 1) << 18
                AND m.status = 'pending'
                AND (c.id IS NULL OR m.queue_pos IS NULL OR m.queue_pos < q.low_water)
                AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE m.id = ANY (f.message_ids))
            ORDER BY m.id
            LIMIT 5000
            FOR UPDATE OF m SKIP LOCKED
        ), queued AS (
            UPDATE outbox.message AS m SET queue_pos = outbox.next_queue_pos()
            FROM stranded AS s
            WHERE m.id = s.id AND s.channel_id IS NOT NULL
        )
        SELECT s.channel, s.lane, s.channel_id, count(*) AS messages, array_agg(s.id ORDER BY s.id) AS ids,
            count(s.queue_pos) AS placed
        FROM stranded AS s
        GROUP BY 1, 2, 3
    LOOP
        IF lost.channel_id IS NULL THEN
            PERFORM outbox.report_finding('channel', lost.channel, lost.lane, NULL, lost.messages, lost.ids,
                'pending, but the channel does not exist', NULL);
        ELSE
            PERFORM outbox.report_finding('stranded', lost.channel, lost.lane, NULL, lost.messages, lost.ids,
                format('pending where no cursor comes: %s below the low-water mark, %s without a place', lost.placed,
                       lost.messages - lost.placed), 'queued again');
            PERFORM outbox.wake(lost.channel_id, lost.channel);
        END IF;
    END LOOP;

    FOR lost IN
        SELECT m.channel, m.lane, count(*) AS messages, array_agg(m.id ORDER BY m.id) AS ids
        FROM outbox.message AS m
        WHERE m.id >= audit_waiting.block << 18 AND m.id < (audit_waiting.block + 1) << 18
            AND m.status = 'scheduled' AND m.next_attempt_at IS NULL
        GROUP BY 1, 2
    LOOP
        UPDATE outbox.message AS m SET next_attempt_at = now()
        WHERE m.id = ANY (lost.ids) AND m.status = 'scheduled' AND m.next_attempt_at IS NULL;
        PERFORM outbox.report_finding('stranded', lost.channel, lost.lane, NULL, lost.messages, lost.ids,
            'scheduled, but for no time', 'due now');
    END LOOP;
END
$$;

COMMENT ON FUNCTION outbox.audit_waiting IS 'Queues messages of a block again that no cursor would come to';

CREATE OR REPLACE FUNCTION outbox.audit_archive(block bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    odd record;
BEGIN
    FOR odd IN
        WITH twice AS MATERIALIZED ( -- by the indexes alone
            SELECT a.id FROM outbox.archive AS a JOIN outbox.message AS m ON m.id = a.id
            WHERE a.id >= audit_archive.block << 18 AND a.id < (audit_archive.block + 1) << 18
                AND m.id >= audit_archive.block << 18 AND m.id < (audit_archive.block + 1) << 18
        )
        SELECT m.channel, m.lane, count(*) AS messages, array_agg(m.id ORDER BY m.id) AS ids
        FROM twice AS t JOIN outbox.message AS m ON m.id = t.id
        GROUP BY 1, 2
    LOOP
        PERFORM outbox.report_finding('twice', odd.channel, odd.lane, NULL, odd.messages, odd.ids,
            'in outbox.message and in outbox.archive', NULL);
    END LOOP;

    -- Keys of what finished so long ago are forgotten.
    IF NOT EXISTS (
        SELECT FROM outbox.ledger_block AS l CROSS JOIN outbox.settings AS s
        WHERE l.block = audit_archive.block AND l.messages > 0
            AND (l.place > (now() - s.key_window)::date - 2 OR l.day > (now() - s.key_window)::date - 2)) THEN
        RETURN;
    END IF;
    -- The keys of notifications' messages begin with that of the notification, and are not recorded.
    WITH free AS MATERIALIZED (
        SELECT a.id, a.channel, a.lane, a.idempotency_key
        FROM outbox.archive AS a CROSS JOIN outbox.settings AS s
        WHERE a.id >= audit_archive.block << 18 AND a.id < (audit_archive.block + 1) << 18
            AND a.notification_id IS NULL AND greatest(a.created_at, a.send_at) > now() - s.key_window
            AND a.archived_at > now() - s.key_window -- or it may have been forgotten
            AND NOT EXISTS (SELECT FROM outbox.used_key AS u WHERE u.key = a.idempotency_key AND u.kind = 'message')
    ), recorded AS (
        INSERT INTO outbox.used_key (key, kind, id)
        SELECT f.idempotency_key, 'message', f.id FROM free AS f
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) AS messages, array_agg(f.id ORDER BY f.id) AS ids INTO odd FROM free AS f;
    IF odd.messages > 0 THEN
        PERFORM outbox.report_finding('key', NULL, NULL, NULL, odd.messages, odd.ids,
            'archived, but the key is not in outbox.used_key', 'recorded');
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.audit_archive IS 'Reports archived messages of a block that are hot too, and records keys that are missing';

-- What is small enough for one step: flights, and the keys of half an hour that are not of this moment.
CREATE OR REPLACE FUNCTION outbox.audit_rest() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    odd record;
BEGIN
    FOR odd IN
        SELECT f.dispatcher, f.seq, f.channel, count(*) AS messages, array_agg(u.id ORDER BY u.id) AS ids
        FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS u (id)
        WHERE NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.id = u.id)
        GROUP BY 1, 2, 3
    LOOP
        PERFORM outbox.report_finding('flight', odd.channel, NULL, NULL, odd.messages, odd.ids,
            format('in flight %s of dispatcher %s, but not in outbox.message', odd.seq, odd.dispatcher), NULL);
    END LOOP;

    SELECT count(*) AS messages, array_agg(k.id ORDER BY k.id) AS ids INTO odd
    FROM (
        SELECT u.id FROM outbox.used_key AS u CROSS JOIN outbox.settings AS s
        WHERE u.kind = 'message' AND u.recorded_at > now() - least(interval '1 day', s.keep_archive)
        ORDER BY u.recorded_at DESC
        LIMIT 20000) AS k
    WHERE NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.id = k.id)
        AND NOT EXISTS (SELECT FROM outbox.archive AS a WHERE a.id = k.id);
    IF odd.messages > 0 THEN
        PERFORM outbox.report_finding('key', NULL, NULL, NULL, odd.messages, odd.ids,
            'in outbox.used_key, but the message is gone', NULL);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.audit_rest IS 'Reports flights without messages, and those of the newest keys that have none';

CREATE OR REPLACE FUNCTION outbox.may_wait(block bigint) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
BEGIN ATOMIC
    SELECT (may_wait.block + 1) << 18 > m.counted_id
        OR EXISTS (SELECT FROM outbox.ledger_block AS l
                   WHERE l.block = may_wait.block AND l.status IN ('scheduled', 'pending') AND l.messages > 0)
        OR EXISTS (SELECT FROM outbox.change AS c
                   WHERE c.id > m.folded_id AND c.block = may_wait.block AND c.to_status IN ('scheduled', 'pending'))
    FROM outbox.ledger_mark AS m;
END;

COMMENT ON FUNCTION outbox.may_wait IS 'Whether a block that was compared may have messages that wait';

CREATE OR REPLACE FUNCTION outbox.audit_step(at_once boolean DEFAULT false) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    run outbox.audit_run;
    next_block bigint;
BEGIN
    SELECT r.* INTO run FROM outbox.audit_run AS r FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF run.block IS NULL THEN
        IF NOT (at_once OR coalesce(run.started_at <= now() - interval '1 day', true)
                OR EXISTS (SELECT FROM outbox.audit_request)) THEN
            RETURN 0;
        END IF;
        -- The first run needs all that was there before it to be counted.
        IF run.opening AND (SELECT k.counted_at = '-infinity' FROM outbox.ledger_mark AS k) THEN
            RETURN 0;
        END IF;
        run.block := 0;
        UPDATE outbox.audit_run AS r SET started_at = now(), block = 0, findings = 0;
        DELETE FROM outbox.audit_request;
    END IF;
    SELECT min(b.block) INTO next_block
    FROM (
        (SELECT m.id >> 18 AS block FROM outbox.message AS m WHERE m.id >= run.block << 18 ORDER BY m.id LIMIT 1)
        UNION ALL
        (SELECT a.id >> 18 FROM outbox.archive AS a WHERE a.id >= run.block << 18 ORDER BY a.id LIMIT 1)
        UNION ALL
        (SELECT l.block FROM outbox.ledger_block AS l WHERE l.block >= run.block ORDER BY l.block LIMIT 1)) AS b;
    IF next_block IS NULL THEN
        PERFORM outbox.audit_rest();
        UPDATE outbox.audit_run AS r SET finished_at = clock_timestamp(), block = NULL, opening = false;
        RETURN 0;
    END IF;
    PERFORM outbox.audit_ledger(next_block, run.opening);
    IF outbox.may_wait(next_block) THEN
        PERFORM outbox.audit_waiting(next_block);
    END IF;
    PERFORM outbox.audit_archive(next_block);
    UPDATE outbox.audit_run AS r SET block = next_block + 1;
    RETURN 1;
END
$$;

COMMENT ON FUNCTION outbox.audit_step IS
    'One step of the audit: a block of ids, 262,144 at most; begins a run daily, when one is requested, or at once. '
    'Returns 0 when there is nothing more to do';

CREATE OR REPLACE PROCEDURE outbox.audit()
LANGUAGE plpgsql
AS $$
DECLARE
    more integer;
BEGIN
    more := outbox.audit_step(true);
    COMMIT;
    WHILE more > 0 LOOP
        more := outbox.audit_step();
        COMMIT;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE outbox.audit IS
    'Audits everything now, or goes on with the run that is under way; each step is committed. See outbox.audit_finding';
