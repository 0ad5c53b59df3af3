-- Schedules: what is told to an audience at times of its own. A firing is made in the transaction that sets
-- the next time; its audience is read once, into blocks; each block becomes notifications in the transaction
-- that deletes it. So nobody is missed or told twice, wherever a scheduler dies. docs/schedules.md has more.

CREATE TYPE outbox.catch_up AS ENUM ('skip', 'once', 'all');

COMMENT ON TYPE outbox.catch_up IS
    'What becomes of firings that are more than a minute late: skip = nothing, once = the latest is sent, '
    'all = each is sent';

CREATE TYPE outbox.firing_state AS ENUM ('gathering', 'expanding', 'done', 'skipped', 'cancelled');

COMMENT ON TYPE outbox.firing_state IS
    'gathering = its audience is to be read, expanding = notifications are made; skipped = it was missed';

CREATE TABLE outbox.schedule (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    cron text,
    run_at timestamptz,
    timezone text NOT NULL DEFAULT 'UTC',
    audience text NOT NULL,
    template text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    channels text[] COLLATE "C",
    variables jsonb NOT NULL DEFAULT '{}',
    lane outbox.lane,
    fallback text[] COLLATE "C",
    fallback_after interval NOT NULL DEFAULT '5 minutes',
    valid_for interval,
    catch_up outbox.catch_up NOT NULL DEFAULT 'once',
    enabled boolean NOT NULL DEFAULT true,
    next_fire_at timestamptz,
    error text,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

CREATE INDEX schedule_due_idx ON outbox.schedule (next_fire_at) WHERE next_fire_at IS NOT NULL;

COMMENT ON TABLE outbox.schedule IS 'What is told to whom, again and again (cron) or once (run_at)';
COMMENT ON COLUMN outbox.schedule.cron IS 'Five fields about local time, see outbox.cron_next';
COMMENT ON COLUMN outbox.schedule.run_at IS 'The one time it fires, in whole seconds';
COMMENT ON COLUMN outbox.schedule.audience IS
    'A SELECT, or the name of a view or table, with a column user_id; its other columns are variables of the '
    'template. Names of tables need their schema. It is run with the rights of the scheduler';
COMMENT ON COLUMN outbox.schedule.channels IS 'NULL = every channel that the template has a text for';
COMMENT ON COLUMN outbox.schedule.variables IS 'For everybody; a column of the audience comes before it';
COMMENT ON COLUMN outbox.schedule.lane IS 'NULL = the category''s';
COMMENT ON COLUMN outbox.schedule.valid_for IS
    'What could not be sent so long after fire_at is not sent any more; NULL = the category''s rule';
COMMENT ON COLUMN outbox.schedule.next_fire_at IS 'Set by the database; NULL = it will not fire';
COMMENT ON COLUMN outbox.schedule.error IS 'Why its next time could not be told';

CREATE TABLE outbox.firing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id bigint NOT NULL REFERENCES outbox.schedule (id) ON DELETE CASCADE,
    fire_at timestamptz NOT NULL,
    fired_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    retry_at timestamptz,
    audience bigint,
    users bigint NOT NULL DEFAULT 0,
    messages bigint NOT NULL DEFAULT 0,
    next_block integer NOT NULL DEFAULT 0,
    state outbox.firing_state NOT NULL DEFAULT 'gathering',
    error text,
    UNIQUE (schedule_id, fire_at)
) WITH (fillfactor = 50);

CREATE INDEX firing_open_idx ON outbox.firing (state, fire_at) WHERE state IN ('gathering', 'expanding');

COMMENT ON TABLE outbox.firing IS 'Each time a schedule fired; goes with its schedule';
COMMENT ON COLUMN outbox.firing.fire_at IS 'The time of the schedule';
COMMENT ON COLUMN outbox.firing.fired_at IS 'When the scheduler saw to it';
COMMENT ON COLUMN outbox.firing.retry_at IS 'After an error: when it is tried again';
COMMENT ON COLUMN outbox.firing.audience IS 'How many users the audience has; NULL until it was read';
COMMENT ON COLUMN outbox.firing.users IS 'For how many of them a notification was made';
COMMENT ON COLUMN outbox.firing.messages IS 'How many messages these gave';
COMMENT ON COLUMN outbox.firing.next_block IS 'The block of the audience that is next';

CREATE TABLE outbox.audience_block (
    firing_id bigint REFERENCES outbox.firing (id) ON DELETE CASCADE,
    n integer,
    user_ids text[] COLLATE "C" NOT NULL,
    variables jsonb[] NOT NULL,
    PRIMARY KEY (firing_id, n)
);

COMMENT ON TABLE outbox.audience_block IS
    'Users of a firing who are still to be notified, some hundred a row; variables has each one''s row '
    'of the audience, user_id included';
