-- Says, before the first request leaves, what is about to be sent; returns the ids that stand in another open flight
-- already and must be left to it. Runs after the rows were locked, so every flight that could hold one is visible.
-- The marks (lowest open flight of each dispatcher) keep the search off flights that landed long ago.
-- Parameters: 1 dispatcher, 2 flight, 3 channel, 4 ids, 5 deadline in ms, 6 dispatchers known, 7 their marks.
WITH taken AS MATERIALIZED (
    SELECT DISTINCT mine.id
    FROM outbox.dispatcher AS d
    LEFT JOIN unnest($6::int[], $7::bigint[]) AS known (dispatcher, mark) ON known.dispatcher = d.id
    JOIN outbox.flight AS f ON f.dispatcher = d.id AND f.seq >= coalesce(known.mark, 0) AND f.channel = $3
    CROSS JOIN unnest(f.message_ids) AS theirs (id)
    JOIN unnest($4::bigint[]) AS mine (id) ON mine.id = theirs.id
), opened AS (
    INSERT INTO outbox.flight (dispatcher, seq, channel, message_ids, deadline)
    SELECT $1::int, $2::bigint, $3,
        ARRAY(SELECT id FROM unnest($4::bigint[]) AS mine (id) WHERE id NOT IN (SELECT id FROM taken)),
        clock_timestamp() + $5::int * interval '1 millisecond'
)
SELECT id FROM taken
