-- Notes the depths of the queues for plots; says how many rows.
SELECT outbox.snapshot_queues()
