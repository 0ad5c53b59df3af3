-- Notifications: "tell this user", made into messages for the devices and addresses that the user has.

CREATE TYPE outbox.notification_state AS ENUM ('scheduled', 'expanded', 'cancelled', 'expired');

COMMENT ON TYPE outbox.notification_state IS
    'scheduled = waits for its time, expanded = its messages were made; the others are ends without messages';

CREATE TABLE outbox.notification (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    send_at timestamptz,
    due_at timestamptz,
    expires_at timestamptz,
    fallback_at timestamptz,
    state outbox.notification_state NOT NULL DEFAULT 'expanded',
    lane outbox.lane,
    fallback_step smallint NOT NULL DEFAULT 0,
    firing_id bigint,
    user_id text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    template text COLLATE "C" NOT NULL,
    variables jsonb NOT NULL DEFAULT '{}',
    channels text[] COLLATE "C",
    fallback text[] COLLATE "C",
    fallback_after interval NOT NULL DEFAULT '5 minutes',
    idempotency_key text COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text UNIQUE,
    withheld jsonb
) WITH (
    fillfactor = 90,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05
);

CREATE INDEX notification_due_idx ON outbox.notification (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notification_fallback_idx ON outbox.notification (fallback_at) WHERE fallback_at IS NOT NULL;

COMMENT ON TABLE outbox.notification IS 'What a user is to be told; an INSERT makes the messages, or send_at does';
COMMENT ON COLUMN outbox.notification.due_at IS 'When its messages are made; set only while scheduled';
COMMENT ON COLUMN outbox.notification.fallback_at IS 'When the next channel of fallback is due; NULL = none is';
COMMENT ON COLUMN outbox.notification.lane IS 'NULL = the category''s';
COMMENT ON COLUMN outbox.notification.fallback_step IS 'How many channels of fallback were used';
COMMENT ON COLUMN outbox.notification.firing_id IS 'The firing of a schedule that made it';
COMMENT ON COLUMN outbox.notification.channels IS
    'NULL = every channel that the template has a text for, but those of fallback';
COMMENT ON COLUMN outbox.notification.fallback IS
    'Channels that are tried one after the other, at once when nobody could be reached on the channels, or each '
    'fallback_after later while nothing was accepted';
COMMENT ON COLUMN outbox.notification.withheld IS 'Channel -> why no message was made for it';
