-- Moves notifications that are over to the archive, at most $1; says how many.
SELECT outbox.archive_notifications($1)
