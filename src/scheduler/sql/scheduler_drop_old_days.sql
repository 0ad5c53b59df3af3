-- Drops the days of the archive that are too old; says how many.
SELECT outbox.drop_old_days()
