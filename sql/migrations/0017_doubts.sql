-- Doubts that end by asking the provider.

-- A row's turn is over when its next_at has come: then somebody else may be asking, or the message was sent again
-- since and its new doubt has another span.
CREATE FUNCTION outbox.settle_doubts(
    channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[],
    reasons text[], costs numeric[] DEFAULT NULL, currencies text[] DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    rules outbox.channel;
    ended bigint[];
    again boolean;
BEGIN
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = settle_doubts.channel;
    WITH locked AS MATERIALIZED (
        SELECT m.id, d.sent_upto, d.asked
        FROM outbox.message AS m JOIN outbox.doubt AS d ON d.message_id = m.id
        WHERE m.id = ANY (settle_doubts.ids) AND m.status = 'in_doubt' AND d.next_at > now()
        ORDER BY m.id
        FOR UPDATE OF m, d
    ), answered AS MATERIALIZED (
        SELECT l.sent_upto, l.asked, v.*
        FROM locked AS l
            JOIN unnest(settle_doubts.ids, settle_doubts.verdicts, settle_doubts.providers,
                        settle_doubts.provider_ids, settle_doubts.reasons, settle_doubts.costs,
                        settle_doubts.currencies)
                AS v (id, verdict, provider, provider_id, reason, cost, currency) ON v.id = l.id
    ), updated AS (
        UPDATE outbox.message AS m
        SET status = CASE a.verdict WHEN 'sent' THEN 'sent' ELSE 'pending' END::outbox.message_status,
            provider = coalesce(a.provider, m.provider), provider_message_id = nullif(a.provider_id, ''),
            sent_at = CASE a.verdict WHEN 'sent' THEN a.sent_upto END,
            finished_at = CASE a.verdict WHEN 'sent' THEN m.finished_at END,
            queue_pos = CASE a.verdict WHEN 'sent' THEN m.queue_pos ELSE outbox.next_queue_pos() END,
            attempts = CASE a.verdict WHEN 'sent' THEN m.attempts ELSE greatest(m.attempts - 1, 0) END,
            last_error = CASE a.verdict WHEN 'sent' THEN NULL ELSE a.reason END,
            cost = a.cost, currency = CASE WHEN a.cost IS NOT NULL THEN a.currency END
        FROM answered AS a
        WHERE m.id = a.id AND a.verdict IN ('sent', 'unsent')
        RETURNING m.id, m.attempts, m.provider, a.verdict, a.reason
    ), logged AS (
        INSERT INTO outbox.attempt (message_id, dispatcher, attempt, verdict, provider, reason)
        SELECT u.id, settle_doubts.dispatcher, u.attempts, u.verdict, u.provider,
            coalesce(u.reason, 'the provider was asked and has it')
        FROM updated AS u
    ), postponed AS (
        UPDATE outbox.doubt AS d
        SET asked = a.asked + (a.verdict <> 'deferred')::integer,
            next_at = now() + CASE a.verdict
                WHEN 'deferred' THEN rules.backoff_base
                ELSE outbox.backoff(rules.backoff_base, rules.backoff_cap, a.asked + 1)
            END
        FROM answered AS a
        WHERE d.message_id = a.id AND a.verdict NOT IN ('sent', 'unsent')
            AND (a.verdict = 'deferred' OR a.asked + 1 < rules.max_attempts)
        RETURNING d.message_id
    ), dropped AS (
        DELETE FROM outbox.doubt AS d USING answered AS a
        WHERE d.message_id = a.id
            AND (a.verdict IN ('sent', 'unsent') OR (a.verdict <> 'deferred' AND a.asked + 1 >= rules.max_attempts))
    )
    SELECT array_agg(u.id), coalesce(bool_or(u.verdict = 'unsent'), false) INTO ended, again FROM updated AS u;
    IF ended IS NULL THEN
        RETURN 0;
    END IF;
    IF rules.receipts THEN
        PERFORM outbox.keep_provider_ids(ended);
    END IF;
    IF again THEN
        PERFORM outbox.wake(rules.id, rules.name);
    END IF;
    RETURN cardinality(ended);
END
$$;

COMMENT ON FUNCTION outbox.settle_doubts(
    text, integer, bigint[], text[], text[], text[], text[], numeric[], text[]) IS
    'What providers said when they were asked about messages in doubt: sent, unsent (it is sent now), in_doubt (asked '
    'again later, as often as the channel allows attempts) or deferred (it was not asked); returns how many doubts ended';

REVOKE ALL ON FUNCTION
    outbox.settle_doubts(text, integer, bigint[], text[], text[], text[], text[], numeric[], text[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    outbox.settle_doubts(text, integer, bigint[], text[], text[], text[], text[], numeric[], text[])
    TO outbox_dispatcher, outbox_admin;
