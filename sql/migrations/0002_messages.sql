-- Messages: one delivery to one address on one channel, and the moves that its state may make.

CREATE TYPE outbox.lane AS ENUM ('transactional', 'bulk');

COMMENT ON TYPE outbox.lane IS 'Nothing transactional waits behind bulk; bulk keeps a guaranteed share';

CREATE TYPE outbox.message_status AS ENUM (
    'scheduled', 'pending', 'sent', 'delivered', 'bounced',
    'failed', 'expired', 'cancelled', 'suppressed', 'in_doubt');

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
    last_error text,
    notification_id bigint,
    device_id bigint,
    template_id integer,
    user_id text COLLATE "C",
    category text COLLATE "C",
    environment text,
    cost numeric,
    currency text
) WITH (
    fillfactor = 40,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05
);

CREATE INDEX message_claim_idx ON outbox.message (channel, lane, queue_pos) WHERE queue_pos IS NOT NULL;
CREATE INDEX message_due_idx ON outbox.message (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX message_notification_idx ON outbox.message (notification_id) WHERE notification_id IS NOT NULL;

COMMENT ON TABLE outbox.message IS 'One delivery to one address on one channel, and what became of it';
COMMENT ON COLUMN outbox.message.queue_pos IS 'Place in the queue; NULL while scheduled; kept when final';
COMMENT ON COLUMN outbox.message.send_at IS 'The producer''s wish; NULL = now';
COMMENT ON COLUMN outbox.message.next_attempt_at IS 'When it becomes pending; set only while scheduled';
COMMENT ON COLUMN outbox.message.expires_at IS 'Not sent at or after this time; NULL = never expires';
COMMENT ON COLUMN outbox.message.sent_at IS 'When the provider accepted it';
COMMENT ON COLUMN outbox.message.finished_at IS 'When it reached a state in which nothing more is tried';
COMMENT ON COLUMN outbox.message.attempts IS 'Attempts used; those the provider surely did not process are free';
COMMENT ON COLUMN outbox.message.app IS 'The app or sender to use; NULL = any';
COMMENT ON COLUMN outbox.message.idempotency_key IS 'The same key is accepted once; generated when not given';
COMMENT ON COLUMN outbox.message.provider IS 'The provider that took or refused it last';
COMMENT ON COLUMN outbox.message.provider_message_id IS 'The provider''s own id of the message';
COMMENT ON COLUMN outbox.message.last_error IS 'Why the last attempt did not succeed; NULL once sent';
COMMENT ON COLUMN outbox.message.notification_id IS 'The notification it was made from; NULL = inserted as it is';
COMMENT ON COLUMN outbox.message.device_id IS 'The device it goes to, whatever its token is by then';
COMMENT ON COLUMN outbox.message.template_id IS
    'The version that renders it in the dispatcher; payload then holds its variables';
COMMENT ON COLUMN outbox.message.user_id IS 'Whose refusals and quiet hours count; NULL = nobody''s';
COMMENT ON COLUMN outbox.message.category IS 'The category they are asked for; goes with user_id';
COMMENT ON COLUMN outbox.message.environment IS 'sandbox: by a provider of that environment; NULL = production';
COMMENT ON COLUMN outbox.message.cost IS 'What the vendor said that it charges; NULL = it does not say';

CREATE TABLE outbox.transition (
    from_status outbox.message_status,
    to_status outbox.message_status,
    PRIMARY KEY (from_status, to_status)
);

COMMENT ON TABLE outbox.transition IS 'The legal moves of a message';

INSERT INTO outbox.transition (from_status, to_status) VALUES
    ('scheduled', 'pending'), ('scheduled', 'expired'), ('scheduled', 'cancelled'), ('scheduled', 'suppressed'),
    ('pending', 'sent'), ('pending', 'scheduled'), ('pending', 'failed'), ('pending', 'expired'),
    ('pending', 'cancelled'), ('pending', 'suppressed'), ('pending', 'in_doubt'),
    ('sent', 'delivered'), ('sent', 'bounced'), ('delivered', 'bounced'),
    ('in_doubt', 'sent'), ('in_doubt', 'pending'),
    ('failed', 'pending'), ('expired', 'pending'), ('cancelled', 'pending'), ('suppressed', 'pending');
