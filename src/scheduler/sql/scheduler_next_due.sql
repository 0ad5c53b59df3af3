-- Milliseconds until the next message or notification is due; NULL = none is scheduled.
SELECT ceil(extract(epoch FROM outbox.next_due() - clock_timestamp()) * 1000)::bigint
