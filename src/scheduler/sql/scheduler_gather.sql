-- Reads the audience of a firing into blocks; says how many firings.
SELECT outbox.gather_audience()
