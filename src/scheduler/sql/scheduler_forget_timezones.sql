-- Time zones that the server does not know would stop every release; says of how many users.
SELECT outbox.forget_unknown_timezones()
