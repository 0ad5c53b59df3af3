SELECT
    channel,
    name,
    adapter,
    app,
    environment,
    settings,
    priority,
    max_connections,
    max_streams,
    floor(extract(epoch FROM connect_timeout) * 1000)::bigint AS connect_timeout_ms,
    floor(extract(epoch FROM request_timeout) * 1000)::bigint AS request_timeout_ms,
    greatest(ceil(extract(epoch FROM stopped_until - now()) * 1000)::bigint, 0) AS stopped_ms
FROM outbox.provider
WHERE channel = ANY ($1::text[]) AND enabled
ORDER BY channel, priority, name
