-- Parameters: 1 dispatcher, 2 its flights that may be open, 3 dispatchers known, 4 their marks.
SELECT flights, settled, in_doubt, failed
FROM outbox.recover_flights(self => $1::int, own => $2::bigint[], marked => $3::int[], marks => $4::bigint[])
