SELECT outbox.stop_provider($1, $2, $3::bigint * interval '1 millisecond')
