-- Template versions that the dispatcher does not know yet. Parameter: 1 ids.
SELECT id, content, partials, strict FROM outbox.template WHERE id = ANY ($1::bigint[]::int[])
