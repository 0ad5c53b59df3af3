-- What a producer sends. Parameters: 1 channel, 2 recipient, 3 payload, 4 idempotency key.
INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES ($1, $2, $3::jsonb, $4)
