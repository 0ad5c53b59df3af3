-- Configuration: channels, providers, and what holds for all of them. Dispatchers follow a change at once.

CREATE TYPE outbox.doubt_policy AS ENUM ('resend', 'hold');

COMMENT ON TYPE outbox.doubt_policy IS
    'When a message was perhaps sent: resend = again with the same id, hold = wait for a person';

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
    bulk_share integer NOT NULL DEFAULT 10 CHECK (bulk_share BETWEEN 0 AND 100),
    receipts boolean NOT NULL DEFAULT false,
    provider_removed_at timestamptz
);

COMMENT ON TABLE outbox.channel IS 'The rules of each channel; dispatchers follow a change at once';
COMMENT ON COLUMN outbox.channel.id IS 'Second key of the channel''s advisory lock, see outbox.wake';
COMMENT ON COLUMN outbox.channel.paused IS 'Messages are accepted and kept, but none is sent';
COMMENT ON COLUMN outbox.channel.backoff_base IS 'Longest wait after the first failure; doubles with each';
COMMENT ON COLUMN outbox.channel.batch_deadline IS 'A batch is settled after this time, answered or not';
COMMENT ON COLUMN outbox.channel.bulk_share IS 'Percent of sends that bulk gets while both lanes wait';
COMMENT ON COLUMN outbox.channel.receipts IS 'Ids of providers are kept, so that outbox.record_receipt finds messages';
COMMENT ON COLUMN outbox.channel.provider_removed_at IS 'When the channel last lost a provider; NULL = never';

-- An SMS costs money and cannot be unsent: a doubtful one waits for a person. Sending a webhook again is harmless:
-- every receiver drops a webhook-id that it has seen.
INSERT INTO outbox.channel (name, max_attempts, batch_size, batch_deadline, in_doubt, receipts) VALUES
    ('ios', 10, 500, '30 seconds', 'resend', false),
    ('android', 10, 500, '30 seconds', 'resend', false),
    ('email', 12, 100, '5 minutes', 'resend', true),
    ('web', 10, 500, '30 seconds', 'resend', false),
    ('sms', 6, 100, '1 minute', 'hold', true),
    ('webhook', 12, 200, '30 seconds', 'resend', false);

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
    stopped_at timestamptz,
    environment text NOT NULL DEFAULT 'production'
        CONSTRAINT environment_is_known CHECK (environment IN ('production', 'sandbox')),
    regions text[] NOT NULL DEFAULT '{}'
        CONSTRAINT regions_have_no_spaces CHECK (array_to_string(regions, '', ' ') !~ '\s')
        CONSTRAINT regions_are_few CHECK (cardinality(regions) <= 256),
    weight integer NOT NULL DEFAULT 100 CONSTRAINT weight_is_in_range CHECK (weight BETWEEN 1 AND 1000),
    rate_per_second numeric
        CONSTRAINT rate_per_second_is_in_range CHECK (rate_per_second BETWEEN 0.001 AND 1000000),
    rate_per_day bigint CONSTRAINT rate_per_day_is_positive CHECK (rate_per_day > 0),
    max_in_flight integer CONSTRAINT max_in_flight_is_positive CHECK (max_in_flight > 0),
    gone_limit integer NOT NULL DEFAULT 50 CONSTRAINT gone_limit_is_percent CHECK (gone_limit BETWEEN 1 AND 100),
    identity_since timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE outbox.provider IS 'Whom messages are sent through; followed at once';
COMMENT ON COLUMN outbox.provider.adapter IS 'The code that speaks to it: see outboxctl adapters';
COMMENT ON COLUMN outbox.provider.app IS 'Serves only messages of this app; NULL = any';
COMMENT ON COLUMN outbox.provider.settings IS
    'What the adapter needs. Secrets are named by NAME_file or NAME_env, never held here';
COMMENT ON COLUMN outbox.provider.priority IS 'Lower is used first';
COMMENT ON COLUMN outbox.provider.max_streams IS 'Requests at once on one connection';
COMMENT ON COLUMN outbox.provider.stopped_until IS
    'A dispatcher stopped it (credential, account, quota); cleared by an edit or outbox.resume_provider';
COMMENT ON COLUMN outbox.provider.environment IS 'sandbox: only for tokens of APNs'' sandbox';
COMMENT ON COLUMN outbox.provider.regions IS
    'Takes only recipients that begin so, as +82, and phone numbers of these countries, as KR: the longest prefix goes '
    'first, then a country, then {} = all';
COMMENT ON COLUMN outbox.provider.weight IS 'Share of the messages among providers of the same priority';
COMMENT ON COLUMN outbox.provider.rate_per_second IS 'Requests a second of all dispatchers together; NULL = no limit';
COMMENT ON COLUMN outbox.provider.rate_per_day IS 'Requests a UTC day of all dispatchers together; NULL = no limit';
COMMENT ON COLUMN outbox.provider.max_in_flight IS
    'Requests in the air at once of all dispatchers together; NULL = no limit but its connections';
COMMENT ON COLUMN outbox.provider.gone_limit IS
    'When more percent of its latest answers call an address dead, it is stopped instead; 100 = all is believed';
COMMENT ON COLUMN outbox.provider.identity_since IS
    'Since when this name stands for the same account at its vendor. Who puts another account''s key into the same '
    'file sets it to now()';

CREATE TABLE outbox.settings (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    default_timezone text NOT NULL DEFAULT 'UTC',
    key_window interval NOT NULL DEFAULT '7 days' CHECK (key_window >= '0'),
    keep_finished interval NOT NULL DEFAULT '1 hour' CHECK (keep_finished >= '0'),
    keep_archive interval NOT NULL DEFAULT '90 days' CHECK (keep_archive >= '1 day')
);

COMMENT ON TABLE outbox.settings IS 'What holds for all channels; one row';
COMMENT ON COLUMN outbox.settings.default_timezone IS 'Of users whose time zone is not known';
COMMENT ON COLUMN outbox.settings.key_window IS
    'An idempotency key blocks repeats at least this long after its row was made, and after its send_at';
COMMENT ON COLUMN outbox.settings.keep_finished IS
    'Messages stay in outbox.message this long after they are finished, then they go to outbox.archive';
COMMENT ON COLUMN outbox.settings.keep_archive IS 'Days of the archive older than this are dropped';

INSERT INTO outbox.settings DEFAULT VALUES;
