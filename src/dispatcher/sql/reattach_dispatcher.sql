SELECT outbox.reattach_dispatcher($1::int)
