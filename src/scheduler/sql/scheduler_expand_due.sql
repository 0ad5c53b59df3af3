-- Makes the messages of notifications whose time has come, at most $1 of them; says how many.
SELECT outbox.expand_due($1)
