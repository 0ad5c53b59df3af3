-- Receipts: what providers tell later about messages that they took.

-- An index on provider_message_id of outbox.message would end HOT settling, so the ids stand in a table of their own,
-- for the channels whose providers send receipts.
CREATE TABLE outbox.provider_message (
    provider text COLLATE "C",
    provider_message_id text COLLATE "C",
    message_id bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    PRIMARY KEY (provider, provider_message_id)
);

CREATE INDEX provider_message_sent_idx ON outbox.provider_message (sent_at);

COMMENT ON TABLE outbox.provider_message IS 'Which message a receipt is about';

CREATE TYPE outbox.receipt_event AS ENUM ('delivered', 'undelivered', 'bounced', 'complained', 'unsubscribed');

COMMENT ON TYPE outbox.receipt_event IS
    'undelivered = this message did not arrive, bounced = its address does not exist; complained and unsubscribed '
    'say that its recipient wants no more';

CREATE TABLE outbox.receipt (
    provider text COLLATE "C",
    provider_message_id text COLLATE "C",
    event outbox.receipt_event,
    at timestamptz NOT NULL,
    detail text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    message_id bigint,
    PRIMARY KEY (provider, provider_message_id, event)
);

CREATE INDEX receipt_recorded_idx ON outbox.receipt (recorded_at);
CREATE INDEX receipt_message_idx ON outbox.receipt (message_id);
CREATE INDEX receipt_unmatched_idx ON outbox.receipt (recorded_at) WHERE message_id IS NULL;

COMMENT ON TABLE outbox.receipt IS 'What providers said later about messages they took';
COMMENT ON COLUMN outbox.receipt.message_id IS 'NULL = no such message yet: its sending may not be settled';
