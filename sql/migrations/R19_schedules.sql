-- Schedules: what one may be, how it fires, and how its audience becomes notifications. Refusals: OB010.

-- ---- Schedules are checked when they are made ----

CREATE OR REPLACE FUNCTION outbox.audience_query(audience text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
RETURN CASE
    WHEN audience ~ ('^\s*([[:alpha:]_][[:alnum:]_$]*|"([^"]|"")+")'
            || '(\.([[:alpha:]_][[:alnum:]_$]*|"([^"]|"")+"))*\s*$')
        THEN 'TABLE ' || audience
    ELSE regexp_replace(audience, '[\s;]+$', '')
END;

COMMENT ON FUNCTION outbox.audience_query IS 'The query of an audience, which may be a view''s name';

-- A cursor takes nothing but one query, and a function that is STABLE none that writes: so the text cannot
-- close the parenthesis that it is put into afterwards, and bring a statement of its own.
CREATE OR REPLACE FUNCTION outbox.check_audience(audience text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text := outbox.audience_query(audience);
    whole refcursor;
BEGIN
    OPEN whole FOR EXECUTE query;
    CLOSE whole;
    EXECUTE format(E'SELECT a.user_id::text FROM (%s\n) AS a LIMIT 0', query);
EXCEPTION WHEN OTHERS THEN
    PERFORM outbox.raise('OB010', 'audience', 'must be one SELECT with a column user_id: ' || SQLERRM);
END
$$;

COMMENT ON FUNCTION outbox.check_audience IS 'Refuses what cannot be an audience, with Postgres'' own reason';

CREATE OR REPLACE FUNCTION outbox.check_schedule() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    refusal text;
BEGIN
    IF NEW.name !~ '^[A-Za-z0-9][A-Za-z0-9_. -]{0,62}$' THEN
        PERFORM outbox.raise('OB010', 'name', 'must have 1 to 63 letters, digits, spaces or any of "_.-"');
    END IF;
    IF (NEW.cron IS NULL) = (NEW.run_at IS NULL) THEN
        PERFORM outbox.raise('OB010', 'cron', 'or run_at must be given, and not both');
    END IF;
    PERFORM outbox.cron_check(coalesce(NEW.cron, '* * * * *'), NEW.timezone);
    IF NOT isfinite(NEW.run_at) THEN
        PERFORM outbox.raise('OB010', 'run_at', 'must be finite');
    END IF;
    NEW.run_at := date_trunc('second', NEW.run_at);
    IF NEW.valid_for <= '0' THEN
        PERFORM outbox.raise('OB010', 'valid_for', 'must be positive; leave it out for the category''s rule');
    END IF;
    -- The rules of the notifications that it will make.
    refusal := outbox.why_notification_refused(jsonb_populate_record(
        NULL::outbox.notification, to_jsonb(NEW) || '{"user_id": "x", "firing_id": 0}'));
    IF refusal IS NOT NULL THEN
        PERFORM outbox.raise('OB010', split_part(refusal, ' ', 2), regexp_replace(refusal, '^\S+ \S+ ', ''));
    END IF;
    IF NEW.audience IS NOT NULL THEN
        PERFORM outbox.check_audience(NEW.audience);
    END IF;

    -- What is due and has not fired yet is not lost by an edit of something else.
    IF TG_OP = 'INSERT' OR (NEW.cron, NEW.run_at, NEW.timezone, NEW.enabled)
        IS DISTINCT FROM (OLD.cron, OLD.run_at, OLD.timezone, OLD.enabled)
    THEN
        NEW.error := NULL;
        NEW.next_fire_at := CASE
            WHEN NEW.cron IS NOT NULL THEN outbox.cron_next(NEW.cron, NEW.timezone)
            WHEN NOT EXISTS (
                SELECT FROM outbox.firing AS f WHERE f.schedule_id = NEW.id AND f.fire_at = NEW.run_at)
                THEN NEW.run_at
        END;
        IF NEW.cron IS NOT NULL AND NEW.next_fire_at IS NULL THEN
            PERFORM outbox.raise('OB010', 'cron', format('"%s" never fires', NEW.cron));
        END IF;
        IF NOT NEW.enabled THEN
            NEW.next_fire_at := NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_schedule IS
    'Trigger: refuses what could not fire, sets when it fires next; for cron that is after now';

CREATE OR REPLACE TRIGGER check_schedule BEFORE INSERT OR UPDATE OF
        name, cron, run_at, timezone, audience, template, category, channels, variables, lane, fallback,
        fallback_after, valid_for, enabled
    ON outbox.schedule FOR EACH ROW EXECUTE FUNCTION outbox.check_schedule();

-- ---- Duties of the scheduler ----

-- One firing a round. The schedule that fell due last comes first: one with a month of firings to catch up
-- with does not keep the others waiting.
CREATE OR REPLACE FUNCTION outbox.fire_due(max_firings integer DEFAULT 100) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    due outbox.schedule;
    following timestamptz;
    problem text;
    missed boolean;
BEGIN
    FOR fired IN 0..max_firings - 1 LOOP
        SELECT s.* INTO due FROM outbox.schedule AS s
        WHERE s.next_fire_at <= now()
        ORDER BY s.next_fire_at DESC, s.id
        LIMIT 1
        FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN fired;
        END IF;
        following := NULL;
        problem := NULL;
        BEGIN
            following := outbox.cron_next(due.cron, due.timezone, due.next_fire_at);
        EXCEPTION WHEN OTHERS THEN -- a zone that is not in the time zone database any more
            problem := SQLERRM;
        END;
        missed := due.next_fire_at <= now() - interval '1 minute' AND CASE due.catch_up
            WHEN 'skip' THEN true WHEN 'once' THEN coalesce(following <= now(), false) ELSE false END;
        INSERT INTO outbox.firing (schedule_id, fire_at, state, finished_at)
        VALUES (due.id, due.next_fire_at,
                CASE WHEN missed THEN 'skipped' ELSE 'gathering' END::outbox.firing_state,
                CASE WHEN missed THEN now() END)
        ON CONFLICT (schedule_id, fire_at) DO NOTHING;
        UPDATE outbox.schedule AS s SET next_fire_at = following, error = problem WHERE s.id = due.id;
    END LOOP;
    RETURN max_firings;
END
$$;

COMMENT ON FUNCTION outbox.fire_due IS
    'Makes the firings of schedules whose time has come and sets their next time; returns how many firings';

CREATE OR REPLACE FUNCTION outbox.cancel_firing(firing_id bigint, reason text DEFAULT 'cancelled by a person')
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
    UPDATE outbox.firing AS f SET state = 'cancelled', finished_at = now(), retry_at = NULL, error = reason
    WHERE f.id = cancel_firing.firing_id AND f.state IN ('gathering', 'expanding');
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM outbox.audience_block AS b WHERE b.firing_id = cancel_firing.firing_id;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.cancel_firing IS
    'Makes no more notifications of a firing; those that were made stay. False when it was over already';

-- The query may be wrong by now, or too slow: whatever happens to it happens to this firing only.
CREATE OR REPLACE FUNCTION outbox.gather_audience() RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off SET work_mem = '128MB' SET timezone = 'UTC'
AS $$
DECLARE
    block_size CONSTANT integer := 500; -- some 30 ms of outbox.expand_audience
    firing outbox.firing;
    schedule outbox.schedule;
    gathered bigint;
BEGIN
    SELECT f.* INTO firing FROM outbox.firing AS f
    WHERE f.state = 'gathering' AND (f.retry_at <= now() OR f.retry_at IS NULL)
    ORDER BY f.fire_at, f.id
    LIMIT 1
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    SELECT s.* INTO STRICT schedule FROM outbox.schedule AS s WHERE s.id = firing.schedule_id;
    -- current_date and the like mean the schedule's day; the SET clause above puts the caller's zone back.
    PERFORM set_config('TimeZone', schedule.timezone, true);
    BEGIN
        EXECUTE format($query$
            WITH made AS (
                INSERT INTO outbox.audience_block (firing_id, n, user_ids, variables)
                SELECT $1, (p.place - 1) / $2, array_agg(p.user_id), array_agg(p.variables)
                FROM (
                    SELECT d.user_id, to_jsonb(d.whole) AS variables, row_number() OVER () AS place
                    FROM (
                        SELECT DISTINCT ON (a.user_id::text COLLATE "C")
                            a.user_id::text AS user_id, a AS whole
                        FROM (%s
                        ) AS a
                        WHERE a.user_id IS NOT NULL
                        ORDER BY a.user_id::text COLLATE "C" OFFSET 0) AS d) AS p
                GROUP BY 2
                RETURNING cardinality(user_ids) AS users
            )
            SELECT coalesce(sum(m.users), 0) FROM made AS m $query$, outbox.audience_query(schedule.audience))
        INTO gathered USING firing.id, block_size;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        UPDATE outbox.firing AS f
        SET error = 'audience: ' || SQLERRM, retry_at = clock_timestamp() + interval '1 minute'
        WHERE f.id = firing.id;
        RETURN 1;
    END;
    UPDATE outbox.firing AS f
    SET state = CASE WHEN gathered > 0 THEN 'expanding' ELSE 'done' END::outbox.firing_state,
        audience = gathered, retry_at = NULL, error = NULL,
        finished_at = CASE WHEN gathered = 0 THEN clock_timestamp() END
    WHERE f.id = firing.id;
    RETURN 1;
END
$$;

COMMENT ON FUNCTION outbox.gather_audience IS
    'Reads the audience of one firing, with the rights of its caller; after an error again a minute later. '
    'Returns how many firings it saw to: 0 or 1';

CREATE OR REPLACE FUNCTION outbox.expand_block(firing outbox.firing) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
AS $$
DECLARE
    schedule outbox.schedule;
    expires timestamptz;
    ids bigint[];
    users integer;
BEGIN
    SELECT s.* INTO STRICT schedule FROM outbox.schedule AS s WHERE s.id = firing.schedule_id;
    expires := firing.fire_at + schedule.valid_for;
    IF expires <= now() THEN
        PERFORM outbox.cancel_firing(firing.id, 'valid_for was over before all were notified');
        RETURN 0;
    END IF;
    -- The key holds name and time, not a number: a schedule that is made again does not tell everybody again.
    WITH block AS (
        DELETE FROM outbox.audience_block AS b WHERE b.firing_id = firing.id AND b.n = firing.next_block
        RETURNING b.user_ids, b.variables
    ), made AS (
        INSERT INTO outbox.notification (
            user_id, category, template, variables, channels, lane, fallback, fallback_after, expires_at,
            firing_id, idempotency_key)
        SELECT u.user_id, schedule.category, schedule.template,
            schedule.variables || (u.variables - 'user_id'), schedule.channels, schedule.lane,
            schedule.fallback, schedule.fallback_after, expires, firing.id,
            schedule.name || to_char(firing.fire_at AT TIME ZONE 'UTC', '/YYYY-MM-DD"T"HH24:MI:SS"Z/"')
            || CASE WHEN octet_length(u.user_id) <= 100 THEN u.user_id
                    ELSE encode(sha256(convert_to(u.user_id, 'UTF8')), 'hex') END
        FROM block AS b CROSS JOIN LATERAL unnest(b.user_ids, b.variables) AS u (user_id, variables)
        -- One that cannot be notified is no reason to leave the others out.
        WHERE btrim(u.user_id) <> '' AND octet_length(u.user_id) <= 200 AND u.user_id !~ '[\x01-\x1f\x7f]'
            AND CASE WHEN pg_column_size(u.variables) + pg_column_size(schedule.variables) <= 8192 THEN true
                     ELSE octet_length((schedule.variables || u.variables)::text) <= 65536 END
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id
    )
    SELECT ARRAY(SELECT m.id FROM made AS m), (SELECT cardinality(b.user_ids) FROM block AS b)
    INTO ids, users;
    UPDATE outbox.firing AS f
    SET users = f.users + cardinality(ids), next_block = f.next_block + 1, retry_at = NULL, error = NULL,
        messages = f.messages + (
            SELECT count(*) FROM outbox.message AS m WHERE m.notification_id = ANY (ids)),
        state = CASE WHEN l.more THEN f.state ELSE 'done' END,
        finished_at = CASE WHEN NOT l.more THEN clock_timestamp() END
    FROM (SELECT EXISTS (
            SELECT FROM outbox.audience_block AS b
            WHERE b.firing_id = firing.id AND b.n = firing.next_block + 1) AS more) AS l
    WHERE f.id = firing.id;
    RETURN users;
END
$$;

COMMENT ON FUNCTION outbox.expand_block IS
    'The part of outbox.expand_audience for one block; returns how many users it had';

CREATE OR REPLACE FUNCTION outbox.expand_audience(max_blocks integer DEFAULT 1) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    firing outbox.firing;
    users integer := 0;
BEGIN
    FOR block IN 1..max_blocks LOOP
        SELECT f.* INTO firing FROM outbox.firing AS f
        WHERE f.state = 'expanding' AND (f.retry_at <= now() OR f.retry_at IS NULL)
        ORDER BY f.fire_at, f.id
        LIMIT 1
        FOR UPDATE SKIP LOCKED;
        EXIT WHEN NOT FOUND;
        BEGIN
            users := users + outbox.expand_block(firing);
        EXCEPTION WHEN OTHERS THEN
            UPDATE outbox.firing AS f SET error = SQLERRM, retry_at = clock_timestamp() + interval '1 minute'
            WHERE f.id = firing.id;
        END;
    END LOOP;
    RETURN users;
END
$$;

COMMENT ON FUNCTION outbox.expand_audience IS
    'Makes the notifications of the next blocks of the oldest firing; returns how many users these had';
