SELECT outbox.register_dispatcher(name => $1, host => $2, pid => $3::int, channels => $4::text[])
