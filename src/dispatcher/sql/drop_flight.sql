-- The batch of this flight was given up before anything was sent. Parameters: 1 dispatcher, 2 flight.
DELETE FROM outbox.flight WHERE dispatcher = $1::int AND seq = $2::bigint
