-- Only while the flight is open: the lock makes its landing wait, and a note that comes too late is not left behind.
-- Parameters: 1 dispatcher, 2 flight, 3 number of the note, 4 ids, 5 verdicts, 6 providers, 7 provider ids, 8 reasons,
-- 9 times of the answers (ms), 10 not before (ms, null = backoff), 11 as of (ms).
INSERT INTO outbox.flight_note
    (dispatcher, seq, n, message_ids, verdicts, providers, provider_ids, reasons, at, not_befores, as_ofs)
SELECT $1::int, $2::bigint, $3::int, $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
    ARRAY(SELECT outbox.moment(ms) FROM unnest($9::bigint[]) WITH ORDINALITY AS t (ms, n) ORDER BY n),
    ARRAY(SELECT outbox.moment(ms) FROM unnest($10::bigint[]) WITH ORDINALITY AS t (ms, n) ORDER BY n),
    ARRAY(SELECT outbox.moment(ms) FROM unnest($11::bigint[]) WITH ORDINALITY AS t (ms, n) ORDER BY n)
FROM outbox.flight AS f
WHERE f.dispatcher = $1::int AND f.seq = $2::bigint
FOR SHARE
