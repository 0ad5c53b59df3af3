-- Doubts that end by asking the provider. "It does not have the message" sends it again, so it must come from the
-- provider that the message may have gone to, and from each of them if it is unknown which one that was.

-- Rows that are due go in the order of their time, whoever is to be asked, or those of one provider that are too early
-- would keep out all others.
CREATE OR REPLACE FUNCTION outbox.take_doubt(
    channel text, ready text[],
    OUT message_id bigint, OUT provider text, OUT sent_from timestamptz, OUT sent_upto timestamptz,
    OUT waited interval, OUT turn bigint
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    doubt outbox.doubt;
    is_open boolean := false;
BEGIN
    FOR i IN 1..20 LOOP
        SELECT d.* INTO doubt
        FROM unnest(take_doubt.ready) AS r (name)
            CROSS JOIN LATERAL (
                SELECT o.* FROM outbox.doubt AS o
                WHERE o.channel = take_doubt.channel AND o.provider = r.name AND o.next_at <= now()
                ORDER BY o.next_at LIMIT 1
                FOR UPDATE SKIP LOCKED) AS d
        ORDER BY d.next_at
        LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        is_open := EXISTS (SELECT FROM outbox.message AS m WHERE m.id = doubt.message_id AND m.status = 'in_doubt');
        EXIT WHEN is_open;
        DELETE FROM outbox.doubt AS d WHERE d.message_id = doubt.message_id;
    END LOOP;
    IF NOT is_open THEN
        RETURN;
    END IF;
    UPDATE outbox.doubt AS d SET next_at = clock_timestamp() + interval '5 minutes'
    WHERE d.message_id = doubt.message_id
    RETURNING extract(epoch FROM d.next_at) * 1000000 INTO turn;
    message_id := doubt.message_id;
    provider := nullif(doubt.provider, '');
    sent_from := doubt.sent_from;
    sent_upto := doubt.sent_upto;
    waited := clock_timestamp() - doubt.doubted_at;
END
$$;

COMMENT ON FUNCTION outbox.take_doubt IS
    'A message in doubt to ask about, for five minutes nobody else''s. ready: the providers whose messages are wanted, '
    'and an empty name for those that all must be asked about; turn: for outbox.settle_doubt';

-- A dispatcher may use a provider until its batch ends, and learns of a change a moment later.
CREATE OR REPLACE FUNCTION outbox.is_surely_unsent(doubt outbox.doubt, asked text[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE
            WHEN doubt.provider <> '' THEN EXISTS (SELECT FROM outbox.provider AS p WHERE p.name = doubt.provider)
            ELSE coalesce(c.provider_removed_at < doubt.sent_from - s.slack, true)
        END
        AND NOT EXISTS (
            SELECT FROM outbox.provider AS p
            WHERE (p.name = doubt.provider OR (doubt.provider = '' AND p.channel = doubt.channel))
                AND (p.name <> ALL (asked) OR p.identity_since >= doubt.sent_from - s.slack))
    FROM outbox.channel AS c CROSS JOIN LATERAL (SELECT c.batch_deadline + interval '2 minutes' AS slack) AS s
    WHERE c.name = doubt.channel;
END;

COMMENT ON FUNCTION outbox.is_surely_unsent IS
    'Whether a message was not sent when all of these providers say that they do not have it';

-- Nothing waits here: the dispatcher's control connection has other work.
CREATE OR REPLACE FUNCTION outbox.settle_doubt(
    message_id bigint, turn bigint, dispatcher integer, verdict text, provider text, provider_id text,
    reason text, asked text[], cost numeric DEFAULT NULL, currency text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    doubt outbox.doubt;
    rules outbox.channel;
    why text := reason;
    used integer;
BEGIN
    SELECT d.* INTO doubt FROM outbox.doubt AS d
    WHERE d.message_id = settle_doubt.message_id
        AND (extract(epoch FROM d.next_at) * 1000000)::bigint = settle_doubt.turn
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false; -- somebody else's turn, or a doubt about a later attempt
    END IF;
    SELECT m.attempts INTO used FROM outbox.message AS m
    WHERE m.id = settle_doubt.message_id AND m.status = 'in_doubt'
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = doubt.channel;

    IF verdict = 'sent' THEN
        IF NOT pg_try_advisory_xact_lock(hashtextextended(settle_doubt.provider_id, 0)) THEN
            RETURN false;
        END IF;
        -- Vendors that are asked by text and number cannot tell two equal messages apart: what another message has, or
        -- may have because ids are not kept, is not this one.
        IF NOT rules.receipts OR EXISTS (
            SELECT FROM outbox.provider AS o
                JOIN outbox.provider_message AS p
                    ON p.provider = o.name AND p.provider_message_id = settle_doubt.provider_id
            WHERE o.channel = doubt.channel AND p.message_id <> settle_doubt.message_id) THEN
            verdict := 'in_doubt';
        END IF;
    ELSIF verdict = 'unsent' THEN
        IF used >= rules.max_attempts OR NOT outbox.is_surely_unsent(doubt, settle_doubt.asked) THEN
            verdict := 'in_doubt';
        END IF;
    END IF;
    CASE verdict
        WHEN 'sent' THEN
            why := coalesce(why, 'the provider was asked and has it');
            UPDATE outbox.message AS m
            SET status = 'sent', provider = settle_doubt.provider,
                provider_message_id = nullif(settle_doubt.provider_id, ''), sent_at = least(doubt.sent_upto, now()),
                last_error = NULL, cost = settle_doubt.cost,
                currency = CASE WHEN settle_doubt.cost IS NOT NULL THEN settle_doubt.currency END
            WHERE m.id = settle_doubt.message_id;
            PERFORM outbox.keep_provider_ids(ARRAY[settle_doubt.message_id]);
        WHEN 'unsent' THEN
            UPDATE outbox.message AS m
            SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL, finished_at = NULL,
                last_error = why
            WHERE m.id = settle_doubt.message_id;
            PERFORM outbox.wake(rules.id, rules.name);
        WHEN 'deferred' THEN
            UPDATE outbox.doubt AS d SET next_at = now() + rules.backoff_base
            WHERE d.message_id = settle_doubt.message_id;
        ELSE
            UPDATE outbox.doubt AS d
            SET asked = d.asked + 1,
                next_at = now() + outbox.backoff(rules.backoff_base, rules.backoff_cap, d.asked + 1)
            WHERE d.message_id = settle_doubt.message_id;
    END CASE;
    IF verdict IN ('sent', 'unsent') THEN
        INSERT INTO outbox.attempt (message_id, dispatcher, attempt, verdict, provider, reason)
        VALUES (settle_doubt.message_id, settle_doubt.dispatcher, used, settle_doubt.verdict,
                coalesce(settle_doubt.provider, nullif(doubt.provider, '')), why);
    END IF;
    PERFORM outbox.note_moves(ARRAY[settle_doubt.message_id], '{in_doubt}')
    WHERE verdict IN ('sent', 'unsent');
    DELETE FROM outbox.doubt AS d
    WHERE d.message_id = settle_doubt.message_id
        AND (verdict IN ('sent', 'unsent') OR d.asked >= rules.max_attempts);
    RETURN verdict IN ('sent', 'unsent');
END
$$;

COMMENT ON FUNCTION outbox.settle_doubt IS
    'What the asked providers said about a message in doubt: sent, unsent (all of them; it is sent now while attempts '
    'are left), deferred (one was not asked) or anything else (asked again later, as often as the channel allows '
    'attempts); false when the doubt goes on';
