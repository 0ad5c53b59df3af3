DELETE FROM outbox.flight_note WHERE dispatcher = $1::int AND seq = $2::bigint
