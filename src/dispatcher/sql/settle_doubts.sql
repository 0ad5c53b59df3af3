-- Parameters: 1 channel, 2 dispatcher, 3 ids, 4 verdicts, 5 providers, 6 provider ids, 7 reasons, 8 costs,
-- 9 currencies (null = none was named).
SELECT outbox.settle_doubts(
    channel => $1, dispatcher => $2::int, ids => $3::bigint[], verdicts => $4::text[], providers => $5::text[],
    provider_ids => $6::text[], reasons => $7::text[], costs => $8::numeric[], currencies => $9::text[])
