SELECT
    c.name,
    c.id,
    c.paused,
    c.batch_size,
    floor(extract(epoch FROM c.batch_deadline) * 1000)::bigint AS batch_deadline_ms,
    c.bulk_share,
    coalesce(t.low_water, 0) AS transactional_low_water,
    coalesce(b.low_water, 0) AS bulk_low_water
FROM outbox.channel AS c
LEFT JOIN outbox.queue AS t ON t.channel = c.name AND t.lane = 'transactional'
LEFT JOIN outbox.queue AS b ON b.channel = c.name AND b.lane = 'bulk'
WHERE c.name = ANY ($1::text[])
ORDER BY c.name
