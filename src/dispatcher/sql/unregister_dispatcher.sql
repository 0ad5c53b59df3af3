SELECT outbox.unregister_dispatcher($1::int)
