SELECT flights, settled, in_doubt FROM outbox.recover_flights(self => $1::int)
