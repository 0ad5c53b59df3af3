-- The second half of a tick, in a statement of its own so that the snapshot is younger than the position. Also: which
-- dispatchers live (they hold their lock), and whether the connection still listens.
SELECT
    pg_current_snapshot(),
    coalesce((
        SELECT string_agg(objid::text, ',' ORDER BY objid)
        FROM pg_locks
        WHERE locktype = 'advisory' AND classid = 7302 AND objsubid = 2 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ), '') AS alive,
    (SELECT count(*) FROM pg_listening_channels()) AS listening
