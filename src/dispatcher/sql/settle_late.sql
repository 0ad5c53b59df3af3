-- The flight's row was gone when it landed: somebody took it over, or it had landed before.
-- Parameters: 1 dispatcher, 2 channel, 3 uuids, 4 ids and the rest as in settle.sql.
SELECT settled, repeated
FROM outbox.settle_late(
    channel => $2,
    dispatcher => $1::int,
    ids => $4::bigint[],
    uuids => $3::text[],
    verdicts => $5::text[],
    providers => $6::text[],
    provider_ids => $7::text[],
    reasons => $8::text[],
    ats => ARRAY(SELECT outbox.moment(ms) FROM unnest($9::bigint[]) WITH ORDINALITY AS t (ms, n) ORDER BY n),
    not_befores => ARRAY(
        SELECT outbox.moment(ms) FROM unnest($10::bigint[]) WITH ORDINALITY AS t (ms, n) ORDER BY n),
    as_ofs => ARRAY(
        SELECT outbox.moment(ms) FROM unnest($11::bigint[]) WITH ORDINALITY AS t (ms, n) ORDER BY n),
    costs => $12::numeric[],
    currencies => $13::text[]
)
