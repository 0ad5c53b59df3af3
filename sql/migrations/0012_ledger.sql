-- The ledger: how many messages were accepted, counted apart from what became of them; how many are in each state; and
-- what the audit, which counts the rows themselves, found.

-- One row for each group of messages that a statement moved. Nobody updates it, so nobody waits for it.
CREATE TABLE outbox.change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    block bigint NOT NULL,
    channel text COLLATE "C" NOT NULL,
    lane outbox.lane NOT NULL,
    day date NOT NULL,
    place date NOT NULL DEFAULT '-infinity',
    from_status outbox.message_status,
    to_status outbox.message_status,
    messages bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_threshold = -1);

COMMENT ON TABLE outbox.change IS 'What statements did to the states of messages; added up by outbox.fold_ledger';
COMMENT ON COLUMN outbox.change.block IS 'The messages'' id >> 18';
COMMENT ON COLUMN outbox.change.day IS 'The UTC day of created_at';
COMMENT ON COLUMN outbox.change.place IS '-infinity = outbox.message, else the day of outbox.archive';
COMMENT ON COLUMN outbox.change.from_status IS 'NULL = the rows came here';
COMMENT ON COLUMN outbox.change.to_status IS 'NULL = the rows went from here';

CREATE TABLE outbox.accepted (
    channel text COLLATE "C",
    lane outbox.lane,
    day date,
    messages bigint NOT NULL DEFAULT 0,
    written_off bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, lane, day)
) WITH (fillfactor = 50);

COMMENT ON TABLE outbox.accepted IS 'How many ids were seen, each counted once; never corrected';
COMMENT ON COLUMN outbox.accepted.written_off IS 'How many of them a person said not to miss any more';

CREATE TABLE outbox.ledger (
    channel text COLLATE "C",
    lane outbox.lane,
    day date,
    status outbox.message_status,
    messages bigint NOT NULL,
    PRIMARY KEY (channel, lane, day, status)
) WITH (fillfactor = 50);

COMMENT ON TABLE outbox.ledger IS 'How many messages are in each state, without what is still in outbox.change';

CREATE TABLE outbox.ledger_block (
    block bigint,
    channel text COLLATE "C",
    lane outbox.lane,
    day date,
    place date,
    status outbox.message_status,
    messages bigint NOT NULL,
    PRIMARY KEY (block, channel, lane, day, place, status)
) WITH (fillfactor = 50);

COMMENT ON TABLE outbox.ledger_block IS 'The same by blocks of ids and by place, which outbox.audit compares with the rows';

CREATE TABLE outbox.ledger_mark (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    counted_id bigint NOT NULL DEFAULT 0,
    counted_at timestamptz NOT NULL DEFAULT '-infinity',
    folded_id bigint NOT NULL DEFAULT 0,
    tick_at timestamptz,
    tick_id bigint,
    tick_change bigint,
    running text[] NOT NULL DEFAULT '{}',
    prepared boolean NOT NULL DEFAULT false
) WITH (fillfactor = 10);

COMMENT ON TABLE outbox.ledger_mark IS 'How far the ledger has come; one row';
COMMENT ON COLUMN outbox.ledger_mark.counted_id IS 'Messages up to this id are in outbox.accepted';
COMMENT ON COLUMN outbox.ledger_mark.counted_at IS 'All that was committed before it is counted';
COMMENT ON COLUMN outbox.ledger_mark.folded_id IS 'No change with a lower id is left, or will come';
COMMENT ON COLUMN outbox.ledger_mark.tick_at IS 'When tick_id and tick_change were read; NULL = the next call reads them';
COMMENT ON COLUMN outbox.ledger_mark.running IS
    'Transactions that may still bring lower ids; prepared says whether they are prepared ones';

INSERT INTO outbox.ledger_mark DEFAULT VALUES;

CREATE TABLE outbox.audit_run (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    started_at timestamptz,
    finished_at timestamptz,
    block bigint,
    opening boolean NOT NULL DEFAULT true,
    findings bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

COMMENT ON TABLE outbox.audit_run IS 'How far the audit has come; one row';
COMMENT ON COLUMN outbox.audit_run.block IS 'The block of ids that is next; NULL = no run';
COMMENT ON COLUMN outbox.audit_run.opening IS
    'The first run takes what it finds as the state from which the ledger goes on, and does not report it';
COMMENT ON COLUMN outbox.audit_run.findings IS 'Of this run, or the last one';

INSERT INTO outbox.audit_run DEFAULT VALUES;

CREATE TABLE outbox.audit_request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL
);

COMMENT ON TABLE outbox.audit_request IS 'Who wants a run that begins after this; a row each, so that nobody waits';

CREATE TABLE outbox.audit_finding (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    kind text COLLATE "C" NOT NULL,
    channel text COLLATE "C",
    lane outbox.lane,
    day date,
    messages bigint NOT NULL,
    message_ids bigint[] NOT NULL DEFAULT '{}',
    detail text NOT NULL,
    mended text
);

CREATE INDEX audit_finding_at_idx ON outbox.audit_finding (at);

COMMENT ON TABLE outbox.audit_finding IS 'What the audit found, kept for settings.keep_archive';
COMMENT ON COLUMN outbox.audit_finding.message_ids IS 'At most 100 of them';
COMMENT ON COLUMN outbox.audit_finding.mended IS 'What was done about it; NULL = it needs a person';
