-- Applies receipts that came before their message was settled; says to how many messages.
SELECT outbox.match_receipts($1)
