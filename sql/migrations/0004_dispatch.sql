-- What dispatchers write down while they send: who they are, what is in the air, what did not simply succeed, what is
-- in doubt, and what they share of a provider's limits.

CREATE TABLE outbox.dispatcher (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    host text,
    pid integer,
    session integer,
    channels text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    lost_at timestamptz
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

COMMENT ON TABLE outbox.dispatcher IS
    'Running dispatchers. One lives while its control connection holds the advisory lock (7302, id)';
COMMENT ON COLUMN outbox.dispatcher.pid IS 'Its process on its host';
COMMENT ON COLUMN outbox.dispatcher.session IS 'Backend of its control connection';
COMMENT ON COLUMN outbox.dispatcher.seen_at IS 'When it last said that it lives, to a few seconds';
COMMENT ON COLUMN outbox.dispatcher.lost_at IS
    'When its lock was first seen free, or it was first seen silent for too long; NULL = alive';

CREATE TABLE outbox.server (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE outbox.server IS 'The server that dispatchers were last looked at on; see outbox.server_seen_at';
COMMENT ON COLUMN outbox.server.started_at IS
    'Its pg_postmaster_start_time(): another one is another server, or a restart';

CREATE TABLE outbox.queue (
    channel text COLLATE "C" NOT NULL,
    lane outbox.lane NOT NULL,
    low_water bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, lane)
);

COMMENT ON TABLE outbox.queue IS 'Where a starting dispatcher begins to look';
COMMENT ON COLUMN outbox.queue.low_water IS 'All rows with a lower position are final or gone; it only rises';

CREATE TABLE outbox.flight (
    dispatcher integer NOT NULL,
    seq bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    deadline timestamptz NOT NULL,
    channel text COLLATE "C" NOT NULL,
    message_ids bigint[] NOT NULL,
    PRIMARY KEY (dispatcher, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

COMMENT ON TABLE outbox.flight IS
    'Batches in the air: committed before the first request leaves, deleted with the settling transaction';
COMMENT ON COLUMN outbox.flight.seq IS 'Counted by the dispatcher, in commit order';
COMMENT ON COLUMN outbox.flight.deadline IS 'Settled by then; well after it, recovery takes the batch over';

CREATE TABLE outbox.flight_note (
    dispatcher integer NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    message_ids bigint[] NOT NULL,
    verdicts text[] NOT NULL,
    providers text[] NOT NULL,
    provider_ids text[] NOT NULL,
    reasons text[] NOT NULL,
    at timestamptz[] NOT NULL,
    not_befores timestamptz[] NOT NULL DEFAULT '{}',
    as_ofs timestamptz[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (dispatcher, seq, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

COMMENT ON TABLE outbox.flight_note IS
    'Verdicts of an open flight as they came in; element i of each array is about message_ids[i]';
COMMENT ON COLUMN outbox.flight_note.n IS 'Counted from 1 within a flight; the last note of a message holds';
COMMENT ON COLUMN outbox.flight_note.verdicts IS
    'As outbox.settle takes them';
COMMENT ON COLUMN outbox.flight_note.at IS 'When the answer came';
COMMENT ON COLUMN outbox.flight_note.not_befores IS 'Earliest next attempt; NULL = by the channel''s backoff';
COMMENT ON COLUMN outbox.flight_note.as_ofs IS
    'The moment that a verdict speaks of: an address that is gone was gone then, a message in doubt was perhaps sent '
    'from then on; NULL = when the answer came';

CREATE TABLE outbox.attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    dispatcher bigint,
    attempt smallint NOT NULL,
    verdict text NOT NULL,
    provider text,
    reason text
);

CREATE INDEX attempt_message_idx ON outbox.attempt (message_id);
-- Messages in doubt are found by their attempts: an index on the status would be written by every settling.
CREATE INDEX attempt_in_doubt_idx ON outbox.attempt (message_id) WHERE verdict = 'in_doubt';

COMMENT ON TABLE outbox.attempt IS 'Append-only: every attempt that did not simply succeed';
COMMENT ON COLUMN outbox.attempt.message_id IS 'No foreign key: the log may outlive the message';
COMMENT ON COLUMN outbox.attempt.attempt IS 'Attempts the message had used after this one';

-- A queue of its own, because nothing indexes the status of messages.
CREATE TABLE outbox.doubt (
    message_id bigint PRIMARY KEY,
    channel text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    sent_from timestamptz NOT NULL,
    sent_upto timestamptz NOT NULL,
    doubted_at timestamptz NOT NULL DEFAULT now(),
    next_at timestamptz NOT NULL DEFAULT now(),
    asked integer NOT NULL DEFAULT 0
);

CREATE INDEX doubt_due_idx ON outbox.doubt (channel, provider, next_at);

COMMENT ON TABLE outbox.doubt IS
    'Messages in doubt that a provider may yet be asked about; a row whose message is no longer in doubt means nothing';
COMMENT ON COLUMN outbox.doubt.provider IS 'Whom it was given to; empty = unknown, because a dispatcher was lost';
COMMENT ON COLUMN outbox.doubt.sent_from IS 'If it was sent, then between this and sent_upto';
COMMENT ON COLUMN outbox.doubt.next_at IS 'When the provider is asked next';
COMMENT ON COLUMN outbox.doubt.asked IS 'Answers that ended nothing';

CREATE TABLE outbox.provider_budget (
    provider text COLLATE "C" PRIMARY KEY REFERENCES outbox.provider (name) ON UPDATE CASCADE ON DELETE CASCADE,
    tokens double precision NOT NULL DEFAULT 0,
    filled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    day date NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')::date,
    used_today bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

COMMENT ON TABLE outbox.provider_budget IS 'What of a provider''s rate is left; dispatchers take it in advance';

CREATE TABLE outbox.provider_share (
    provider text COLLATE "C" REFERENCES outbox.provider (name) ON UPDATE CASCADE ON DELETE CASCADE,
    dispatcher integer,
    slots integer NOT NULL,
    wanted integer NOT NULL,
    PRIMARY KEY (provider, dispatcher)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

COMMENT ON TABLE outbox.provider_share IS 'How many requests in the air each dispatcher may have';
COMMENT ON COLUMN outbox.provider_share.wanted IS 'How many it could use';

CREATE TABLE outbox.provider_state (
    provider text COLLATE "C" REFERENCES outbox.provider (name) ON UPDATE CASCADE ON DELETE CASCADE,
    dispatcher integer,
    state text NOT NULL CONSTRAINT state_is_known CHECK (state IN ('closed', 'open', 'probing')),
    reason text,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, dispatcher)
);

COMMENT ON TABLE outbox.provider_state IS
    'The circuit breaker of each provider in each dispatcher; no row = it never opened';
COMMENT ON COLUMN outbox.provider_state.since IS 'When it opened or closed; probing does not change it';
