-- Makes the firings of schedules whose time has come, at most $1; says how many.
SELECT outbox.fire_due($1)
