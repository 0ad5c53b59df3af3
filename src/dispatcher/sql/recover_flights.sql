-- Parameters: 1 dispatcher, 2 its flights that may be open.
SELECT flights, settled, in_doubt, failed FROM outbox.recover_flights(self => $1::int, own => $2::bigint[])
