-- Doubts that end by asking the provider. "It does not have the message" sends it again, so it must come from the account
-- that the message may have gone to, and from each of them if it is unknown which one that was.

ALTER TABLE outbox.provider ADD COLUMN account_since timestamptz NOT NULL DEFAULT now();
ALTER TABLE outbox.channel ADD COLUMN provider_removed_at timestamptz;

COMMENT ON COLUMN outbox.provider.account_since IS 'Since when this name stands for this account';
COMMENT ON COLUMN outbox.channel.provider_removed_at IS 'When the channel last lost a provider; NULL = never';

CREATE FUNCTION outbox.note_account() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.account_since := clock_timestamp();
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.note_account() IS 'Trigger: what was sent before was perhaps sent through another account';

CREATE TRIGGER note_account BEFORE UPDATE OF name, channel, adapter, settings ON outbox.provider
    FOR EACH ROW EXECUTE FUNCTION outbox.note_account();

CREATE FUNCTION outbox.note_removed_provider() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE outbox.channel AS c SET provider_removed_at = clock_timestamp() WHERE c.name = OLD.channel;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_removed_provider() IS 'Trigger: nobody is left to ask whether it has a message';

CREATE TRIGGER note_removed_provider AFTER DELETE OR UPDATE OF channel ON outbox.provider
    FOR EACH ROW EXECUTE FUNCTION outbox.note_removed_provider();

-- A dispatcher may use an account for a moment after its row has changed.
CREATE FUNCTION outbox.take_doubt(
    channel text, askable text[], ready text[],
    OUT message_id bigint, OUT provider text, OUT sent_from timestamptz, OUT sent_upto timestamptz,
    OUT waited interval, OUT certain boolean, OUT turn timestamptz
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    slack CONSTANT interval := '1 minute';
    doubt outbox.doubt;
BEGIN
    FOR i IN 1..1000 LOOP
        SELECT d.* INTO doubt
        FROM unnest(take_doubt.ready) AS r (name)
            CROSS JOIN LATERAL (
                SELECT o.* FROM outbox.doubt AS o
                WHERE o.channel = take_doubt.channel AND o.provider = r.name AND o.next_at <= now()
                ORDER BY o.next_at LIMIT 1
                FOR UPDATE SKIP LOCKED) AS d
        LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN EXISTS (SELECT FROM outbox.message AS m WHERE m.id = doubt.message_id AND m.status = 'in_doubt');
        DELETE FROM outbox.doubt AS d WHERE d.message_id = doubt.message_id;
        doubt := NULL;
    END LOOP;
    IF doubt.message_id IS NULL THEN
        RETURN;
    END IF;
    UPDATE outbox.doubt AS d SET next_at = clock_timestamp() + interval '5 minutes'
    WHERE d.message_id = doubt.message_id
    RETURNING d.next_at INTO turn;
    message_id := doubt.message_id;
    provider := nullif(doubt.provider, '');
    sent_from := doubt.sent_from;
    sent_upto := doubt.sent_upto;
    waited := clock_timestamp() - doubt.doubted_at;
    IF provider IS NOT NULL THEN
        certain := EXISTS (SELECT FROM outbox.provider AS p
                           WHERE p.name = doubt.provider AND p.account_since + slack < doubt.sent_from);
    ELSE
        certain := NOT EXISTS (
                SELECT FROM outbox.provider AS p
                WHERE p.channel = doubt.channel
                    AND (p.name <> ALL (take_doubt.askable) OR p.account_since + slack >= doubt.sent_from))
            AND NOT EXISTS (
                SELECT FROM outbox.channel AS c
                WHERE c.name = doubt.channel AND c.provider_removed_at + slack >= doubt.sent_from);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.take_doubt(text, text[], text[]) IS
    'A message in doubt to ask about, for five minutes nobody else''s. askable: the accounts that can be asked at all; '
    'ready: of these, in turn, whose messages are wanted, and an empty name for those that all must be asked about. '
    'certain: that none of them has it means that it was not sent; turn: for outbox.settle_doubt';

-- Nothing waits here: the dispatcher's control connection has other work.
CREATE FUNCTION outbox.settle_doubt(
    message_id bigint, turn timestamptz, dispatcher integer, verdict text, provider text, provider_id text,
    reason text, cost numeric DEFAULT NULL, currency text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    doubt outbox.doubt;
    rules outbox.channel;
    outcome text := verdict;
    why text := reason;
    used integer;
BEGIN
    SELECT d.* INTO doubt FROM outbox.doubt AS d
    WHERE d.message_id = settle_doubt.message_id AND d.next_at = settle_doubt.turn
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false; -- somebody else's turn, or a doubt about a later attempt
    END IF;
    PERFORM FROM outbox.message AS m
    WHERE m.id = settle_doubt.message_id AND m.status = 'in_doubt'
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = doubt.channel;

    -- Vendors that are asked by text and number cannot tell two equal messages apart.
    IF outcome = 'sent' AND EXISTS (
        SELECT FROM outbox.provider_message AS p
        WHERE p.provider = settle_doubt.provider AND p.provider_message_id = settle_doubt.provider_id
            AND p.message_id <> settle_doubt.message_id) THEN
        outcome := 'in_doubt';
    END IF;
    CASE outcome
        WHEN 'sent' THEN
            why := coalesce(why, 'the provider was asked and has it');
            UPDATE outbox.message AS m
            SET status = 'sent', provider = settle_doubt.provider,
                provider_message_id = nullif(settle_doubt.provider_id, ''), sent_at = least(doubt.sent_upto, now()),
                last_error = NULL, cost = settle_doubt.cost,
                currency = CASE WHEN settle_doubt.cost IS NOT NULL THEN settle_doubt.currency END
            WHERE m.id = settle_doubt.message_id
            RETURNING m.attempts INTO used;
            IF rules.receipts THEN
                PERFORM outbox.keep_provider_ids(ARRAY[settle_doubt.message_id]);
            END IF;
        WHEN 'unsent' THEN
            UPDATE outbox.message AS m
            SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL, finished_at = NULL,
                attempts = greatest(m.attempts - 1, 0), last_error = why
            WHERE m.id = settle_doubt.message_id
            RETURNING m.attempts INTO used;
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
    IF outcome IN ('sent', 'unsent') THEN
        INSERT INTO outbox.attempt (message_id, dispatcher, attempt, verdict, provider, reason)
        VALUES (settle_doubt.message_id, settle_doubt.dispatcher, used, outcome,
                coalesce(settle_doubt.provider, nullif(doubt.provider, '')), why);
    END IF;
    DELETE FROM outbox.doubt AS d
    WHERE d.message_id = settle_doubt.message_id
        AND (outcome IN ('sent', 'unsent') OR d.asked >= rules.max_attempts);
    RETURN outcome IN ('sent', 'unsent');
END
$$;

COMMENT ON FUNCTION outbox.settle_doubt(
    bigint, timestamptz, integer, text, text, text, text, numeric, text) IS
    'What providers said about a message in doubt: sent, unsent (it is sent now, and its attempt does not count), '
    'deferred (none was asked) or anything else (asked again later, as often as the channel allows attempts); false '
    'when the doubt goes on';

REVOKE ALL ON FUNCTION
    outbox.note_account(), outbox.note_removed_provider(), outbox.take_doubt(text, text[], text[]),
    outbox.settle_doubt(bigint, timestamptz, integer, text, text, text, text, numeric, text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    outbox.take_doubt(text, text[], text[]),
    outbox.settle_doubt(bigint, timestamptz, integer, text, text, text, text, numeric, text)
    TO outbox_dispatcher, outbox_admin;
