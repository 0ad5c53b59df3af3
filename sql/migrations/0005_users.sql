-- Users: where they can be reached, what they allow, and when. A user is no more than an id of the services'.

CREATE TYPE outbox.consent AS ENUM ('mandatory', 'opt_out', 'opt_in');

COMMENT ON TYPE outbox.consent IS
    'mandatory = sent whatever the user prefers, opt_out = sent until refused, opt_in = sent only with consent';

CREATE TABLE outbox.category (
    name text COLLATE "C" PRIMARY KEY
        CONSTRAINT name_is_lower_case_identifier CHECK (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    consent outbox.consent NOT NULL DEFAULT 'opt_out',
    lane outbox.lane NOT NULL DEFAULT 'transactional',
    quiet_from time,
    quiet_until time,
    max_per_user integer CHECK (max_per_user > 0),
    cap_period interval CHECK (cap_period > '0'),
    expires_after interval CHECK (expires_after > '0'),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL)),
    CHECK ((max_per_user IS NULL) = (cap_period IS NULL))
);

COMMENT ON TABLE outbox.category IS 'Kinds of notifications, and the rules of each';
COMMENT ON COLUMN outbox.category.lane IS 'Of its messages, unless the notification names one';
COMMENT ON COLUMN outbox.category.quiet_from IS
    'From then until quiet_until, in the user''s time zone, bulk messages wait';
COMMENT ON COLUMN outbox.category.max_per_user IS
    'No user gets more notifications of this category within any cap_period; NULL = no cap';
COMMENT ON COLUMN outbox.category.expires_after IS
    'A message that could not be sent so long is not sent any more; NULL = it is sent late';

INSERT INTO outbox.category (name, consent, lane, quiet_from, quiet_until, expires_after) VALUES
    ('security', 'mandatory', 'transactional', NULL, NULL, '10 minutes'),
    ('billing', 'opt_out', 'transactional', NULL, NULL, NULL),
    ('service', 'opt_out', 'transactional', NULL, NULL, NULL),
    ('marketing', 'opt_in', 'bulk', '21:00', '08:00', '7 days');

CREATE TABLE outbox.contact (
    user_id text COLLATE "C" PRIMARY KEY,
    email text COLLATE "C",
    phone text COLLATE "C",
    locale text COLLATE "C",
    timezone text,
    quiet_from time,
    quiet_until time,
    stopped_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX contact_timezone_idx ON outbox.contact (timezone) WHERE timezone IS NOT NULL;

COMMENT ON TABLE outbox.contact IS 'One row a user: addresses, language, time zone, quiet hours, global stop';
COMMENT ON COLUMN outbox.contact.phone IS 'E.164: + and 7 to 15 digits';
COMMENT ON COLUMN outbox.contact.timezone IS 'NULL = the default of outbox.settings';
COMMENT ON COLUMN outbox.contact.quiet_from IS 'The user''s own quiet hours, for bulk messages of every category';
COMMENT ON COLUMN outbox.contact.stopped_at IS 'Since then nothing but mandatory categories is sent';

CREATE TABLE outbox.device (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    platform text COLLATE "C" NOT NULL,
    app text COLLATE "C" NOT NULL DEFAULT '',
    environment text NOT NULL DEFAULT 'production',
    token text COLLATE "C" NOT NULL,
    locale text COLLATE "C",
    registered_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz,
    retired_reason text,
    UNIQUE (platform, token, app)
) WITH (fillfactor = 80);

CREATE INDEX device_user_idx ON outbox.device (user_id) WHERE retired_at IS NULL;

COMMENT ON TABLE outbox.device IS 'Devices and browsers; a token belongs to one user at a time';
COMMENT ON COLUMN outbox.device.platform IS 'ios, android or web: the channel that reaches it';
COMMENT ON COLUMN outbox.device.app IS 'The app the token is of; empty = there is only one';
COMMENT ON COLUMN outbox.device.environment IS 'production or sandbox: which of APNs'' two services knows the token';
COMMENT ON COLUMN outbox.device.last_seen_at IS
    'When the app last showed this token. A provider''s "gone" about an earlier moment does not retire it';

CREATE TABLE outbox.preference (
    user_id text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL REFERENCES outbox.category (name) ON UPDATE CASCADE ON DELETE CASCADE,
    channel text COLLATE "C" NOT NULL DEFAULT '*',
    allowed boolean NOT NULL,
    at_night boolean NOT NULL DEFAULT false,
    source text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, category, channel)
) WITH (fillfactor = 80);

COMMENT ON TABLE outbox.preference IS 'What a user allowed or refused; no row = the category''s consent decides';
COMMENT ON COLUMN outbox.preference.channel IS '* = every channel without a row of its own';
COMMENT ON COLUMN outbox.preference.at_night IS 'The user agreed to be reached in the category''s quiet hours too';
COMMENT ON COLUMN outbox.preference.source IS 'How it was given: a form, a call, a law; required for an opt-in';
COMMENT ON COLUMN outbox.preference.changed_at IS 'When it was given';

CREATE TABLE outbox.frequency (
    user_id text COLLATE "C",
    category text COLLATE "C" REFERENCES outbox.category (name) ON UPDATE CASCADE ON DELETE CASCADE,
    recent timestamptz[] NOT NULL,
    granted integer NOT NULL,
    PRIMARY KEY (user_id, category)
) WITH (fillfactor = 70);

COMMENT ON TABLE outbox.frequency IS 'When a user was last notified of a category with a cap';
COMMENT ON COLUMN outbox.frequency.granted IS 'How many of recent the last statement added';

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
