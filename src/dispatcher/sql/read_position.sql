-- The first half of a tick. Every position up to this one belongs to a transaction that has its id by now.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM outbox.queue_pos_seq
