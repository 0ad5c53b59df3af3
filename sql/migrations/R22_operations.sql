-- What people do about one message: send it again, or end the doubt about it.

CREATE OR REPLACE FUNCTION outbox.bring_back(message_id bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old outbox.archive;
BEGIN
    SELECT a.* INTO old FROM outbox.archive AS a
    WHERE a.id = bring_back.message_id AND EXISTS (
        SELECT FROM outbox.transition AS t WHERE t.from_status = a.status AND t.to_status = 'pending')
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- When the window of its key has passed, another message may have it now.
    INSERT INTO outbox.message (
        id, created_at, send_at, expires_at, sent_at, lane, channel, app, recipient, idempotency_key, payload,
        provider, provider_message_id, last_error, notification_id, device_id, template_id, user_id, category,
        environment, cost, currency)
    OVERRIDING SYSTEM VALUE
    VALUES (old.id, old.created_at, least(old.send_at, now()), CASE WHEN old.expires_at > now() THEN old.expires_at END,
        old.sent_at, old.lane, old.channel, old.app, old.recipient, old.idempotency_key, old.payload,
        old.provider, old.provider_message_id, old.last_error, old.notification_id, old.device_id, old.template_id,
        old.user_id, old.category, old.environment, old.cost, old.currency)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM outbox.archive AS a WHERE a.id = old.id AND a.finished_at = old.finished_at;
    -- It was accepted long ago: this time it only comes here.
    INSERT INTO outbox.change (block, channel, lane, day, to_status, messages)
    VALUES (old.id >> 18, old.channel, old.lane, (old.created_at AT TIME ZONE 'UTC')::date, 'pending', 1);
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.bring_back IS
    'Queues an archived message that may be sent again, with its id and key; false when there is none';

-- Every legal way back to pending for a person, with a fresh place in the queue.
CREATE OR REPLACE FUNCTION outbox.requeue(message_id bigint) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    channel_name text;
    former outbox.message_status;
BEGIN
    SELECT m.status INTO former FROM outbox.message AS m WHERE m.id = requeue.message_id FOR UPDATE;
    UPDATE outbox.message AS m
    SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL, finished_at = NULL,
        attempts = 0,
        expires_at = CASE WHEN m.expires_at > now() THEN m.expires_at END -- else it would expire at once
    WHERE m.id = requeue.message_id AND m.status <> 'scheduled' AND EXISTS (
        SELECT FROM outbox.transition AS t WHERE t.from_status = m.status AND t.to_status = 'pending')
    RETURNING m.channel INTO channel_name;
    IF NOT FOUND THEN
        RETURN outbox.bring_back(requeue.message_id);
    END IF;
    PERFORM outbox.note_moves(ARRAY[requeue.message_id], ARRAY[former]);
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = channel_name;
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.requeue IS 'The part that outbox.retry and outbox.resolve_doubt share';

CREATE OR REPLACE FUNCTION outbox.retry(message_id bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
RETURN outbox.requeue(message_id);

COMMENT ON FUNCTION outbox.retry IS
    'Sends a failed, expired, cancelled, suppressed or doubtful message again, with all its attempts, also when it '
    'is archived; false when it is in none of these states';

CREATE OR REPLACE FUNCTION outbox.resolve_doubt(message_id bigint, was_sent boolean) RETURNS boolean
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
    PERFORM outbox.note_moves(ARRAY[resolve_doubt.message_id], '{in_doubt}');
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.resolve_doubt IS
    'Ends the doubt about a held message: it was sent, or it is sent now; false when it is not in doubt';
