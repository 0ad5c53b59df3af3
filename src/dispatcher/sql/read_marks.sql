-- The lowest open flight of each dispatcher. Flights of one dispatcher are committed in order, so none below it can
-- appear later. Parameters: 1 dispatchers known, 2 their marks.
SELECT d.id, coalesce(lowest.seq, known.mark)
FROM outbox.dispatcher AS d
LEFT JOIN unnest($1::int[], $2::bigint[]) AS known (dispatcher, mark) ON known.dispatcher = d.id
CROSS JOIN LATERAL (
    SELECT min(f.seq) AS seq FROM outbox.flight AS f WHERE f.dispatcher = d.id AND f.seq >= coalesce(known.mark, 0)
) AS lowest
WHERE lowest.seq IS NOT NULL OR known.mark IS NOT NULL
ORDER BY d.id
LIMIT 256
