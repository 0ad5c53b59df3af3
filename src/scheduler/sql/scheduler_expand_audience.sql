-- Makes the notifications of the next $1 blocks of a firing; says how many users these had.
SELECT outbox.expand_audience($1)
