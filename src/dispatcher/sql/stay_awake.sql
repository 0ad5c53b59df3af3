SELECT pg_advisory_unlock(7301, $1::int)
