-- The column counts the first position that may still need work.
SELECT outbox.raise_low_water($1, $2::outbox.lane, $3::bigint)
