SELECT outbox.report_provider(provider => $1, dispatcher => $2::int, state => $3, reason => $4)
