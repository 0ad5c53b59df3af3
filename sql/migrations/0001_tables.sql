-- Schema outbox: roles, types, tables and indexes. PostgreSQL 14 to 18.
-- Every file of this folder is plain SQL for one transaction, so any migration tool can apply it.

CREATE SCHEMA IF NOT EXISTS outbox;

COMMENT ON SCHEMA outbox IS
    'pgoutbox: messages to be sent, what became of them, and the rules and providers of each channel';

-- Roles belong to the whole cluster, so another database may have made them, or be making them now.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['outbox_producer', 'outbox_dispatcher', 'outbox_scheduler',
                                     'outbox_reader', 'outbox_admin'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE TYPE outbox.lane AS ENUM ('transactional', 'bulk');
CREATE TYPE outbox.message_status AS ENUM (
    'scheduled', 'pending', 'sent', 'delivered', 'bounced',
    'failed', 'expired', 'cancelled', 'suppressed', 'in_doubt');
CREATE TYPE outbox.doubt_policy AS ENUM ('resend', 'hold');

COMMENT ON TYPE outbox.lane IS 'Nothing transactional waits behind bulk; bulk keeps a guaranteed share';
COMMENT ON TYPE outbox.doubt_policy IS
    'When a message was perhaps sent: resend = again with the same id, hold = wait for a person';

CREATE SEQUENCE outbox.queue_pos_seq AS bigint CACHE 1;

COMMENT ON SEQUENCE outbox.queue_pos_seq IS 'Queue positions; read outbox.next_queue_pos before using it';

-- A message and its state, in one row.
--
-- The default of queue_pos asks for the transaction id first. A dispatcher's cursor relies on it: every row
-- with a position <= P belongs to a transaction that had its id when P was read from the sequence, so that an
-- id used up after that is higher, and a snapshot taken after that knows whether the row's transaction runs.
--
-- No index mentions a column that settling changes, so settling is a HOT update. It writes one new version of
-- each row of the page; that version must find room in the same page even while a long transaction pins the
-- horizon and forbids pruning. Hence a fillfactor well below one half: the new version is some 70 octets longer.
CREATE TABLE outbox.message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    queue_pos bigint DEFAULT CASE
        WHEN pg_current_xact_id() IS NOT NULL THEN nextval('outbox.queue_pos_seq')
    END,
    send_at timestamptz,
    next_attempt_at timestamptz,
    expires_at timestamptz,
    sent_at timestamptz,
    finished_at timestamptz,
    lane outbox.lane NOT NULL DEFAULT 'transactional',
    status outbox.message_status NOT NULL DEFAULT 'pending',
    attempts smallint NOT NULL DEFAULT 0,
    channel text COLLATE "C" NOT NULL,
    app text,
    recipient text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text UNIQUE,
    payload jsonb NOT NULL,
    provider text,
    provider_message_id text,
    last_error text
) WITH (
    fillfactor = 40,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05
);

CREATE INDEX message_claim_idx ON outbox.message (channel, lane, queue_pos) WHERE queue_pos IS NOT NULL;
CREATE INDEX message_due_idx ON outbox.message (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

COMMENT ON TABLE outbox.message IS 'One delivery to one address on one channel, and what became of it';
COMMENT ON COLUMN outbox.message.queue_pos IS 'Place in the queue; NULL while scheduled; kept when final';
COMMENT ON COLUMN outbox.message.send_at IS 'The producer''s wish; NULL = now';
COMMENT ON COLUMN outbox.message.next_attempt_at IS 'When it becomes pending; set only while scheduled';
COMMENT ON COLUMN outbox.message.expires_at IS 'Not sent at or after this time; NULL = never expires';
COMMENT ON COLUMN outbox.message.sent_at IS 'When the provider accepted it';
COMMENT ON COLUMN outbox.message.finished_at IS 'When it reached a state in which nothing more is tried';
COMMENT ON COLUMN outbox.message.attempts IS 'Attempts used; those the provider surely did not process are free';
COMMENT ON COLUMN outbox.message.app IS 'The app or sender account to use; NULL = any';
COMMENT ON COLUMN outbox.message.idempotency_key IS 'The same key is accepted once; generated when not given';
COMMENT ON COLUMN outbox.message.provider IS 'The provider that took or refused it last';
COMMENT ON COLUMN outbox.message.provider_message_id IS 'The provider''s own id of the message';
COMMENT ON COLUMN outbox.message.last_error IS 'Why the last attempt did not succeed; NULL once sent';

CREATE TABLE outbox.transition (
    from_status outbox.message_status,
    to_status outbox.message_status,
    PRIMARY KEY (from_status, to_status)
);

COMMENT ON TABLE outbox.transition IS 'The legal moves of a message';

INSERT INTO outbox.transition (from_status, to_status) VALUES
    ('scheduled', 'pending'), ('scheduled', 'expired'), ('scheduled', 'cancelled'),
    ('pending', 'sent'), ('pending', 'scheduled'), ('pending', 'failed'), ('pending', 'expired'),
    ('pending', 'cancelled'), ('pending', 'suppressed'), ('pending', 'in_doubt'),
    ('sent', 'delivered'), ('sent', 'bounced'),
    ('in_doubt', 'sent'), ('in_doubt', 'pending'),
    ('failed', 'pending'), ('expired', 'pending'), ('cancelled', 'pending'), ('suppressed', 'pending');

CREATE TABLE outbox.channel (
    id integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    name text COLLATE "C" PRIMARY KEY
        CONSTRAINT name_is_lower_case_identifier CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    paused boolean NOT NULL DEFAULT false,
    max_attempts integer NOT NULL DEFAULT 10 CHECK (max_attempts BETWEEN 1 AND 1000),
    backoff_base interval NOT NULL DEFAULT '5 seconds' CHECK (backoff_base > '0'),
    backoff_cap interval NOT NULL DEFAULT '15 minutes' CHECK (backoff_cap >= backoff_base),
    batch_size integer NOT NULL DEFAULT 500 CHECK (batch_size BETWEEN 1 AND 5000),
    batch_deadline interval NOT NULL DEFAULT '30 seconds' CHECK (batch_deadline >= '1 second'),
    in_doubt outbox.doubt_policy NOT NULL DEFAULT 'resend',
    bulk_share integer NOT NULL DEFAULT 10 CHECK (bulk_share BETWEEN 0 AND 100)
);

COMMENT ON TABLE outbox.channel IS 'The rules of each channel; dispatchers follow a change at once';
COMMENT ON COLUMN outbox.channel.id IS 'Second key of the channel''s advisory lock, see outbox.wake';
COMMENT ON COLUMN outbox.channel.paused IS 'Messages are accepted and kept, but none is sent';
COMMENT ON COLUMN outbox.channel.backoff_base IS 'Longest wait after the first failure; doubles with each';
COMMENT ON COLUMN outbox.channel.batch_deadline IS 'A batch is settled after this time, answered or not';
COMMENT ON COLUMN outbox.channel.bulk_share IS 'Percent of sends that bulk gets while both lanes wait';

INSERT INTO outbox.channel (name) VALUES ('ios'), ('android');
INSERT INTO outbox.channel (name, max_attempts, batch_size, batch_deadline)
VALUES ('email', 12, 100, '5 minutes');

CREATE TABLE outbox.provider (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    channel text COLLATE "C" NOT NULL REFERENCES outbox.channel (name) ON UPDATE CASCADE,
    adapter text NOT NULL,
    app text,
    settings jsonb NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    priority integer NOT NULL DEFAULT 100,
    max_connections integer NOT NULL DEFAULT 4 CHECK (max_connections BETWEEN 1 AND 64),
    max_streams integer NOT NULL DEFAULT 250 CHECK (max_streams BETWEEN 1 AND 10000),
    connect_timeout interval NOT NULL DEFAULT '10 seconds' CHECK (connect_timeout > '0'),
    request_timeout interval NOT NULL DEFAULT '20 seconds' CHECK (request_timeout > '0'),
    stopped_until timestamptz,
    stop_reason text,
    stopped_at timestamptz
);

COMMENT ON TABLE outbox.provider IS 'The accounts that messages are sent through; followed at once';
COMMENT ON COLUMN outbox.provider.adapter IS 'The code that speaks to it: see outboxctl adapters';
COMMENT ON COLUMN outbox.provider.app IS 'Serves only messages of this app; NULL = any';
COMMENT ON COLUMN outbox.provider.settings IS
    'What the adapter needs. Secrets are named by NAME_file or NAME_env, never held here';
COMMENT ON COLUMN outbox.provider.priority IS 'Lower is used first';
COMMENT ON COLUMN outbox.provider.max_streams IS 'Requests at once on one connection';
COMMENT ON COLUMN outbox.provider.stopped_until IS
    'A dispatcher stopped it (credential, account, quota); cleared by an edit or outbox.resume_provider';

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

COMMENT ON TABLE outbox.attempt IS 'Append-only: every attempt that did not simply succeed';
COMMENT ON COLUMN outbox.attempt.attempt IS 'Attempts the message had used after this one';
COMMENT ON COLUMN outbox.attempt.message_id IS 'No foreign key: the log may outlive the message';

CREATE TABLE outbox.suppression (
    channel text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    reason text,
    provider text,
    at timestamptz NOT NULL DEFAULT now(),
    message_id bigint,
    PRIMARY KEY (channel, address)
);

COMMENT ON TABLE outbox.suppression IS 'Addresses never to be used on a channel; delete a row to use it again';
COMMENT ON COLUMN outbox.suppression.message_id IS 'The message whose answer told so; NULL = added by hand';

CREATE TABLE outbox.dispatcher (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    host text,
    pid integer,
    session integer,
    channels text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    lost_at timestamptz
);

COMMENT ON TABLE outbox.dispatcher IS
    'Running dispatchers. One lives while its control connection holds the advisory lock (7302, id)';
COMMENT ON COLUMN outbox.dispatcher.pid IS 'Its process on its host';
COMMENT ON COLUMN outbox.dispatcher.session IS 'Backend of its control connection';
COMMENT ON COLUMN outbox.dispatcher.lost_at IS 'When its lock was first seen free; NULL = alive';

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
    PRIMARY KEY (dispatcher, seq, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

COMMENT ON TABLE outbox.flight_note IS
    'Verdicts of an open flight as they came in; element i of each array is about message_ids[i]';
COMMENT ON COLUMN outbox.flight_note.n IS 'Counted from 1 within a flight; the last note of a message holds';
COMMENT ON COLUMN outbox.flight_note.verdicts IS
    'As outbox.settle takes them';
COMMENT ON COLUMN outbox.flight_note.at IS 'When the answer came';
COMMENT ON COLUMN outbox.flight_note.not_befores IS 'Earliest next attempt; NULL = by the channel''s backoff';

CREATE TABLE outbox.queue (
    channel text COLLATE "C" NOT NULL,
    lane outbox.lane NOT NULL,
    low_water bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, lane)
);

COMMENT ON TABLE outbox.queue IS 'Where a starting dispatcher begins to look';
COMMENT ON COLUMN outbox.queue.low_water IS 'All rows with a lower position are final or gone; it only rises';
