-- The first half of a tick. Every position up to this one belongs to a transaction that has its id by now. The CASE
-- then uses up an id, a higher one than all of those: when this transaction has ended, a snapshot's xmax is above
-- them, so that it lists those that still run. Without it, the newest are at or above xmax and not listed.
SELECT
    CASE WHEN is_called THEN last_value ELSE 0 END,
    CASE WHEN last_value IS NOT NULL THEN pg_current_xact_id() END
FROM outbox.queue_pos_seq
