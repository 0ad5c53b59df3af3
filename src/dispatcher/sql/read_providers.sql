SELECT
    channel,
    name,
    adapter,
    app,
    environment,
    settings,
    priority,
    weight,
    array_to_string(regions, E'\n') AS regions,
    rate_per_second IS NOT NULL OR rate_per_day IS NOT NULL OR max_in_flight IS NOT NULL AS limited,
    gone_limit,
    max_connections,
    max_streams,
    floor(extract(epoch FROM connect_timeout) * 1000)::bigint AS connect_timeout_ms,
    floor(extract(epoch FROM request_timeout) * 1000)::bigint AS request_timeout_ms,
    greatest(ceil(extract(epoch FROM stopped_until - now()) * 1000)::bigint, 0) AS stopped_ms
FROM outbox.provider
WHERE channel = ANY ($1::text[]) AND enabled
ORDER BY channel, priority, name
