-- Looks at a stretch behind the cursor, 10,000 rows of it at most: how many of its rows are pending, between which
-- positions, and takes those that nobody holds. It stops at the last row it takes when there may be more to take.
-- The first row is the count with null columns. Parameters: 1 channel, 2 lane, 3 after, 4 up to, 5 limit.
WITH visited AS MATERIALIZED (
    SELECT queue_pos, status
    FROM outbox.message
    WHERE channel = $1 AND lane = $2::outbox.lane AND queue_pos > $3::bigint AND queue_pos <= $4::bigint
    ORDER BY queue_pos
    LIMIT 10000
), claimed AS MATERIALIZED (
    SELECT
        -- part claim_source
    FROM outbox.message
    WHERE channel = $1 AND lane = $2::outbox.lane
      AND queue_pos >= (SELECT min(queue_pos) FROM visited WHERE status = 'pending')
      AND queue_pos <= (SELECT max(queue_pos) FROM visited WHERE status = 'pending')
      AND status = 'pending'
      AND NOT (SELECT paused FROM outbox.channel WHERE name = $1)
    ORDER BY queue_pos
    LIMIT $5::int
    FOR UPDATE SKIP LOCKED
), stopped AS MATERIALIZED (
    SELECT CASE
        WHEN (SELECT count(*) FROM claimed) = $5::int THEN (SELECT max(queue_pos) FROM claimed)
        WHEN (SELECT count(*) FROM visited) = 10000 THEN (SELECT max(queue_pos) FROM visited)
        ELSE $4::bigint
    END AS at
), pending AS MATERIALIZED (
    SELECT count(*) AS rows, min(queue_pos) AS lowest, max(queue_pos) AS highest
    FROM visited
    WHERE status = 'pending' AND queue_pos <= (SELECT at FROM stopped)
)
SELECT
    -- part claim_columns
    , pending.rows AS pending_rows
    , pending.lowest
    , pending.highest
    , stopped.at AS stopped_at
FROM pending
CROSS JOIN stopped
LEFT JOIN claimed ON true
LEFT JOIN LATERAL outbox.standing(
    now(), $1, recipient, lane, user_id, category, notification_id, device_id) AS standing ON id IS NOT NULL
