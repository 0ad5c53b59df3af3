-- Lands a flight: its row goes and its messages are settled, or nothing happens because somebody else recovered it.
-- Parameters: 1 dispatcher, 2 flight, 3 channel, 4 ids, 5 verdicts, 6 providers, 7 provider ids, 8 reasons,
-- 9 times of the answers (ms), 10 not before (ms, null = backoff), 11 as of (ms),
-- 12 costs and 13 currencies (null = none was named), 14 an id and 15 the size of each group of what is sent.
WITH landed AS (
    DELETE FROM outbox.flight WHERE dispatcher = $1::int AND seq = $2::bigint RETURNING seq
)
SELECT outbox.settle(
    channel => $3,
    dispatcher => $1::int,
    ids => $4::bigint[],
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
    currencies => $13::text[],
    group_ids => $14::bigint[],
    group_sizes => $15::int[]
) AS settled
FROM landed
