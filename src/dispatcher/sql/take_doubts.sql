-- Messages in doubt whose providers can be asked, and are due for it; nobody else asks about them for a while. The
-- columns are those of claim.sql, then: the account that was at it (null = unknown), when (ms), and whether another one
-- than the dispatcher knows may have been. Parameters: 1 channel, 2 accounts that can be asked, 3 limit.
WITH due AS MATERIALIZED (
    SELECT d.message_id
    FROM outbox.doubt AS d
    JOIN outbox.message AS m ON m.id = d.message_id AND m.status = 'in_doubt'
    WHERE d.channel = $1 AND d.next_at <= now() AND (d.provider IS NULL OR d.provider = ANY ($2::text[]))
    ORDER BY d.next_at
    LIMIT $3::int
    FOR UPDATE OF d SKIP LOCKED
), taken AS (
    UPDATE outbox.doubt AS d SET next_at = now() + interval '5 minutes'
    FROM due
    WHERE d.message_id = due.message_id
    RETURNING d.*
)
SELECT
    m.id,
    coalesce(m.queue_pos, 0) AS queue_pos,
    m.lane = 'bulk' AS bulk,
    m.attempts,
    floor(extract(epoch FROM m.created_at) * 1000)::bigint AS created_ms,
    ceil(extract(epoch FROM m.expires_at) * 1000)::bigint AS expires_ms,
    false AS expired,
    NULL AS refusal,
    NULL AS wait_ms,
    false AS moved,
    outbox.message_uuid(m.idempotency_key) AS uuid,
    m.app,
    m.environment,
    m.recipient,
    m.template_id,
    m.payload,
    t.provider,
    floor(extract(epoch FROM t.sent_from) * 1000)::bigint AS sent_from_ms,
    ceil(extract(epoch FROM t.sent_upto) * 1000)::bigint AS sent_upto_ms,
    EXISTS (SELECT FROM outbox.provider AS p WHERE p.channel = $1 AND NOT p.enabled) AS others
FROM taken AS t
JOIN outbox.message AS m ON m.id = t.message_id
