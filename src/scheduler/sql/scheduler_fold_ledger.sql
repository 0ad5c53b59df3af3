-- Counts what was accepted and adds up what changed; says how much.
SELECT outbox.fold_ledger($1::int)
