-- The archive, by days, and the keys that outlive their rows.

CREATE TABLE outbox.archive (LIKE outbox.message, archived_at timestamptz NOT NULL DEFAULT now())
    PARTITION BY RANGE (finished_at);
CREATE INDEX archive_id_idx ON outbox.archive (id);
CREATE INDEX archive_key_idx ON outbox.archive (idempotency_key);
CREATE INDEX archive_notification_idx ON outbox.archive (notification_id) WHERE notification_id IS NOT NULL;
CREATE INDEX archive_provider_idx ON outbox.archive (provider, provider_message_id)
    WHERE provider_message_id IS NOT NULL;

COMMENT ON TABLE outbox.archive IS
    'Messages that are finished for longer than settings.keep_finished; one partition a UTC day';

CREATE TABLE outbox.notification_archive (
    LIKE outbox.notification, archived_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (created_at);
CREATE INDEX notification_archive_id_idx ON outbox.notification_archive (id);
CREATE INDEX notification_archive_key_idx ON outbox.notification_archive (idempotency_key);

COMMENT ON TABLE outbox.notification_archive IS
    'Notifications of which nothing is left in outbox.message; one partition a UTC day of created_at';

CREATE TYPE outbox.key_kind AS ENUM ('message', 'notification');

-- Not in partitions: every INSERT of a producer looks here, and pays for each partition.
CREATE TABLE outbox.used_key (
    key text COLLATE "C",
    kind outbox.key_kind,
    id bigint NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key, kind)
);
CREATE INDEX used_key_recorded_idx ON outbox.used_key (recorded_at);

COMMENT ON TABLE outbox.used_key IS
    'Keys of rows that left, or are about to leave, the hot tables; kept for settings.key_window';
COMMENT ON COLUMN outbox.used_key.id IS 'The message or notification that has the key';

-- ---- Partitions ----

CREATE FUNCTION outbox.make_partition(parent text, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    day date := (at AT TIME ZONE 'UTC')::date;
    name text := parent || to_char(day, '_YYYYMMDD');
BEGIN
    IF parent NOT IN ('archive', 'notification_archive') THEN
        RAISE EXCEPTION 'outbox.% has no partitions', parent USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass('outbox.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(7304, 1);
    IF to_regclass('outbox.' || name) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Made apart and then attached, which readers and writers of the others do not notice.
    EXECUTE format('CREATE TABLE outbox.%I (LIKE outbox.%I INCLUDING DEFAULTS)', name, parent);
    EXECUTE format('ALTER TABLE outbox.%I ATTACH PARTITION outbox.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, name, day || ' 00:00+00', day + 1 || ' 00:00+00');
END
$$;

COMMENT ON FUNCTION outbox.make_partition(text, timestamptz) IS
    'Makes the partition of outbox.archive or notification_archive for a moment, unless there is one';

CREATE VIEW outbox.partitions AS
SELECT p.relname::text AS parent, c.relname::text AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day,
    pg_total_relation_size(c.oid) AS size
FROM pg_catalog.pg_inherits AS i
    JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
WHERE n.nspname = 'outbox' AND p.relname IN ('archive', 'notification_archive') AND c.relkind = 'r';

COMMENT ON VIEW outbox.partitions IS 'The days that the archives hold';

-- The locks that a drop takes are kept until the transaction ends, and the archive waits for them, so nothing else
-- is done after it. Who does not get the lock at once tries again next time.
CREATE FUNCTION outbox.drop_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '50ms'
AS $$
DECLARE
    old text;
    dropped integer := 0;
BEGIN
    FOR old IN
        SELECT p.name
        FROM outbox.partitions AS p CROSS JOIN outbox.settings AS s
        WHERE (p.day + 1)::timestamp AT TIME ZONE 'UTC' <= now() - s.keep_archive
        ORDER BY p.parent, p.name
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE outbox.%I', old);
            dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
    RETURN dropped;
END
$$;

COMMENT ON FUNCTION outbox.drop_partitions() IS
    'Drops the days of the archives that are older than settings.keep_archive; returns how many';

-- ---- Keys ----

-- In every producer's way: with the producer's rights, without a pinned search_path, and with the statement's own
-- snapshot, which is as good as a new one because of what outbox.leaving waits for. The same id is the row itself
-- on its way back.
CREATE FUNCTION outbox.skip_used_key() RETURNS trigger
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    -- What a notification makes needs no look: its keys begin with the notification's. A WHEN of the trigger would
    -- be read from the catalogue and prepared at every INSERT.
    IF NEW.notification_id IS NULL THEN
        IF EXISTS (SELECT FROM outbox.used_key AS u WHERE u.key = NEW.idempotency_key AND u.kind = 'message'
                   AND u.id <> NEW.id) THEN
            RETURN NULL;
        END IF;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.skip_used_key() IS 'Trigger: a message whose key was used is not inserted';

CREATE TRIGGER skip_used_key BEFORE INSERT ON outbox.message
    FOR EACH ROW EXECUTE FUNCTION outbox.skip_used_key();

CREATE FUNCTION outbox.skip_used_notification_key() RETURNS trigger
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF EXISTS (SELECT FROM outbox.used_key AS u WHERE u.key = NEW.idempotency_key AND u.kind = 'notification') THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.skip_used_notification_key() IS
    'Trigger: a notification whose key was used is not inserted';

CREATE TRIGGER skip_used_key BEFORE INSERT ON outbox.notification
    FOR EACH ROW EXECUTE FUNCTION outbox.skip_used_notification_key();

CREATE OR REPLACE FUNCTION outbox.send(
    channel text, recipient text, payload jsonb, idempotency_key text DEFAULT NULL,
    lane outbox.lane DEFAULT 'transactional', app text DEFAULT NULL,
    send_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    message_id bigint;
    key text := coalesce(send.idempotency_key, gen_random_uuid()::text);
BEGIN
    -- Twice round only if the earlier message disappears between the statements.
    LOOP
        IF send.idempotency_key IS NOT NULL THEN
            SELECT m.id INTO message_id FROM outbox.message AS m WHERE m.idempotency_key = key;
            EXIT WHEN FOUND;
            SELECT u.id INTO message_id FROM outbox.used_key AS u
            WHERE u.key = send.idempotency_key AND u.kind = 'message';
            EXIT WHEN FOUND;
        END IF;
        INSERT INTO outbox.message
            (channel, lane, app, recipient, payload, idempotency_key, send_at, expires_at)
        VALUES (send.channel, send.lane, send.app, send.recipient, send.payload, key, send.send_at,
                send.expires_at)
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id INTO message_id;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN message_id;
END
$$;

CREATE FUNCTION outbox.notify(
    user_id text, template text, variables jsonb DEFAULT '{}', category text DEFAULT 'service',
    channels text[] DEFAULT NULL, idempotency_key text DEFAULT NULL, send_at timestamptz DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL, lane outbox.lane DEFAULT NULL, fallback text[] DEFAULT NULL,
    fallback_after interval DEFAULT '5 minutes'
) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    notification_id bigint;
    key text := coalesce(notify.idempotency_key, gen_random_uuid()::text);
BEGIN
    -- Twice round only if the earlier notification disappears between the statements.
    LOOP
        IF notify.idempotency_key IS NOT NULL THEN
            SELECT n.id INTO notification_id FROM outbox.notification AS n WHERE n.idempotency_key = key;
            EXIT WHEN FOUND;
            SELECT u.id INTO notification_id FROM outbox.used_key AS u
            WHERE u.key = notify.idempotency_key AND u.kind = 'notification';
            EXIT WHEN FOUND;
        END IF;
        INSERT INTO outbox.notification (user_id, category, template, variables, channels, idempotency_key, send_at,
                                         expires_at, lane, fallback, fallback_after)
        VALUES (notify.user_id, notify.category, notify.template, notify.variables, notify.channels, key,
                notify.send_at, notify.expires_at, notify.lane, notify.fallback, notify.fallback_after)
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id INTO notification_id;
        EXIT WHEN FOUND;
    END LOOP;
    RETURN notification_id;
END
$$;

COMMENT ON FUNCTION outbox.notify(
    text, text, jsonb, text, text[], text, timestamptz, timestamptz, outbox.lane, text[], interval) IS
    'Tells a user something, now or at send_at; returns the notification''s id, or the id of the earlier one with '
    'the same idempotency_key';

CREATE FUNCTION outbox.forget_keys(max_rows integer) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM outbox.used_key AS k WHERE k.ctid = ANY (ARRAY(
        SELECT u.ctid FROM outbox.used_key AS u
        WHERE u.recorded_at <= now() - (SELECT s.key_window FROM outbox.settings AS s)
        ORDER BY u.recorded_at
        LIMIT max_rows));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION outbox.forget_keys(integer) IS
    'Deletes keys that were recorded longer than settings.key_window ago; returns how many';

REVOKE ALL ON FUNCTION
    outbox.make_partition(text, timestamptz), outbox.drop_partitions(), outbox.skip_used_key(),
    outbox.skip_used_notification_key(), outbox.forget_keys(integer),
    outbox.notify(text, text, jsonb, text, text[], text, timestamptz, timestamptz, outbox.lane, text[], interval)
    FROM PUBLIC;
-- The triggers on message and notification have the rights of whoever inserts.
GRANT SELECT (id, kind, key) ON outbox.used_key TO outbox_producer;
GRANT EXECUTE ON FUNCTION
    outbox.notify(text, text, jsonb, text, text[], text, timestamptz, timestamptz, outbox.lane, text[], interval)
    TO outbox_producer;
GRANT SELECT, INSERT, DELETE ON outbox.used_key TO outbox_scheduler;
GRANT INSERT ON outbox.archive, outbox.notification_archive TO outbox_scheduler;
GRANT SELECT ON outbox.partitions TO outbox_scheduler;
GRANT EXECUTE ON FUNCTION outbox.make_partition(text, timestamptz), outbox.drop_partitions(),
    outbox.forget_keys(integer) TO outbox_scheduler;
GRANT SELECT ON outbox.archive, outbox.notification_archive, outbox.partitions TO outbox_reader;
GRANT ALL ON outbox.archive, outbox.notification_archive, outbox.used_key, outbox.partitions TO outbox_admin;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO outbox_admin;
