-- Makes due messages pending, at most $1 of them; says how many.
SELECT outbox.release_due($1)
