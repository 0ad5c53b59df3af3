-- Goes on to the next channel where nothing was accepted in time; says how many notifications it looked after.
SELECT outbox.fall_back_due($1)
