-- Takes ready rows beyond the two cursors, in order, the transactional lane first; the bulk lane keeps a guaranteed
-- share while it has rows. Parameters: 1 channel, 2 transactional cursor, 3 bulk cursor, 4 limit of the transactional
-- lane while bulk waits, 5 limit of both lanes together.
WITH open AS MATERIALIZED (
    SELECT NOT paused AS yes FROM outbox.channel WHERE name = $1
), transactional AS MATERIALIZED (
    SELECT
        -- part claim_source
    FROM outbox.message
    WHERE channel = $1 AND lane = 'transactional' AND queue_pos > $2::bigint AND status = 'pending'
      AND (SELECT yes FROM open)
    ORDER BY queue_pos
    LIMIT CASE
        WHEN EXISTS (
            SELECT FROM outbox.message
            WHERE channel = $1 AND lane = 'bulk' AND queue_pos > $3::bigint AND status = 'pending'
        ) THEN $4::int
        ELSE $5::int
    END
    FOR UPDATE SKIP LOCKED
), bulk AS MATERIALIZED (
    SELECT
        -- part claim_source
    FROM outbox.message
    WHERE channel = $1 AND lane = 'bulk' AND queue_pos > $3::bigint AND status = 'pending'
      AND (SELECT yes FROM open)
    ORDER BY queue_pos
    LIMIT $5::int - (SELECT count(*) FROM transactional)
    FOR UPDATE SKIP LOCKED
), claimed AS (
    SELECT * FROM transactional UNION ALL SELECT * FROM bulk
)
SELECT
    -- part claim_columns
FROM claimed
CROSS JOIN LATERAL outbox.standing(now(), $1, recipient, lane, user_id, category, notification_id, device_id) AS standing
