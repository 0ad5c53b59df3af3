-- Dispatchers: their registry, where they begin to look, and what they share of a provider's limits.

-- A new dispatcher's row and its lock become visible together, so nobody sees it without its lock.
CREATE OR REPLACE FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[])
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id integer;
BEGIN
    INSERT INTO outbox.dispatcher (name, host, pid, session, channels)
    VALUES (register_dispatcher.name, register_dispatcher.host, register_dispatcher.pid, pg_backend_pid(),
            register_dispatcher.channels)
    RETURNING id INTO new_id;
    PERFORM pg_advisory_lock(7302, new_id);
    RETURN new_id;
END
$$;

COMMENT ON FUNCTION outbox.register_dispatcher IS
    'Registers the caller; its session holds the advisory lock (7302, id) for as long as it lives';

CREATE OR REPLACE FUNCTION outbox.reattach_dispatcher(id integer) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    former integer;
BEGIN
    SELECT d.session INTO former FROM outbox.dispatcher AS d WHERE d.id = reattach_dispatcher.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- The server may not have noticed the end of the former session yet, which would keep the lock for long.
    PERFORM pg_terminate_backend(l.pid)
    FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.classid = 7302 AND l.objid = reattach_dispatcher.id
        AND l.objsubid = 2 AND l.granted AND l.pid = former AND l.pid <> pg_backend_pid()
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());
    PERFORM pg_advisory_lock(7302, reattach_dispatcher.id);
    UPDATE outbox.dispatcher AS d SET lost_at = NULL, seen_at = now(), session = pg_backend_pid()
    WHERE d.id = reattach_dispatcher.id;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.reattach_dispatcher IS
    'Takes the dispatcher''s lock again after a reconnect; false: it was given up, register again';

CREATE OR REPLACE FUNCTION outbox.unregister_dispatcher(id integer) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM outbox.dispatcher AS d
    WHERE d.id = unregister_dispatcher.id
        AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE f.dispatcher = d.id);
    PERFORM pg_advisory_unlock(7302, unregister_dispatcher.id);
END
$$;

COMMENT ON FUNCTION outbox.unregister_dispatcher IS
    'Ends a registration; with open flights the row stays, for recovery to settle them';

CREATE OR REPLACE FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    INSERT INTO outbox.queue AS q (channel, lane, low_water)
    VALUES (raise_low_water.channel, raise_low_water.lane, raise_low_water.pos)
    ON CONFLICT (channel, lane) DO UPDATE SET low_water = excluded.low_water
    WHERE q.low_water < excluded.low_water;
END;

COMMENT ON FUNCTION outbox.raise_low_water IS
    'Says that all rows below this position are final; a lower value than the stored one changes nothing';

-- The bucket holds no more than a fifth of a second, so that neither it nor what dispatchers hold adds up to one
-- percent of a minute; and one token, or the fractions of a slow rate would be lost.
CREATE OR REPLACE FUNCTION outbox.lease_budget(
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

COMMENT ON FUNCTION outbox.lease_budget IS
    'Takes requests in advance for a dispatcher and gives back those it did not use; tells how many it may send, how '
    'many it may have in the air until its next call, and, if it may send none, in how long there may be more. A '
    'transaction of its own: it locks the budget. Who has no more to send calls it once more, with wanted = 0, or '
    'keeps its slots';

CREATE OR REPLACE FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text)
RETURNS void
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

COMMENT ON FUNCTION outbox.report_provider IS
    'A dispatcher tells that its circuit breaker of a provider opened, probes or closed';
