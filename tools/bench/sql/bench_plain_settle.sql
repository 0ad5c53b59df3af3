-- The control's settling. Parameter: 1 ids.
UPDATE bench.plain SET status = 'sent', sent_at = now() WHERE id = ANY ($1::bigint[])
