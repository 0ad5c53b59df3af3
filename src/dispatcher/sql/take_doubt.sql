-- A message in doubt whose provider can be asked. The columns are those of claim.sql, then: the provider that was at
-- it (null = unknown), when (ms), for how long it is in doubt (ms), and the number of its turn.
-- Parameters: 1 channel, 2 providers whose turn it may be (empty name = unknown provider).
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
    floor(extract(epoch FROM t.waited) * 1000)::bigint AS waited_ms,
    t.turn
FROM outbox.take_doubt(channel => $1, ready => $2::text[]) AS t
JOIN outbox.message AS m ON m.id = t.message_id
