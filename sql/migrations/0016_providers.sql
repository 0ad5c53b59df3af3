-- Many providers for a channel: which one takes a message, how much each may be asked, what each is up to, and
-- what it tells later about a message that it took.

ALTER TABLE outbox.provider
    ADD COLUMN regions text[] NOT NULL DEFAULT '{}'
        CONSTRAINT regions_have_no_spaces CHECK (array_to_string(regions, '', ' ') !~ '\s')
        CONSTRAINT regions_are_few CHECK (cardinality(regions) <= 256),
    ADD COLUMN weight integer NOT NULL DEFAULT 100 CONSTRAINT weight_is_in_range CHECK (weight BETWEEN 1 AND 1000),
    ADD COLUMN rate_per_second numeric CONSTRAINT rate_per_second_is_in_range
        CHECK (rate_per_second BETWEEN 0.001 AND 1000000),
    ADD COLUMN rate_per_day bigint CONSTRAINT rate_per_day_is_positive CHECK (rate_per_day > 0),
    ADD COLUMN max_in_flight integer CONSTRAINT max_in_flight_is_positive CHECK (max_in_flight > 0),
    ADD COLUMN gone_limit integer NOT NULL DEFAULT 50
        CONSTRAINT gone_limit_is_percent CHECK (gone_limit BETWEEN 1 AND 100);

COMMENT ON COLUMN outbox.provider.regions IS
    'Takes only recipients that begin so, as +82, and phone numbers of these countries, as KR: the longest prefix goes '
    'first, then a country, then {} = all';
COMMENT ON COLUMN outbox.provider.weight IS 'Share of the messages among providers of the same priority';
COMMENT ON COLUMN outbox.provider.rate_per_second IS 'Requests a second of all dispatchers together; NULL = no limit';
COMMENT ON COLUMN outbox.provider.rate_per_day IS 'Requests a UTC day of all dispatchers together; NULL = no limit';
COMMENT ON COLUMN outbox.provider.max_in_flight IS
    'Requests in the air at once of all dispatchers together; NULL = no limit but its connections';

DROP TRIGGER forget_stop ON outbox.provider;
CREATE TRIGGER forget_stop BEFORE UPDATE OF channel, adapter, app, environment, regions, settings, enabled
    ON outbox.provider FOR EACH ROW EXECUTE FUNCTION outbox.forget_stop();

COMMENT ON COLUMN outbox.provider.gone_limit IS
    'When more percent of its latest answers call an address dead, it is stopped instead; 100 = all is believed';

-- The codes of src/providers/country_table.c, which has the numbers to them.
CREATE FUNCTION outbox.countries() RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN string_to_array(
    'AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT '
    'BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER '
    'ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE '
    'IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV '
    'LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP '
    'NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK '
    'SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA '
    'VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW', ' ');

COMMENT ON FUNCTION outbox.countries() IS
    'Countries that have phone numbers, by ISO 3166-1 alpha-2 code: what may stand in outbox.provider.regions';

CREATE FUNCTION outbox.refuse_regions() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    region text;
BEGIN
    FOREACH region IN ARRAY NEW.regions LOOP
        IF region = '' THEN
            PERFORM outbox.raise('OB006', 'regions', 'must not be empty texts; {} = all');
        ELSIF region LIKE '+%' AND region !~ '^\+[1-9][0-9]{0,14}$' THEN
            PERFORM outbox.raise('OB006', 'regions',
                format('"%s" must be + and 1 to 15 digits, the first not 0', region));
        ELSIF region ~ '^[A-Z]{2}$' AND region <> ALL (outbox.countries()) THEN
            PERFORM outbox.raise('OB006', 'regions',
                format('"%s" is no country that has phone numbers; see outbox.countries()', region));
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.refuse_regions() IS 'Trigger: refuses a region that no recipient can be in';

CREATE TRIGGER regions_are_places BEFORE INSERT OR UPDATE OF regions ON outbox.provider
    FOR EACH ROW WHEN (NEW.regions <> '{}') EXECUTE FUNCTION outbox.refuse_regions();

-- ---- Budgets ----

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

-- The bucket holds no more than a fifth of a second, so that neither it nor what dispatchers hold adds up to one
-- percent of a minute; and one token, or the fractions of a slow rate would be lost.
CREATE FUNCTION outbox.lease_budget(
    provider text, dispatcher integer, wanted integer, unused integer, in_flight integer,
    OUT tokens integer, OUT slots integer, OUT more_in interval
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    limits outbox.provider;
    budget outbox.provider_budget;
    at timestamptz;
    part integer;
    claimants integer;
    before_it integer;
    taken integer;
    kept integer;
BEGIN
    SELECT p.* INTO limits FROM outbox.provider AS p WHERE p.name = lease_budget.provider;
    IF NOT FOUND OR wanted < 0 OR unused < 0 OR in_flight < 0 THEN
        tokens := 0;
        slots := 0;
        more_in := '0';
        RETURN;
    END IF;
    INSERT INTO outbox.provider_budget (provider) VALUES (lease_budget.provider) ON CONFLICT DO NOTHING;
    SELECT b.* INTO budget FROM outbox.provider_budget AS b WHERE b.provider = lease_budget.provider FOR UPDATE;
    at := clock_timestamp(); -- after the wait for the lock

    IF budget.day < (at AT TIME ZONE 'UTC')::date THEN
        budget.day := (at AT TIME ZONE 'UTC')::date;
        budget.used_today := 0;
    ELSE
        budget.used_today := greatest(budget.used_today - unused, 0);
    END IF;
    tokens := wanted;
    IF limits.rate_per_second IS NOT NULL THEN
        budget.tokens := least(
            budget.tokens + unused
                + extract(epoch FROM greatest(at - budget.filled_at, '0')) * limits.rate_per_second::double precision,
            limits.rate_per_second::double precision / 5 + 1);
        tokens := least(tokens, floor(budget.tokens)::integer);
    END IF;
    IF limits.rate_per_day IS NOT NULL THEN
        tokens := least(tokens, greatest(limits.rate_per_day - budget.used_today, 0));
    END IF;
    more_in := CASE
        WHEN tokens > 0 THEN '0'
        WHEN budget.used_today >= limits.rate_per_day THEN (budget.day + 1)::timestamp AT TIME ZONE 'UTC' - at
        WHEN budget.tokens < 1 AND limits.rate_per_second IS NOT NULL
            THEN make_interval(secs => (1 - budget.tokens) / limits.rate_per_second::double precision)
        ELSE '0' END;

    slots := tokens + in_flight; -- a slot without a request to begin would only keep another dispatcher waiting
    IF limits.max_in_flight IS NOT NULL THEN
        DELETE FROM outbox.provider_share AS s
        WHERE s.provider = lease_budget.provider
            AND NOT EXISTS (SELECT FROM outbox.dispatcher AS d WHERE d.id = s.dispatcher);
        SELECT count(*) FILTER (WHERE s.wanted > 0) + 1,
            count(*) FILTER (WHERE s.wanted > 0 AND s.dispatcher < lease_budget.dispatcher), coalesce(sum(s.slots), 0)
        INTO claimants, before_it, taken
        FROM outbox.provider_share AS s
        WHERE s.provider = lease_budget.provider AND s.dispatcher <> lease_budget.dispatcher;
        -- Equal parts; what does not divide goes round, so that one slot, too, serves two dispatchers.
        part := limits.max_in_flight / claimants + CASE
            WHEN (before_it + floor(extract(epoch FROM at) / 5)) % claimants < limits.max_in_flight % claimants
            THEN 1 ELSE 0 END;
        -- What the others do not want of their parts is free.
        SELECT coalesce(sum(least(s.wanted, ceil(limits.max_in_flight::numeric / claimants))), 0) INTO kept
        FROM outbox.provider_share AS s
        WHERE s.provider = lease_budget.provider AND s.dispatcher <> lease_budget.dispatcher;
        -- What is in the air is there already.
        slots := greatest(in_flight, least(
            slots, limits.max_in_flight - taken, greatest(part, limits.max_in_flight - kept)));
        INSERT INTO outbox.provider_share AS s (provider, dispatcher, slots, wanted)
        VALUES (lease_budget.provider, lease_budget.dispatcher, lease_budget.slots,
                lease_budget.tokens + lease_budget.in_flight)
        ON CONFLICT (provider, dispatcher) DO UPDATE SET slots = excluded.slots, wanted = excluded.wanted;
        IF slots = 0 THEN
            tokens := 0; -- nor a request without a slot
        END IF;
    END IF;
    UPDATE outbox.provider_budget AS b
    SET tokens = CASE WHEN limits.rate_per_second IS NULL THEN 0 ELSE budget.tokens - lease_budget.tokens END,
        filled_at = at, day = budget.day, used_today = budget.used_today + lease_budget.tokens
    WHERE b.provider = lease_budget.provider;
END
$$;

COMMENT ON FUNCTION outbox.lease_budget(text, integer, integer, integer, integer) IS
    'Takes requests in advance for a dispatcher and gives back those it did not use; tells how many it may send, how '
    'many it may have in the air until its next call, and, if it may send none, in how long there may be more. A '
    'transaction of its own: it locks the budget. Who has no more to send calls it once more, with wanted = 0, or keeps '
    'its slots';

-- ---- What providers are up to ----

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

CREATE FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.provider_state AS s (provider, dispatcher, state, reason)
    SELECT p.name, report_provider.dispatcher, report_provider.state, left(report_provider.reason, 500)
    FROM outbox.provider AS p WHERE p.name = report_provider.provider
    ON CONFLICT (provider, dispatcher) DO UPDATE
    SET state = excluded.state,
        reason = CASE WHEN excluded.state = 'closed' THEN excluded.reason ELSE coalesce(excluded.reason, s.reason) END,
        since = CASE WHEN (s.state = 'closed') = (excluded.state = 'closed') THEN s.since ELSE excluded.since END;
END;

COMMENT ON FUNCTION outbox.report_provider(text, integer, text, text) IS
    'A dispatcher tells that its circuit breaker of a provider opened, probes or closed';

CREATE VIEW outbox.provider_health AS
SELECT p.name AS provider, p.channel, p.adapter,
    CASE
        WHEN NOT p.enabled THEN 'disabled'
        WHEN p.stopped_until > now() THEN 'stopped'
        WHEN s.open > 0 AND s.open = s.dispatchers THEN 'open'
        WHEN b.used_today >= p.rate_per_day THEN 'exhausted'
        WHEN s.open > 0 THEN 'partly open'
        ELSE 'working'
    END AS state,
    CASE WHEN p.enabled THEN CASE WHEN p.stopped_until > now() THEN p.stop_reason ELSE s.reason END END AS reason,
    CASE WHEN p.enabled THEN CASE WHEN p.stopped_until > now() THEN p.stopped_at ELSE s.since END END AS since,
    p.stopped_until, coalesce(s.open, 0) AS open_in_dispatchers, b.used_today, p.rate_per_day
FROM outbox.provider AS p
    LEFT JOIN LATERAL (
        SELECT count(*) AS dispatchers, count(*) FILTER (WHERE r.state <> 'closed') AS open,
            max(r.reason) FILTER (WHERE r.state <> 'closed') AS reason,
            min(r.since) FILTER (WHERE r.state <> 'closed') AS since
        FROM outbox.dispatcher AS d
            LEFT JOIN outbox.provider_state AS r ON r.dispatcher = d.id AND r.provider = p.name
        WHERE p.channel = ANY (d.channels) AND d.lost_at IS NULL) AS s ON true
    LEFT JOIN outbox.provider_budget AS b
        ON b.provider = p.name AND b.day = (now() AT TIME ZONE 'UTC')::date;

COMMENT ON VIEW outbox.provider_health IS 'Which providers work, and why one does not';

-- ---- Receipts ----

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

INSERT INTO outbox.transition (from_status, to_status) VALUES ('delivered', 'bounced');

CREATE FUNCTION outbox.record_receipt(
    provider text, provider_message_id text, event text, at timestamptz DEFAULT now(), detail text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    about bigint;
BEGIN
    IF record_receipt.event IS NULL
        OR record_receipt.event <> ALL (enum_range(NULL::outbox.receipt_event)::text[]) THEN
        PERFORM outbox.raise('OB011', 'event', 'must be one of '
            || array_to_string(enum_range(NULL::outbox.receipt_event), ', '));
    END IF;
    IF coalesce(octet_length(record_receipt.provider), 0) NOT BETWEEN 1 AND 500 THEN
        PERFORM outbox.raise('OB011', 'provider', 'must have 1 to 500 octets');
    END IF;
    IF coalesce(octet_length(record_receipt.provider_message_id), 0) NOT BETWEEN 1 AND 1000 THEN
        PERFORM outbox.raise('OB011', 'provider_message_id', 'must have 1 to 1000 octets');
    END IF;
    SELECT p.message_id INTO about FROM outbox.provider_message AS p
    WHERE p.provider = record_receipt.provider AND p.provider_message_id = record_receipt.provider_message_id;
    INSERT INTO outbox.receipt (provider, provider_message_id, event, at, detail, message_id)
    VALUES (record_receipt.provider, record_receipt.provider_message_id,
            record_receipt.event::outbox.receipt_event,
            least(record_receipt.at, now()), -- a clock ahead of ours would outrule what the user says next
            left(record_receipt.detail, 500), about)
    ON CONFLICT (provider, provider_message_id, event) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF about IS NOT NULL THEN
        PERFORM outbox.apply_receipts(about, ARRAY[record_receipt.event::outbox.receipt_event]);
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.record_receipt(text, text, text, timestamptz, text) IS
    'What a provider tells later about a message, in any order and as often as it likes; one that comes before its '
    'message was settled is kept. False: it was known';

-- Everything follows from all receipts of the message together, read once it is locked, so their order does not
-- matter. But only what is new has consequences outside of the message: a late receipt must not bring back what a
-- person took back since.
CREATE FUNCTION outbox.apply_receipts(message_id bigint, news outbox.receipt_event[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    about record;
    hot boolean;
    told record;
BEGIN
    SELECT m.channel, m.recipient, m.user_id, m.category, m.provider INTO about
    FROM outbox.message AS m WHERE m.id = apply_receipts.message_id FOR NO KEY UPDATE;
    hot := FOUND;
    IF NOT hot THEN
        -- A row that was being archived is found there now that its lock is gone.
        SELECT m.channel, m.recipient, m.user_id, m.category, m.provider INTO about
        FROM outbox.archive AS m WHERE m.id = apply_receipts.message_id FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    SELECT CASE WHEN bool_or(r.event IN ('undelivered', 'bounced')) THEN 'bounced'
                WHEN bool_or(r.event = 'delivered') THEN 'delivered' END::outbox.message_status AS status,
        max(r.detail) FILTER (WHERE r.event IN ('undelivered', 'bounced')) AS error,
        max(r.at) FILTER (WHERE r.event = 'unsubscribed') AS unsubscribed_at
    INTO told
    FROM outbox.receipt AS r WHERE r.message_id = apply_receipts.message_id;
    IF hot THEN
        UPDATE outbox.message AS m SET status = told.status, last_error = told.error
        WHERE m.id = apply_receipts.message_id AND m.status IN ('sent', 'delivered', 'bounced')
            AND (m.status <> told.status OR (told.status = 'bounced' AND m.last_error IS DISTINCT FROM told.error));
    ELSE
        UPDATE outbox.archive AS m SET status = told.status, last_error = told.error
        WHERE m.id = apply_receipts.message_id AND m.status IN ('sent', 'delivered', 'bounced')
            AND (m.status <> told.status OR (told.status = 'bounced' AND m.last_error IS DISTINCT FROM told.error));
    END IF;

    -- Who unsubscribes from a category still wants a password code; without a user the address is all there is.
    IF 'unsubscribed' = ANY (news) AND about.user_id IS NOT NULL THEN
        INSERT INTO outbox.preference AS p (user_id, category, channel, allowed, source)
        SELECT about.user_id, g.name, about.channel, false, 'receipt of ' || about.provider
        FROM outbox.category AS g
        WHERE g.name = about.category AND g.consent <> 'mandatory'
        ON CONFLICT (user_id, category, channel) DO UPDATE
        SET allowed = false, source = excluded.source, changed_at = excluded.changed_at
        WHERE p.allowed AND p.changed_at < told.unsubscribed_at;
    END IF;
    IF news && '{bounced,complained}' OR ('unsubscribed' = ANY (news) AND about.user_id IS NULL) THEN
        INSERT INTO outbox.suppression AS s (channel, address, reason, provider, at, message_id)
        SELECT about.channel, about.recipient, coalesce(r.detail, r.event::text), about.provider, r.at,
            apply_receipts.message_id
        FROM outbox.receipt AS r
        WHERE r.message_id = apply_receipts.message_id
            AND (r.event IN ('bounced', 'complained') OR (r.event = 'unsubscribed' AND about.user_id IS NULL))
            AND octet_length(about.recipient) <= 2500 -- more does not fit into the index
        ORDER BY r.event, r.at
        LIMIT 1
        ON CONFLICT (channel, address) DO UPDATE SET reason = excluded.reason, at = excluded.at
        WHERE s.message_id = excluded.message_id;
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.apply_receipts(bigint, outbox.receipt_event[]) IS
    'Brings a message to what its receipts say, and its address and its user''s preferences to what the new ones say';

-- Ids that are not ours stay unmatched for ever, so only the newest are looked at.
CREATE FUNCTION outbox.match_receipts(max_rows integer DEFAULT 1000) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    about record;
    messages integer := 0;
BEGIN
    FOR about IN
        WITH waiting AS MATERIALIZED (
            SELECT r.provider, r.provider_message_id, r.event FROM outbox.receipt AS r
            WHERE r.message_id IS NULL AND r.recorded_at > now() - interval '3 days'
            ORDER BY r.recorded_at DESC
            LIMIT 10 * max_rows
        ), found AS MATERIALIZED (
            SELECT r.provider, r.provider_message_id, r.event, p.message_id
            FROM waiting AS w
                JOIN outbox.provider_message AS p
                    ON p.provider = w.provider AND p.provider_message_id = w.provider_message_id
                JOIN outbox.receipt AS r
                    ON r.provider = w.provider AND r.provider_message_id = w.provider_message_id AND r.event = w.event
            WHERE r.message_id IS NULL
            LIMIT max_rows
            FOR UPDATE OF r SKIP LOCKED
        ), matched AS (
            UPDATE outbox.receipt AS r SET message_id = f.message_id
            FROM found AS f
            WHERE r.provider = f.provider AND r.provider_message_id = f.provider_message_id AND r.event = f.event
            RETURNING r.message_id, r.event
        )
        SELECT m.message_id AS id, array_agg(m.event) AS news FROM matched AS m GROUP BY m.message_id ORDER BY 1
    LOOP
        PERFORM outbox.apply_receipts(about.id, about.news);
        messages := messages + 1;
    END LOOP;
    RETURN messages;
END
$$;

COMMENT ON FUNCTION outbox.match_receipts(integer) IS
    'Applies receipts that came before their message was settled; returns to how many messages';

-- ---- Old days ----

CREATE FUNCTION outbox.drop_old_days() RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    kept_since CONSTANT timestamptz := now() - (SELECT s.keep_archive FROM outbox.settings AS s);
BEGIN
    PERFORM outbox.make_partition(p.parent, now() + make_interval(days => d.ahead))
    FROM unnest(ARRAY['archive', 'notification_archive']) AS p (parent), generate_series(0, 1) AS d (ahead);
    DELETE FROM outbox.queue_history AS h
    WHERE h.at < now() - interval '30 days' AND h.at <= (
        SELECT max(o.at) FROM (SELECT n.at FROM outbox.queue_history AS n ORDER BY n.at LIMIT 10000) AS o);
    DELETE FROM outbox.attempt AS a
    WHERE a.at < kept_since AND a.id <= (
        SELECT max(o.id) FROM (SELECT n.id FROM outbox.attempt AS n ORDER BY n.id LIMIT 10000) AS o);
    -- As many as may have come in a busy minute: one for each message of some channels.
    DELETE FROM outbox.provider_message AS p
    WHERE p.sent_at < kept_since AND p.sent_at <= (
        SELECT max(o.sent_at)
        FROM (SELECT n.sent_at FROM outbox.provider_message AS n ORDER BY n.sent_at LIMIT 50000) AS o);
    DELETE FROM outbox.receipt AS r
    WHERE r.recorded_at < kept_since AND r.recorded_at <= (
        SELECT max(o.recorded_at)
        FROM (SELECT n.recorded_at FROM outbox.receipt AS n ORDER BY n.recorded_at LIMIT 50000) AS o);
    DELETE FROM outbox.doubt AS d WHERE d.sent_upto < now() - interval '1 day';
    DELETE FROM outbox.provider_state AS s
    WHERE NOT EXISTS (SELECT FROM outbox.dispatcher AS d WHERE d.id = s.dispatcher);
    PERFORM outbox.forget_keys(10000);
    RETURN outbox.drop_partitions();
END
$$;

COMMENT ON FUNCTION outbox.drop_old_days() IS
    'Makes the partitions of today and tomorrow, deletes some of the old rows of the log of attempts, of '
    'outbox.queue_history, of receipts and the ids they go by, and of outbox.used_key, drops old days; returns how '
    'many partitions were dropped';

-- ---- Secrets ----

DROP TRIGGER settings_without_secrets ON outbox.provider;
CREATE TRIGGER settings_without_secrets BEFORE INSERT OR UPDATE OF settings, adapter ON outbox.provider
    FOR EACH ROW WHEN (NEW.settings ?| ARRAY[
        'key', 'private_key', 'password', 'passwd', 'token', 'access_token', 'auth_token', 'secret',
        'client_secret', 'service_account', 'credentials', 'secret_key', 'api_secret', 'secret_access_key',
        'session_token', 'signing_key', 'former_signing_key', 'vapid_key', 'dkim_key', 'dkim_key2']
        -- Of these vendors it is only the name of a key.
        OR (NEW.settings ? 'api_key' AND NEW.adapter NOT IN ('twilio', 'vonage')))
    EXECUTE FUNCTION outbox.refuse('OB006', 'settings',
        'must not hold a secret: name it by NAME_file (a path) or NAME_env (a variable)');

REVOKE ALL ON FUNCTION
    outbox.lease_budget(text, integer, integer, integer, integer),
    outbox.report_provider(text, integer, text, text),
    outbox.record_receipt(text, text, text, timestamptz, text),
    outbox.apply_receipts(bigint, outbox.receipt_event[]), outbox.match_receipts(integer), outbox.drop_old_days(),
    outbox.countries(), outbox.refuse_regions()
    FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON outbox.provider_state TO outbox_dispatcher;
GRANT SELECT, DELETE ON outbox.receipt, outbox.provider_state TO outbox_scheduler;
GRANT EXECUTE ON FUNCTION
    outbox.lease_budget(text, integer, integer, integer, integer), outbox.report_provider(text, integer, text, text)
    TO outbox_dispatcher;
GRANT EXECUTE ON FUNCTION outbox.match_receipts(integer), outbox.drop_old_days() TO outbox_scheduler;
GRANT EXECUTE ON FUNCTION outbox.record_receipt(text, text, text, timestamptz, text) TO outbox_producer;
GRANT SELECT ON outbox.provider_health, outbox.receipt, outbox.provider_state, outbox.provider_budget,
    outbox.provider_share TO outbox_reader;
GRANT ALL ON outbox.provider_budget, outbox.provider_share, outbox.provider_state, outbox.provider_health,
    outbox.receipt TO outbox_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
