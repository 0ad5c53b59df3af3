-- The ledger. Accepted is what outbox.accepted counts: every id of outbox.message once, when no running transaction can
-- bring a lower one any more. A message counts as pending from then on; an INSERT of one that is not, and every later move,
-- writes into outbox.change within its own transaction. So the two sides meet only if no row came or went otherwise.

-- ---- What writes into outbox.change ----

CREATE OR REPLACE FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
BEGIN
    INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
    SELECT m.id >> 18, m.channel, m.lane, (m.created_at AT TIME ZONE 'UTC')::date, o.status, m.status, count(*)
    FROM unnest(note_moves.ids, note_moves.former) AS o (id, status) JOIN outbox.message AS m ON m.id = o.id
    WHERE m.id = ANY (note_moves.ids) AND m.status <> o.status
    GROUP BY 1, 2, 3, 4, 5, 6;
END
$$;

COMMENT ON FUNCTION outbox.note_moves IS
    'Called after an UPDATE, in its transaction: these messages were in these states before; element i is about ids[i]';

-- Producers call it by their trigger, without a right to the table.
CREATE OR REPLACE FUNCTION outbox.note_arrival(
    block bigint, channel text, lane outbox.lane, day date, status outbox.message_status, messages bigint
) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
    VALUES (note_arrival.block, note_arrival.channel, note_arrival.lane, note_arrival.day, 'pending',
            note_arrival.status, note_arrival.messages);
END;

COMMENT ON FUNCTION outbox.note_arrival IS 'Messages were inserted that are not pending';

-- Deleted by whomever: the archive's own move comes in again there, a deletion by hand leaves a hole.
CREATE OR REPLACE FUNCTION outbox.note_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO outbox.change (block, channel, lane, day, from_status, messages)
    SELECT g.id >> 18, g.channel, g.lane, (g.created_at AT TIME ZONE 'UTC')::date, g.status, count(*)
    FROM gone AS g
    GROUP BY 1, 2, 3, 4, 5;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_deleted IS 'Trigger: notes which messages left outbox.message';

CREATE OR REPLACE TRIGGER note_deleted AFTER DELETE ON outbox.message
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_deleted();

-- One function for three triggers: a transition table has the same columns in each.
CREATE OR REPLACE FUNCTION outbox.note_archive() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO outbox.change (block, channel, lane, day, place, from_status, messages)
        SELECT g.id >> 18, g.channel, g.lane, (g.created_at AT TIME ZONE 'UTC')::date,
            (g.finished_at AT TIME ZONE 'UTC')::date, g.status, count(*)
        FROM gone AS g
        GROUP BY 1, 2, 3, 4, 5, 6;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO outbox.change (block, channel, lane, day, place, to_status, messages)
        SELECT c.id >> 18, c.channel, c.lane, (c.created_at AT TIME ZONE 'UTC')::date,
            (c.finished_at AT TIME ZONE 'UTC')::date, c.status, count(*)
        FROM come AS c
        GROUP BY 1, 2, 3, 4, 5, 6;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_archive IS 'Trigger: notes which messages came to outbox.archive, changed or left';

CREATE OR REPLACE TRIGGER note_inserted AFTER INSERT ON outbox.archive
    REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_archive();
CREATE OR REPLACE TRIGGER note_updated AFTER UPDATE ON outbox.archive
    REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_archive();
CREATE OR REPLACE TRIGGER note_deleted AFTER DELETE ON outbox.archive
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_archive();

-- ---- What adds it up ----

-- An id is taken before the transaction has an id of its own, so a snapshot would not do. Every transaction holds a
-- lock on its virtual id from its beginning; one that was prepared has given that up, and is looked for after the
-- others have ended.
CREATE OR REPLACE FUNCTION outbox.tick_ledger(mark outbox.ledger_mark) RETURNS outbox.ledger_mark
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    prepared_now text[];
BEGIN
    IF mark.tick_at IS NULL THEN
        mark.tick_at := clock_timestamp();
        SELECT s.last_value - (NOT s.is_called)::integer INTO mark.tick_id FROM outbox.message_id_seq AS s;
        SELECT s.last_value - (NOT s.is_called)::integer INTO mark.tick_change FROM outbox.change_id_seq AS s;
        mark.running := outbox.running_transactions();
        mark.prepared := false;
    END IF;
    IF NOT mark.prepared AND NOT mark.running && outbox.running_transactions() THEN
        mark.running := ARRAY(SELECT p.transaction::text FROM pg_prepared_xacts AS p
                              WHERE p.database = current_database());
        mark.prepared := true;
    END IF;
    IF mark.prepared THEN
        prepared_now := ARRAY(SELECT p.transaction::text FROM pg_prepared_xacts AS p
                              WHERE p.database = current_database());
        IF NOT mark.running && prepared_now THEN
            mark.running := '{}';
        END IF;
    END IF;
    RETURN mark;
END
$$;

COMMENT ON FUNCTION outbox.tick_ledger IS
    'Reads how far ids have come, or looks whether all transactions that ran then have ended: then prepared is true and '
    'running is empty';

CREATE OR REPLACE FUNCTION outbox.count_accepted(after bigint, upto bigint) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
BEGIN ATOMIC
    WITH counted AS MATERIALIZED (
        SELECT s.id >> 18 AS block, s.channel, s.lane, (s.created_at AT TIME ZONE 'UTC')::date AS day,
            count(*) AS messages
        FROM (
            SELECT m.id, m.channel, m.lane, m.created_at FROM outbox.message AS m
            WHERE m.id > count_accepted.after AND m.id <= count_accepted.upto
            UNION -- an id that is there twice was accepted once
            SELECT a.id, a.channel, a.lane, a.created_at FROM outbox.archive AS a
            WHERE a.id > count_accepted.after AND a.id <= count_accepted.upto) AS s
        GROUP BY 1, 2, 3, 4
    ), accepted AS (
        INSERT INTO outbox.accepted AS l (channel, lane, day, messages)
        SELECT c.channel, c.lane, c.day, sum(c.messages) FROM counted AS c GROUP BY 1, 2, 3
        ON CONFLICT (channel, lane, day) DO UPDATE SET messages = l.messages + excluded.messages
    )
    INSERT INTO outbox.change (block, channel, lane, day, to_status, messages)
    SELECT c.block, c.channel, c.lane, c.day, 'pending', c.messages FROM counted AS c;
END;

COMMENT ON FUNCTION outbox.count_accepted IS
    'Counts the messages with these ids as accepted, and as pending, which each of them was or is taken for at first';

CREATE OR REPLACE FUNCTION outbox.fold_changes(after bigint, max_rows integer) RETURNS integer
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
BEGIN ATOMIC
    WITH taken AS (
        DELETE FROM outbox.change AS c
        WHERE c.id > fold_changes.after AND c.id <= (
            SELECT max(o.id) FROM (
                SELECT n.id FROM outbox.change AS n WHERE n.id > fold_changes.after
                ORDER BY n.id LIMIT fold_changes.max_rows) AS o)
        RETURNING c.*
    ), legs AS MATERIALIZED (
        SELECT t.block, t.channel, t.lane, t.day, t.place, l.status, sum(l.sign * t.messages) AS messages
        FROM taken AS t CROSS JOIN LATERAL (VALUES (t.from_status, -1), (t.to_status, 1)) AS l (status, sign)
        WHERE l.status IS NOT NULL
        GROUP BY 1, 2, 3, 4, 5, 6
    ), summed AS (
        INSERT INTO outbox.ledger AS l (channel, lane, day, status, messages)
        SELECT s.channel, s.lane, s.day, s.status, sum(s.messages) FROM legs AS s
        GROUP BY 1, 2, 3, 4
        HAVING sum(s.messages) <> 0
        ON CONFLICT (channel, lane, day, status) DO UPDATE SET messages = l.messages + excluded.messages
    ), placed AS (
        INSERT INTO outbox.ledger_block AS l (block, channel, lane, day, place, status, messages)
        SELECT s.block, s.channel, s.lane, s.day, s.place, s.status, s.messages FROM legs AS s
        WHERE s.messages <> 0
        ON CONFLICT (block, channel, lane, day, place, status) DO UPDATE SET messages = l.messages + excluded.messages
    )
    SELECT count(*)::integer FROM taken;
END;

COMMENT ON FUNCTION outbox.fold_changes IS 'Adds the first changes after this id up and deletes them; returns how many';

-- Only one folds: the mark's row is its lock. What it sees of outbox.change is committed, and goes with the same commit
-- that adds it up.
CREATE OR REPLACE FUNCTION outbox.fold_ledger(max_rows integer DEFAULT 10000) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    mark outbox.ledger_mark;
    upto bigint;
    folded integer;
BEGIN
    SELECT m.* INTO mark FROM outbox.ledger_mark AS m FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    mark := outbox.tick_ledger(mark);
    IF mark.prepared AND mark.running = '{}' AND mark.counted_id < mark.tick_id THEN
        upto := least(mark.counted_id + 10 * max_rows, mark.tick_id);
        PERFORM outbox.count_accepted(mark.counted_id, upto);
        mark.counted_id := upto;
    END IF;
    folded := outbox.fold_changes(mark.folded_id, max_rows);
    IF mark.prepared AND mark.running = '{}' AND mark.counted_id >= mark.tick_id THEN
        mark.counted_at := greatest(mark.counted_at, mark.tick_at);
        IF folded < max_rows THEN
            mark.folded_id := mark.tick_change;
        END IF;
        mark.tick_at := NULL;
    END IF;
    UPDATE outbox.ledger_mark AS m
    SET counted_id = mark.counted_id, counted_at = mark.counted_at, folded_id = mark.folded_id,
        tick_at = mark.tick_at, tick_id = mark.tick_id, tick_change = mark.tick_change, running = mark.running,
        prepared = mark.prepared;
    RETURN CASE WHEN mark.counted_id < mark.tick_id AND mark.running = '{}' THEN max_rows ELSE folded END;
END
$$;

COMMENT ON FUNCTION outbox.fold_ledger IS
    'Counts what was accepted and adds up what changed; returns how many changes, or max_rows when there is more to do';

-- ---- What people read ----

CREATE OR REPLACE VIEW outbox.conservation AS
WITH book AS (
    SELECT l.channel, l.day, l.status, sum(l.messages) AS messages, 0 AS accepted, 0 AS written_off
    FROM outbox.ledger AS l GROUP BY 1, 2, 3
    UNION ALL
    SELECT c.channel, c.day, x.status, x.sign * c.messages, 0, 0
    FROM outbox.change AS c CROSS JOIN LATERAL (VALUES (c.from_status, -1), (c.to_status, 1)) AS x (status, sign)
    WHERE x.status IS NOT NULL AND c.id > (SELECT m.folded_id FROM outbox.ledger_mark AS m)
    UNION ALL
    SELECT a.channel, a.day, NULL, 0, sum(a.messages), sum(a.written_off) FROM outbox.accepted AS a GROUP BY 1, 2
), summed AS (
    SELECT b.channel, b.day, sum(b.accepted)::bigint AS accepted,
        sum(b.written_off)::bigint AS written_off, sum(b.messages)::bigint AS found,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'scheduled'), 0)::bigint AS scheduled,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'pending'), 0)::bigint AS pending,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'sent'), 0)::bigint AS sent,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'delivered'), 0)::bigint AS delivered,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'bounced'), 0)::bigint AS bounced,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'failed'), 0)::bigint AS failed,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'expired'), 0)::bigint AS expired,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'cancelled'), 0)::bigint AS cancelled,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'suppressed'), 0)::bigint AS suppressed,
        coalesce(sum(b.messages) FILTER (WHERE b.status = 'in_doubt'), 0)::bigint AS in_doubt
    FROM book AS b
    GROUP BY b.channel, b.day
)
SELECT s.channel, s.day, s.accepted, greatest(-s.pending, 0) AS uncounted, s.scheduled,
    greatest(s.pending, 0) AS pending, s.sent, s.delivered, s.bounced, s.failed, s.expired, s.cancelled, s.suppressed,
    s.in_doubt, s.written_off, s.accepted - s.written_off - s.found AS missing,
    s.accepted - s.written_off = s.found AS adds_up, m.counted_at AS counted_until
FROM summed AS s CROSS JOIN outbox.ledger_mark AS m;

COMMENT ON VIEW outbox.conservation IS
    'By channel and UTC day of created_at: what was accepted, and where it is now, archived and dropped included. '
    'accepted + uncounted = the sum of the states + written_off + missing';
COMMENT ON COLUMN outbox.conservation.uncounted IS
    'Moved on before they were counted as accepted, because a transaction that runs might still bring an earlier one';
COMMENT ON COLUMN outbox.conservation.missing IS 'Rows that went otherwise; below 0 = rows that were never accepted';
COMMENT ON COLUMN outbox.conservation.counted_until IS 'What was committed before it is counted as accepted';

CREATE OR REPLACE VIEW outbox.queue_depth AS
SELECT b.channel, b.lane, coalesce(sum(b.messages) FILTER (WHERE b.status = 'scheduled'), 0)::bigint AS scheduled,
    greatest(coalesce(sum(b.messages) FILTER (WHERE b.status = 'pending'), 0), 0)::bigint AS pending
FROM (
        SELECT l.channel, l.lane, l.status, l.messages FROM outbox.ledger AS l
        UNION ALL
        SELECT c.channel, c.lane, x.status, x.sign * c.messages
        FROM outbox.change AS c CROSS JOIN LATERAL (VALUES (c.from_status, -1), (c.to_status, 1)) AS x (status, sign)
        WHERE c.id > (SELECT m.folded_id FROM outbox.ledger_mark AS m)) AS b
WHERE b.status IN ('scheduled', 'pending')
GROUP BY b.channel, b.lane;

COMMENT ON VIEW outbox.queue_depth IS
    'How many messages wait, by the ledger: in milliseconds at any size, without what is not counted as accepted yet';

CREATE OR REPLACE FUNCTION outbox.write_off(channel text, day date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lost bigint;
BEGIN
    LOCK TABLE outbox.accepted IN SHARE ROW EXCLUSIVE MODE;
    SELECT c.missing INTO lost FROM outbox.conservation AS c
    WHERE c.channel = write_off.channel AND c.day = write_off.day AND c.missing <> 0;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    INSERT INTO outbox.accepted AS a (channel, lane, day, written_off)
    VALUES (write_off.channel, 'transactional', write_off.day, lost)
    ON CONFLICT ON CONSTRAINT accepted_pkey DO UPDATE SET written_off = a.written_off + excluded.written_off;
    RETURN lost;
END
$$;

COMMENT ON FUNCTION outbox.write_off IS
    'What is missing of a channel and day is known, and not reported any more; returns how many messages that are';
