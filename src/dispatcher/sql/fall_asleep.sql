SELECT pg_try_advisory_lock(7301, $1::int)
