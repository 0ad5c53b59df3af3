-- One scheduler leads. The lock lives as long as its connection, so no clock decides who takes over.
SELECT pg_try_advisory_lock(7303, 1)
