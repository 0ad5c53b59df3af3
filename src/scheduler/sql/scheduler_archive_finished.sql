-- Moves finished messages to the archive, at most $1; says how many.
SELECT outbox.archive_finished($1)
