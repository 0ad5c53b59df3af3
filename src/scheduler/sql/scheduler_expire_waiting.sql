-- Ends messages that expired while they waited, at most $1; says how many.
SELECT outbox.expire_waiting($1)
