-- After a reconnect: flights of ours whose opening was never confirmed, so that nothing was sent from them.
-- Parameters: 1 dispatcher, 2 flights that are open.
DELETE FROM outbox.flight WHERE dispatcher = $1::int AND seq <> ALL ($2::bigint[])
