-- Duties of the scheduler and of people; a person may do the scheduler's duties by hand.

CREATE FUNCTION outbox.config_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify('outbox_config', '');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.config_changed() IS 'Trigger: tells dispatchers to read their configuration again';

CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON outbox.channel
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.config_changed();
CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON outbox.provider
    FOR EACH STATEMENT EXECUTE FUNCTION outbox.config_changed();

CREATE FUNCTION outbox.forget_stop() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.stopped_until := NULL;
    NEW.stop_reason := NULL;
    NEW.stopped_at := NULL;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.forget_stop() IS 'Trigger: a person''s edit may have mended what stopped a provider';

CREATE TRIGGER forget_stop BEFORE UPDATE OF channel, adapter, app, settings, enabled ON outbox.provider
    FOR EACH ROW EXECUTE FUNCTION outbox.forget_stop();

CREATE FUNCTION outbox.release_due(max_rows integer DEFAULT 5000) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_nestloop = off SET enable_hashjoin = on SET jit = off
AS $$
DECLARE
    released integer;
    ready text[];
BEGIN
    -- Positions are given in the order in which the rows fell due.
    WITH due AS MATERIALIZED (
        SELECT m.id, coalesce(m.expires_at <= now(), false) AS late
        FROM outbox.message AS m
        WHERE m.next_attempt_at <= now()
        ORDER BY m.next_attempt_at
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED
    ), placed AS MATERIALIZED (
        SELECT d.id, d.late, CASE WHEN NOT d.late THEN outbox.next_queue_pos() END AS pos FROM due AS d
    ), moved AS (
        UPDATE outbox.message AS m
        SET status = CASE WHEN p.late THEN 'expired' ELSE 'pending' END::outbox.message_status,
            queue_pos = p.pos, next_attempt_at = NULL, finished_at = CASE WHEN p.late THEN now() END
        FROM placed AS p
        WHERE m.id = p.id AND m.id = ANY (ARRAY(SELECT d.id FROM due AS d)) -- pins the plan, as in outbox.settle
        RETURNING m.channel, p.late
    )
    SELECT count(*), array_agg(DISTINCT v.channel) FILTER (WHERE NOT v.late) INTO released, ready
    FROM moved AS v;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = ANY (ready);
    RETURN released;
END
$$;

COMMENT ON FUNCTION outbox.release_due(integer) IS
    'Moves due scheduled messages into the queue in order, expired ones to their end; returns how many';

CREATE FUNCTION outbox.next_due() RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT min(m.next_attempt_at) FROM outbox.message AS m WHERE m.next_attempt_at IS NOT NULL;
END;

COMMENT ON FUNCTION outbox.next_due() IS 'When the next scheduled message falls due; NULL = none is scheduled';

-- Every legal way back to pending for a person, with a fresh place in the queue.
CREATE FUNCTION outbox.requeue(message_id bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    channel_name text;
BEGIN
    UPDATE outbox.message AS m
    SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL, finished_at = NULL,
        attempts = 0,
        expires_at = CASE WHEN m.expires_at > now() THEN m.expires_at END -- else it would expire at once
    WHERE m.id = requeue.message_id AND m.status <> 'scheduled' AND EXISTS (
        SELECT FROM outbox.transition AS t WHERE t.from_status = m.status AND t.to_status = 'pending')
    RETURNING m.channel INTO channel_name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = channel_name;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.requeue(bigint) IS 'The part that outbox.retry and outbox.resolve_doubt share';

CREATE FUNCTION outbox.retry(message_id bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN outbox.requeue(message_id);

COMMENT ON FUNCTION outbox.retry(bigint) IS
    'Sends a failed, expired, cancelled, suppressed or doubtful message again, with all its attempts; '
    'false when it is in none of these states';

CREATE FUNCTION outbox.resolve_doubt(message_id bigint, was_sent boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM outbox.message AS m
    WHERE m.id = resolve_doubt.message_id AND m.status = 'in_doubt' FOR UPDATE;
    IF NOT FOUND OR was_sent IS NULL THEN
        RETURN false;
    END IF;
    IF NOT was_sent THEN
        RETURN outbox.requeue(resolve_doubt.message_id);
    END IF;
    UPDATE outbox.message AS m
    SET status = 'sent', sent_at = m.finished_at, last_error = NULL
    WHERE m.id = resolve_doubt.message_id;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.resolve_doubt(bigint, boolean) IS
    'Ends the doubt about a held message: it was sent, or it is sent now; false when it is not in doubt';

CREATE FUNCTION outbox.set_paused(channel text, paused boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    channel_id integer;
BEGIN
    UPDATE outbox.channel AS c SET paused = set_paused.paused WHERE c.name = set_paused.channel
    RETURNING c.id INTO channel_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'channel "%" does not exist', set_paused.channel USING
            ERRCODE = 'OB001', HINT = 'The channels are listed in outbox.channel.';
    END IF;
    PERFORM outbox.wake(channel_id, set_paused.channel);
END
$$;

COMMENT ON FUNCTION outbox.set_paused(text, boolean) IS 'The part that outbox.pause and outbox.resume share';

CREATE FUNCTION outbox.pause(channel text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN outbox.set_paused(channel, true);

COMMENT ON FUNCTION outbox.pause(text) IS 'Stops sending on a channel; what is in the air is finished';

CREATE FUNCTION outbox.resume(channel text) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
RETURN outbox.set_paused(channel, false);

COMMENT ON FUNCTION outbox.resume(text) IS 'Sends on a paused channel again';

CREATE FUNCTION outbox.resume_provider(name text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    UPDATE outbox.provider AS p SET stopped_until = NULL, stop_reason = NULL, stopped_at = NULL
    WHERE p.name = resume_provider.name;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION outbox.resume_provider(text) IS 'Uses a stopped provider again at once; false: no such name';
