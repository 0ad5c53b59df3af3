-- Which history of the database all that is remembered belongs to. A database may step back in time: a restore, a lagged
-- fail-over, a snapshot of its storage. It may be copied, and so may find itself on another system.

CREATE TABLE outbox.history (
    era integer PRIMARY KEY,
    token uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    system_identifier bigint NOT NULL,
    database oid NOT NULL,
    timeline integer NOT NULL,
    last_pos bigint NOT NULL DEFAULT 0,
    reason text NOT NULL,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    began_by text NOT NULL DEFAULT session_user,
    settled_at timestamptz,
    sealed text,
    ended_at timestamptz
);

CREATE UNIQUE INDEX history_present_idx ON outbox.history ((ended_at IS NULL)) WHERE ended_at IS NULL;

COMMENT ON TABLE outbox.history IS
    'The histories of this schema, one era after the other; that without ended_at is the present one. What a program '
    'remembers is true in one of them';
COMMENT ON COLUMN outbox.history.token IS 'Names the era also where numbers are given twice, as after a restore';
COMMENT ON COLUMN outbox.history.timeline IS 'Of the WAL: each promotion of a standby begins another one';
COMMENT ON COLUMN outbox.history.last_pos IS
    'Rows up to this position are older than the era, and may have been sent in a history that is lost';
COMMENT ON COLUMN outbox.history.settled_at IS
    'Since when rows of former eras are sent, too: all dispatchers have told what they know of them, or are gone';
COMMENT ON COLUMN outbox.history.sealed IS 'Why nothing is sent until somebody calls outbox.adopt_history; NULL = open';

INSERT INTO outbox.history (era, system_identifier, database, timeline, reason, settled_at)
SELECT 1, c.system_identifier, d.oid, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer,
    'the schema was made', clock_timestamp()
FROM pg_control_system() AS c CROSS JOIN pg_database AS d
WHERE d.datname = current_database();
