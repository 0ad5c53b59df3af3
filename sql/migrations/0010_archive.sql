-- The archive, by days; the keys that outlive their rows; how far the duties that go round a table have come; and the
-- history of the queues.

CREATE TABLE outbox.archive (LIKE outbox.message, archived_at timestamptz NOT NULL DEFAULT now())
    PARTITION BY RANGE (finished_at);

CREATE INDEX archive_id_idx ON outbox.archive (id);
CREATE INDEX archive_key_idx ON outbox.archive (idempotency_key);
CREATE INDEX archive_notification_idx ON outbox.archive (notification_id) WHERE notification_id IS NOT NULL;
CREATE INDEX archive_provider_idx ON outbox.archive (provider, provider_message_id)
    WHERE provider_message_id IS NOT NULL;

COMMENT ON TABLE outbox.archive IS
    'Messages that are finished for longer than settings.keep_finished; one partition a UTC day';

CREATE TABLE outbox.notification_archive (
    LIKE outbox.notification, archived_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (created_at);

CREATE INDEX notification_archive_id_idx ON outbox.notification_archive (id);
CREATE INDEX notification_archive_key_idx ON outbox.notification_archive (idempotency_key);

COMMENT ON TABLE outbox.notification_archive IS
    'Notifications of which nothing is left in outbox.message; one partition a UTC day of created_at';

CREATE TYPE outbox.key_kind AS ENUM ('message', 'notification');

-- Not in partitions: every INSERT of a producer looks here, and pays for each partition.
CREATE TABLE outbox.used_key (
    key text COLLATE "C",
    kind outbox.key_kind,
    id bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, kind)
);

CREATE INDEX used_key_recorded_idx ON outbox.used_key (recorded_at);

COMMENT ON TABLE outbox.used_key IS
    'Keys of rows that left, or are about to leave, the hot tables; kept for settings.key_window';
COMMENT ON COLUMN outbox.used_key.id IS 'The message or notification that has the key';

-- A key must never be free between its row's leaving and its record's being seen. So a row leaves in three steps,
-- each in a transaction of its own:
--   1. Its key is recorded in outbox.used_key, and the row is put on the list of leaving rows.
--   2. The transactions that run then are noted on the list: the record may be too young for their snapshots.
--   3. When all of these have ended, the row goes. Whoever inserts the key sees its record from then on; until
--      then the row itself is in the way.
CREATE TABLE outbox.leaving (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind outbox.key_kind NOT NULL,
    ids bigint[] NOT NULL,
    running text[]
);

COMMENT ON TABLE outbox.leaving IS 'Rows whose keys are recorded and which leave next';
COMMENT ON COLUMN outbox.leaving.running IS
    'Transactions that ran after recorded_by had ended; the rows stay until these have ended too';

CREATE TABLE outbox.walk (
    duty text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL DEFAULT '',
    lane outbox.lane NOT NULL DEFAULT 'transactional',
    position bigint NOT NULL DEFAULT 0,
    lowest bigint,
    found bigint NOT NULL DEFAULT 0,
    next_round_at timestamptz NOT NULL DEFAULT '-infinity',
    full_round_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (duty, channel, lane)
) WITH (fillfactor = 50);

COMMENT ON TABLE outbox.walk IS 'How far the duties that go round a table have come';
COMMENT ON COLUMN outbox.walk.position IS 'The last row that was visited: its id, or its queue_pos';
COMMENT ON COLUMN outbox.walk.lowest IS 'The lowest row that stays; the next round begins there';
COMMENT ON COLUMN outbox.walk.found IS 'Rows with which something was to be done in this round';
COMMENT ON COLUMN outbox.walk.full_round_at IS
    'From then on a round begins at the very first row: rows of late transactions and of outbox.retry lie there';

INSERT INTO outbox.walk (duty) VALUES ('archive_finished'), ('archive_notifications');

CREATE TABLE outbox.queue_history (
    at timestamptz NOT NULL,
    channel text COLLATE "C" NOT NULL,
    lane outbox.lane NOT NULL,
    estimated boolean NOT NULL,
    pending bigint NOT NULL,
    scheduled bigint NOT NULL,
    in_air bigint NOT NULL,
    oldest_ready_age interval NOT NULL,
    PRIMARY KEY (at, channel, lane)
);

COMMENT ON TABLE outbox.queue_history IS 'Depth and age of the queues over the last 30 days, for plots';
COMMENT ON COLUMN outbox.queue_history.estimated IS
    'pending was too much to be counted: it is estimated from 20 samples of 1,000 positions';
COMMENT ON COLUMN outbox.queue_history.pending IS 'With what is in the air; exact unless estimated';
COMMENT ON COLUMN outbox.queue_history.scheduled IS
    'Exact up to 20,000 in all channels, else the share of the channel in the 20,000 that fall due first, of the '
    'number that the statistics of message_due_idx tell';
COMMENT ON COLUMN outbox.queue_history.in_air IS 'Exact';
COMMENT ON COLUMN outbox.queue_history.oldest_ready_age IS 'Of what was counted or sampled; 0 = nothing is pending';
