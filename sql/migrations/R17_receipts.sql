-- Receipts: what they do to their message, its address and its user. Refusals: OB011.

-- Everything follows from all receipts of the message together, read once it is locked, so their order does not
-- matter. But only what is new has consequences outside of the message: a late receipt must not bring back what a
-- person took back since.
CREATE OR REPLACE FUNCTION outbox.apply_receipts(message_id bigint, news outbox.receipt_event[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    about record;
    hot boolean;
    told record;
BEGIN
    SELECT m.channel, m.recipient, m.user_id, m.category, m.provider, m.status INTO about
    FROM outbox.message AS m WHERE m.id = apply_receipts.message_id FOR NO KEY UPDATE;
    hot := FOUND;
    IF NOT hot THEN
        -- A row that was being archived is found there now that its lock is gone.
        SELECT m.channel, m.recipient, m.user_id, m.category, m.provider, m.status INTO about
        FROM outbox.archive AS m WHERE m.id = apply_receipts.message_id FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    SELECT CASE WHEN bool_or(r.event IN ('undelivered', 'bounced')) THEN 'bounced'
                WHEN bool_or(r.event = 'delivered') THEN 'delivered' END::outbox.message_status AS status,
        max(r.detail) FILTER (WHERE r.event IN ('undelivered', 'bounced')) AS error,
        max(r.at) FILTER (WHERE r.event = 'unsubscribed') AS unsubscribed_at
    INTO told
    FROM outbox.receipt AS r WHERE r.message_id = apply_receipts.message_id;
    IF hot THEN
        UPDATE outbox.message AS m SET status = told.status, last_error = told.error
        WHERE m.id = apply_receipts.message_id AND m.status IN ('sent', 'delivered', 'bounced')
            AND (m.status <> told.status OR (told.status = 'bounced' AND m.last_error IS DISTINCT FROM told.error));
        PERFORM outbox.note_moves(ARRAY[apply_receipts.message_id], ARRAY[about.status]);
    ELSE
        UPDATE outbox.archive AS m SET status = told.status, last_error = told.error
        WHERE m.id = apply_receipts.message_id AND m.status IN ('sent', 'delivered', 'bounced')
            AND (m.status <> told.status OR (told.status = 'bounced' AND m.last_error IS DISTINCT FROM told.error));
    END IF;

    -- Who unsubscribes from a category still wants a password code; without a user the address is all there is.
    IF 'unsubscribed' = ANY (news) AND about.user_id IS NOT NULL THEN
        INSERT INTO outbox.preference AS p (user_id, category, channel, allowed, source)
        SELECT about.user_id, g.name, about.channel, false, 'receipt of ' || about.provider
        FROM outbox.category AS g
        WHERE g.name = about.category AND g.consent <> 'mandatory'
        ON CONFLICT (user_id, category, channel) DO UPDATE
        SET allowed = false, source = excluded.source, changed_at = excluded.changed_at
        WHERE p.allowed AND p.changed_at < told.unsubscribed_at;
    END IF;
    IF news && '{bounced,complained}' OR ('unsubscribed' = ANY (news) AND about.user_id IS NULL) THEN
        INSERT INTO outbox.suppression AS s (channel, address, reason, provider, at, message_id)
        SELECT about.channel, about.recipient, coalesce(r.detail, r.event::text), about.provider, r.at,
            apply_receipts.message_id
        FROM outbox.receipt AS r
        WHERE r.message_id = apply_receipts.message_id
            AND (r.event IN ('bounced', 'complained') OR (r.event = 'unsubscribed' AND about.user_id IS NULL))
            AND octet_length(about.recipient) <= 2500 -- more does not fit into the index
        ORDER BY r.event, r.at
        LIMIT 1
        ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason, at = excluded.at
        WHERE s.message_id = excluded.message_id;
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.apply_receipts IS
    'Brings a message to what its receipts say, and its address and its user''s preferences to what the new ones say';

CREATE OR REPLACE FUNCTION outbox.record_receipt(
    provider text, provider_message_id text, event text, at timestamptz DEFAULT now(), detail text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    about bigint;
BEGIN
    IF record_receipt.event IS NULL
        OR record_receipt.event <> ALL (enum_range(NULL::outbox.receipt_event)::text[]) THEN
        PERFORM outbox.raise('OB011', 'event', 'must be one of '
            || array_to_string(enum_range(NULL::outbox.receipt_event), ', '));
    END IF;
    IF coalesce(octet_length(record_receipt.provider), 0) NOT BETWEEN 1 AND 500 THEN
        PERFORM outbox.raise('OB011', 'provider', 'must have 1 to 500 octets');
    END IF;
    IF coalesce(octet_length(record_receipt.provider_message_id), 0) NOT BETWEEN 1 AND 1000 THEN
        PERFORM outbox.raise('OB011', 'provider_message_id', 'must have 1 to 1000 octets');
    END IF;
    SELECT p.message_id INTO about FROM outbox.provider_message AS p
    WHERE p.provider = record_receipt.provider AND p.provider_message_id = record_receipt.provider_message_id;
    INSERT INTO outbox.receipt (provider, provider_message_id, event, at, detail, message_id)
    VALUES (record_receipt.provider, record_receipt.provider_message_id,
            record_receipt.event::outbox.receipt_event,
            greatest(least(record_receipt.at, now()), 'epoch'), -- a clock ahead of ours would outrule what the user says next
            left(record_receipt.detail, 500), about)
    ON CONFLICT (provider, provider_message_id, event) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF about IS NOT NULL THEN
        PERFORM outbox.apply_receipts(about, ARRAY[record_receipt.event::outbox.receipt_event]);
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.record_receipt IS
    'What a provider tells later about a message, in any order and as often as it likes; one that comes before its '
    'message was settled is kept. False: it was known';

-- Ids that are not ours stay unmatched for ever, so only the newest are looked at.
CREATE OR REPLACE FUNCTION outbox.match_receipts(max_rows integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    about record;
    messages integer := 0;
BEGIN
    FOR about IN
        WITH waiting AS MATERIALIZED (
            SELECT r.provider, r.provider_message_id, r.event FROM outbox.receipt AS r
            WHERE r.message_id IS NULL AND r.recorded_at > now() - interval '3 days'
            ORDER BY r.recorded_at DESC
            LIMIT 10 * max_rows
        ), found AS MATERIALIZED (
            SELECT r.provider, r.provider_message_id, r.event, p.message_id
            FROM waiting AS w
                JOIN outbox.provider_message AS p
                    ON p.provider = w.provider AND p.provider_message_id = w.provider_message_id
                JOIN outbox.receipt AS r
                    ON r.provider = w.provider AND r.provider_message_id = w.provider_message_id AND r.event = w.event
            WHERE r.message_id IS NULL
            LIMIT max_rows
            FOR UPDATE OF r SKIP LOCKED
        ), matched AS (
            UPDATE outbox.receipt AS r SET message_id = f.message_id
            FROM found AS f
            WHERE r.provider = f.provider AND r.provider_message_id = f.provider_message_id AND r.event = f.event
            RETURNING r.message_id, r.event
        )
        SELECT m.message_id AS id, array_agg(m.event) AS news FROM matched AS m GROUP BY m.message_id ORDER BY 1
    LOOP
        PERFORM outbox.apply_receipts(about.id, about.news);
        messages := messages + 1;
    END LOOP;
    RETURN messages;
END
$$;

COMMENT ON FUNCTION outbox.match_receipts IS
    'Applies receipts that came before their message was settled; returns to how many messages';
