-- A message in doubt whose provider can be asked, whatever its standing. The columns are those of claim.sql, then: the
-- provider that was at it (null = unknown), when (ms), for how long it is in doubt (ms), and the number of its turn.
-- Parameters: 1 channel, 2 providers whose turn it may be (empty name = unknown provider).
WITH turn AS MATERIALIZED (
    SELECT * FROM outbox.take_doubt(channel => $1, ready => $2::text[])
), claimed AS (
    SELECT
        -- part claim_source
    FROM outbox.message
    WHERE id = (SELECT message_id FROM turn)
)
SELECT
    -- part claim_columns
    , turn.provider
    , floor(extract(epoch FROM turn.sent_from) * 1000)::bigint AS sent_from_ms
    , ceil(extract(epoch FROM turn.sent_upto) * 1000)::bigint AS sent_upto_ms
    , floor(extract(epoch FROM turn.waited) * 1000)::bigint AS waited_ms
    , turn.turn
FROM turn
CROSS JOIN claimed
CROSS JOIN (VALUES (NULL::text, NULL::timestamptz, NULL::text)) AS standing (refusal, wait_until, moved_to)
