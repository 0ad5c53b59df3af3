-- Settles or gives back what dead dispatchers had in the air; says how many messages.
SELECT settled + in_doubt FROM outbox.recover_flights()
