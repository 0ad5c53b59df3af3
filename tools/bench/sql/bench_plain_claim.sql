-- The control: the claim of a queue that keeps its state in a partial index. Parameter: 1 limit.
SELECT id, recipient, payload
FROM bench.plain
WHERE status = 'pending'
ORDER BY id
LIMIT $1::int
FOR UPDATE SKIP LOCKED
