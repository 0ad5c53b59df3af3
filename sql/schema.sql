-- What a migrated database holds: written by make schema, not by hand.

CREATE SCHEMA outbox;

COMMENT ON SCHEMA outbox IS 'pgoutbox: messages to be sent, what became of them, and the rules and providers of each channel';

CREATE TYPE outbox.catch_up AS ENUM (
    'skip',
    'once',
    'all'
);

COMMENT ON TYPE outbox.catch_up IS 'What becomes of firings that are more than a minute late: skip = nothing, once = the latest is sent, all = each is sent';

CREATE TYPE outbox.consent AS ENUM (
    'mandatory',
    'opt_out',
    'opt_in'
);

COMMENT ON TYPE outbox.consent IS 'mandatory = sent whatever the user prefers, opt_out = sent until refused, opt_in = sent only with consent';

CREATE TYPE outbox.doubt_policy AS ENUM (
    'resend',
    'hold'
);

COMMENT ON TYPE outbox.doubt_policy IS 'When a message was perhaps sent: resend = again with the same id, hold = wait for a person';

CREATE TYPE outbox.firing_state AS ENUM (
    'gathering',
    'expanding',
    'done',
    'skipped',
    'cancelled'
);

COMMENT ON TYPE outbox.firing_state IS 'gathering = its audience is to be read, expanding = notifications are made; skipped = it was missed';

CREATE TYPE outbox.key_kind AS ENUM (
    'message',
    'notification'
);

CREATE TYPE outbox.lane AS ENUM (
    'transactional',
    'bulk'
);

COMMENT ON TYPE outbox.lane IS 'Nothing transactional waits behind bulk; bulk keeps a guaranteed share';

CREATE TYPE outbox.message_status AS ENUM (
    'scheduled',
    'pending',
    'sent',
    'delivered',
    'bounced',
    'failed',
    'expired',
    'cancelled',
    'suppressed',
    'in_doubt'
);

CREATE TYPE outbox.mustache_tag AS (
	kind text,
	body text,
	indent text,
	depth integer,
	last integer,
	place integer
);

COMMENT ON TYPE outbox.mustache_tag IS 'A part of a Mustache text; comments and delimiters leave none';

CREATE TYPE outbox.notification_state AS ENUM (
    'scheduled',
    'expanded',
    'cancelled',
    'expired'
);

COMMENT ON TYPE outbox.notification_state IS 'scheduled = waits for its time, expanded = its messages were made; the others are ends without messages';

CREATE TYPE outbox.receipt_event AS ENUM (
    'delivered',
    'undelivered',
    'bounced',
    'complained',
    'unsubscribed'
);

COMMENT ON TYPE outbox.receipt_event IS 'undelivered = this message did not arrive, bounced = its address does not exist; complained and unsubscribed say that its recipient wants no more';

CREATE FUNCTION outbox.adopt_history(reason text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    former outbox.history;
BEGIN
    IF coalesce(btrim(reason), '') = '' THEN
        PERFORM outbox.raise('OB012', 'reason', 'must say why this database is the one to send from');
    END IF;
    LOCK TABLE outbox.history IN SHARE ROW EXCLUSIVE MODE;
    UPDATE outbox.history AS h SET ended_at = clock_timestamp() WHERE h.ended_at IS NULL RETURNING h.* INTO STRICT former;
    PERFORM outbox.mend_sequences();
    DELETE FROM outbox.queue;
    UPDATE outbox.ledger_mark SET tick_at = NULL;
    UPDATE outbox.walk
    SET position = 0, lowest = NULL, found = 0, next_round_at = '-infinity', full_round_at = '-infinity';
    INSERT INTO outbox.history (era, system_identifier, database, timeline, last_pos, reason)
    SELECT former.era + 1, w.system_identifier, w.database, w.timeline,
        (SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END FROM outbox.queue_pos_seq AS s),
        adopt_history.reason
    FROM outbox.whereabouts() AS w;
    PERFORM outbox.request_audit(format('era %s: %s', former.era + 1, adopt_history.reason));
    PERFORM outbox.ring('outbox_config', '');
    RETURN former.era + 1;
END
$$;

COMMENT ON FUNCTION outbox.adopt_history(reason text) IS 'Begins another era: from this database, as it stands here and now, messages are sent. To be called on a copy that is to take over; mends sequences and marks, and returns the number of the era';

CREATE FUNCTION outbox.after_insert() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    plain boolean;
    refusal text;
BEGIN
    SELECT n.plain AND (
            SELECT pg_try_advisory_xact_lock_shared(7301, c.id) FROM outbox.channel AS c WHERE c.name = n.lowest)
    INTO plain
    FROM (
        SELECT min(m.channel) AS lowest, min(m.channel) = max(m.channel) AND bool_and(
                btrim(m.recipient) <> '' AND octet_length(m.recipient) <= 4096
                AND m.recipient !~ '[\x01-\x1f\x7f]' AND jsonb_typeof(m.payload) = 'object'
                AND pg_column_size(m.payload) <= 8192 AND m.status = 'pending' AND m.send_at IS NULL
                AND m.expires_at IS NULL
                AND octet_length(m.idempotency_key) BETWEEN 1 AND 255
                AND m.user_id IS NULL AND m.category IS NULL AND m.environment IS NULL) AS plain
        FROM new_messages AS m) AS n;
    IF plain THEN
        RETURN NULL;
    END IF;
    SELECT bool_and(
            btrim(m.recipient) <> '' AND octet_length(m.recipient) <= 4096
            AND m.recipient !~ '[\x01-\x1f\x7f]' AND jsonb_typeof(m.payload) = 'object'
            AND pg_column_size(m.payload) <= 8192 AND octet_length(m.idempotency_key) BETWEEN 1 AND 255
            AND coalesce(isfinite(m.send_at), true)
            AND coalesce(isfinite(m.expires_at) AND m.expires_at > greatest(now(), m.send_at), true)
            AND (m.user_id IS NULL) = (m.category IS NULL)
            AND coalesce(octet_length(m.user_id) <= 200 AND btrim(m.user_id) <> '', true)
            AND coalesce(m.environment IN ('production', 'sandbox'), true))
        AND NOT EXISTS (
            SELECT FROM (SELECT DISTINCT o.channel, o.category FROM new_messages AS o) AS kinds
            WHERE NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = kinds.channel)
                OR (kinds.category IS NOT NULL
                    AND NOT EXISTS (SELECT FROM outbox.category AS g WHERE g.name = kinds.category)))
    INTO plain
    FROM new_messages AS m;
    IF NOT plain THEN
        SELECT min(outbox.why_refused(m.*)) INTO refusal FROM new_messages AS m;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', substr(refusal, 7) USING
            ERRCODE = left(refusal, 5), SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(refusal, ' ', 2);
    END IF;
    PERFORM outbox.note_arrival(a.block, a.channel, a.lane, a.day, a.status, a.messages)
    FROM (
        SELECT m.id >> 18 AS block, m.channel, m.lane, (m.created_at AT TIME ZONE 'UTC')::date AS day, m.status,
            count(*) AS messages
        FROM new_messages AS m
        WHERE m.status <> 'pending'
        GROUP BY 1, 2, 3, 4, 5) AS a;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c
    WHERE c.name IN (SELECT m.channel FROM new_messages AS m WHERE m.status = 'pending');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.after_insert() IS 'Trigger: refuses what breaks a rule, notes for the ledger what is not pending, wakes the channels of the rest';

CREATE FUNCTION outbox.after_notification_insert() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    plain boolean;
    refusal text;
    ready bigint[];
BEGIN
    WITH kinds AS MATERIALIZED (
        SELECT d.category, d.template, d.channels, outbox.required_variables(d.template, d.channels) AS required,
            EXISTS (SELECT FROM outbox.category AS g WHERE g.name = d.category)
            AND EXISTS (SELECT FROM outbox.template AS t WHERE t.name = d.template AND t.current
                        AND (d.channels IS NULL OR t.channel = ANY (d.channels)))
            AND (d.channels IS NULL OR d.channels <@ ARRAY(SELECT c.name FROM outbox.channel AS c)) AS known
        FROM (SELECT DISTINCT o.category, o.template, o.channels FROM new_notifications AS o) AS d
    )
    SELECT bool_and(
        btrim(n.user_id) <> '' AND octet_length(n.user_id) <= 200 AND n.user_id !~ '[\x01-\x1f\x7f]'
        AND jsonb_typeof(n.variables) = 'object' AND pg_column_size(n.variables) <= 8192
        AND octet_length(n.idempotency_key) BETWEEN 1 AND 200 AND n.fallback IS NULL
        AND coalesce(isfinite(n.send_at), true)
        AND coalesce(isfinite(n.expires_at) AND n.expires_at > greatest(now(), n.send_at), true)
        AND k.known AND (k.required = '{}' OR n.firing_id IS NOT NULL OR NOT EXISTS (
            SELECT FROM unnest(k.required) AS r WHERE n.variables #> string_to_array(r, '.') IS NULL)))
    INTO plain
    FROM new_notifications AS n
        JOIN kinds AS k ON k.category = n.category AND k.template = n.template
            AND k.channels IS NOT DISTINCT FROM n.channels;
    IF NOT plain THEN
        SELECT min(outbox.why_notification_refused(n.*)) INTO refusal FROM new_notifications AS n;
    END IF;
    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION '%', substr(refusal, 7) USING
            ERRCODE = left(refusal, 5), SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(refusal, ' ', 2);
    END IF;
    SELECT array_agg(n.id) INTO ready FROM new_notifications AS n WHERE n.state = 'expanded';
    IF ready IS NOT NULL THEN
        PERFORM outbox.expand(ready);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.after_notification_insert() IS 'Trigger: refuses what breaks a rule, makes the messages of the rest, unless they wait for their time';

CREATE FUNCTION outbox.apply_receipts(message_id bigint, news outbox.receipt_event[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    about record;
    hot boolean;
    told record;
BEGIN
    SELECT m.channel, m.recipient, m.user_id, m.category, m.provider, m.status INTO about
    FROM outbox.message AS m WHERE m.id = apply_receipts.message_id FOR NO KEY UPDATE;
    hot := FOUND;
    IF NOT hot THEN
        -- A row that was being archived is found there now that its lock is gone.
        SELECT m.channel, m.recipient, m.user_id, m.category, m.provider, m.status INTO about
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
        PERFORM outbox.note_moves(ARRAY[apply_receipts.message_id], ARRAY[about.status]);
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

COMMENT ON FUNCTION outbox.apply_receipts(message_id bigint, news outbox.receipt_event[]) IS 'Brings a message to what its receipts say, and its address and its user''s preferences to what the new ones say';

CREATE FUNCTION outbox.archive_rows(kind outbox.key_kind, duty text, max_rows integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    walk outbox.walk;
    started bigint;
    leaving bigint[];
    step record;
    moved integer := 0;
BEGIN
    SELECT w.* INTO walk FROM outbox.walk AS w WHERE w.duty = archive_rows.duty FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    WHILE moved < max_rows LOOP
        leaving := outbox.take_leaving(kind);
        EXIT WHEN leaving IS NULL;
        moved := moved + CASE kind
            WHEN 'message' THEN outbox.move_messages(leaving)
            WHEN 'notification' THEN outbox.move_notifications(leaving)
        END;
    END LOOP;
    started := outbox.begin_walk(walk, kind);
    IF started IS NULL THEN
        RETURN moved;
    END IF;
    PERFORM outbox.forget_keys(2 * max_rows); -- more than one step records, so old keys never pile up
    WITH visited AS MATERIALIZED (
        SELECT v.* FROM outbox.visit_rows(archive_rows.kind, started, 4 * max_rows) AS v
    ), chosen AS MATERIALIZED (
        SELECT v.* FROM visited AS v WHERE v.ready ORDER BY v.id LIMIT max_rows
    ), recorded AS (
        INSERT INTO outbox.used_key (key, kind, id)
        SELECT c.key, archive_rows.kind, c.id
        FROM chosen AS c CROSS JOIN outbox.settings AS s
        WHERE c.key IS NOT NULL AND c.used_at > now() - s.key_window
        ON CONFLICT DO NOTHING -- it came back and finished again
    )
    SELECT array_agg(c.id) AS ids, count(*) AS found,
        (SELECT min(v.id) FROM visited AS v WHERE NOT v.ready) AS lowest,
        CASE
            WHEN count(*) = max_rows THEN max(c.id)
            WHEN (SELECT count(*) FROM visited) = 4 * max_rows THEN (SELECT max(v.id) FROM visited AS v)
        END AS reached
    INTO step
    FROM chosen AS c;
    IF step.ids IS NOT NULL THEN
        INSERT INTO outbox.leaving (kind, ids) VALUES (archive_rows.kind, step.ids);
    END IF;
    PERFORM outbox.end_walk(walk, started, step.reached, step.found, step.lowest,
        CASE WHEN walk.found + step.found >= max_rows THEN '1 second' ELSE '30 seconds' END::interval);
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.archive_rows(kind outbox.key_kind, duty text, max_rows integer) IS 'The part that outbox.archive_finished and archive_notifications share';

CREATE FUNCTION outbox.archive_finished(max_rows integer DEFAULT 5000) RETURNS integer
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN outbox.archive_rows('message'::outbox.key_kind, 'archive_finished'::text, max_rows);

COMMENT ON FUNCTION outbox.archive_finished(max_rows integer) IS 'Moves some of the messages that are finished for longer than settings.keep_finished to outbox.archive, and records the keys of the next; returns how many were moved. A message leaves at the second call at the earliest';

CREATE FUNCTION outbox.archive_notifications(max_rows integer DEFAULT 5000) RETURNS integer
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN outbox.archive_rows('notification'::outbox.key_kind, 'archive_notifications'::text, max_rows);

COMMENT ON FUNCTION outbox.archive_notifications(max_rows integer) IS 'Moves some of the notifications that are past, and of which no message is left in outbox.message, to outbox.notification_archive; as outbox.archive_finished does';

CREATE FUNCTION outbox.audience_query(audience text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (audience ~ ('^\s*([[:alpha:]_][[:alnum:]_$]*|"([^"]|"")+")'::text || '(\.([[:alpha:]_][[:alnum:]_$]*|"([^"]|"")+"))*\s*$'::text)) THEN ('TABLE '::text || audience) ELSE regexp_replace(audience, '[\s;]+$'::text, ''::text) END;

COMMENT ON FUNCTION outbox.audience_query(audience text) IS 'The query of an audience, which may be a view''s name';

CREATE PROCEDURE outbox.audit()
    LANGUAGE plpgsql
    AS $$
DECLARE
    more integer;
BEGIN
    more := outbox.audit_step(true);
    COMMIT;
    WHILE more > 0 LOOP
        more := outbox.audit_step();
        COMMIT;
    END LOOP;
END
$$;

COMMENT ON PROCEDURE outbox.audit() IS 'Audits everything now, or goes on with the run that is under way; each step is committed. See outbox.audit_finding';

CREATE FUNCTION outbox.audit_archive(block bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    odd record;
BEGIN
    FOR odd IN
        WITH twice AS MATERIALIZED ( -- by the indexes alone
            SELECT a.id FROM outbox.archive AS a JOIN outbox.message AS m ON m.id = a.id
            WHERE a.id >= audit_archive.block << 18 AND a.id < (audit_archive.block + 1) << 18
                AND m.id >= audit_archive.block << 18 AND m.id < (audit_archive.block + 1) << 18
        )
        SELECT m.channel, m.lane, count(*) AS messages, array_agg(m.id ORDER BY m.id) AS ids
        FROM twice AS t JOIN outbox.message AS m ON m.id = t.id
        GROUP BY 1, 2
    LOOP
        PERFORM outbox.report_finding('twice', odd.channel, odd.lane, NULL, odd.messages, odd.ids,
            'in outbox.message and in outbox.archive', NULL);
    END LOOP;

    -- Keys of what finished so long ago are forgotten.
    IF NOT EXISTS (
        SELECT FROM outbox.ledger_block AS l CROSS JOIN outbox.settings AS s
        WHERE l.block = audit_archive.block AND l.messages > 0
            AND (l.place > (now() - s.key_window)::date - 2 OR l.day > (now() - s.key_window)::date - 2)) THEN
        RETURN;
    END IF;
    -- The keys of notifications' messages begin with that of the notification, and are not recorded.
    WITH free AS MATERIALIZED (
        SELECT a.id, a.channel, a.lane, a.idempotency_key
        FROM outbox.archive AS a CROSS JOIN outbox.settings AS s
        WHERE a.id >= audit_archive.block << 18 AND a.id < (audit_archive.block + 1) << 18
            AND a.notification_id IS NULL AND greatest(a.created_at, a.send_at) > now() - s.key_window
            AND a.archived_at > now() - s.key_window -- or it may have been forgotten
            AND NOT EXISTS (SELECT FROM outbox.used_key AS u WHERE u.key = a.idempotency_key AND u.kind = 'message')
    ), recorded AS (
        INSERT INTO outbox.used_key (key, kind, id)
        SELECT f.idempotency_key, 'message', f.id FROM free AS f
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) AS messages, array_agg(f.id ORDER BY f.id) AS ids INTO odd FROM free AS f;
    IF odd.messages > 0 THEN
        PERFORM outbox.report_finding('key', NULL, NULL, NULL, odd.messages, odd.ids,
            'archived, but the key is not in outbox.used_key', 'recorded');
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.audit_archive(block bigint) IS 'Reports archived messages of a block that are hot too, and records keys that are missing';

CREATE FUNCTION outbox.audit_ledger(block bigint, opening boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    wrong record;
BEGIN
    FOR wrong IN
        WITH differing AS MATERIALIZED (
            SELECT d.* FROM outbox.compare_block(audit_ledger.block) AS d
        ), mended AS (
            INSERT INTO outbox.change (block, channel, lane, day, place, to_status, messages)
            SELECT audit_ledger.block, d.channel, d.lane, d.day, d.place, d.status, d.found - d.booked
            FROM differing AS d
        )
        SELECT d.channel, d.lane, d.day, sum(abs(d.found - d.booked))::bigint AS messages, string_agg(
            format('%s%s: %s rows, %s in the ledger', d.status,
                   CASE WHEN d.place > '-infinity' THEN ' in the archive of ' || d.place END, d.found, d.booked),
            '; ' ORDER BY d.place, d.status) AS detail
        FROM differing AS d
        GROUP BY 1, 2, 3
    LOOP
        IF NOT opening THEN
            PERFORM outbox.report_finding('ledger', wrong.channel, wrong.lane, wrong.day, wrong.messages, '{}',
                format('ids from %s: %s', audit_ledger.block << 18, wrong.detail), 'the states follow the rows');
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION outbox.audit_ledger(block bigint, opening boolean) IS 'Brings the states of a block to what its rows say, and reports where they differed';

CREATE FUNCTION outbox.audit_rest() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    odd record;
BEGIN
    FOR odd IN
        SELECT f.dispatcher, f.seq, f.channel, count(*) AS messages, array_agg(u.id ORDER BY u.id) AS ids
        FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS u (id)
        WHERE NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.id = u.id)
        GROUP BY 1, 2, 3
    LOOP
        PERFORM outbox.report_finding('flight', odd.channel, NULL, NULL, odd.messages, odd.ids,
            format('in flight %s of dispatcher %s, but not in outbox.message', odd.seq, odd.dispatcher), NULL);
    END LOOP;

    SELECT count(*) AS messages, array_agg(k.id ORDER BY k.id) AS ids INTO odd
    FROM (
        SELECT u.id FROM outbox.used_key AS u CROSS JOIN outbox.settings AS s
        WHERE u.kind = 'message' AND u.recorded_at > now() - least(interval '1 day', s.keep_archive)
        ORDER BY u.recorded_at DESC
        LIMIT 20000) AS k
    WHERE NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.id = k.id)
        AND NOT EXISTS (SELECT FROM outbox.archive AS a WHERE a.id = k.id);
    IF odd.messages > 0 THEN
        PERFORM outbox.report_finding('key', NULL, NULL, NULL, odd.messages, odd.ids,
            'in outbox.used_key, but the message is gone', NULL);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.audit_rest() IS 'Reports flights without messages, and those of the newest keys that have none';

CREATE FUNCTION outbox.audit_step(at_once boolean DEFAULT false) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    run outbox.audit_run;
    next_block bigint;
BEGIN
    SELECT r.* INTO run FROM outbox.audit_run AS r FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    IF run.block IS NULL THEN
        IF NOT (at_once OR coalesce(run.started_at <= now() - interval '1 day', true)
                OR EXISTS (SELECT FROM outbox.audit_request)) THEN
            RETURN 0;
        END IF;
        -- The first run needs all that was there before it to be counted.
        IF run.opening AND (SELECT k.counted_at = '-infinity' FROM outbox.ledger_mark AS k) THEN
            RETURN 0;
        END IF;
        run.block := 0;
        UPDATE outbox.audit_run AS r SET started_at = now(), block = 0, findings = 0;
        DELETE FROM outbox.audit_request;
    END IF;
    SELECT min(b.block) INTO next_block
    FROM (
        (SELECT m.id >> 18 AS block FROM outbox.message AS m WHERE m.id >= run.block << 18 ORDER BY m.id LIMIT 1)
        UNION ALL
        (SELECT a.id >> 18 FROM outbox.archive AS a WHERE a.id >= run.block << 18 ORDER BY a.id LIMIT 1)
        UNION ALL
        (SELECT l.block FROM outbox.ledger_block AS l WHERE l.block >= run.block ORDER BY l.block LIMIT 1)) AS b;
    IF next_block IS NULL THEN
        PERFORM outbox.audit_rest();
        UPDATE outbox.audit_run AS r SET finished_at = clock_timestamp(), block = NULL, opening = false;
        RETURN 0;
    END IF;
    PERFORM outbox.audit_ledger(next_block, run.opening);
    IF outbox.may_wait(next_block) THEN
        PERFORM outbox.audit_waiting(next_block);
    END IF;
    PERFORM outbox.audit_archive(next_block);
    UPDATE outbox.audit_run AS r SET block = next_block + 1;
    RETURN 1;
END
$$;

COMMENT ON FUNCTION outbox.audit_step(at_once boolean) IS 'One step of the audit: a block of ids, 262,144 at most; begins a run daily, when one is requested, or at once. Returns 0 when there is nothing more to do';

CREATE FUNCTION outbox.audit_waiting(block bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        WITH stranded AS MATERIALIZED (
            SELECT m.id, m.channel, m.lane, m.queue_pos, c.id AS channel_id
            FROM outbox.message AS m
                LEFT JOIN outbox.channel AS c ON c.name = m.channel
                LEFT JOIN outbox.queue AS q ON q.channel = m.channel AND q.lane = m.lane
            WHERE m.id >= audit_waiting.block << 18 AND m.id < (audit_waiting.block + 1) << 18
                AND m.status = 'pending'
                AND (c.id IS NULL OR m.queue_pos IS NULL OR m.queue_pos < q.low_water)
                AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE m.id = ANY (f.message_ids))
            ORDER BY m.id
            LIMIT 5000
            FOR UPDATE OF m SKIP LOCKED
        ), queued AS (
            UPDATE outbox.message AS m SET queue_pos = outbox.next_queue_pos()
            FROM stranded AS s
            WHERE m.id = s.id AND s.channel_id IS NOT NULL
        )
        SELECT s.channel, s.lane, s.channel_id, count(*) AS messages, array_agg(s.id ORDER BY s.id) AS ids,
            count(s.queue_pos) AS placed
        FROM stranded AS s
        GROUP BY 1, 2, 3
    LOOP
        IF lost.channel_id IS NULL THEN
            PERFORM outbox.report_finding('channel', lost.channel, lost.lane, NULL, lost.messages, lost.ids,
                'pending, but the channel does not exist', NULL);
        ELSE
            PERFORM outbox.report_finding('stranded', lost.channel, lost.lane, NULL, lost.messages, lost.ids,
                format('pending where no cursor comes: %s below the low-water mark, %s without a place', lost.placed,
                       lost.messages - lost.placed), 'queued again');
            PERFORM outbox.wake(lost.channel_id, lost.channel);
        END IF;
    END LOOP;

    FOR lost IN
        SELECT m.channel, m.lane, count(*) AS messages, array_agg(m.id ORDER BY m.id) AS ids
        FROM outbox.message AS m
        WHERE m.id >= audit_waiting.block << 18 AND m.id < (audit_waiting.block + 1) << 18
            AND m.status = 'scheduled' AND m.next_attempt_at IS NULL
        GROUP BY 1, 2
    LOOP
        UPDATE outbox.message AS m SET next_attempt_at = now()
        WHERE m.id = ANY (lost.ids) AND m.status = 'scheduled' AND m.next_attempt_at IS NULL;
        PERFORM outbox.report_finding('stranded', lost.channel, lost.lane, NULL, lost.messages, lost.ids,
            'scheduled, but for no time', 'due now');
    END LOOP;
END
$$;

COMMENT ON FUNCTION outbox.audit_waiting(block bigint) IS 'Queues messages of a block again that no cursor would come to';

CREATE FUNCTION outbox.backoff(base interval, cap interval, attempts integer) RETURNS interval
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    base_s double precision := extract(epoch FROM base);
    cap_s double precision := extract(epoch FROM cap);
    floor_s double precision := base_s / 10;
    top_s double precision := least(cap_s, base_s * power(2, least(attempts, 100) - 1));
BEGIN
    RETURN make_interval(secs => floor_s + random() * (top_s - floor_s));
END
$$;

COMMENT ON FUNCTION outbox.backoff(base interval, cap interval, attempts integer) IS 'Wait after so many used attempts: uniform between a tenth of base and min(cap, base * 2^(attempts - 1))';

CREATE TABLE outbox.leaving (
    id bigint NOT NULL,
    recorded_by xid8 DEFAULT pg_current_xact_id() NOT NULL,
    kind outbox.key_kind NOT NULL,
    ids bigint[] NOT NULL,
    running text[]
);

COMMENT ON TABLE outbox.leaving IS 'Rows whose keys are recorded and which leave next';

COMMENT ON COLUMN outbox.leaving.running IS 'Transactions that ran after recorded_by had ended; the rows stay until these have ended too';

CREATE TABLE outbox.walk (
    duty text NOT NULL COLLATE pg_catalog."C",
    channel text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane DEFAULT 'transactional'::outbox.lane NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    lowest bigint,
    found bigint DEFAULT 0 NOT NULL,
    next_round_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    full_round_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE outbox.walk IS 'How far the duties that go round a table have come';

COMMENT ON COLUMN outbox.walk."position" IS 'The last row that was visited: its id, or its queue_pos';

COMMENT ON COLUMN outbox.walk.lowest IS 'The lowest row that stays; the next round begins there';

COMMENT ON COLUMN outbox.walk.found IS 'Rows with which something was to be done in this round';

COMMENT ON COLUMN outbox.walk.full_round_at IS 'From then on a round begins at the very first row: rows of late transactions and of outbox.retry lie there';

CREATE FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN ((SELECT count(*) AS count FROM outbox.leaving l WHERE (l.kind = begin_walk.kind)) >= 200) THEN NULL::bigint WHEN ((walk)."position" > 0) THEN (walk)."position" WHEN (((walk).next_round_at > now()) OR (EXISTS (SELECT FROM outbox.leaving l WHERE (l.kind = begin_walk.kind)))) THEN NULL::bigint WHEN ((walk).full_round_at <= now()) THEN (0)::bigint ELSE GREATEST(((walk).lowest - 1), (0)::bigint) END;

COMMENT ON FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) IS 'Where a round of the archive''s walks goes on; NULL = it has to wait';

CREATE FUNCTION outbox.bring_back(message_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.bring_back(message_id bigint) IS 'Queues an archived message that may be sent again, with its id and key; false when there is none';

CREATE FUNCTION outbox.cancel(idempotency_key text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    message_id bigint;
    former outbox.message_status;
BEGIN
    SELECT m.id, m.status INTO message_id, former
    FROM outbox.message AS m
    WHERE m.idempotency_key = cancel.idempotency_key AND m.status IN ('scheduled', 'pending')
    FOR UPDATE SKIP LOCKED;
    -- A flight whose dispatcher died holds no lock, but its messages were perhaps sent.
    IF NOT FOUND OR EXISTS (SELECT FROM outbox.flight AS f WHERE message_id = ANY (f.message_ids)) THEN
        RETURN false;
    END IF;
    UPDATE outbox.message AS m
    SET status = 'cancelled', finished_at = now(), next_attempt_at = NULL
    WHERE m.id = message_id;
    PERFORM outbox.note_moves(ARRAY[message_id], ARRAY[former]);
    RETURN true;
END
$$;

COMMENT ON FUNCTION outbox.cancel(idempotency_key text) IS 'Cancels a message that waits; false when there is none, it is in the air, or it is final';

CREATE FUNCTION outbox.cancel_firing(firing_id bigint, reason text DEFAULT 'cancelled by a person'::text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
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

COMMENT ON FUNCTION outbox.cancel_firing(firing_id bigint, reason text) IS 'Makes no more notifications of a firing; those that were made stay. False when it was over already';

CREATE FUNCTION outbox.cancel_notification(idempotency_key text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    found_id bigint;
    former outbox.notification_state;
    waiting bigint[];
    were outbox.message_status[];
    cancelled integer;
BEGIN
    SELECT n.id, n.state INTO found_id, former
    FROM outbox.notification AS n WHERE n.idempotency_key = cancel_notification.idempotency_key
    FOR UPDATE;
    IF NOT FOUND OR former NOT IN ('scheduled', 'expanded') THEN
        RETURN false;
    END IF;
    -- First the locks, then the look: a flight whose dispatcher has just died holds none.
    SELECT array_agg(l.id), array_agg(l.status) INTO waiting, were FROM (
        SELECT m.id, m.status FROM outbox.message AS m
        WHERE m.notification_id = found_id AND m.status IN ('scheduled', 'pending')
        ORDER BY m.id
        FOR UPDATE SKIP LOCKED) AS l;
    UPDATE outbox.message AS m SET status = 'cancelled', finished_at = now(), next_attempt_at = NULL
    WHERE m.id = ANY (waiting)
        AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE m.id = ANY (f.message_ids));
    GET DIAGNOSTICS cancelled = ROW_COUNT;
    PERFORM outbox.note_moves(waiting, were);
    UPDATE outbox.notification AS n
    SET state = CASE WHEN former = 'scheduled' THEN 'cancelled' ELSE n.state END::outbox.notification_state,
        due_at = NULL, fallback_at = NULL
    WHERE n.id = found_id;
    RETURN former = 'scheduled' OR cancelled > 0;
END
$$;

COMMENT ON FUNCTION outbox.cancel_notification(idempotency_key text) IS 'Cancels what of a notification still waits: itself, its messages, its fallback; false when nothing did';

CREATE FUNCTION outbox.normal_locale(locale text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (locale ~ '^[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*$'::text) THEN replace(lower((locale COLLATE "C")), '_'::text, '-'::text) ELSE NULL::text END;

COMMENT ON FUNCTION outbox.normal_locale(locale text) IS 'Lower case with hyphens: ko_KR gives ko-kr; NULL when it is not a language tag';

CREATE FUNCTION outbox.locale_chain(locale text) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (COALESCE(outbox.normal_locale(locale), 'default'::text) = 'default'::text) THEN ARRAY['default'::text] ELSE (SELECT (array_agg(array_to_string(p.parts[1:n.n], '-'::text) ORDER BY n.n DESC) || 'default'::text) FROM (string_to_array(outbox.normal_locale(locale_chain.locale), '-'::text) p(parts) CROSS JOIN LATERAL generate_series(1, cardinality(p.parts)) n(n))) END;

COMMENT ON FUNCTION outbox.locale_chain(locale text) IS 'Where to look for a text, best first: zh-Hant-TW gives zh-hant-tw, zh-hant, zh, default';

CREATE TABLE outbox.template (
    id integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL COLLATE pg_catalog."C",
    locale text DEFAULT 'default'::text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    content jsonb NOT NULL,
    strict boolean DEFAULT true NOT NULL,
    partials jsonb DEFAULT '{}'::jsonb NOT NULL,
    required text[] NOT NULL,
    current boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE outbox.template IS 'Texts to send, in versions that never change; an insert makes the next one of its name, channel, locale';

COMMENT ON COLUMN outbox.template.version IS 'Counted from 1 by the insert';

COMMENT ON COLUMN outbox.template.content IS 'A payload of its channel; every text in it is a Mustache text';

COMMENT ON COLUMN outbox.template.strict IS 'A missing variable is an error';

COMMENT ON COLUMN outbox.template.partials IS 'Texts of the partials it uses, as they were at the insert; empty for those that did not exist';

COMMENT ON COLUMN outbox.template.required IS 'Names that the variables must have: those outside of any section; none unless strict';

COMMENT ON COLUMN outbox.template.current IS 'The version for new messages; set it to false to withdraw it';

CREATE FUNCTION outbox.find_template(name text, channel text, locale text) RETURNS integer
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT t.id
    FROM (unnest(outbox.locale_chain(find_template.locale)) WITH ORDINALITY l(locale, place)
      JOIN outbox.template t ON (((t.name = find_template.name) AND (t.channel = find_template.channel) AND (t.locale = l.locale) AND t.current)))
   ORDER BY l.place
  LIMIT 1;
END;

COMMENT ON FUNCTION outbox.find_template(name text, channel text, locale text) IS 'The current version that fits a locale best; NULL when there is none';

CREATE FUNCTION outbox.quiet_end(at timestamp with time zone, timezone text, quiet_from time without time zone, quiet_until time without time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    RETURN CASE WHEN ((quiet_from < quiet_until) AND (((at AT TIME ZONE timezone))::time without time zone >= quiet_from) AND (((at AT TIME ZONE timezone))::time without time zone < quiet_until)) THEN GREATEST(((((at AT TIME ZONE timezone))::date + quiet_until) AT TIME ZONE timezone), at) WHEN ((quiet_from > quiet_until) AND (((at AT TIME ZONE timezone))::time without time zone >= quiet_from)) THEN (((((at AT TIME ZONE timezone))::date + 1) + quiet_until) AT TIME ZONE timezone) WHEN ((quiet_from > quiet_until) AND (((at AT TIME ZONE timezone))::time without time zone < quiet_until)) THEN GREATEST(((((at AT TIME ZONE timezone))::date + quiet_until) AT TIME ZONE timezone), at) ELSE NULL::timestamp with time zone END;

COMMENT ON FUNCTION outbox.quiet_end(at timestamp with time zone, timezone text, quiet_from time without time zone, quiet_until time without time zone) IS 'When the quiet hours that hold at a moment end; NULL = it is not quiet';

CREATE TABLE outbox.category (
    name text NOT NULL COLLATE pg_catalog."C",
    consent outbox.consent DEFAULT 'opt_out'::outbox.consent NOT NULL,
    lane outbox.lane DEFAULT 'transactional'::outbox.lane NOT NULL,
    quiet_from time without time zone,
    quiet_until time without time zone,
    max_per_user integer,
    cap_period interval,
    expires_after interval,
    CONSTRAINT category_cap_period_check CHECK ((cap_period > '00:00:00'::interval)),
    CONSTRAINT category_check CHECK (((quiet_from IS NULL) = (quiet_until IS NULL))),
    CONSTRAINT category_check1 CHECK (((max_per_user IS NULL) = (cap_period IS NULL))),
    CONSTRAINT category_expires_after_check CHECK ((expires_after > '00:00:00'::interval)),
    CONSTRAINT category_max_per_user_check CHECK ((max_per_user > 0)),
    CONSTRAINT name_is_lower_case_identifier CHECK ((name ~ '^[a-z][a-z0-9_]{0,62}$'::text))
);

COMMENT ON TABLE outbox.category IS 'Kinds of notifications, and the rules of each';

COMMENT ON COLUMN outbox.category.lane IS 'Of its messages, unless the notification names one';

COMMENT ON COLUMN outbox.category.quiet_from IS 'From then until quiet_until, in the user''s time zone, bulk messages wait';

COMMENT ON COLUMN outbox.category.max_per_user IS 'No user gets more notifications of this category within any cap_period; NULL = no cap';

COMMENT ON COLUMN outbox.category.expires_after IS 'A message that could not be sent so long is not sent any more; NULL = it is sent late';

CREATE TABLE outbox.contact (
    user_id text NOT NULL COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    phone text COLLATE pg_catalog."C",
    locale text COLLATE pg_catalog."C",
    timezone text,
    quiet_from time without time zone,
    quiet_until time without time zone,
    stopped_at timestamp with time zone,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT contact_check CHECK (((quiet_from IS NULL) = (quiet_until IS NULL)))
)
WITH (fillfactor='80');

COMMENT ON TABLE outbox.contact IS 'One row a user: addresses, language, time zone, quiet hours, global stop';

COMMENT ON COLUMN outbox.contact.phone IS 'E.164: + and 7 to 15 digits';

COMMENT ON COLUMN outbox.contact.timezone IS 'NULL = the default of outbox.settings';

COMMENT ON COLUMN outbox.contact.quiet_from IS 'The user''s own quiet hours, for bulk messages of every category';

COMMENT ON COLUMN outbox.contact.stopped_at IS 'Since then nothing but mandatory categories is sent';

CREATE TABLE outbox.device (
    id bigint NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    platform text NOT NULL COLLATE pg_catalog."C",
    app text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    environment text DEFAULT 'production'::text NOT NULL,
    token text NOT NULL COLLATE pg_catalog."C",
    locale text COLLATE pg_catalog."C",
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    retired_at timestamp with time zone,
    retired_reason text
)
WITH (fillfactor='80');

COMMENT ON TABLE outbox.device IS 'Devices and browsers; a token belongs to one user at a time';

COMMENT ON COLUMN outbox.device.platform IS 'ios, android or web: the channel that reaches it';

COMMENT ON COLUMN outbox.device.app IS 'The app the token is of; empty = there is only one';

COMMENT ON COLUMN outbox.device.environment IS 'production or sandbox: which of APNs'' two services knows the token';

COMMENT ON COLUMN outbox.device.last_seen_at IS 'When the app last showed this token. A provider''s "gone" about an earlier moment does not retire it';

CREATE TABLE outbox.preference (
    user_id text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    channel text DEFAULT '*'::text NOT NULL COLLATE pg_catalog."C",
    allowed boolean NOT NULL,
    at_night boolean DEFAULT false NOT NULL,
    source text,
    changed_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='80');

COMMENT ON TABLE outbox.preference IS 'What a user allowed or refused; no row = the category''s consent decides';

COMMENT ON COLUMN outbox.preference.channel IS '* = every channel without a row of its own';

COMMENT ON COLUMN outbox.preference.at_night IS 'The user agreed to be reached in the category''s quiet hours too';

COMMENT ON COLUMN outbox.preference.source IS 'How it was given: a form, a call, a law; required for an opt-in';

COMMENT ON COLUMN outbox.preference.changed_at IS 'When it was given';

CREATE TABLE outbox.settings (
    only_row boolean DEFAULT true NOT NULL,
    default_timezone text DEFAULT 'UTC'::text NOT NULL,
    key_window interval DEFAULT '7 days'::interval NOT NULL,
    keep_finished interval DEFAULT '01:00:00'::interval NOT NULL,
    keep_archive interval DEFAULT '90 days'::interval NOT NULL,
    CONSTRAINT settings_keep_archive_check CHECK ((keep_archive >= '1 day'::interval)),
    CONSTRAINT settings_keep_finished_check CHECK ((keep_finished >= '00:00:00'::interval)),
    CONSTRAINT settings_key_window_check CHECK ((key_window >= '00:00:00'::interval)),
    CONSTRAINT settings_only_row_check CHECK (only_row)
);

COMMENT ON TABLE outbox.settings IS 'What holds for all channels; one row';

COMMENT ON COLUMN outbox.settings.default_timezone IS 'Of users whose time zone is not known';

COMMENT ON COLUMN outbox.settings.key_window IS 'An idempotency key blocks repeats at least this long after its row was made, and after its send_at';

COMMENT ON COLUMN outbox.settings.keep_finished IS 'Messages stay in outbox.message this long after they are finished, then they go to outbox.archive';

COMMENT ON COLUMN outbox.settings.keep_archive IS 'Days of the archive older than this are dropped';

CREATE TABLE outbox.suppression (
    channel text NOT NULL COLLATE pg_catalog."C",
    address text NOT NULL COLLATE pg_catalog."C",
    reason text,
    provider text,
    at timestamp with time zone DEFAULT now() NOT NULL,
    message_id bigint
);

COMMENT ON TABLE outbox.suppression IS 'Addresses never to be used on a channel; delete a row to use it again';

COMMENT ON COLUMN outbox.suppression.message_id IS 'The message whose answer told so; NULL = added by hand';

CREATE FUNCTION outbox.standing(at timestamp with time zone, channel text, recipient text, lane outbox.lane, user_id text, category text, notification_id bigint, device_id bigint) RETURNS TABLE(refusal text, wait_until timestamp with time zone, moved_to text)
    LANGUAGE sql STABLE ROWS 1
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (s.address IS NOT NULL) THEN 'the address is suppressed'::text
             ELSE known.refusal
         END AS refusal,
     known.wait_until,
     NULLIF(known.address, standing.recipient) AS "nullif"
    FROM ((( SELECT) "row"
      LEFT JOIN LATERAL ( SELECT
                 CASE
                     WHEN ((standing.device_id IS NOT NULL) AND ((d.id IS NULL) OR (d.retired_at IS NOT NULL))) THEN ('the device was retired: '::text || COALESCE(d.retired_reason, 'deleted'::text))
                     WHEN (d.user_id <> standing.user_id) THEN 'the device belongs to another user now'::text
                     WHEN ((standing.notification_id IS NOT NULL) AND (standing.device_id IS NULL) AND (
                     CASE standing.channel
                         WHEN 'email'::text THEN c.email
                         WHEN 'sms'::text THEN c.phone
                         ELSE NULL::text
                     END IS NULL)) THEN 'the user has no such address any more'::text
                     WHEN ((standing.user_id IS NULL) OR (g.consent = 'mandatory'::outbox.consent)) THEN NULL::text
                     WHEN (c.stopped_at IS NOT NULL) THEN 'the user stopped all notifications'::text
                     WHEN (g.name IS NULL) THEN 'the category does not exist any more'::text
                     WHEN (NOT COALESCE(one.allowed, every.allowed, (g.consent = 'opt_out'::outbox.consent))) THEN
                     CASE
                         WHEN (COALESCE(one.allowed, every.allowed) IS NULL) THEN ('no consent to '::text || g.name)
                         ELSE ('the user refused '::text || g.name)
                     END
                     ELSE NULL::text
                 END AS refusal,
                 CASE
                     WHEN ((standing.lane = 'bulk'::outbox.lane) AND (g.consent <> 'mandatory'::outbox.consent)) THEN GREATEST(
                     CASE
                         WHEN (c.quiet_from IS NOT NULL) THEN outbox.quiet_end(standing.at, COALESCE(c.timezone, ( SELECT o.default_timezone
                            FROM outbox.settings o)), c.quiet_from, c.quiet_until)
                         ELSE NULL::timestamp with time zone
                     END,
                     CASE
                         WHEN ((g.quiet_from IS NOT NULL) AND (NOT COALESCE(one.at_night, every.at_night, false))) THEN outbox.quiet_end(standing.at, COALESCE(c.timezone, ( SELECT o.default_timezone
                            FROM outbox.settings o)), g.quiet_from, g.quiet_until)
                         ELSE NULL::timestamp with time zone
                     END)
                     ELSE NULL::timestamp with time zone
                 END AS wait_until,
                 CASE
                     WHEN (standing.device_id IS NOT NULL) THEN d.token
                     WHEN (standing.notification_id IS NOT NULL) THEN
                     CASE standing.channel
                         WHEN 'email'::text THEN c.email
                         WHEN 'sms'::text THEN c.phone
                         ELSE NULL::text
                     END
                     ELSE NULL::text
                 END AS address
            FROM (((((( SELECT) row_1
              LEFT JOIN outbox.device d ON ((d.id = standing.device_id)))
              LEFT JOIN outbox.contact c ON ((c.user_id = standing.user_id)))
              LEFT JOIN outbox.category g ON ((g.name = standing.category)))
              LEFT JOIN outbox.preference one ON (((one.user_id = standing.user_id) AND (one.category = standing.category) AND (one.channel = standing.channel))))
              LEFT JOIN outbox.preference every ON (((every.user_id = standing.user_id) AND (every.category = standing.category) AND (every.channel = '*'::text))))
           WHERE ((standing.user_id IS NOT NULL) OR (standing.notification_id IS NOT NULL) OR (standing.device_id IS NOT NULL))) known ON (true))
      LEFT JOIN outbox.suppression s ON (((s.channel = standing.channel) AND (s.address = COALESCE(known.address, standing.recipient)))));
END;

COMMENT ON FUNCTION outbox.standing(at timestamp with time zone, channel text, recipient text, lane outbox.lane, user_id text, category text, notification_id bigint, device_id bigint) IS 'Of one message: why it must not be sent (NULL = it may), until when it has to wait (NULL = not at all), and the address that its device or user has now (NULL = the one it has)';

CREATE TABLE outbox.notification (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    send_at timestamp with time zone,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    fallback_at timestamp with time zone,
    state outbox.notification_state DEFAULT 'expanded'::outbox.notification_state NOT NULL,
    lane outbox.lane,
    fallback_step smallint DEFAULT 0 NOT NULL,
    firing_id bigint,
    user_id text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    template text NOT NULL COLLATE pg_catalog."C",
    variables jsonb DEFAULT '{}'::jsonb NOT NULL,
    channels text[] COLLATE pg_catalog."C",
    fallback text[] COLLATE pg_catalog."C",
    fallback_after interval DEFAULT '00:05:00'::interval NOT NULL,
    idempotency_key text DEFAULT (gen_random_uuid())::text NOT NULL COLLATE pg_catalog."C",
    withheld jsonb
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_insert_scale_factor='0.1', autovacuum_analyze_scale_factor='0.05');

COMMENT ON TABLE outbox.notification IS 'What a user is to be told; an INSERT makes the messages, or send_at does';

COMMENT ON COLUMN outbox.notification.due_at IS 'When its messages are made; set only while scheduled';

COMMENT ON COLUMN outbox.notification.fallback_at IS 'When the next channel of fallback is due; NULL = none is';

COMMENT ON COLUMN outbox.notification.lane IS 'NULL = the category''s';

COMMENT ON COLUMN outbox.notification.fallback_step IS 'How many channels of fallback were used';

COMMENT ON COLUMN outbox.notification.firing_id IS 'The firing of a schedule that made it';

COMMENT ON COLUMN outbox.notification.channels IS 'NULL = every channel that the template has a text for, but those of fallback';

COMMENT ON COLUMN outbox.notification.fallback IS 'Channels that are tried one after the other, at once when nobody could be reached on the channels, or each fallback_after later while nothing was accepted';

COMMENT ON COLUMN outbox.notification.withheld IS 'Channel -> why no message was made for it';

CREATE FUNCTION outbox.candidates(notification_ids bigint[], on_fallback boolean) RETURNS TABLE(id bigint, user_id text, category text, variables jsonb, idempotency_key text, lane outbox.lane, expires_at timestamp with time zone, channel text, recipient text, device_id bigint, app text, environment text, template_id integer, wait_until timestamp with time zone, refusal text)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 WITH addressed AS MATERIALIZED (
          SELECT n.id,
             n.user_id,
             n.category,
             n.template,
             n.variables,
             n.idempotency_key,
             COALESCE(n.lane, g.lane, 'transactional'::outbox.lane) AS lane,
             COALESCE(n.expires_at, (GREATEST(n.created_at, n.send_at) + g.expires_after)) AS expires_at,
             a_1.channel,
             a_1.recipient,
             a_1.device_id,
             a_1.app,
             a_1.environment,
             COALESCE(a_1.locale, c.locale, ''::text) AS locale
            FROM (((outbox.notification n
              LEFT JOIN outbox.category g ON ((g.name = n.category)))
              LEFT JOIN outbox.contact c ON ((c.user_id = n.user_id)))
              CROSS JOIN LATERAL ( SELECT d.platform AS channel,
                     d.token AS recipient,
                     d.id AS device_id,
                     NULLIF(d.app, ''::text) AS app,
                     NULLIF(d.environment, 'production'::text) AS environment,
                     d.locale
                    FROM outbox.device d
                   WHERE ((d.user_id = n.user_id) AND (d.retired_at IS NULL))
                 UNION ALL
                  SELECT 'email'::text,
                     c.email,
                     NULL::bigint,
                     NULL::text,
                     NULL::text,
                     NULL::text
                   WHERE (c.email IS NOT NULL)
                 UNION ALL
                  SELECT 'sms'::text,
                     c.phone,
                     NULL::bigint,
                     NULL::text,
                     NULL::text,
                     NULL::text
                   WHERE (c.phone IS NOT NULL)) a_1)
           WHERE ((n.id = ANY (candidates.notification_ids)) AND (n.state = 'expanded'::outbox.notification_state) AND
                 CASE
                     WHEN candidates.on_fallback THEN (a_1.channel = n.fallback[n.fallback_step])
                     ELSE COALESCE((a_1.channel = ANY (n.channels)), ((a_1.channel <> ALL (COALESCE(n.fallback, '{}'::text[]))) AND (EXISTS ( SELECT
                        FROM outbox.template t
                       WHERE ((t.name = n.template) AND (t.channel = a_1.channel) AND t.current)))))
                 END)
         ), worded AS MATERIALIZED (
          SELECT k.template,
             k.channel,
             k.locale,
             outbox.find_template(k.template, k.channel, k.locale) AS template_id
            FROM ( SELECT DISTINCT a_1.template,
                     a_1.channel,
                     a_1.locale
                    FROM addressed a_1) k
         )
  SELECT a.id,
     a.user_id,
     a.category,
     a.variables,
     a.idempotency_key,
     a.lane,
     a.expires_at,
     a.channel,
     a.recipient,
     a.device_id,
     a.app,
     a.environment,
     w.template_id,
     s.wait_until,
     COALESCE(s.refusal,
         CASE
             WHEN (w.template_id IS NULL) THEN 'the template has no text for this channel'::text
             WHEN (a.expires_at <= now()) THEN 'it has expired'::text
             WHEN (a.expires_at <= s.wait_until) THEN 'it expires before the quiet hours end'::text
             ELSE NULL::text
         END) AS "coalesce"
    FROM ((addressed a
      JOIN worded w ON (((w.template = a.template) AND (w.channel = a.channel) AND (w.locale = a.locale))))
      CROSS JOIN LATERAL outbox.standing(now(), a.channel, a.recipient, a.lane, a.user_id, a.category, a.id, a.device_id) s(refusal, wait_until, moved_to));
END;

COMMENT ON FUNCTION outbox.candidates(notification_ids bigint[], on_fallback boolean) IS 'The addresses of expanded notifications on their channels (or on the present channel of their fallback), the template version for each, and why no message is made for it (NULL = one is)';

CREATE FUNCTION outbox.canonical_token(platform text, token text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    subscription jsonb;
BEGIN
    IF platform = 'ios' THEN
        RETURN lower(token);
    ELSIF platform <> 'web' OR octet_length(token) > 4096 THEN
        RETURN token;
    END IF;
    subscription := token::jsonb;
    IF jsonb_typeof(subscription) <> 'object' THEN
        RETURN token;
    END IF;
    RETURN jsonb_build_object(
        'endpoint', subscription -> 'endpoint', 'keys', jsonb_build_object(
            'p256dh', rtrim(subscription #>> '{keys,p256dh}', '='),
            'auth', rtrim(subscription #>> '{keys,auth}', '=')))::text;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
    RETURN token;
END
$$;

COMMENT ON FUNCTION outbox.canonical_token(platform text, token text) IS 'The one form of a token in which it is kept and sent to';

CREATE FUNCTION outbox.channel_is_used() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    pending bigint := (SELECT count(*) FROM outbox.message AS m
                       WHERE m.channel = OLD.name AND m.queue_pos IS NOT NULL AND m.status = 'pending');
    scheduled bigint := (SELECT count(*) FROM outbox.message AS m
                         WHERE m.channel = OLD.name AND m.next_attempt_at IS NOT NULL);
    in_air bigint := (SELECT count(*) FROM outbox.flight AS f WHERE f.channel = OLD.name);
    doubts bigint := (SELECT count(*) FROM outbox.doubt AS d JOIN outbox.message AS m ON m.id = d.message_id
                      WHERE d.channel = OLD.name AND m.status = 'in_doubt');
BEGIN
    IF pending + scheduled + in_air + doubts > 0 THEN
        RAISE EXCEPTION 'channel "%" has % pending and % scheduled messages, % flights and % messages in doubt',
            OLD.name, pending, scheduled, in_air, doubts USING
            ERRCODE = 'OB001', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'name',
            HINT = 'Pause it (outbox.pause), let flights land, end what waits (outbox.cancel, outbox.resolve_doubt).';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;

COMMENT ON FUNCTION outbox.channel_is_used() IS 'Trigger: a channel is neither deleted nor renamed while messages wait for it or are in the air';

CREATE FUNCTION outbox.check_audience(audience text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.check_audience(audience text) IS 'Refuses what cannot be an audience, with Postgres'' own reason';

CREATE FUNCTION outbox.check_contact() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    PERFORM outbox.check_user(NEW.user_id);
    NEW.locale := outbox.checked_locale(NEW.locale);
    NEW.updated_at := now();
    -- The same form as the mail providers accept (RFC 5321, 4.1.2, dot-atom): safe in commands and headers.
    IF octet_length(NEW.email) > 254 OR NEW.email !~
        '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$'
    THEN
        PERFORM outbox.raise('OB007', 'email', 'must be a mail address like kim@example.com');
    END IF;
    IF NEW.phone !~ '^\+[1-9][0-9]{6,14}$' THEN
        PERFORM outbox.raise('OB007', 'phone', 'must be a number like +821012345678');
    END IF;
    IF NEW.timezone IS NOT NULL AND NOT outbox.is_timezone(NEW.timezone) THEN
        PERFORM outbox.raise('OB007', 'timezone', format('"%s" does not exist', NEW.timezone));
    END IF;
    RETURN NEW;
END
$_$;

COMMENT ON FUNCTION outbox.check_contact() IS 'Trigger: refuses what cannot be an address, a language or a time zone';

CREATE FUNCTION outbox.check_device() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    bad text;
BEGIN
    PERFORM outbox.check_user(NEW.user_id);
    NEW.locale := outbox.checked_locale(NEW.locale);
    IF NEW.platform NOT IN ('ios', 'android', 'web') THEN
        PERFORM outbox.raise('OB007', 'platform', 'must be ios, android or web');
    END IF;
    IF NEW.environment NOT IN ('production', 'sandbox') THEN
        PERFORM outbox.raise('OB007', 'environment', 'must be production or sandbox');
    END IF;
    IF octet_length(NEW.app) > 255 OR NEW.app ~ '[\x01-\x20\x7f]' THEN
        PERFORM outbox.raise('OB007', 'app', 'must have at most 255 octets and no spaces');
    END IF;
    -- Providers change the length of tokens, so only the letters and the room for them are checked. An index holds
    -- no more than some 2600 octets.
    NEW.token := outbox.canonical_token(NEW.platform, NEW.token);
    IF NEW.platform = 'ios' THEN
        IF NEW.token !~ '^([0-9a-f]{2})+$' OR octet_length(NEW.token) NOT BETWEEN 32 AND 400 THEN
            bad := 'must be an APNs device token in hexadecimal';
        END IF;
    ELSIF NEW.platform = 'android' THEN
        IF NEW.token !~ '^[A-Za-z0-9_:.-]+$' OR octet_length(NEW.token) NOT BETWEEN 20 AND 2048 THEN
            bad := 'must be an FCM registration token';
        END IF;
    ELSE
        bad := outbox.why_no_subscription(NEW.token);
    END IF;
    IF bad IS NOT NULL THEN
        PERFORM outbox.raise('OB007', 'token', bad);
    END IF;
    RETURN NEW;
END
$_$;

COMMENT ON FUNCTION outbox.check_device() IS 'Trigger: refuses what cannot be a device of its platform';

CREATE FUNCTION outbox.horizon_pins(pinned_for interval, pinned_xids bigint) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT format('pid %s (user %s, application "%s", %s) since %s, %s transactions back'::text, a.pid, a.usename, a.application_name, a.state, COALESCE(((a.xact_start)::timestamp(0) with time zone)::text, 'an unknown time'::text), COALESCE(GREATEST(age(a.backend_xmin), age(a.backend_xid)), 0)) AS format
    FROM pg_stat_activity a
   WHERE ((a.pid <> pg_backend_pid()) AND (a.backend_type <> 'autovacuum worker'::text) AND ((a.backend_xmin IS NOT NULL) OR (a.backend_xid IS NOT NULL) OR (EXISTS ( SELECT
            FROM (pg_locks k
              JOIN outbox.leaving l ON ((k.virtualtransaction = ANY (l.running))))
           WHERE ((k.pid = a.pid) AND (k.locktype = 'virtualxid'::text) AND (k.mode = 'ExclusiveLock'::text))))) AND ((a.datid IS NULL) OR (a.datid = ( SELECT d.oid
            FROM pg_database d
           WHERE (d.datname = current_database())))) AND ((a.xact_start <= (now() - horizon_pins.pinned_for)) OR (GREATEST(age(a.backend_xmin), age(a.backend_xid)) >= horizon_pins.pinned_xids)))
 UNION ALL
  SELECT format('replication slot "%s" (%s), %s transactions back'::text, r.slot_name,
         CASE
             WHEN r.active THEN 'active'::text
             ELSE 'nobody reads it'::text
         END, age(r.xmin)) AS format
    FROM pg_replication_slots r
   WHERE (age(r.xmin) >= horizon_pins.pinned_xids)
 UNION ALL
  SELECT format('prepared transaction "%s" (user %s) since %s, %s transactions back'::text, p.gid, p.owner, (p.prepared)::timestamp(0) with time zone, age(p.transaction)) AS format
    FROM pg_prepared_xacts p
   WHERE ((p.database = current_database()) AND ((p.prepared <= (now() - horizon_pins.pinned_for)) OR (age(p.transaction) >= horizon_pins.pinned_xids)))
 UNION ALL
  SELECT format('sessions of other roles are hidden from "%s": GRANT pg_read_all_stats TO it'::text, CURRENT_USER) AS format
   WHERE (NOT pg_has_role(CURRENT_USER, 'pg_read_all_stats'::name, 'USAGE'::text));
END;

COMMENT ON FUNCTION outbox.horizon_pins(pinned_for interval, pinned_xids bigint) IS 'Who keeps vacuum from removing dead rows, or rows from leaving for the archive, for so long, or since so many transactions';

CREATE TABLE outbox.accepted (
    channel text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane NOT NULL,
    day date NOT NULL,
    messages bigint DEFAULT 0 NOT NULL,
    written_off bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE outbox.accepted IS 'How many ids were seen, each counted once; never corrected';

COMMENT ON COLUMN outbox.accepted.written_off IS 'How many of them a person said not to miss any more';

CREATE TABLE outbox.attempt (
    id bigint NOT NULL,
    message_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    dispatcher bigint,
    attempt smallint NOT NULL,
    verdict text NOT NULL,
    provider text,
    reason text
);

COMMENT ON TABLE outbox.attempt IS 'Append-only: every attempt that did not simply succeed';

COMMENT ON COLUMN outbox.attempt.message_id IS 'No foreign key: the log may outlive the message';

COMMENT ON COLUMN outbox.attempt.attempt IS 'Attempts the message had used after this one';

CREATE TABLE outbox.audit_finding (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    channel text COLLATE pg_catalog."C",
    lane outbox.lane,
    day date,
    messages bigint NOT NULL,
    message_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    detail text NOT NULL,
    mended text
);

COMMENT ON TABLE outbox.audit_finding IS 'What the audit found, kept for settings.keep_archive';

COMMENT ON COLUMN outbox.audit_finding.message_ids IS 'At most 100 of them';

COMMENT ON COLUMN outbox.audit_finding.mended IS 'What was done about it; NULL = it needs a person';

CREATE TABLE outbox.audit_run (
    only_row boolean DEFAULT true NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    block bigint,
    opening boolean DEFAULT true NOT NULL,
    findings bigint DEFAULT 0 NOT NULL,
    CONSTRAINT audit_run_only_row_check CHECK (only_row)
)
WITH (fillfactor='10');

COMMENT ON TABLE outbox.audit_run IS 'How far the audit has come; one row';

COMMENT ON COLUMN outbox.audit_run.block IS 'The block of ids that is next; NULL = no run';

COMMENT ON COLUMN outbox.audit_run.opening IS 'The first run takes what it finds as the state from which the ledger goes on, and does not report it';

COMMENT ON COLUMN outbox.audit_run.findings IS 'Of this run, or the last one';

CREATE TABLE outbox.change (
    id bigint NOT NULL,
    block bigint NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane NOT NULL,
    day date NOT NULL,
    place date DEFAULT '-infinity'::date NOT NULL,
    from_status outbox.message_status,
    to_status outbox.message_status,
    messages bigint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_insert_threshold='-1');

COMMENT ON TABLE outbox.change IS 'What statements did to the states of messages; added up by outbox.fold_ledger';

COMMENT ON COLUMN outbox.change.block IS 'The messages'' id >> 18';

COMMENT ON COLUMN outbox.change.day IS 'The UTC day of created_at';

COMMENT ON COLUMN outbox.change.place IS '-infinity = outbox.message, else the day of outbox.archive';

COMMENT ON COLUMN outbox.change.from_status IS 'NULL = the rows came here';

COMMENT ON COLUMN outbox.change.to_status IS 'NULL = the rows went from here';

CREATE TABLE outbox.channel (
    id integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    paused boolean DEFAULT false NOT NULL,
    max_attempts integer DEFAULT 10 NOT NULL,
    backoff_base interval DEFAULT '00:00:05'::interval NOT NULL,
    backoff_cap interval DEFAULT '00:15:00'::interval NOT NULL,
    batch_size integer DEFAULT 500 NOT NULL,
    batch_deadline interval DEFAULT '00:00:30'::interval NOT NULL,
    in_doubt outbox.doubt_policy DEFAULT 'resend'::outbox.doubt_policy NOT NULL,
    bulk_share integer DEFAULT 10 NOT NULL,
    receipts boolean DEFAULT false NOT NULL,
    provider_removed_at timestamp with time zone,
    CONSTRAINT channel_backoff_base_check CHECK ((backoff_base > '00:00:00'::interval)),
    CONSTRAINT channel_batch_deadline_check CHECK ((batch_deadline >= '00:00:01'::interval)),
    CONSTRAINT channel_batch_size_check CHECK (((batch_size >= 1) AND (batch_size <= 5000))),
    CONSTRAINT channel_bulk_share_check CHECK (((bulk_share >= 0) AND (bulk_share <= 100))),
    CONSTRAINT channel_check CHECK ((backoff_cap >= backoff_base)),
    CONSTRAINT channel_max_attempts_check CHECK (((max_attempts >= 1) AND (max_attempts <= 1000))),
    CONSTRAINT name_is_lower_case_identifier CHECK ((name ~ '^[a-z][a-z0-9_]{0,62}$'::text))
);

COMMENT ON TABLE outbox.channel IS 'The rules of each channel; dispatchers follow a change at once';

COMMENT ON COLUMN outbox.channel.id IS 'Second key of the channel''s advisory lock, see outbox.wake';

COMMENT ON COLUMN outbox.channel.paused IS 'Messages are accepted and kept, but none is sent';

COMMENT ON COLUMN outbox.channel.backoff_base IS 'Longest wait after the first failure; doubles with each';

COMMENT ON COLUMN outbox.channel.batch_deadline IS 'A batch is settled after this time, answered or not';

COMMENT ON COLUMN outbox.channel.bulk_share IS 'Percent of sends that bulk gets while both lanes wait';

COMMENT ON COLUMN outbox.channel.receipts IS 'Ids of providers are kept, so that outbox.record_receipt finds messages';

COMMENT ON COLUMN outbox.channel.provider_removed_at IS 'When the channel last lost a provider; NULL = never';

CREATE TABLE outbox.ledger (
    channel text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane NOT NULL,
    day date NOT NULL,
    status outbox.message_status NOT NULL,
    messages bigint NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE outbox.ledger IS 'How many messages are in each state, without what is still in outbox.change';

CREATE TABLE outbox.ledger_mark (
    only_row boolean DEFAULT true NOT NULL,
    counted_id bigint DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    folded_id bigint DEFAULT 0 NOT NULL,
    tick_at timestamp with time zone,
    tick_id bigint,
    tick_change bigint,
    running text[] DEFAULT '{}'::text[] NOT NULL,
    prepared boolean DEFAULT false NOT NULL,
    CONSTRAINT ledger_mark_only_row_check CHECK (only_row)
)
WITH (fillfactor='10');

COMMENT ON TABLE outbox.ledger_mark IS 'How far the ledger has come; one row';

COMMENT ON COLUMN outbox.ledger_mark.counted_id IS 'Messages up to this id are in outbox.accepted';

COMMENT ON COLUMN outbox.ledger_mark.counted_at IS 'All that was committed before it is counted';

COMMENT ON COLUMN outbox.ledger_mark.folded_id IS 'No change with a lower id is left, or will come';

COMMENT ON COLUMN outbox.ledger_mark.tick_at IS 'When tick_id and tick_change were read; NULL = the next call reads them';

COMMENT ON COLUMN outbox.ledger_mark.running IS 'Transactions that may still bring lower ids; prepared says whether they are prepared ones';

CREATE VIEW outbox.conservation AS
 WITH book AS (
         SELECT l.channel,
            l.day,
            l.status,
            sum(l.messages) AS messages,
            0 AS accepted,
            0 AS written_off
           FROM outbox.ledger l
          GROUP BY l.channel, l.day, l.status
        UNION ALL
         SELECT c.channel,
            c.day,
            x.status,
            (x.sign * c.messages),
            0,
            0
           FROM (outbox.change c
             CROSS JOIN LATERAL ( VALUES (c.from_status,'-1'::integer), (c.to_status,1)) x(status, sign))
          WHERE ((x.status IS NOT NULL) AND (c.id > ( SELECT m_1.folded_id
                   FROM outbox.ledger_mark m_1)))
        UNION ALL
         SELECT a.channel,
            a.day,
            NULL::outbox.message_status,
            0,
            sum(a.messages) AS sum,
            sum(a.written_off) AS sum
           FROM outbox.accepted a
          GROUP BY a.channel, a.day
        ), summed AS (
         SELECT b.channel,
            b.day,
            (sum(b.accepted))::bigint AS accepted,
            (sum(b.written_off))::bigint AS written_off,
            (sum(b.messages))::bigint AS found,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'scheduled'::outbox.message_status)), (0)::numeric))::bigint AS scheduled,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'pending'::outbox.message_status)), (0)::numeric))::bigint AS pending,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'sent'::outbox.message_status)), (0)::numeric))::bigint AS sent,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'delivered'::outbox.message_status)), (0)::numeric))::bigint AS delivered,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'bounced'::outbox.message_status)), (0)::numeric))::bigint AS bounced,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'failed'::outbox.message_status)), (0)::numeric))::bigint AS failed,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'expired'::outbox.message_status)), (0)::numeric))::bigint AS expired,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'cancelled'::outbox.message_status)), (0)::numeric))::bigint AS cancelled,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'suppressed'::outbox.message_status)), (0)::numeric))::bigint AS suppressed,
            (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'in_doubt'::outbox.message_status)), (0)::numeric))::bigint AS in_doubt
           FROM book b
          GROUP BY b.channel, b.day
        )
 SELECT s.channel,
    s.day,
    s.accepted,
    GREATEST((- s.pending), (0)::bigint) AS uncounted,
    s.scheduled,
    GREATEST(s.pending, (0)::bigint) AS pending,
    s.sent,
    s.delivered,
    s.bounced,
    s.failed,
    s.expired,
    s.cancelled,
    s.suppressed,
    s.in_doubt,
    s.written_off,
    ((s.accepted - s.written_off) - s.found) AS missing,
    ((s.accepted - s.written_off) = s.found) AS adds_up,
    m.counted_at AS counted_until
   FROM (summed s
     CROSS JOIN outbox.ledger_mark m);

COMMENT ON VIEW outbox.conservation IS 'By channel and UTC day of created_at: what was accepted, and where it is now, archived and dropped included. accepted + uncounted = the sum of the states + written_off + missing';

COMMENT ON COLUMN outbox.conservation.uncounted IS 'Moved on before they were counted as accepted, because a transaction that runs might still bring an earlier one';

COMMENT ON COLUMN outbox.conservation.missing IS 'Rows that went otherwise; below 0 = rows that were never accepted';

COMMENT ON COLUMN outbox.conservation.counted_until IS 'What was committed before it is counted as accepted';

CREATE TABLE outbox.dispatcher (
    id integer NOT NULL,
    name text NOT NULL,
    host text,
    pid integer,
    session integer,
    channels text[] NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    lost_at timestamp with time zone
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='200');

COMMENT ON TABLE outbox.dispatcher IS 'Running dispatchers. One lives while its control connection holds the advisory lock (7302, id)';

COMMENT ON COLUMN outbox.dispatcher.pid IS 'Its process on its host';

COMMENT ON COLUMN outbox.dispatcher.session IS 'Backend of its control connection';

COMMENT ON COLUMN outbox.dispatcher.seen_at IS 'When it last said that it lives, to a few seconds';

COMMENT ON COLUMN outbox.dispatcher.lost_at IS 'When its lock was first seen free, or it was first seen silent for too long; NULL = alive';

CREATE TABLE outbox.firing (
    id bigint NOT NULL,
    schedule_id bigint NOT NULL,
    fire_at timestamp with time zone NOT NULL,
    fired_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    finished_at timestamp with time zone,
    retry_at timestamp with time zone,
    audience bigint,
    users bigint DEFAULT 0 NOT NULL,
    messages bigint DEFAULT 0 NOT NULL,
    next_block integer DEFAULT 0 NOT NULL,
    state outbox.firing_state DEFAULT 'gathering'::outbox.firing_state NOT NULL,
    error text
)
WITH (fillfactor='50');

COMMENT ON TABLE outbox.firing IS 'Each time a schedule fired; goes with its schedule';

COMMENT ON COLUMN outbox.firing.fire_at IS 'The time of the schedule';

COMMENT ON COLUMN outbox.firing.fired_at IS 'When the scheduler saw to it';

COMMENT ON COLUMN outbox.firing.retry_at IS 'After an error: when it is tried again';

COMMENT ON COLUMN outbox.firing.audience IS 'How many users the audience has; NULL until it was read';

COMMENT ON COLUMN outbox.firing.users IS 'For how many of them a notification was made';

COMMENT ON COLUMN outbox.firing.messages IS 'How many messages these gave';

COMMENT ON COLUMN outbox.firing.next_block IS 'The block of the audience that is next';

CREATE TABLE outbox.flight (
    dispatcher integer NOT NULL,
    seq bigint NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline timestamp with time zone NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    message_ids bigint[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

COMMENT ON TABLE outbox.flight IS 'Batches in the air: committed before the first request leaves, deleted with the settling transaction';

COMMENT ON COLUMN outbox.flight.seq IS 'Counted by the dispatcher, in commit order';

COMMENT ON COLUMN outbox.flight.deadline IS 'Settled by then; well after it, recovery takes the batch over';

CREATE SEQUENCE outbox.queue_pos_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE outbox.queue_pos_seq IS 'Queue positions; read outbox.next_queue_pos before using it';

CREATE TABLE outbox.message (
    id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    queue_pos bigint DEFAULT 
CASE
    WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('outbox.queue_pos_seq'::regclass)
    ELSE NULL::bigint
END,
    send_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    expires_at timestamp with time zone,
    sent_at timestamp with time zone,
    finished_at timestamp with time zone,
    lane outbox.lane DEFAULT 'transactional'::outbox.lane NOT NULL,
    status outbox.message_status DEFAULT 'pending'::outbox.message_status NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    app text,
    recipient text NOT NULL COLLATE pg_catalog."C",
    idempotency_key text DEFAULT (gen_random_uuid())::text NOT NULL COLLATE pg_catalog."C",
    payload jsonb NOT NULL,
    provider text,
    provider_message_id text,
    last_error text,
    notification_id bigint,
    device_id bigint,
    template_id integer,
    user_id text COLLATE pg_catalog."C",
    category text COLLATE pg_catalog."C",
    environment text,
    cost numeric,
    currency text
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_insert_scale_factor='0.1', autovacuum_analyze_scale_factor='0.05');

COMMENT ON TABLE outbox.message IS 'One delivery to one address on one channel, and what became of it';

COMMENT ON COLUMN outbox.message.queue_pos IS 'Place in the queue; NULL while scheduled; kept when final';

COMMENT ON COLUMN outbox.message.send_at IS 'The producer''s wish; NULL = now';

COMMENT ON COLUMN outbox.message.next_attempt_at IS 'When it becomes pending; set only while scheduled';

COMMENT ON COLUMN outbox.message.expires_at IS 'Not sent at or after this time; NULL = never expires';

COMMENT ON COLUMN outbox.message.sent_at IS 'When the provider accepted it';

COMMENT ON COLUMN outbox.message.finished_at IS 'When it reached a state in which nothing more is tried';

COMMENT ON COLUMN outbox.message.attempts IS 'Attempts used; those the provider surely did not process are free';

COMMENT ON COLUMN outbox.message.app IS 'The app or sender to use; NULL = any';

COMMENT ON COLUMN outbox.message.idempotency_key IS 'The same key is accepted once; generated when not given';

COMMENT ON COLUMN outbox.message.provider IS 'The provider that took or refused it last';

COMMENT ON COLUMN outbox.message.provider_message_id IS 'The provider''s own id of the message';

COMMENT ON COLUMN outbox.message.last_error IS 'Why the last attempt did not succeed; NULL once sent';

COMMENT ON COLUMN outbox.message.notification_id IS 'The notification it was made from; NULL = inserted as it is';

COMMENT ON COLUMN outbox.message.device_id IS 'The device it goes to, whatever its token is by then';

COMMENT ON COLUMN outbox.message.template_id IS 'The version that renders it in the dispatcher; payload then holds its variables';

COMMENT ON COLUMN outbox.message.user_id IS 'Whose refusals and quiet hours count; NULL = nobody''s';

COMMENT ON COLUMN outbox.message.category IS 'The category they are asked for; goes with user_id';

COMMENT ON COLUMN outbox.message.environment IS 'sandbox: by a provider of that environment; NULL = production';

COMMENT ON COLUMN outbox.message.cost IS 'What the vendor said that it charges; NULL = it does not say';

CREATE TABLE outbox.provider (
    name text NOT NULL COLLATE pg_catalog."C",
    channel text NOT NULL COLLATE pg_catalog."C",
    adapter text NOT NULL,
    app text,
    settings jsonb DEFAULT '{}'::jsonb NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    priority integer DEFAULT 100 NOT NULL,
    max_connections integer DEFAULT 4 NOT NULL,
    max_streams integer DEFAULT 250 NOT NULL,
    connect_timeout interval DEFAULT '00:00:10'::interval NOT NULL,
    request_timeout interval DEFAULT '00:00:20'::interval NOT NULL,
    stopped_until timestamp with time zone,
    stop_reason text,
    stopped_at timestamp with time zone,
    environment text DEFAULT 'production'::text NOT NULL,
    regions text[] DEFAULT '{}'::text[] NOT NULL,
    weight integer DEFAULT 100 NOT NULL,
    rate_per_second numeric,
    rate_per_day bigint,
    max_in_flight integer,
    gone_limit integer DEFAULT 50 NOT NULL,
    identity_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT environment_is_known CHECK ((environment = ANY (ARRAY['production'::text, 'sandbox'::text]))),
    CONSTRAINT gone_limit_is_percent CHECK (((gone_limit >= 1) AND (gone_limit <= 100))),
    CONSTRAINT max_in_flight_is_positive CHECK ((max_in_flight > 0)),
    CONSTRAINT provider_connect_timeout_check CHECK ((connect_timeout > '00:00:00'::interval)),
    CONSTRAINT provider_max_connections_check CHECK (((max_connections >= 1) AND (max_connections <= 64))),
    CONSTRAINT provider_max_streams_check CHECK (((max_streams >= 1) AND (max_streams <= 10000))),
    CONSTRAINT provider_name_check CHECK ((name <> ''::text)),
    CONSTRAINT provider_request_timeout_check CHECK ((request_timeout > '00:00:00'::interval)),
    CONSTRAINT rate_per_day_is_positive CHECK ((rate_per_day > 0)),
    CONSTRAINT rate_per_second_is_in_range CHECK (((rate_per_second >= 0.001) AND (rate_per_second <= (1000000)::numeric))),
    CONSTRAINT regions_are_few CHECK ((cardinality(regions) <= 256)),
    CONSTRAINT regions_have_no_spaces CHECK ((array_to_string(regions, ''::text, ' '::text) !~ '\s'::text)),
    CONSTRAINT weight_is_in_range CHECK (((weight >= 1) AND (weight <= 1000)))
);

COMMENT ON TABLE outbox.provider IS 'Whom messages are sent through; followed at once';

COMMENT ON COLUMN outbox.provider.adapter IS 'The code that speaks to it: see outboxctl adapters';

COMMENT ON COLUMN outbox.provider.app IS 'Serves only messages of this app; NULL = any';

COMMENT ON COLUMN outbox.provider.settings IS 'What the adapter needs. Secrets are named by NAME_file or NAME_env, never held here';

COMMENT ON COLUMN outbox.provider.priority IS 'Lower is used first';

COMMENT ON COLUMN outbox.provider.max_streams IS 'Requests at once on one connection';

COMMENT ON COLUMN outbox.provider.stopped_until IS 'A dispatcher stopped it (credential, account, quota); cleared by an edit or outbox.resume_provider';

COMMENT ON COLUMN outbox.provider.environment IS 'sandbox: only for tokens of APNs'' sandbox';

COMMENT ON COLUMN outbox.provider.regions IS 'Takes only recipients that begin so, as +82, and phone numbers of these countries, as KR: the longest prefix goes first, then a country, then {} = all';

COMMENT ON COLUMN outbox.provider.weight IS 'Share of the messages among providers of the same priority';

COMMENT ON COLUMN outbox.provider.rate_per_second IS 'Requests a second of all dispatchers together; NULL = no limit';

COMMENT ON COLUMN outbox.provider.rate_per_day IS 'Requests a UTC day of all dispatchers together; NULL = no limit';

COMMENT ON COLUMN outbox.provider.max_in_flight IS 'Requests in the air at once of all dispatchers together; NULL = no limit but its connections';

COMMENT ON COLUMN outbox.provider.gone_limit IS 'When more percent of its latest answers call an address dead, it is stopped instead; 100 = all is believed';

COMMENT ON COLUMN outbox.provider.identity_since IS 'Since when this name stands for the same account at its vendor. Who puts another account''s key into the same file sets it to now()';

CREATE TABLE outbox.queue (
    channel text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane NOT NULL,
    low_water bigint DEFAULT 0 NOT NULL
);

COMMENT ON TABLE outbox.queue IS 'Where a starting dispatcher begins to look';

COMMENT ON COLUMN outbox.queue.low_water IS 'All rows with a lower position are final or gone; it only rises';

CREATE TABLE outbox.schedule (
    id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    cron text,
    run_at timestamp with time zone,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    audience text NOT NULL,
    template text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    channels text[] COLLATE pg_catalog."C",
    variables jsonb DEFAULT '{}'::jsonb NOT NULL,
    lane outbox.lane,
    fallback text[] COLLATE pg_catalog."C",
    fallback_after interval DEFAULT '00:05:00'::interval NOT NULL,
    valid_for interval,
    catch_up outbox.catch_up DEFAULT 'once'::outbox.catch_up NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    next_fire_at timestamp with time zone,
    error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='70');

COMMENT ON TABLE outbox.schedule IS 'What is told to whom, again and again (cron) or once (run_at)';

COMMENT ON COLUMN outbox.schedule.cron IS 'Five fields about local time, see outbox.cron_next';

COMMENT ON COLUMN outbox.schedule.run_at IS 'The one time it fires, in whole seconds';

COMMENT ON COLUMN outbox.schedule.audience IS 'A SELECT, or the name of a view or table, with a column user_id; its other columns are variables of the template. Names of tables need their schema. It is run with the rights of the scheduler';

COMMENT ON COLUMN outbox.schedule.channels IS 'NULL = every channel that the template has a text for';

COMMENT ON COLUMN outbox.schedule.variables IS 'For everybody; a column of the audience comes before it';

COMMENT ON COLUMN outbox.schedule.lane IS 'NULL = the category''s';

COMMENT ON COLUMN outbox.schedule.valid_for IS 'What could not be sent so long after fire_at is not sent any more; NULL = the category''s rule';

COMMENT ON COLUMN outbox.schedule.next_fire_at IS 'Set by the database; NULL = it will not fire';

COMMENT ON COLUMN outbox.schedule.error IS 'Why its next time could not be told';

CREATE FUNCTION outbox.check_health(pinned_for interval DEFAULT '00:05:00'::interval, pinned_xids bigint DEFAULT 1000000, ready_for interval DEFAULT '00:05:00'::interval, lost_for interval DEFAULT '00:01:00'::interval) RETURNS TABLE("check" text, ok boolean, detail text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH held AS MATERIALIZED (
          SELECT (k.classid)::bigint AS class,
             (k.objid)::bigint AS id
            FROM pg_locks k
           WHERE ((k.locktype = 'advisory'::text) AND (k.classid = ANY (ARRAY[(7302)::oid, (7303)::oid])) AND (k.objsubid = 2) AND k.granted AND (k.database = ( SELECT d.oid
                    FROM pg_database d
                   WHERE (d.datname = current_database()))))
         ), head AS MATERIALIZED (
          SELECT c_1.name,
             c_1.paused,
             l.lane,
             h.since,
             (EXISTS ( SELECT
                    FROM (outbox.dispatcher d
                      JOIN held ON (((held.class = 7302) AND (held.id = d.id))))
                   WHERE (c_1.name = ANY (d.channels)))) AS served
            FROM ((outbox.channel c_1
              CROSS JOIN unnest(enum_range(NULL::outbox.lane)) l(lane))
              CROSS JOIN LATERAL ( SELECT GREATEST(m.created_at, m.send_at) AS since
                    FROM outbox.message m
                   WHERE ((m.channel = c_1.name) AND (m.lane = l.lane) AND (m.status = 'pending'::outbox.message_status) AND (m.queue_pos >= COALESCE(( SELECT q.low_water
                            FROM outbox.queue q
                           WHERE ((q.channel = c_1.name) AND (q.lane = l.lane))), (0)::bigint)))
                   ORDER BY m.queue_pos
                  LIMIT 1) h)
         ), finding(n, "check", detail) AS (
          SELECT 1 AS "?column?",
             'horizon'::text AS "?column?",
             p.p
            FROM outbox.horizon_pins(check_health.pinned_for, check_health.pinned_xids) p(p)
         UNION ALL
          SELECT 2,
             'scheduler'::text,
             'no outbox-scheduler leads'::text
           WHERE (NOT (EXISTS ( SELECT
                    FROM held
                   WHERE ((held.class = 7303) AND (held.id = 1)))))
         UNION ALL
          SELECT DISTINCT 3,
             'dispatchers'::text,
             format('%s has work but no dispatcher'::text, h.name) AS format
            FROM head h
           WHERE ((NOT h.served) AND (NOT h.paused))
         UNION ALL
          SELECT 4,
             'ready age'::text,
             format('%s/%s waits since %s'::text, h.name, h.lane, (h.since)::timestamp(0) with time zone) AS format
            FROM head h
           WHERE ((h.since <= (now() - check_health.ready_for)) AND (NOT h.paused))
         UNION ALL
          SELECT 5,
             'providers'::text,
             format('%s is stopped until %s: %s'::text, p.name, (p.stopped_until)::timestamp(0) with time zone, p.stop_reason) AS format
            FROM outbox.provider p
           WHERE (p.stopped_until > now())
         UNION ALL
          SELECT 6,
             'channels'::text,
             format('%s is paused'::text, c_1.name) AS format
            FROM outbox.channel c_1
           WHERE c_1.paused
         UNION ALL
          SELECT 7,
             'flights'::text,
             format('%s messages of %s are in a lost flight since %s'::text, cardinality(f_1.message_ids), f_1.channel, (f_1.started_at)::timestamp(0) with time zone) AS format
            FROM outbox.flight f_1
           WHERE ((f_1.deadline <= (now() - check_health.lost_for)) OR ((f_1.started_at <= (now() - check_health.lost_for)) AND (NOT (EXISTS ( SELECT
                    FROM held
                   WHERE ((held.class = 7302) AND (held.id = f_1.dispatcher)))))))
         UNION ALL
          SELECT 8,
             'in doubt'::text,
             format('%s messages wait for outbox.resolve_doubt, the oldest is %s'::text, count(*), min(m.id)) AS format
            FROM (( SELECT DISTINCT a.message_id
                    FROM outbox.attempt a
                   WHERE (a.verdict = 'in_doubt'::text)) d
              JOIN outbox.message m ON ((m.id = d.message_id)))
           WHERE (m.status = 'in_doubt'::outbox.message_status)
          HAVING (count(*) > 0)
         UNION ALL
          SELECT 9,
             'schedules'::text,
             format('%s: %s'::text, s.name, s.error) AS format
            FROM outbox.schedule s
           WHERE (s.error IS NOT NULL)
         UNION ALL
          SELECT 9,
             'schedules'::text,
             format('%s, firing of %s: %s'::text, s.name, f_1.fire_at, f_1.error) AS format
            FROM (outbox.firing f_1
              JOIN outbox.schedule s ON ((s.id = f_1.schedule_id)))
           WHERE ((f_1.state = ANY (ARRAY['gathering'::outbox.firing_state, 'expanding'::outbox.firing_state])) AND (f_1.error IS NOT NULL))
         UNION ALL
          SELECT 10,
             'conservation'::text,
             format('%s of %s: %s'::text, c_1.channel, c_1.day,
                 CASE
                     WHEN (c_1.missing > 0) THEN (c_1.missing || ' messages are missing'::text)
                     ELSE ((- c_1.missing) || ' messages are more than were accepted'::text)
                 END) AS format
            FROM outbox.conservation c_1
           WHERE (NOT c_1.adds_up)
         UNION ALL
          SELECT 11,
             'audit'::text,
             format('%s: %s messages%s (%s)'::text, a.kind, sum(a.messages), (' of '::text || a.channel), COALESCE(a.mended, 'see outbox.audit_finding'::text)) AS format
            FROM outbox.audit_finding a
           WHERE (a.at >= ( SELECT r.started_at
                    FROM outbox.audit_run r))
           GROUP BY a.kind, a.channel, a.mended
         )
  SELECT c.name,
     (count(f.n) = 0),
     COALESCE(string_agg(f.detail, '; '::text ORDER BY f.detail), ''::text) AS "coalesce"
    FROM (unnest(ARRAY['horizon'::text, 'scheduler'::text, 'dispatchers'::text, 'ready age'::text, 'providers'::text, 'channels'::text, 'flights'::text, 'in doubt'::text, 'schedules'::text, 'conservation'::text, 'audit'::text]) WITH ORDINALITY c(name, n)
      LEFT JOIN finding f ON ((f.n = c.n)))
   GROUP BY c.name, c.n
   ORDER BY c.n;
END;

COMMENT ON FUNCTION outbox.check_health(pinned_for interval, pinned_xids bigint, ready_for interval, lost_for interval) IS 'outbox.health with limits of one''s own: the age of what pins the horizon, in time and in transactions, of the oldest ready message, and of a flight without its dispatcher';

CREATE FUNCTION outbox.check_http_auth(settings jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    auth CONSTANT jsonb := settings -> 'auth';
    type CONSTANT text := auth ->> 'type';
    header CONSTANT text := coalesce(
        CASE WHEN type IN ('bearer', 'hmac') THEN auth ->> 'header' END, 'authorization');
BEGIN
    IF auth IS NULL THEN
        RETURN NULL;
    END IF;
    IF coalesce(type, '') NOT IN ('none', 'basic', 'bearer', 'hmac')
        OR jsonb_typeof(auth -> 'type') <> 'string' THEN
        RETURN 'settings.auth.type: must be none, basic, bearer or hmac';
    END IF;
    RETURN coalesce(
        outbox.check_keys(auth, 'settings.auth', '{"type": "a string"}'::jsonb || CASE type
            WHEN 'basic' THEN '{"username": "a string"}'
            WHEN 'bearer' THEN '{"header": "a string", "prefix": "a string"}'
            WHEN 'hmac' THEN '{"header": "a string", "sign": "a string", "algorithm": "a string",
                               "encoding": "a string", "prefix": "a string"}'
            ELSE '{}' END::jsonb,
            CASE type WHEN 'basic' THEN '{username}' WHEN 'hmac' THEN '{header,sign}' ELSE '{}' END::text[]),
        CASE WHEN type <> 'none' AND NOT settings ?| '{secret_file,secret_env}'
            THEN 'settings.auth: needs secret_file or secret_env' END,
        CASE WHEN type = 'basic' AND auth ->> 'username' LIKE '%:%'
            THEN 'settings.auth.username: must not hold a colon' END,
        CASE WHEN type <> 'none' THEN outbox.check_http_header(header, 'settings.auth.header') END,
        CASE WHEN type <> 'none' AND EXISTS (
                SELECT FROM jsonb_object_keys(settings -> 'headers') AS h (name)
                WHERE lower(h.name COLLATE "C") = lower(header COLLATE "C"))
            THEN CASE type WHEN 'basic' THEN 'settings.headers.authorization' ELSE 'settings.auth.header' END
                || ': is set twice' END,
        CASE WHEN type = 'bearer' AND auth ->> 'prefix' !~ '^[\x20-\x7e]*$'
            THEN 'settings.auth.prefix: must be printable ASCII' END,
        CASE WHEN auth ->> 'algorithm' NOT IN ('sha256', 'sha1')
            THEN 'settings.auth.algorithm: must be sha256 or sha1' END,
        CASE WHEN auth ->> 'encoding' NOT IN ('hex', 'base64')
            THEN 'settings.auth.encoding: must be hex or base64' END,
        CASE WHEN type = 'hmac' THEN
            outbox.check_http_text(auth ->> 'sign', 'settings.auth.sign', 'body', '{method,path,body}') END,
        CASE WHEN type = 'hmac' THEN
            outbox.check_http_text(coalesce(auth ->> 'prefix', ''), 'settings.auth.prefix', 'header') END);
END
$_$;

COMMENT ON FUNCTION outbox.check_http_auth(settings jsonb) IS 'What is wrong with settings.auth';

CREATE FUNCTION outbox.check_http_text(template text, place text, literal text, names text[] DEFAULT '{}'::text[]) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    known CONSTANT text[] := names || ARRAY['recipient', 'recipient_digits', 'uuid', 'id', 'attempt',
        'payload', 'created', 'now', 'timestamp', 'timestamp_ms'];
    tag outbox.mustache_tag;
BEGIN
    FOREACH tag IN ARRAY outbox.mustache_parse(template, place || ': ') LOOP
        IF tag.kind = '>' THEN
            RETURN format('%s: partial "%s" does not exist', place, tag.body);
        ELSIF tag.kind <> 'text' AND tag.depth = 0 AND split_part(tag.body, '.', 1) <> ALL (known) THEN
            RETURN format('%s: value "%s" does not exist', place, tag.body);
        ELSIF tag.kind = 'text' AND literal = 'path' AND tag.body !~ '^[\x21-\x22\x24-\x7e]*$' THEN
            RETURN place || ': must be ASCII without spaces and #';
        ELSIF tag.kind = 'text' AND literal = 'header' AND tag.body !~ '^[\x20-\x7e]*$' THEN
            RETURN place || ': must be printable ASCII';
        END IF;
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN SQLSTATE 'OB008' THEN
    RETURN SQLERRM;
END
$_$;

COMMENT ON FUNCTION outbox.check_http_text(template text, place text, literal text, names text[]) IS 'What is wrong with a Mustache text of an http provider; literal: where it goes (path, header, body); names: values besides the usual ones';

CREATE FUNCTION outbox.http_body_kind(content_type text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (lower((content_type COLLATE "C")) ~ '^[a-z0-9+./-]+[; ]*(charset=utf-8)?$'::text) THEN CASE WHEN (lower((content_type COLLATE "C")) ~ '^(application/json|[a-z0-9+./-]*\+json)([; ]|$)'::text) THEN 'json'::text WHEN (lower((content_type COLLATE "C")) ~ '^application/x-www-form-urlencoded([; ]|$)'::text) THEN 'form'::text WHEN (lower((content_type COLLATE "C")) ~ '^((application|text)/xml|[a-z0-9+./-]*\+xml)([; ]|$)'::text) THEN 'xml'::text WHEN (lower((content_type COLLATE "C")) ~ '^text/plain([; ]|$)'::text) THEN 'plain'::text ELSE NULL::text END ELSE NULL::text END;

COMMENT ON FUNCTION outbox.http_body_kind(content_type text) IS 'json, form, xml or plain; NULL = values cannot be written into it';

CREATE FUNCTION outbox.check_http_body(settings jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (NOT (settings ? 'body'::text)) THEN CASE WHEN (settings ? 'content_type'::text) THEN 'settings.content_type: goes with a body'::text ELSE NULL::text END WHEN ((settings ->> 'method'::text) = 'GET'::text) THEN 'settings.body: does not go with the method GET'::text WHEN ((jsonb_typeof((settings -> 'body'::text)) = 'string'::text) AND (NOT (settings ? 'content_type'::text))) THEN 'settings.content_type: is required for a body that is a string'::text WHEN (outbox.http_body_kind(COALESCE((settings ->> 'content_type'::text), 'application/json'::text)) IS NULL) THEN 'settings.content_type: must be one of JSON, form, XML and plain text, in UTF-8'::text WHEN ((jsonb_typeof((settings -> 'body'::text)) <> 'string'::text) AND (outbox.http_body_kind(COALESCE((settings ->> 'content_type'::text), 'application/json'::text)) <> 'json'::text)) THEN 'settings.content_type: must be JSON for a body that is not a string'::text ELSE (WITH RECURSIVE member(path, value) AS (SELECT 'settings.body'::text AS "?column?", (check_http_body.settings -> 'body'::text) AS "?column?" UNION ALL SELECT (m_1.path || e.step), e.value FROM (member m_1 CROSS JOIN LATERAL (SELECT ('.'::text || o.key) AS "?column?", o.value FROM jsonb_each(CASE jsonb_typeof(m_1.value) WHEN 'object'::text THEN m_1.value ELSE '{}'::jsonb END) o(key, value) UNION ALL SELECT format('[%s]'::text, (a.place - 1)) AS format, a.value FROM jsonb_array_elements(CASE jsonb_typeof(m_1.value) WHEN 'array'::text THEN m_1.value ELSE '[]'::jsonb END) WITH ORDINALITY a(value, place)) e(step, value))) SELECT p.problem FROM (member m CROSS JOIN LATERAL outbox.check_http_text((m.value #>> '{}'::text[]), m.path, 'body'::text) p(problem)) WHERE ((jsonb_typeof(m.value) = 'string'::text) AND (p.problem IS NOT NULL)) LIMIT 1) END;

COMMENT ON FUNCTION outbox.check_http_body(settings jsonb) IS 'What is wrong with settings.body and settings.content_type';

CREATE FUNCTION outbox.is_json_path(path text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (path ~ '^\$(\.[A-Za-z0-9_-]{1,100}|\[[0-9]{1,4}\])+$'::text);

COMMENT ON FUNCTION outbox.is_json_path(path text) IS 'Such as $.a.b[0].c';

CREATE FUNCTION outbox.json_type(value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE jsonb_typeof(value) WHEN 'string'::text THEN 'a string'::text WHEN 'object'::text THEN 'an object'::text WHEN 'array'::text THEN 'a list'::text WHEN 'boolean'::text THEN 'true or false'::text WHEN 'number'::text THEN CASE WHEN ((value #>> '{}'::text[]) ~ '^-?[0-9]+$'::text) THEN 'a whole number'::text ELSE 'a number'::text END ELSE 'nothing'::text END;

COMMENT ON FUNCTION outbox.json_type(value jsonb) IS 'The type of a JSON value in the words of a refusal';

CREATE FUNCTION outbox.check_http_condition(condition jsonb, place text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN COALESCE(CASE WHEN ((condition -> 'status'::text) = '[]'::jsonb) THEN (place || '.status: must not be empty'::text) ELSE NULL::text END, (SELECT format('%s.status[%s]: must be 100 to 599, or "1xx" to "5xx"'::text, check_http_condition.place, (s.n - 1)) AS format FROM jsonb_array_elements((check_http_condition.condition -> 'status'::text)) WITH ORDINALITY s(value, n) WHERE ((s.value)::text !~ '^([1-5][0-9][0-9]|"[1-5]xx")$'::text) ORDER BY s.n LIMIT 1), (SELECT CASE WHEN (NOT outbox.is_json_path(m.key)) THEN format('%s.json: "%s" is not a path such as $.a.b[0].c'::text, check_http_condition.place, m.key) WHEN ((jsonb_typeof(m.value) <> 'array'::text) OR (m.value = '[]'::jsonb)) THEN format('%s.json.%s: must be a list that is not empty'::text, check_http_condition.place, m.key) ELSE (SELECT format('%s.json.%s[%s]: must be a string, a whole number, true or false'::text, check_http_condition.place, m.key, (v.n - 1)) AS format FROM jsonb_array_elements(m.value) WITH ORDINALITY v(value, n) WHERE (outbox.json_type(v.value) <> ALL (ARRAY['a string'::text, 'a whole number'::text, 'true or false'::text])) ORDER BY v.n LIMIT 1) END AS problem FROM jsonb_each((check_http_condition.condition -> 'json'::text)) m(key, value) ORDER BY CASE WHEN (NOT outbox.is_json_path(m.key)) THEN format('%s.json: "%s" is not a path such as $.a.b[0].c'::text, check_http_condition.place, m.key) WHEN ((jsonb_typeof(m.value) <> 'array'::text) OR (m.value = '[]'::jsonb)) THEN format('%s.json.%s: must be a list that is not empty'::text, check_http_condition.place, m.key) ELSE (SELECT format('%s.json.%s[%s]: must be a string, a whole number, true or false'::text, check_http_condition.place, m.key, (v.n - 1)) AS format FROM jsonb_array_elements(m.value) WITH ORDINALITY v(value, n) WHERE (outbox.json_type(v.value) <> ALL (ARRAY['a string'::text, 'a whole number'::text, 'true or false'::text])) ORDER BY v.n LIMIT 1) END LIMIT 1));

COMMENT ON FUNCTION outbox.check_http_condition(condition jsonb, place text) IS 'What is wrong with status and json of a rule';

CREATE FUNCTION outbox.check_http_header(name text, place text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (place || CASE WHEN (name !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$'::text) THEN ': must have the form of a header''s name'::text WHEN (lower((name COLLATE "C")) = ANY (ARRAY['connection'::text, 'content-length'::text, 'content-type'::text, 'expect'::text, 'host'::text, 'keep-alive'::text, 'te'::text, 'trailer'::text, 'transfer-encoding'::text, 'upgrade'::text])) THEN ': is not for settings to set'::text ELSE NULL::text END);

COMMENT ON FUNCTION outbox.check_http_header(name text, place text) IS 'What is wrong with a name of a header';

CREATE FUNCTION outbox.check_http_headers(headers jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT p.problem
    FROM ( SELECT h.key,
             COALESCE(
                 CASE
                     WHEN (jsonb_typeof(h.value) <> 'string'::text) THEN (h.place || ': must be a string'::text)
                     ELSE NULL::text
                 END, outbox.check_http_header(h.key, h.place),
                 CASE
                     WHEN (count(*) OVER (PARTITION BY (lower((h.key COLLATE "C")))) > 1) THEN (h.place || ': is set twice'::text)
                     ELSE NULL::text
                 END, outbox.check_http_text((h.value #>> '{}'::text[]), h.place, 'header'::text)) AS "coalesce"
            FROM ( SELECT e.key,
                     e.value,
                     ('settings.headers.'::text || e.key) AS "?column?"
                    FROM jsonb_each(check_http_headers.headers) e(key, value)) h(key, value, place)
         UNION ALL
          SELECT ''::text,
             'settings.headers: must not be more than 12'::text
            FROM jsonb_each(check_http_headers.headers) jsonb_each(key, value)
          HAVING (count(*) > 12)) p(key, problem)
   WHERE (p.problem IS NOT NULL)
   ORDER BY p.key DESC
  LIMIT 1;
END;

COMMENT ON FUNCTION outbox.check_http_headers(headers jsonb) IS 'What is wrong with settings.headers';

CREATE FUNCTION outbox.check_keys(object jsonb, place text, types jsonb, required text[] DEFAULT '{}'::text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT ((((check_keys.place || '.'::text) || p.key) || ': '::text) || p.rule)
    FROM ( SELECT m.key,
             COALESCE(('must be '::text || (check_keys.types ->> m.key)), 'unknown setting'::text) AS "coalesce"
            FROM jsonb_each(check_keys.object) m(key, value)
           WHERE (strpos(COALESCE((check_keys.types ->> m.key), ''::text), outbox.json_type(m.value)) = 0)
         UNION ALL
          SELECT r.key,
             'is required'::text
            FROM unnest(check_keys.required) r(key)
           WHERE (NOT (check_keys.object ? r.key))) p(key, rule)
   ORDER BY (p.rule = 'is required'::text), p.key
  LIMIT 1;
END;

COMMENT ON FUNCTION outbox.check_keys(object jsonb, place text, types jsonb, required text[]) IS 'The first member of an object that is unknown, of another type than types says, or missing; NULL = none';

CREATE FUNCTION outbox.check_http_rule(rule jsonb, place text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (jsonb_typeof(rule) <> 'object'::text) THEN (place || ': must be an object'::text) ELSE COALESCE(outbox.check_keys(rule, place, '{"json": "an object", "wait": "a whole number", "reason": "a string", "status": "a list", "verdict": "a string", "retry_after": "true or false"}'::jsonb, '{verdict}'::text[]), CASE WHEN ((rule ->> 'verdict'::text) <> ALL (ARRAY['sent'::text, 'retry'::text, 'throttled'::text, 'rejected'::text, 'address_gone'::text, 'stopped'::text, 'in_doubt'::text])) THEN format('%s.verdict: "%s" is not a verdict'::text, place, (rule ->> 'verdict'::text)) ELSE NULL::text END, outbox.check_http_condition(rule, place), CASE WHEN (NOT outbox.is_json_path((rule ->> 'reason'::text))) THEN (place || '.reason: must be a path such as $.a.b[0].c'::text) ELSE NULL::text END, CASE WHEN ((NOT (rule ? 'status'::text)) AND (COALESCE((rule -> 'json'::text), '{}'::jsonb) = '{}'::jsonb)) THEN (place || ': must have status or json'::text) ELSE NULL::text END, (SELECT format('%s.%s: goes with the verdicts retry and throttled'::text, check_http_rule.place, w.key) AS format FROM unnest(ARRAY['wait'::text, 'retry_after'::text]) w(key) WHERE ((check_http_rule.rule ? w.key) AND ((check_http_rule.rule ->> 'verdict'::text) <> ALL (ARRAY['retry'::text, 'throttled'::text]))) LIMIT 1), CASE WHEN ((((rule -> 'wait'::text))::numeric < (1)::numeric) OR (((rule -> 'wait'::text))::numeric > (86400)::numeric)) THEN (place || '.wait: must be 1 to 86400 seconds'::text) ELSE NULL::text END) END;

COMMENT ON FUNCTION outbox.check_http_rule(rule jsonb, place text) IS 'What is wrong with one of settings.response.rules';

CREATE FUNCTION outbox.check_http_response(response jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (response IS NOT NULL) THEN COALESCE(outbox.check_keys(response, 'settings.response'::text, '{"sent": "an object", "rules": "a list", "reason": "a string"}'::jsonb), outbox.check_keys((response -> 'sent'::text), 'settings.response.sent'::text, '{"id": "a string", "cost": "a string", "json": "an object", "status": "a list", "currency": "a string"}'::jsonb), outbox.check_http_condition((response -> 'sent'::text), 'settings.response.sent'::text), (SELECT format('settings.response.sent.%s: must be a path such as $.a.b[0].c'::text, k.key) AS format FROM unnest(ARRAY['id'::text, 'cost'::text]) k(key) WHERE (NOT outbox.is_json_path(((check_http_response.response -> 'sent'::text) ->> k.key))) LIMIT 1), CASE WHEN ((((response -> 'sent'::text) ->> 'currency'::text) !~ '^[A-Z]{3}$'::text) AND (NOT outbox.is_json_path(((response -> 'sent'::text) ->> 'currency'::text)))) THEN 'settings.response.sent.currency: must be a code such as KRW or a path such as $.a.b[0].c'::text ELSE NULL::text END, (SELECT p.problem FROM (jsonb_array_elements((check_http_response.response -> 'rules'::text)) WITH ORDINALITY r(rule, place) CROSS JOIN LATERAL outbox.check_http_rule(r.rule, format('settings.response.rules[%s]'::text, (r.place - 1))) p(problem)) WHERE (p.problem IS NOT NULL) ORDER BY r.place LIMIT 1), CASE WHEN (NOT outbox.is_json_path((response ->> 'reason'::text))) THEN 'settings.response.reason: must be a path such as $.a.b[0].c'::text ELSE NULL::text END) ELSE NULL::text END;

COMMENT ON FUNCTION outbox.check_http_response(response jsonb) IS 'What is wrong with settings.response';

CREATE FUNCTION outbox.check_http_settings(settings jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (jsonb_typeof(settings) <> 'object'::text) THEN 'settings: must be an object'::text ELSE COALESCE(outbox.check_keys(settings, 'settings'::text, '{"url": "a string", "auth": "an object", "body": "a string, an object or a list", "path": "a string", "method": "a string", "ca_file": "a string", "headers": "an object", "response": "an object", "secret_env": "a string", "secret_file": "a string", "content_type": "a string"}'::jsonb, '{url}'::text[]), CASE WHEN ((settings ->> 'url'::text) !~ '^https://[A-Za-z0-9.:\[\]-]+/?$'::text) THEN 'settings.url: must be https://host or https://host:port'::text ELSE NULL::text END, CASE WHEN ((settings ->> 'method'::text) <> ALL (ARRAY['POST'::text, 'PUT'::text, 'PATCH'::text, 'GET'::text])) THEN 'settings.method: must be POST, PUT, PATCH or GET'::text ELSE NULL::text END, outbox.check_http_text(COALESCE((settings ->> 'path'::text), '/'::text), 'settings.path'::text, 'path'::text), CASE WHEN ((settings ->> 'path'::text) !~~ '/%'::text) THEN 'settings.path: must begin with /'::text ELSE NULL::text END, outbox.check_http_headers(COALESCE((settings -> 'headers'::text), '{}'::jsonb)), outbox.check_http_body(settings), outbox.check_http_auth(settings), outbox.check_http_response((settings -> 'response'::text))) END;

COMMENT ON FUNCTION outbox.check_http_settings(settings jsonb) IS 'What is wrong with the settings of a provider whose adapter is http, beginning with the path of the key at fault; NULL = nothing';

CREATE FUNCTION outbox.check_preference() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    rules outbox.category;
BEGIN
    PERFORM outbox.check_user(NEW.user_id);
    SELECT g.* INTO rules FROM outbox.category AS g WHERE g.name = NEW.category;
    IF NOT FOUND THEN
        PERFORM outbox.raise('OB007', 'category', format('"%s" does not exist; see outbox.category', NEW.category));
    END IF;
    IF NEW.channel <> '*' AND NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = NEW.channel) THEN
        PERFORM outbox.raise('OB007', 'channel', format('"%s" does not exist; see outbox.channel', NEW.channel));
    END IF;
    IF rules.consent = 'mandatory' AND NOT NEW.allowed THEN
        PERFORM outbox.raise('OB007', 'category', format('"%s" is mandatory and cannot be refused', NEW.category));
    END IF;
    IF ((rules.consent = 'opt_in' AND NEW.allowed) OR NEW.at_night) AND coalesce(btrim(NEW.source), '') = '' THEN
        PERFORM outbox.raise('OB007', 'source', 'must say how the consent was given');
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_preference() IS 'Trigger: a consent has a source, a mandatory category no refusal';

CREATE FUNCTION outbox.check_schedule() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

COMMENT ON FUNCTION outbox.check_schedule() IS 'Trigger: refuses what could not fire, sets when it fires next; for cron that is after now';

CREATE FUNCTION outbox.check_settings() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF NOT outbox.is_timezone(NEW.default_timezone) THEN
        PERFORM outbox.raise('OB007', 'default_timezone', format('"%s" does not exist', NEW.default_timezone));
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.check_settings() IS 'Trigger: the default time zone exists';

CREATE FUNCTION outbox.check_user(user_id text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF user_id IS NULL OR btrim(user_id) = '' OR octet_length(user_id) > 200 OR user_id ~ '[\x01-\x1f\x7f]' THEN
        PERFORM outbox.raise('OB007', 'user_id', 'must have 1 to 200 octets and no control characters');
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.check_user(user_id text) IS 'Refuses what cannot be the id of a user';

CREATE FUNCTION outbox.checked_locale(locale text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    normal text := lower(replace(locale, '_', '-'));
BEGIN
    IF normal !~ '^[a-z]{2,8}(-[a-z0-9]{1,8})*$' THEN
        PERFORM outbox.raise('OB007', 'locale', 'must look like "ko" or "ko-KR"');
    END IF;
    RETURN normal;
END
$_$;

COMMENT ON FUNCTION outbox.checked_locale(locale text) IS 'A language tag in lower case; refuses what is none';

CREATE FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    utc_offset integer := extract(timezone FROM since);
    low timestamptz := date_trunc('second', since);
    seconds integer;
    half integer;
BEGIN
    IF extract(timezone FROM until) = utc_offset THEN
        RETURN NULL;
    END IF;
    seconds := extract(epoch FROM date_trunc('second', until) - low);
    WHILE seconds > 1 LOOP
        half := seconds / 2;
        IF extract(timezone FROM low + make_interval(secs => half)) = utc_offset THEN
            low := low + make_interval(secs => half);
            seconds := seconds - half;
        ELSE
            seconds := half;
        END IF;
    END LOOP;
    RETURN low + make_interval(secs => seconds);
END
$$;

COMMENT ON FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) IS 'The moment in (since, until] at which the clocks of TimeZone are set forward or back; NULL = none';

CREATE TABLE outbox.archive (
    id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    queue_pos bigint,
    send_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    expires_at timestamp with time zone,
    sent_at timestamp with time zone,
    finished_at timestamp with time zone,
    lane outbox.lane NOT NULL,
    status outbox.message_status NOT NULL,
    attempts smallint NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    app text,
    recipient text NOT NULL COLLATE pg_catalog."C",
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    payload jsonb NOT NULL,
    provider text,
    provider_message_id text,
    last_error text,
    notification_id bigint,
    device_id bigint,
    template_id integer,
    user_id text COLLATE pg_catalog."C",
    category text COLLATE pg_catalog."C",
    environment text,
    cost numeric,
    currency text,
    archived_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (finished_at);

COMMENT ON TABLE outbox.archive IS 'Messages that are finished for longer than settings.keep_finished; one partition a UTC day';

CREATE TABLE outbox.ledger_block (
    block bigint NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane NOT NULL,
    day date NOT NULL,
    place date NOT NULL,
    status outbox.message_status NOT NULL,
    messages bigint NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE outbox.ledger_block IS 'The same by blocks of ids and by place, which outbox.audit compares with the rows';

CREATE FUNCTION outbox.compare_block(block bigint) RETURNS TABLE(channel text, lane outbox.lane, day date, place date, status outbox.message_status, booked bigint, found bigint)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH mark AS MATERIALIZED (
          SELECT m.counted_id,
             m.folded_id
            FROM outbox.ledger_mark m
         ), rows AS MATERIALIZED (
          SELECT x.channel,
             x.lane,
             ((x.created_at AT TIME ZONE 'UTC'::text))::date AS day,
             x.place,
             x.status,
             (x.id > ( SELECT k.counted_id
                    FROM mark k)) AS is_new,
             count(*) AS n
            FROM ( SELECT m.id,
                     m.channel,
                     m.lane,
                     m.created_at,
                     '-infinity'::date AS place,
                     m.status
                    FROM outbox.message m
                   WHERE ((m.id >= (compare_block.block << 18)) AND (m.id < ((compare_block.block + 1) << 18)))
                 UNION ALL
                  SELECT a.id,
                     a.channel,
                     a.lane,
                     a.created_at,
                     ((a.finished_at AT TIME ZONE 'UTC'::text))::date AS timezone,
                     a.status
                    FROM outbox.archive a
                   WHERE ((a.id >= (compare_block.block << 18)) AND (a.id < ((compare_block.block + 1) << 18)))) x
           GROUP BY x.channel, x.lane, (((x.created_at AT TIME ZONE 'UTC'::text))::date), x.place, x.status, (x.id > ( SELECT k.counted_id
                    FROM mark k))
         ), sides AS (
          SELECT r.channel,
             r.lane,
             r.day,
             r.place,
             r.status,
             0 AS booked,
             r.n AS found
            FROM rows r
         UNION ALL
          SELECT r.channel,
             r.lane,
             r.day,
             '-infinity'::date,
             'pending'::outbox.message_status,
             r.n,
             0
            FROM rows r
           WHERE r.is_new
         UNION ALL
          SELECT b.channel,
             b.lane,
             b.day,
             b.place,
             b.status,
             b.messages,
             0
            FROM outbox.ledger_block b
           WHERE (b.block = compare_block.block)
         UNION ALL
          SELECT c.channel,
             c.lane,
             c.day,
             c.place,
             l.status,
             (l.sign * c.messages),
             0
            FROM (outbox.change c
              CROSS JOIN LATERAL ( VALUES (c.from_status,'-1'::integer), (c.to_status,1)) l(status, sign))
           WHERE ((c.id > ( SELECT k.folded_id
                    FROM mark k)) AND (c.block = compare_block.block) AND (l.status IS NOT NULL))
         )
  SELECT s.channel,
     s.lane,
     s.day,
     s.place,
     s.status,
     (sum(s.booked))::bigint AS sum,
     (sum(s.found))::bigint AS sum
    FROM sides s
   WHERE ((s.place = '-infinity'::date) OR ((s.place + 1) > ( SELECT ((now() - t.keep_archive) AT TIME ZONE 'UTC'::text) AS timezone
            FROM outbox.settings t)))
   GROUP BY s.channel, s.lane, s.day, s.place, s.status
  HAVING (sum(s.booked) <> sum(s.found));
END;

COMMENT ON FUNCTION outbox.compare_block(block bigint) IS 'Where the ledger of a block of ids differs from its rows';

CREATE FUNCTION outbox.config_changed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM outbox.ring('outbox_config', '');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.config_changed() IS 'Trigger: tells dispatchers to read their configuration again';

CREATE FUNCTION outbox.content_texts(content jsonb, OUT label text, OUT body text) RETURNS SETOF record
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH RECURSIVE member(path, value) AS (
          SELECT NULL::text AS text,
             content_texts.content AS content
         UNION ALL
          SELECT concat_ws('.'::text, m_1.path, e.key) AS concat_ws,
             e.value
            FROM (member m_1
              CROSS JOIN LATERAL ( SELECT o.key,
                     o.value
                    FROM jsonb_each(
                         CASE jsonb_typeof(m_1.value)
                             WHEN 'object'::text THEN m_1.value
                             ELSE '{}'::jsonb
                         END) o(key, value)
                 UNION ALL
                  SELECT ((a.place - 1))::text AS text,
                     a.value
                    FROM jsonb_array_elements(
                         CASE jsonb_typeof(m_1.value)
                             WHEN 'array'::text THEN m_1.value
                             ELSE '[]'::jsonb
                         END) WITH ORDINALITY a(value, place)) e)
         )
  SELECT (('content '::text || m.path) || ': '::text),
     (m.value #>> '{}'::text[])
    FROM member m
   WHERE (jsonb_typeof(m.value) = 'string'::text);
END;

COMMENT ON FUNCTION outbox.content_texts(content jsonb, OUT label text, OUT body text) IS 'The texts in a template''s content, each with its path';

CREATE FUNCTION outbox.count_accepted(after bigint, upto bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH counted AS MATERIALIZED (
          SELECT (s.id >> 18) AS block,
             s.channel,
             s.lane,
             ((s.created_at AT TIME ZONE 'UTC'::text))::date AS day,
             count(*) AS messages
            FROM ( SELECT m.id,
                     m.channel,
                     m.lane,
                     m.created_at
                    FROM outbox.message m
                   WHERE ((m.id > count_accepted.after) AND (m.id <= count_accepted.upto))
                 UNION
                  SELECT a.id,
                     a.channel,
                     a.lane,
                     a.created_at
                    FROM outbox.archive a
                   WHERE ((a.id > count_accepted.after) AND (a.id <= count_accepted.upto))) s
           GROUP BY (s.id >> 18), s.channel, s.lane, (((s.created_at AT TIME ZONE 'UTC'::text))::date)
         ), accepted AS (
          INSERT INTO outbox.accepted AS l (channel, lane, day, messages)  SELECT c.channel,
                     c.lane,
                     c.day,
                     sum(c.messages) AS sum
                    FROM counted c
                   GROUP BY c.channel, c.lane, c.day ON CONFLICT(channel, lane, day) DO UPDATE SET messages = (l.messages + excluded.messages)
         )
  INSERT INTO outbox.change (block, channel, lane, day, to_status, messages)  SELECT c.block,
             c.channel,
             c.lane,
             c.day,
             'pending',
             c.messages
            FROM counted c;
END;

COMMENT ON FUNCTION outbox.count_accepted(after bigint, upto bigint) IS 'Counts the messages with these ids as accepted, and as pending, which each of them was or is taken for at first';

CREATE FUNCTION outbox.countries() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN string_to_array('AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW'::text, ' '::text);

COMMENT ON FUNCTION outbox.countries() IS 'Countries that have phone numbers, by ISO 3166-1 alpha-2 code: what may stand in outbox.provider.regions';

CREATE FUNCTION outbox.cron_check(expr text, timezone text) RETURNS void
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
BEGIN
    PERFORM outbox.cron_fields(expr);
    PERFORM outbox.use_timezone(timezone);
END
$$;

COMMENT ON FUNCTION outbox.cron_check(expr text, timezone text) IS 'Raises OB010 for a bad cron expression or an unknown zone';

CREATE FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) RETURNS date
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    day date := start;
    in_days boolean;
    in_weekdays boolean;
BEGIN
    WHILE day <= start + 8 * 366 LOOP
        IF get_bit(months, extract(month FROM day)::integer) = 0 THEN
            day := date_trunc('month', day::timestamp) + interval '1 month';
            CONTINUE;
        END IF;
        in_days := get_bit(days, extract(day FROM day)::integer) = 1;
        in_weekdays := get_bit(weekdays, extract(dow FROM day)::integer) = 1;
        IF (in_days AND in_weekdays) OR (either_day AND (in_days OR in_weekdays)) THEN
            RETURN day;
        END IF;
        day := day + 1;
    END LOOP;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) IS 'The first day from start on that the day and month fields of a cron expression allow; NULL = none';

CREATE FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[] DEFAULT '{}'::text[]) RETURNS bit varying
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    allowed bit varying := repeat('0', high + 1)::bit varying;
    fault text;
    item text;
    parts text[]; -- *, first, -last, last, step
    first integer;
    last integer;
    step integer;
BEGIN
    FOREACH item IN ARRAY string_to_array(upper(field COLLATE "C"), ',') LOOP
        parts := regexp_match(item COLLATE "C",
            '^(?:(\*)|(\d{1,6}|[A-Z]{3})(-(\d{1,6}|[A-Z]{3}))?)(?:/(\d{1,6}))?$');
        first := CASE WHEN parts[1] IS NOT NULL THEN low
            WHEN parts[2] ~ '\d' THEN parts[2]::integer
            ELSE low - 1 + array_position(names, parts[2]) END;
        -- A name that stands twice, as Sunday does, is looked for from the first day on: FRI-SUN.
        last := CASE WHEN parts[1] IS NOT NULL THEN high
            WHEN parts[4] ~ '\d' THEN parts[4]::integer
            WHEN parts[3] IS NOT NULL THEN low - 1 + coalesce(
                array_position(names, parts[4], greatest(first - low + 1, 1)),
                array_position(names, parts[4]))
            WHEN parts[5] IS NOT NULL THEN high
            ELSE first END;
        step := coalesce(parts[5]::integer, 1);
        fault := CASE
            WHEN first IS NULL OR last IS NULL
                THEN format('"%s" is not a number, name, range or step', left(item, 64))
            WHEN NOT first BETWEEN low AND high THEN format('%s is not within %s to %s', first, low, high)
            WHEN NOT last BETWEEN low AND high THEN format('%s is not within %s to %s', last, low, high)
            WHEN first > last THEN format('range %s-%s runs backwards', parts[2], parts[4])
            WHEN NOT step BETWEEN 1 AND high - low + 1
                THEN format('step %s is not within 1 to %s', step, high - low + 1)
        END;
        IF fault IS NOT NULL THEN
            RAISE EXCEPTION 'cron %: %', name, fault USING ERRCODE = 'OB010', COLUMN = 'cron';
        END IF;
        FOR value IN first..last BY step LOOP
            allowed := set_bit(allowed, value, 1);
        END LOOP;
    END LOOP;
    RETURN allowed;
END
$_$;

COMMENT ON FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[]) IS 'The values that a field of a cron expression allows: bit N, counted from 0, stands for N';

CREATE FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) RETURNS record
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    fields text[] := regexp_split_to_array(btrim(left(expr, 1001), E' \t\n\r\f\v') COLLATE "C", '\s+');
    fault text := CASE
        WHEN length(expr) > 1000 THEN 'must not be longer than 1000 characters'
        WHEN fields = '{""}' THEN 'must have 5 fields, not 0'
        WHEN cardinality(fields) <> 5 THEN format('must have 5 fields, not %s', cardinality(fields)) END;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION 'cron %', fault USING
            ERRCODE = 'OB010', COLUMN = 'cron', HINT = 'minute hour day-of-month month day-of-week';
    END IF;
    minutes := outbox.cron_field(fields[1], 'minute', 0, 59);
    hours := outbox.cron_field(fields[2], 'hour', 0, 23);
    days := outbox.cron_field(fields[3], 'day-of-month', 1, 31);
    months := outbox.cron_field(fields[4], 'month', 1, 12,
        '{JAN,FEB,MAR,APR,MAY,JUN,JUL,AUG,SEP,OCT,NOV,DEC}');
    weekdays := outbox.cron_field(fields[5], 'day-of-week', 0, 7, '{SUN,MON,TUE,WED,THU,FRI,SAT,SUN}');
    weekdays := set_bit(weekdays, 0, get_bit(weekdays, 0) | get_bit(weekdays, 7));
    -- Only a bare * leaves a day field free; */2 restricts it, as it does in most programs but Vixie's cron.
    either_day := fields[3] <> '*' AND fields[5] <> '*';
END
$$;

COMMENT ON FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) IS 'A cron expression taken apart; either_day: days and weekdays are both restricted, so one is enough';

CREATE FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    hour integer := start / 60;
    later integer := position(B'1' IN substring(minutes FROM start % 60 + 1));
BEGIN
    IF get_bit(hours, hour) = 1 AND later > 0 THEN
        RETURN start + later - 1;
    END IF;
    later := position(B'1' IN substring(hours FROM hour + 2));
    IF later = 0 THEN
        RETURN NULL;
    END IF;
    RETURN (hour + later) * 60 + position(B'1' IN minutes) - 1;
END
$$;

COMMENT ON FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) IS 'The first minute of the day from start on that a cron expression allows; NULL = none is left';

CREATE FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone DEFAULT now()) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
DECLARE
    cron record;
    change timestamptz;
    start timestamp;
    day date;
    minute integer;
BEGIN
    SELECT f.* INTO cron FROM outbox.cron_fields(expr) AS f;
    PERFORM outbox.use_timezone(timezone);
    IF NOT isfinite(after) THEN
        RETURN NULL;
    END IF;
    -- All local times that the clocks have shown by now are past, though they may show them again because
    -- they were set back. Nowhere was that by more than a day.
    change := outbox.clock_change(after - interval '1 day', after);
    start := greatest(after::timestamp, (change - interval '1 microsecond')::timestamp);
    start := date_trunc('minute', start) + interval '1 minute';

    day := outbox.cron_day(cron.days, cron.months, cron.weekdays, cron.either_day, start::date);
    IF day = start::date THEN
        minute := outbox.cron_minute(cron.minutes, cron.hours, extract(epoch FROM start::time)::integer / 60);
        IF minute IS NULL THEN
            day := outbox.cron_day(cron.days, cron.months, cron.weekdays, cron.either_day, day + 1);
        END IF;
    END IF;
    minute := coalesce(minute, outbox.cron_minute(cron.minutes, cron.hours, 0));
    RETURN outbox.local_instant(day + make_interval(mins => minute), timezone);
END
$$;

COMMENT ON FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone) IS 'The first firing of a cron expression about the local time of a zone strictly after a moment; NULL = never';

CREATE FUNCTION outbox.drop_old_days() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
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
    DELETE FROM outbox.audit_finding AS a WHERE a.at < kept_since;
    DELETE FROM outbox.ledger_block AS l
    WHERE (l.messages = 0 OR (l.place > '-infinity' AND (l.place + 1)::timestamp AT TIME ZONE 'UTC' <= kept_since))
        AND l.block <= (
            SELECT max(o.block) FROM (SELECT n.block FROM outbox.ledger_block AS n ORDER BY n.block LIMIT 10000) AS o);
    DELETE FROM outbox.doubt AS d WHERE d.sent_upto < now() - interval '1 day';
    DELETE FROM outbox.provider_state AS s
    WHERE NOT EXISTS (SELECT FROM outbox.dispatcher AS d WHERE d.id = s.dispatcher);
    PERFORM outbox.forget_keys(10000);
    RETURN outbox.drop_partitions();
END
$$;

COMMENT ON FUNCTION outbox.drop_old_days() IS 'Makes the partitions of today and tomorrow, deletes some of the old rows of the log of attempts, of outbox.queue_history, of receipts and the ids they go by, and of outbox.used_key, drops old days; returns how many partitions were dropped';

CREATE FUNCTION outbox.drop_partitions() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '50ms'
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

COMMENT ON FUNCTION outbox.drop_partitions() IS 'Drops the days of the archives that are older than settings.keep_archive; returns how many';

CREATE FUNCTION outbox.end_walk(walk outbox.walk, started bigint, reached bigint, found bigint, lowest bigint, pause interval) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE outbox.walk w SET "position" = COALESCE(end_walk.reached, (0)::bigint), found =
         CASE
             WHEN (end_walk.reached IS NULL) THEN (0)::bigint
             ELSE (w.found + end_walk.found)
         END, lowest =
         CASE
             WHEN ((end_walk.walk)."position" = 0) THEN end_walk.lowest
             ELSE COALESCE(w.lowest, end_walk.lowest)
         END, full_round_at =
         CASE
             WHEN (((end_walk.walk)."position" = 0) AND (end_walk.started = 0)) THEN (now() + '01:00:00'::interval)
             ELSE w.full_round_at
         END, next_round_at =
         CASE
             WHEN (end_walk.reached IS NULL) THEN (now() + end_walk.pause)
             ELSE w.next_round_at
         END
   WHERE ((w.duty = (end_walk.walk).duty) AND (w.channel = (end_walk.walk).channel) AND (w.lane = (end_walk.walk).lane));
END;

COMMENT ON FUNCTION outbox.end_walk(walk outbox.walk, started bigint, reached bigint, found bigint, lowest bigint, pause interval) IS 'Notes how far a walk came';

CREATE FUNCTION outbox.expand(notification_ids bigint[], on_fallback boolean DEFAULT false) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    made integer;
    over bigint[] := '{}';
    uncounted bigint[] := '{}';
    ids bigint[];
    withhelds jsonb[];
    waits timestamptz[];
    stuck bigint[];
BEGIN
    IF EXISTS (
        SELECT FROM outbox.category AS g WHERE g.max_per_user IS NOT NULL AND g.name IN (
            SELECT n.category FROM outbox.notification AS n WHERE n.id = ANY (expand.notification_ids))) THEN
        SELECT o.above, o.uncounted INTO over, uncounted
        FROM outbox.over_cap(expand.notification_ids, on_fallback) AS o;
    END IF;

    -- Only what is not as usual is written back to the notification.
    WITH judged AS MATERIALIZED (
        SELECT c.id, c.user_id, c.category, c.variables, c.idempotency_key, c.lane, c.expires_at, c.channel,
            c.recipient, c.device_id, c.app, c.environment, c.template_id, c.wait_until,
            CASE
                WHEN c.id = ANY (over) THEN 'the cap of ' || c.category || ' is reached'
                WHEN c.id = ANY (uncounted) THEN coalesce(c.refusal, 'the user had no address for this')
                ELSE c.refusal
            END AS refusal
        FROM outbox.candidates(expand.notification_ids, on_fallback) AS c
    ), inserted AS (
        INSERT INTO outbox.message (channel, lane, app, environment, recipient, payload, idempotency_key, send_at,
                                    expires_at, notification_id, device_id, template_id, user_id, category)
        SELECT j.channel, j.lane, j.app, j.environment, j.recipient, j.variables,
            j.idempotency_key || '/' || j.channel || coalesce('/' || j.device_id::text, ''), j.wait_until,
            j.expires_at, j.id, j.device_id, j.template_id, j.user_id, j.category
        FROM judged AS j
        WHERE j.refusal IS NULL
        ORDER BY j.id
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id
    ), summary AS (
        SELECT x.id, jsonb_object_agg(x.channel, x.refusal) FILTER (WHERE x.refusal IS NOT NULL) AS withheld,
            max(x.sent_from) AS sent_from
        FROM (
            SELECT j.id, j.channel, j.refusal,
                CASE WHEN j.refusal IS NULL THEN coalesce(j.wait_until, now()) END AS sent_from
            FROM judged AS j
            UNION ALL
            SELECT u, NULL, NULL, NULL FROM unnest(expand.notification_ids) AS u) AS x
        GROUP BY x.id
    ), unusual AS (
        SELECT n.id, s.withheld, s.sent_from
        FROM summary AS s JOIN outbox.notification AS n ON n.id = s.id
        WHERE s.sent_from IS NULL OR s.withheld IS NOT NULL OR n.fallback IS NOT NULL
    )
    SELECT (SELECT count(*) FROM inserted), array_agg(x.id), array_agg(x.withheld), array_agg(x.sent_from)
    INTO made, ids, withhelds, waits
    FROM unusual AS x;

    IF ids IS NOT NULL THEN
        WITH noted AS (
            UPDATE outbox.notification AS n
            SET withheld = nullif(coalesce(n.withheld, '{}') || coalesce(v.withheld, '{}') || CASE
                    WHEN v.withheld IS NULL AND v.sent_from IS NULL THEN jsonb_build_object(
                        CASE WHEN on_fallback THEN n.fallback[n.fallback_step] ELSE '*' END,
                        'the user has no address for this')
                    ELSE '{}' END, '{}'),
                fallback_at = CASE WHEN n.fallback_step < cardinality(n.fallback) AND n.id <> ALL (over)
                    THEN coalesce(v.sent_from + n.fallback_after, now()) END
            FROM unnest(ids, withhelds, waits) AS v (id, withheld, sent_from)
            WHERE n.id = v.id AND n.state = 'expanded'
            RETURNING n.id, n.fallback_at, v.sent_from
        )
        SELECT array_agg(u.id) INTO stuck FROM noted AS u WHERE u.sent_from IS NULL AND u.fallback_at IS NOT NULL;
    END IF;
    IF stuck IS NOT NULL THEN
        made := made + outbox.fall_back(stuck);
    END IF;
    RETURN made;
END
$$;

COMMENT ON FUNCTION outbox.expand(notification_ids bigint[], on_fallback boolean) IS 'Makes the messages of expanded notifications, each at most once; returns how many';

CREATE FUNCTION outbox.expand_audience(max_blocks integer DEFAULT 1) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.expand_audience(max_blocks integer) IS 'Makes the notifications of the next blocks of the oldest firing; returns how many users these had';

CREATE FUNCTION outbox.expand_block(firing outbox.firing) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
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

COMMENT ON FUNCTION outbox.expand_block(firing outbox.firing) IS 'The part of outbox.expand_audience for one block; returns how many users it had';

CREATE FUNCTION outbox.expand_due(max_rows integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    due bigint[];
    ready bigint[];
BEGIN
    SELECT array_agg(d.id) INTO due FROM (
        SELECT n.id FROM outbox.notification AS n
        WHERE n.due_at <= now()
        ORDER BY n.due_at, n.id
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED) AS d;
    IF due IS NULL THEN
        RETURN 0;
    END IF;
    WITH moved AS (
        UPDATE outbox.notification AS n
        SET due_at = NULL, state = CASE WHEN n.expires_at <= now() THEN 'expired' ELSE 'expanded'
            END::outbox.notification_state
        WHERE n.id = ANY (due)
        RETURNING n.id, n.state
    )
    SELECT array_agg(m.id ORDER BY m.id) INTO ready FROM moved AS m WHERE m.state = 'expanded';
    IF ready IS NOT NULL THEN
        PERFORM outbox.expand(ready);
    END IF;
    RETURN cardinality(due);
END
$$;

COMMENT ON FUNCTION outbox.expand_due(max_rows integer) IS 'Makes the messages of notifications whose time has come; returns how many notifications';

CREATE FUNCTION outbox.expire_messages(ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
DECLARE
    locked bigint[];
    expired integer;
BEGIN
    SELECT array_agg(l.id) INTO locked
    FROM (
        SELECT m.id FROM outbox.message AS m
        WHERE m.id = ANY (ids) AND m.status = 'pending' AND m.expires_at <= now()
        ORDER BY m.id
        FOR UPDATE SKIP LOCKED) AS l;
    UPDATE outbox.message AS m SET status = 'expired', finished_at = now()
    WHERE m.id = ANY (locked) AND m.id NOT IN (
        SELECT u.id FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS u (id));
    GET DIAGNOSTICS expired = ROW_COUNT;
    PERFORM outbox.note_moves(locked, array_fill('pending'::outbox.message_status, ARRAY[cardinality(locked)]))
    WHERE expired > 0;
    RETURN expired;
END
$$;

COMMENT ON FUNCTION outbox.expire_messages(ids bigint[]) IS 'The part of outbox.expire_waiting that changes messages';

CREATE FUNCTION outbox.expire_waiting(max_rows integer DEFAULT 5000) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    walk outbox.walk;
    step record;
    late bigint[] := '{}';
BEGIN
    INSERT INTO outbox.walk (duty, channel, lane)
    SELECT 'expire_waiting', c.name, l FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l
    WHERE NOT EXISTS (
        SELECT FROM outbox.walk AS w WHERE w.duty = 'expire_waiting' AND w.channel = c.name AND w.lane = l)
    ON CONFLICT DO NOTHING;
    FOR walk IN
        SELECT w.* FROM outbox.walk AS w
        WHERE w.duty = 'expire_waiting' AND w.next_round_at <= now()
        ORDER BY w.channel, w.lane
        FOR UPDATE SKIP LOCKED
    LOOP
        EXIT WHEN cardinality(late) >= max_rows;
        WITH visited AS MATERIALIZED (
            SELECT m.id, m.queue_pos, m.status = 'pending' AND m.expires_at <= now() AS late
            FROM outbox.message AS m
            WHERE m.channel = walk.channel AND m.lane = walk.lane AND m.queue_pos >= greatest(
                walk.position + 1, (SELECT q.low_water FROM outbox.queue AS q
                                    WHERE q.channel = walk.channel AND q.lane = walk.lane))
            ORDER BY m.queue_pos
            LIMIT max_rows
        )
        SELECT array_agg(v.id) FILTER (WHERE v.late) AS ids,
            CASE WHEN count(*) = max_rows THEN max(v.queue_pos) END AS reached
        INTO step
        FROM visited AS v;
        late := late || coalesce(step.ids, '{}');
        PERFORM outbox.end_walk(walk, NULL, step.reached, 0, NULL, '5 seconds');
    END LOOP;
    RETURN CASE WHEN late <> '{}' THEN outbox.expire_messages(late) ELSE 0 END;
END
$$;

COMMENT ON FUNCTION outbox.expire_waiting(max_rows integer) IS 'Ends pending messages whose time has passed though nobody claims them; visits some of each queue at a call and returns how many expired';

CREATE FUNCTION outbox.fall_back(notification_ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    next_channel text;
    candidate bigint;
    waiting bigint[];
    were outbox.message_status[];
    ready bigint[] := '{}';
BEGIN
    FOR candidate, next_channel IN
        SELECT n.id, n.fallback[n.fallback_step + 1]
        FROM outbox.notification AS n
        WHERE n.id = ANY (fall_back.notification_ids) AND n.state = 'expanded'
            AND n.fallback_at IS NOT NULL AND n.fallback_step < cardinality(n.fallback)
        ORDER BY n.id
        FOR UPDATE SKIP LOCKED
    LOOP
        -- First the locks, then the look: what waits now cannot be sent meanwhile.
        SELECT coalesce(array_agg(l.id), '{}'), array_agg(l.status) INTO waiting, were FROM (
            SELECT m.id, m.status FROM outbox.message AS m
            WHERE m.notification_id = candidate AND m.status IN ('scheduled', 'pending')
            FOR UPDATE SKIP LOCKED) AS l;
        IF EXISTS (SELECT FROM outbox.delivery AS m
                   WHERE m.notification_id = candidate AND m.status IN ('sent', 'delivered')) THEN
            UPDATE outbox.notification AS n SET fallback_at = NULL WHERE n.id = candidate;
        ELSIF EXISTS (SELECT FROM outbox.message AS m
                      WHERE m.notification_id = candidate AND (m.status = 'in_doubt'
                          OR (m.status IN ('scheduled', 'pending') AND m.id <> ALL (waiting))))
            OR EXISTS (SELECT FROM outbox.flight AS f WHERE f.message_ids && waiting)
        THEN
            -- Perhaps it is being accepted at this moment, or was.
            UPDATE outbox.notification AS n SET fallback_at = now() + interval '5 seconds' WHERE n.id = candidate;
        ELSE
            UPDATE outbox.message AS m
            SET status = 'cancelled', finished_at = now(), next_attempt_at = NULL,
                last_error = 'fell back to ' || next_channel
            WHERE m.id = ANY (waiting);
            PERFORM outbox.note_moves(waiting, were);
            UPDATE outbox.notification AS n
            SET fallback_at = NULL, fallback_step = n.fallback_step + 1 WHERE n.id = candidate;
            ready := ready || candidate;
        END IF;
    END LOOP;
    RETURN CASE WHEN ready <> '{}' THEN outbox.expand(ready, true) ELSE 0 END;
END
$$;

COMMENT ON FUNCTION outbox.fall_back(notification_ids bigint[]) IS 'Goes on to the next channel of these notifications'' fallback, unless something was accepted or may be; what still waits on the former channel is cancelled. Returns how many messages were made';

CREATE FUNCTION outbox.fall_back_due(max_rows integer DEFAULT 500) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    due bigint[];
BEGIN
    SELECT array_agg(d.id) INTO due FROM (
        SELECT n.id FROM outbox.notification AS n
        WHERE n.fallback_at <= now()
        ORDER BY n.fallback_at
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED) AS d;
    IF due IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM outbox.fall_back(due);
    RETURN cardinality(due);
END
$$;

COMMENT ON FUNCTION outbox.fall_back_due(max_rows integer) IS 'Looks after notifications whose fallback is due; returns how many';

CREATE TABLE outbox.partial (
    name text NOT NULL COLLATE pg_catalog."C",
    locale text DEFAULT 'default'::text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE outbox.partial IS 'Snippets that templates share as {{> name}}; a change makes new versions of the templates that use it';

CREATE FUNCTION outbox.find_partial(name text, locale text) RETURNS outbox.partial
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT p.name,
     p.locale,
     p.body,
     p.updated_at
    FROM (unnest(outbox.locale_chain(find_partial.locale)) WITH ORDINALITY l(locale, place)
      JOIN outbox.partial p ON (((p.name = find_partial.name) AND (p.locale = l.locale))))
   ORDER BY l.place
  LIMIT 1;
END;

COMMENT ON FUNCTION outbox.find_partial(name text, locale text) IS 'The partial for a locale; NULL when there is none';

CREATE FUNCTION outbox.fire_due(max_firings integer DEFAULT 100) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
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

COMMENT ON FUNCTION outbox.fire_due(max_firings integer) IS 'Makes the firings of schedules whose time has come and sets their next time; returns how many firings';

CREATE FUNCTION outbox.fold_changes(after bigint, max_rows integer) RETURNS integer
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH taken AS (
          DELETE FROM outbox.change c
           WHERE ((c.id > fold_changes.after) AND (c.id <= ( SELECT max(o.id) AS max
                    FROM ( SELECT n.id
                            FROM outbox.change n
                           WHERE (n.id > fold_changes.after)
                           ORDER BY n.id
                          LIMIT fold_changes.max_rows) o)))
           RETURNING c.id,
             c.block,
             c.channel,
             c.lane,
             c.day,
             c.place,
             c.from_status,
             c.to_status,
             c.messages
         ), legs AS MATERIALIZED (
          SELECT t.block,
             t.channel,
             t.lane,
             t.day,
             t.place,
             l.status,
             sum((l.sign * t.messages)) AS messages
            FROM (taken t
              CROSS JOIN LATERAL ( VALUES (t.from_status,'-1'::integer), (t.to_status,1)) l(status, sign))
           WHERE (l.status IS NOT NULL)
           GROUP BY t.block, t.channel, t.lane, t.day, t.place, l.status
         ), summed AS (
          INSERT INTO outbox.ledger AS l (channel, lane, day, status, messages)  SELECT s.channel,
                     s.lane,
                     s.day,
                     s.status,
                     sum(s.messages) AS sum
                    FROM legs s
                   GROUP BY s.channel, s.lane, s.day, s.status
                  HAVING (sum(s.messages) <> (0)::numeric) ON CONFLICT(channel, lane, day, status) DO UPDATE SET messages = (l.messages + excluded.messages)
         ), placed AS (
          INSERT INTO outbox.ledger_block AS l (block, channel, lane, day, place, status, messages)  SELECT s.block,
                     s.channel,
                     s.lane,
                     s.day,
                     s.place,
                     s.status,
                     s.messages
                    FROM legs s
                   WHERE (s.messages <> (0)::numeric) ON CONFLICT(block, channel, lane, day, place, status) DO UPDATE SET messages = (l.messages + excluded.messages)
         )
  SELECT (count(*))::integer AS count
    FROM taken;
END;

COMMENT ON FUNCTION outbox.fold_changes(after bigint, max_rows integer) IS 'Adds the first changes after this id up and deletes them; returns how many';

CREATE FUNCTION outbox.fold_ledger(max_rows integer DEFAULT 10000) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    mark outbox.ledger_mark;
    upto bigint;
    folded integer;
BEGIN
    SELECT m.* INTO mark FROM outbox.ledger_mark AS m FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    mark := outbox.tick_ledger(mark);
    IF mark.prepared AND mark.running = '{}' AND mark.counted_id < mark.tick_id THEN
        upto := least(mark.counted_id + 10 * max_rows, mark.tick_id);
        PERFORM outbox.count_accepted(mark.counted_id, upto);
        mark.counted_id := upto;
    END IF;
    folded := outbox.fold_changes(mark.folded_id, max_rows);
    IF mark.prepared AND mark.running = '{}' AND mark.counted_id >= mark.tick_id THEN
        mark.counted_at := greatest(mark.counted_at, mark.tick_at);
        IF folded < max_rows THEN
            mark.folded_id := mark.tick_change;
        END IF;
        mark.tick_at := NULL;
    END IF;
    UPDATE outbox.ledger_mark AS m
    SET counted_id = mark.counted_id, counted_at = mark.counted_at, folded_id = mark.folded_id,
        tick_at = mark.tick_at, tick_id = mark.tick_id, tick_change = mark.tick_change, running = mark.running,
        prepared = mark.prepared;
    RETURN CASE WHEN mark.counted_id < mark.tick_id AND mark.running = '{}' THEN max_rows ELSE folded END;
END
$$;

COMMENT ON FUNCTION outbox.fold_ledger(max_rows integer) IS 'Counts what was accepted and adds up what changed; returns how many changes, or max_rows when there is more to do';

CREATE FUNCTION outbox.follow_addresses(message_ids bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE outbox.message m SET recipient = COALESCE(
         CASE
             WHEN (m.device_id IS NOT NULL) THEN ( SELECT d.token
                FROM outbox.device d
               WHERE (d.id = m.device_id))
             ELSE ( SELECT
                     CASE m.channel
                         WHEN 'email'::text THEN c.email
                         WHEN 'sms'::text THEN c.phone
                         ELSE NULL::text
                     END AS "case"
                FROM outbox.contact c
               WHERE (c.user_id = m.user_id))
         END, m.recipient)
   WHERE ((m.id = ANY (follow_addresses.message_ids)) AND (m.notification_id IS NOT NULL) AND (m.status = 'scheduled'::outbox.message_status));
END;

COMMENT ON FUNCTION outbox.follow_addresses(message_ids bigint[]) IS 'Gives scheduled messages the address that their device or user has now';

CREATE FUNCTION outbox.forget_keys(max_rows integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
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

COMMENT ON FUNCTION outbox.forget_keys(max_rows integer) IS 'Deletes keys that were recorded longer than settings.key_window ago; returns how many';

CREATE FUNCTION outbox.forget_stop() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    NEW.stopped_until := NULL;
    NEW.stop_reason := NULL;
    NEW.stopped_at := NULL;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.forget_stop() IS 'Trigger: a person''s edit may have mended what stopped a provider';

CREATE FUNCTION outbox.forget_unknown_timezones() RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    zone text := '';
    forgotten integer := 0;
    rows integer;
BEGIN
    UPDATE outbox.settings AS s SET default_timezone = 'UTC' WHERE NOT outbox.is_timezone(s.default_timezone);
    LOOP
        SELECT min(c.timezone) INTO zone FROM outbox.contact AS c WHERE c.timezone > zone;
        EXIT WHEN zone IS NULL;
        CONTINUE WHEN outbox.is_timezone(zone);
        UPDATE outbox.contact AS c SET timezone = NULL WHERE c.timezone = zone;
        GET DIAGNOSTICS rows = ROW_COUNT;
        forgotten := forgotten + rows;
    END LOOP;
    RETURN forgotten;
END
$$;

COMMENT ON FUNCTION outbox.forget_unknown_timezones() IS 'Users whose time zone the server does not know (any more) get the default one; returns how many';

CREATE FUNCTION outbox.mustache_parse(template text, label text DEFAULT ''::text) RETURNS outbox.mustache_tag[]
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    white CONSTANT text := E' \t\r\n';
    opener text := '{{';
    closer text := '}}';
    ending text;
    rest text := template;
    place integer;
    before text;
    sigil text;
    name text;
    source text;
    size integer;
    starts_line boolean := true; -- rest does
    alone boolean; -- on its line, which then leaves nothing
    indent text;
    tags outbox.mustache_tag[] := '{}';
    sections integer[] := '{}'; -- the open ones, as indexes of tags
    innermost outbox.mustache_tag;
    problem text;
BEGIN
    LOOP
        size := strpos(rest, opener) - 1;
        EXIT WHEN size < 0;
        place := length(template) - length(rest) + size;
        before := left(rest, size);
        rest := ltrim(substr(rest, size + length(opener) + 1), white);
        sigil := coalesce(substring(rest FROM '^[#^/>!&={]'), '');
        rest := substr(rest, length(sigil) + 1);
        ending := CASE sigil WHEN '{' THEN '}' WHEN '=' THEN '=' ELSE '' END || closer;
        size := strpos(rest, ending) - 1;
        name := btrim(left(rest, greatest(size, 0)), white);
        rest := CASE WHEN size < 0 THEN '' ELSE substr(rest, size + length(ending) + 1) END;
        source := left(substr(template, place + 1, length(template) - length(rest) - place), 100);
        innermost := tags[sections[cardinality(sections)]];

        problem := CASE
            WHEN size < 0 THEN format('tag "%s" is not closed', source)
            WHEN sigil = '=' AND name !~ '^[^= \t\r\n]+[ \t\r\n]+[^= \t\r\n]+$'
                THEN format('tag "%s" must hold two delimiters without "="', source)
            WHEN sigil NOT IN ('=', '!') AND name = '' THEN format('tag "%s" has no name', source)
            WHEN sigil IN ('#', '^') AND cardinality(sections) >= 64
                THEN format('section "%s" is nested more than 64 deep', name)
            WHEN sigil = '/' AND sections = '{}' THEN format('section "%s" is closed but not open', name)
            WHEN sigil = '/' AND innermost.body <> name
                THEN format('section "%s" is closed while "%s" is open', name, innermost.body)
        END;
        EXIT WHEN problem IS NOT NULL;

        alone := sigil IN ('#', '^', '/', '>', '!', '=') AND rest ~ '^[ \t]*(\r?\n|$)'
            AND before ~ CASE WHEN starts_line THEN '(^|\n)[ \t]*$' ELSE '\n[ \t]*$' END;
        indent := CASE WHEN alone THEN substring(before FROM '[ \t]*$') ELSE '' END;
        before := left(before, length(before) - length(indent));
        rest := CASE WHEN alone THEN regexp_replace(rest, '^[ \t]*\r?\n?', '') ELSE rest END;
        starts_line := alone;
        IF before <> '' THEN
            tags := array_append(tags, ('text', before, NULL, NULL, NULL, NULL)::outbox.mustache_tag);
        END IF;

        IF sigil = '=' THEN
            opener := substring(name FROM '^[^ \t\r\n]+');
            closer := substring(name FROM '[^ \t\r\n]+$');
        ELSIF sigil = '/' THEN
            tags[sections[cardinality(sections)]].last := cardinality(tags);
            sections := trim_array(sections, 1);
        ELSIF sigil <> '!' THEN
            tags := array_append(tags, (
                CASE sigil WHEN '' THEN 'name' WHEN '{' THEN '&' ELSE sigil END,
                name, indent, cardinality(sections), NULL, place)::outbox.mustache_tag);
            IF sigil IN ('#', '^') THEN
                sections := array_append(sections, cardinality(tags));
            END IF;
        END IF;
    END LOOP;
    IF problem IS NULL AND sections <> '{}' THEN
        innermost := tags[sections[cardinality(sections)]];
        place := innermost.place;
        problem := format('section "%s" is not closed', innermost.body);
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%line %: %',
            label, cardinality(string_to_array(left(template, place) || ' ', E'\n')), problem
        USING ERRCODE = 'OB008', COLUMN = substring(label FROM '^\w*');
    END IF;
    RETURN CASE WHEN rest = '' THEN tags
        ELSE array_append(tags, ('text', rest, NULL, NULL, NULL, NULL)::outbox.mustache_tag) END;
END
$_$;

COMMENT ON FUNCTION outbox.mustache_parse(template text, label text) IS 'The parts of a Mustache text in order; label begins the message of a refusal';

CREATE FUNCTION outbox.freeze_partials(content jsonb, locale text, OUT partials jsonb, OUT problem text) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH RECURSIVE used(label, name, body) AS (
          SELECT c.label,
             NULL::text AS text,
             c.body
            FROM outbox.content_texts(freeze_partials.content) c(label, body)
         UNION
          SELECT u_1.label,
             t.body,
             (outbox.find_partial(t.body, freeze_partials.locale)).body AS body
            FROM (used u_1
              CROSS JOIN LATERAL unnest(outbox.mustache_parse(u_1.body, u_1.label)) t(kind, body, indent, depth, last, place))
           WHERE (t.kind = '>'::text)
         )
  SELECT COALESCE(jsonb_object_agg(u.name, COALESCE(u.body, ''::text)) FILTER (WHERE (u.name IS NOT NULL)), '{}'::jsonb) AS "coalesce",
     min((u.label || format('partial "%s" does not exist; see outbox.partial'::text, u.name))) FILTER (WHERE (u.body IS NULL)) AS min
    FROM used u;
END;

COMMENT ON FUNCTION outbox.freeze_partials(content jsonb, locale text, OUT partials jsonb, OUT problem text) IS 'All partials that a content uses, and which of them does not exist; refuses bad Mustache texts';

CREATE FUNCTION outbox.gather_audience() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    SET work_mem TO '128MB'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
$_$;

COMMENT ON FUNCTION outbox.gather_audience() IS 'Reads the audience of one firing, with the rights of its caller; after an error again a minute later. Returns how many firings it saw to: 0 or 1';

CREATE TABLE outbox.doubt (
    message_id bigint NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    provider text NOT NULL COLLATE pg_catalog."C",
    sent_from timestamp with time zone NOT NULL,
    sent_upto timestamp with time zone NOT NULL,
    doubted_at timestamp with time zone DEFAULT now() NOT NULL,
    next_at timestamp with time zone DEFAULT now() NOT NULL,
    asked integer DEFAULT 0 NOT NULL
);

COMMENT ON TABLE outbox.doubt IS 'Messages in doubt that a provider may yet be asked about; a row whose message is no longer in doubt means nothing';

COMMENT ON COLUMN outbox.doubt.provider IS 'Whom it was given to; empty = unknown, because a dispatcher was lost';

COMMENT ON COLUMN outbox.doubt.sent_from IS 'If it was sent, then between this and sent_upto';

COMMENT ON COLUMN outbox.doubt.next_at IS 'When the provider is asked next';

COMMENT ON COLUMN outbox.doubt.asked IS 'Answers that ended nothing';

CREATE FUNCTION outbox.is_surely_unsent(doubt outbox.doubt, asked text[]) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT (
         CASE
             WHEN ((is_surely_unsent.doubt).provider <> ''::text) THEN (EXISTS ( SELECT
                FROM outbox.provider p
               WHERE (p.name = (is_surely_unsent.doubt).provider)))
             ELSE COALESCE((c.provider_removed_at < ((is_surely_unsent.doubt).sent_from - s.slack)), true)
         END AND (NOT (EXISTS ( SELECT
            FROM outbox.provider p
           WHERE (((p.name = (is_surely_unsent.doubt).provider) OR (((is_surely_unsent.doubt).provider = ''::text) AND (p.channel = (is_surely_unsent.doubt).channel))) AND ((p.name <> ALL (is_surely_unsent.asked)) OR (p.identity_since >= ((is_surely_unsent.doubt).sent_from - s.slack))))))))
    FROM (outbox.channel c
      CROSS JOIN LATERAL ( SELECT (c.batch_deadline + '00:02:00'::interval) AS slack) s)
   WHERE (c.name = (is_surely_unsent.doubt).channel);
END;

COMMENT ON FUNCTION outbox.is_surely_unsent(doubt outbox.doubt, asked text[]) IS 'Whether a message was not sent when all of these providers say that they do not have it';

CREATE FUNCTION outbox.is_timezone(name text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    IF name IS NULL OR name !~ '^(UTC|GMT|Etc/GMT([+-]?[0-9]|[+-]1[0-4])|[A-Za-z_]+(/[A-Za-z_-]+)+)$' THEN
        RETURN false;
    END IF;
    PERFORM now() AT TIME ZONE name;
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END
$_$;

COMMENT ON FUNCTION outbox.is_timezone(name text) IS 'A name of the time zone database, as "Asia/Seoul", or UTC';

CREATE FUNCTION outbox.keep_provider_ids(message_ids bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO outbox.provider_message (provider, provider_message_id, message_id, sent_at)
    SELECT m.provider, m.provider_message_id, m.id, m.sent_at
    FROM outbox.message AS m
    WHERE m.id = ANY (message_ids) AND m.status = 'sent'
        AND octet_length(m.provider_message_id) <= 1000 -- more does not fit into the index
    ORDER BY m.provider, m.provider_message_id -- one order everywhere: two batches cannot wait for each other
    ON CONFLICT (provider, provider_message_id) DO NOTHING;
END
$$;

COMMENT ON FUNCTION outbox.keep_provider_ids(message_ids bigint[]) IS 'Keeps the ids that providers gave to those of these messages that are sent';

CREATE FUNCTION outbox.keep_used_partial() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    used_by outbox.template;
BEGIN
    SELECT t.* INTO used_by
    FROM outbox.template AS t
    WHERE t.current AND t.partials ? OLD.name
        AND (outbox.find_partial(OLD.name, t.locale)).locale = OLD.locale
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'partial "%" (%) is used by template "%" (%, %)', OLD.name, OLD.locale, used_by.name,
            used_by.channel, used_by.locale
        USING ERRCODE = 'OB008', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = 'name';
    END IF;
    RETURN OLD;
END
$$;

COMMENT ON FUNCTION outbox.keep_used_partial() IS 'Trigger: a partial that a current template uses stays';

CREATE FUNCTION outbox.lease_budget(provider text, dispatcher integer, wanted integer, unused integer, in_flight integer, OUT tokens integer, OUT slots integer, OUT more_in interval) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.lease_budget(provider text, dispatcher integer, wanted integer, unused integer, in_flight integer, OUT tokens integer, OUT slots integer, OUT more_in interval) IS 'Takes requests in advance for a dispatcher and gives back those it did not use; tells how many it may send, how many it may have in the air until its next call, and, if it may send none, in how long there may be more. A transaction of its own: it locks the budget. Who has no more to send calls it once more, with wanted = 0, or keeps its slots';

CREATE FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
DECLARE
    as_utc timestamptz := local_time AT TIME ZONE 'UTC';
    low timestamptz := as_utc - interval '16 hours';
    high timestamptz := as_utc + interval '16 hours';
    by_old_clock timestamptz;
    by_new_clock timestamptz;
    change timestamptz;
BEGIN
    PERFORM outbox.use_timezone(timezone);
    IF NOT isfinite(local_time) THEN
        RETURN as_utc;
    END IF;
    by_old_clock := as_utc - make_interval(secs => extract(timezone FROM low));
    change := outbox.clock_change(low, high);
    IF change IS NULL OR by_old_clock < change THEN
        RETURN by_old_clock;
    END IF;
    by_new_clock := as_utc - make_interval(secs => extract(timezone FROM high));
    RETURN greatest(by_new_clock, change);
END
$$;

COMMENT ON FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) IS 'The first moment at which the clocks of a zone show a local time or a later one: its first occurrence, or the end of the gap that it falls into';

CREATE FUNCTION outbox.lock_templates() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7308, 0);
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.lock_templates() IS 'Trigger: changes of templates and partials queue up';

CREATE FUNCTION outbox.make_partition(parent text, at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.make_partition(parent text, at timestamp with time zone) IS 'Makes the partition of outbox.archive or notification_archive for a moment, unless there is one';

CREATE FUNCTION outbox.match_receipts(max_rows integer DEFAULT 1000) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
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

COMMENT ON FUNCTION outbox.match_receipts(max_rows integer) IS 'Applies receipts that came before their message was settled; returns to how many messages';

CREATE FUNCTION outbox.may_wait(block bigint) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    BEGIN ATOMIC
 SELECT ((((may_wait.block + 1) << 18) > m.counted_id) OR (EXISTS ( SELECT
            FROM outbox.ledger_block l
           WHERE ((l.block = may_wait.block) AND (l.status = ANY (ARRAY['scheduled'::outbox.message_status, 'pending'::outbox.message_status])) AND (l.messages > 0)))) OR (EXISTS ( SELECT
            FROM outbox.change c
           WHERE ((c.id > m.folded_id) AND (c.block = may_wait.block) AND (c.to_status = ANY (ARRAY['scheduled'::outbox.message_status, 'pending'::outbox.message_status]))))))
    FROM outbox.ledger_mark m;
END;

COMMENT ON FUNCTION outbox.may_wait(block bigint) IS 'Whether a block that was compared may have messages that wait';

CREATE FUNCTION outbox.measure_queue(channel text, lane outbox.lane, OUT pending bigint, OUT estimated boolean, OUT oldest timestamp with time zone) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH span AS MATERIALIZED (
          SELECT COALESCE(( SELECT q.low_water
                    FROM outbox.queue q
                   WHERE ((q.channel = measure_queue.channel) AND (q.lane = measure_queue.lane))), (0)::bigint) AS low,
             ( SELECT m.queue_pos
                    FROM outbox.message m
                   WHERE ((m.channel = measure_queue.channel) AND (m.lane = measure_queue.lane) AND (m.queue_pos IS NOT NULL))
                   ORDER BY m.queue_pos DESC
                  LIMIT 1) AS high
         ), edge AS MATERIALIZED (
          SELECT GREATEST(s_1.low, ( SELECT m.queue_pos
                    FROM outbox.message m
                   WHERE ((m.channel = measure_queue.channel) AND (m.lane = measure_queue.lane) AND (m.queue_pos >= s_1.low))
                   ORDER BY m.queue_pos
                  LIMIT 1)) AS low,
             (s_1.high + 1) AS high
            FROM span s_1
           WHERE (s_1.high >= s_1.low)
         ), win AS (
          SELECT (e.low + (((e.high - e.low) * i.i) / 20)) AS low,
             (e.low + (((e.high - e.low) * (i.i + 1)) / 20)) AS high
            FROM (edge e
              CROSS JOIN generate_series(0, 19) i(i))
         ), sampled AS (
          SELECT w.low,
             w.high,
             x.visited,
             x.pending,
             x.reached,
             x.oldest
            FROM (win w
              CROSS JOIN LATERAL ( SELECT count(*) AS visited,
                     count(*) FILTER (WHERE (r.status = 'pending'::outbox.message_status)) AS pending,
                     max(r.queue_pos) AS reached,
                     min(GREATEST(r.created_at, r.send_at)) FILTER (WHERE (r.status = 'pending'::outbox.message_status)) AS oldest
                    FROM ( SELECT m.queue_pos,
                             m.status,
                             m.created_at,
                             m.send_at
                            FROM outbox.message m
                           WHERE ((m.channel = measure_queue.channel) AND (m.lane = measure_queue.lane) AND (m.queue_pos >= w.low) AND (m.queue_pos < w.high))
                           ORDER BY m.queue_pos
                          LIMIT 1000) r) x)
         )
  SELECT (COALESCE(sum(
         CASE
             WHEN ((s.visited < 1000) OR (s.reached = (s.high - 1))) THEN (s.pending)::numeric
             ELSE round((((s.pending)::numeric * ((s.high - s.low))::numeric) / (((s.reached + 1) - s.low))::numeric))
         END), (0)::numeric))::bigint AS "coalesce",
     COALESCE(bool_or(((s.visited = 1000) AND (s.reached < (s.high - 1)))), false) AS "coalesce",
     min(s.oldest) AS min
    FROM sampled s;
END;

COMMENT ON FUNCTION outbox.measure_queue(channel text, lane outbox.lane, OUT pending bigint, OUT estimated boolean, OUT oldest timestamp with time zone) IS 'Depth and age of a queue, reading 20,000 of its rows at most';

CREATE FUNCTION outbox.mend_sequence(sequence regclass, lowest bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    last_value bigint;
BEGIN
    EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM %s', sequence) INTO last_value;
    IF last_value < lowest THEN
        PERFORM setval(sequence, lowest);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.mend_sequence(sequence regclass, lowest bigint) IS 'Moves a sequence on, if it stands below this value';

CREATE FUNCTION outbox.mend_sequences() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    identity record;
    highest bigint;
BEGIN
    FOR identity IN
        SELECT d.objid::regclass AS sequence, t.relname AS table_name, a.attname AS column_name
        FROM pg_depend AS d
            JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_class AS t ON t.oid = d.refobjid AND t.relnamespace = 'outbox'::regnamespace
            JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND a.attidentity <> ''
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        ORDER BY t.relname
    LOOP
        EXECUTE format('SELECT coalesce(max(%I), 0) FROM outbox.%I', identity.column_name, identity.table_name)
            INTO highest;
        PERFORM outbox.mend_sequence(identity.sequence, highest);
    END LOOP;
    PERFORM outbox.mend_sequence(pg_get_serial_sequence('outbox.message', 'id')::regclass, max(a.id))
    FROM outbox.archive AS a HAVING max(a.id) IS NOT NULL;
    PERFORM outbox.mend_sequence(pg_get_serial_sequence('outbox.notification', 'id')::regclass, max(a.id))
    FROM outbox.notification_archive AS a HAVING max(a.id) IS NOT NULL;
    PERFORM outbox.mend_sequence(pg_get_serial_sequence('outbox.message', 'id')::regclass, l.counted_id),
        outbox.mend_sequence(pg_get_serial_sequence('outbox.change', 'id')::regclass, l.folded_id)
    FROM outbox.ledger_mark AS l;
    PERFORM outbox.mend_sequence('outbox.queue_pos_seq', max(p.queue_pos))
    FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l (lane)
        CROSS JOIN LATERAL (
            SELECT m.queue_pos FROM outbox.message AS m
            WHERE m.channel = c.name AND m.lane = l.lane AND m.queue_pos IS NOT NULL
            ORDER BY m.queue_pos DESC LIMIT 1) AS p
    HAVING max(p.queue_pos) IS NOT NULL;
END
$$;

COMMENT ON FUNCTION outbox.mend_sequences() IS 'Moves each sequence of the schema above the rows that have drawn from it: a copy by rows may lack that';

CREATE FUNCTION outbox.message_uuid(idempotency_key text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN ((idempotency_key ~~ '________-____-____-____-____________'::text) AND (octet_length(replace(idempotency_key, '-'::text, ''::text)) = 32) AND (idempotency_key !~ '[^0-9A-Fa-f-]'::text)) THEN lower(idempotency_key) ELSE ((OVERLAY(OVERLAY("left"(encode(sha256(convert_to(idempotency_key, 'UTF8'::name)), 'hex'::text), 32) PLACING '8'::text FROM 13) PLACING '8'::text FROM 17))::uuid)::text END;

COMMENT ON FUNCTION outbox.message_uuid(idempotency_key text) IS 'The UUID that goes to the provider, the same at each attempt: apns-id, Message-ID, outbox_id';

CREATE FUNCTION outbox.mustache_value(name text, contexts jsonb[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    parts text[] := string_to_array(name, '.');
    part text;
    value jsonb;
BEGIN
    IF name = '.' THEN
        RETURN contexts[cardinality(contexts)];
    END IF;
    FOR i IN REVERSE cardinality(contexts)..1 LOOP
        value := contexts[i] -> parts[1]; -- NULL unless an object has such a member
        EXIT WHEN value IS NOT NULL;
    END LOOP;
    FOREACH part IN ARRAY parts[2:] LOOP
        value := value -> part;
    END LOOP;
    RETURN value;
END
$$;

COMMENT ON FUNCTION outbox.mustache_value(name text, contexts jsonb[]) IS 'What a dotted name means; the last context is looked at first; NULL = missing';

CREATE FUNCTION outbox.missing_variables(template_id integer, variables jsonb) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT ARRAY( SELECT r.name
            FROM unnest(t.required) WITH ORDINALITY r(name, place)
           WHERE (outbox.mustache_value(r.name, ARRAY[missing_variables.variables]) IS NULL)
           ORDER BY r.place) AS "array"
    FROM outbox.template t
   WHERE (t.id = missing_variables.template_id);
END;

COMMENT ON FUNCTION outbox.missing_variables(template_id integer, variables jsonb) IS 'Required names that the variables lack, {} when none; a null is not a lack; NULL = no such template';

CREATE FUNCTION outbox.moment(ms bigint) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((ms >= 0) AND (ms <= '253402300799999'::bigint)) THEN to_timestamp((((ms)::numeric / 1000.0))::double precision) ELSE NULL::timestamp with time zone END;

COMMENT ON FUNCTION outbox.moment(ms bigint) IS 'A time in Unix ms; NULL when it is not within the years 1970 to 9999';

CREATE FUNCTION outbox.move_messages(ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
DECLARE
    locked bigint[];
    days timestamptz[];
    moved integer;
BEGIN
    SELECT array_agg(l.id), array_agg(DISTINCT date_trunc('day', l.finished_at, 'UTC')) INTO locked, days
    FROM (
        SELECT m.id, m.finished_at
        FROM outbox.message AS m CROSS JOIN outbox.settings AS s
        WHERE m.id = ANY (ids) AND m.status NOT IN ('scheduled', 'pending', 'in_doubt')
            AND m.finished_at <= now() - s.keep_finished
        ORDER BY m.id
        FOR UPDATE OF m SKIP LOCKED) AS l;
    IF locked IS NULL THEN
        RETURN 0;
    END IF;
    SELECT array_agg(u.id) INTO locked
    FROM unnest(locked) AS u (id)
        LEFT JOIN (SELECT a.id FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS a (id)) AS air
            ON air.id = u.id
        LEFT JOIN (
            SELECT m.id FROM outbox.notification AS n JOIN outbox.message AS m ON m.notification_id = n.id
            WHERE n.fallback_at IS NOT NULL AND m.id = ANY (locked)) AS waiting
            ON waiting.id = u.id
    WHERE air.id IS NULL AND waiting.id IS NULL;
    PERFORM outbox.make_partition('archive', d) FROM unnest(days) AS d;
    WITH gone AS (
        DELETE FROM outbox.message AS m WHERE m.id = ANY (locked) RETURNING m.*
    )
    INSERT INTO outbox.archive (
        id, created_at, queue_pos, send_at, next_attempt_at, expires_at, sent_at, finished_at, lane, status, attempts,
        channel, app, recipient, idempotency_key, payload, provider, provider_message_id, last_error, notification_id,
        device_id, template_id, user_id, category, environment, cost, currency)
    SELECT g.id, g.created_at, g.queue_pos, g.send_at, g.next_attempt_at, g.expires_at, g.sent_at, g.finished_at,
        g.lane, g.status, g.attempts, g.channel, g.app, g.recipient, g.idempotency_key, g.payload, g.provider,
        g.provider_message_id, g.last_error, g.notification_id, g.device_id, g.template_id, g.user_id, g.category,
        g.environment, g.cost, g.currency
    FROM gone AS g;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.move_messages(ids bigint[]) IS 'Moves those of these messages that are still finished, and that nobody holds or needs, to outbox.archive';

CREATE FUNCTION outbox.move_notifications(ids bigint[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    locked bigint[];
    days timestamptz[];
    moved integer;
BEGIN
    SELECT array_agg(l.id), array_agg(DISTINCT date_trunc('day', l.created_at, 'UTC')) INTO locked, days
    FROM (
        SELECT n.id, n.created_at
        FROM outbox.notification AS n
        WHERE n.id = ANY (ids) AND n.state <> 'scheduled' AND n.fallback_at IS NULL
        ORDER BY n.id
        FOR UPDATE SKIP LOCKED) AS l;
    IF locked IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM outbox.make_partition('notification_archive', d) FROM unnest(days) AS d;
    WITH gone AS (
        DELETE FROM outbox.notification AS n
        WHERE n.id = ANY (locked) AND NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.notification_id = n.id)
        RETURNING n.*
    )
    INSERT INTO outbox.notification_archive (
        id, created_at, send_at, due_at, expires_at, fallback_at, state, lane, fallback_step, firing_id, user_id,
        category, template, variables, channels, fallback, fallback_after, idempotency_key, withheld)
    SELECT g.id, g.created_at, g.send_at, g.due_at, g.expires_at, g.fallback_at, g.state, g.lane, g.fallback_step,
        g.firing_id, g.user_id, g.category, g.template, g.variables, g.channels, g.fallback, g.fallback_after,
        g.idempotency_key, g.withheld
    FROM gone AS g;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END
$$;

COMMENT ON FUNCTION outbox.move_notifications(ids bigint[]) IS 'Moves those of these notifications that nobody holds or needs to outbox.notification_archive';

CREATE FUNCTION outbox.mustache_render(tags outbox.mustache_tag[], first integer, last integer, contexts jsonb[], partials jsonb, escape_html boolean, strict boolean, label text, nesting integer) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    i integer := first;
    tag outbox.mustache_tag;
    value jsonb;
    truthy boolean;
    item jsonb;
    words text;
    result text := '';
    problem text;
BEGIN
    WHILE i <= coalesce(last, cardinality(tags)) LOOP
        tag := tags[i];
        value := CASE WHEN tag.kind NOT IN ('text', '>') THEN outbox.mustache_value(tag.body, contexts) END;
        IF tag.kind = 'text' THEN
            result := result || tag.body;
        ELSIF tag.kind IN ('name', '&') THEN
            problem := CASE
                WHEN value IS NULL AND strict THEN format('variable "%s" is missing', tag.body)
                WHEN jsonb_typeof(value) IN ('object', 'array')
                    THEN format('variable "%s" is not a text, number or boolean', tag.body)
            END;
            words := coalesce(value #>> '{}', '');
            result := result || CASE
                WHEN escape_html AND tag.kind = 'name' THEN replace(replace(replace(replace(
                    words, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;')
                ELSE words END;
        ELSIF tag.kind = '>' THEN
            words := partials ->> tag.body;
            problem := CASE
                WHEN words IS NULL AND strict THEN format('partial "%s" is missing', tag.body)
                WHEN words IS NOT NULL AND nesting >= 32
                    THEN format('partial "%s" is nested more than 32 deep', tag.body)
            END;
            IF words IS NOT NULL AND problem IS NULL THEN
                result := result || outbox.mustache_render(
                    outbox.mustache_parse(
                        regexp_replace(words, '^(?!\Z)', tag.indent, 'gn'),
                        label || format('partial "%s": ', tag.body)),
                    1, NULL, contexts, partials, escape_html, strict, label, nesting + 1);
            END IF;
        ELSE
            truthy := coalesce(value NOT IN ('null', 'false', '[]', '""'), false);
            IF truthy AND tag.kind = '#' THEN
                FOR item IN SELECT jsonb_array_elements(
                    CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END)
                LOOP
                    result := result || outbox.mustache_render(
                        tags, i + 1, tag.last, array_append(contexts, item), partials,
                        escape_html, strict, label, nesting);
                END LOOP;
            ELSIF NOT truthy AND tag.kind = '^' THEN
                result := result || outbox.mustache_render(
                    tags, i + 1, tag.last, contexts, partials, escape_html, strict, label, nesting);
            END IF;
            i := tag.last;
        END IF;
        IF problem IS NOT NULL THEN
            RAISE EXCEPTION '%', label || problem USING ERRCODE = 'OB008';
        END IF;
        i := i + 1;
    END LOOP;
    RETURN result;
END
$$;

COMMENT ON FUNCTION outbox.mustache_render(tags outbox.mustache_tag[], first integer, last integer, contexts jsonb[], partials jsonb, escape_html boolean, strict boolean, label text, nesting integer) IS 'Parts first to last (NULL = to the end) as a text; nesting counts the partials around them';

CREATE FUNCTION outbox.mustache(template text, variables jsonb, partials jsonb DEFAULT '{}'::jsonb, escape_html boolean DEFAULT true, strict boolean DEFAULT false) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN outbox.mustache_render(outbox.mustache_parse(template), 1, NULL::integer, ARRAY[variables], partials, escape_html, strict, ''::text, 0);

COMMENT ON FUNCTION outbox.mustache(template text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) IS 'Renders a Mustache text; partials: name -> text; strict: a missing variable or partial is an error';

CREATE FUNCTION outbox.next_due() RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT LEAST(( SELECT min(m.next_attempt_at) AS min
            FROM outbox.message m
           WHERE (m.next_attempt_at IS NOT NULL)), ( SELECT min(n.due_at) AS min
            FROM outbox.notification n
           WHERE (n.due_at IS NOT NULL))) AS "least";
END;

COMMENT ON FUNCTION outbox.next_due() IS 'When the next scheduled message or notification falls due; NULL = none is scheduled';

CREATE FUNCTION outbox.next_queue_pos() RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (pg_current_xact_id() IS NOT NULL) THEN nextval('outbox.queue_pos_seq'::regclass) ELSE NULL::bigint END;

COMMENT ON FUNCTION outbox.next_queue_pos() IS 'The next queue position, taken only after the transaction has its id: every row with a position <= P belongs to a transaction that had its id when P was read';

CREATE FUNCTION outbox.note_archive() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO outbox.change (block, channel, lane, day, place, from_status, messages)
        SELECT g.id >> 18, g.channel, g.lane, (g.created_at AT TIME ZONE 'UTC')::date,
            (g.finished_at AT TIME ZONE 'UTC')::date, g.status, count(*)
        FROM gone AS g
        GROUP BY 1, 2, 3, 4, 5, 6;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO outbox.change (block, channel, lane, day, place, to_status, messages)
        SELECT c.id >> 18, c.channel, c.lane, (c.created_at AT TIME ZONE 'UTC')::date,
            (c.finished_at AT TIME ZONE 'UTC')::date, c.status, count(*)
        FROM come AS c
        GROUP BY 1, 2, 3, 4, 5, 6;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_archive() IS 'Trigger: notes which messages came to outbox.archive, changed or left';

CREATE FUNCTION outbox.note_arrival(block bigint, channel text, lane outbox.lane, day date, status outbox.message_status, messages bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
   VALUES (note_arrival.block, note_arrival.channel, note_arrival.lane, note_arrival.day, 'pending'::outbox.message_status, note_arrival.status, note_arrival.messages);
END;

COMMENT ON FUNCTION outbox.note_arrival(block bigint, channel text, lane outbox.lane, day date, status outbox.message_status, messages bigint) IS 'Messages were inserted that are not pending';

CREATE FUNCTION outbox.note_deleted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO outbox.change (block, channel, lane, day, from_status, messages)
    SELECT g.id >> 18, g.channel, g.lane, (g.created_at AT TIME ZONE 'UTC')::date, g.status, count(*)
    FROM gone AS g
    GROUP BY 1, 2, 3, 4, 5;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_deleted() IS 'Trigger: notes which messages left outbox.message';

CREATE FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
BEGIN
    INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
    SELECT m.id >> 18, m.channel, m.lane, (m.created_at AT TIME ZONE 'UTC')::date, o.status, m.status, count(*)
    FROM unnest(note_moves.ids, note_moves.former) AS o (id, status) JOIN outbox.message AS m ON m.id = o.id
    WHERE m.id = ANY (note_moves.ids) AND m.status <> o.status
    GROUP BY 1, 2, 3, 4, 5, 6;
END
$$;

COMMENT ON FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) IS 'Called after an UPDATE, in its transaction: these messages were in these states before; element i is about ids[i]';

CREATE FUNCTION outbox.note_provider() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        UPDATE outbox.provider AS p SET identity_since = clock_timestamp() WHERE p.name = NEW.name;
    END IF;
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        UPDATE outbox.channel AS c SET provider_removed_at = clock_timestamp()
        WHERE c.name = OLD.channel AND OLD.channel IS DISTINCT FROM NEW.channel;
    ELSIF TG_OP = 'TRUNCATE' THEN
        UPDATE outbox.channel AS c SET provider_removed_at = clock_timestamp();
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.note_provider() IS 'Trigger: what was sent before was perhaps sent through another provider, and one that is gone cannot be asked';

CREATE FUNCTION outbox.notify(user_id text, template text, variables jsonb DEFAULT '{}'::jsonb, category text DEFAULT 'service'::text, channels text[] DEFAULT NULL::text[], idempotency_key text DEFAULT NULL::text, send_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone, lane outbox.lane DEFAULT NULL::outbox.lane, fallback text[] DEFAULT NULL::text[], fallback_after interval DEFAULT '00:05:00'::interval) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.notify(user_id text, template text, variables jsonb, category text, channels text[], idempotency_key text, send_at timestamp with time zone, expires_at timestamp with time zone, lane outbox.lane, fallback text[], fallback_after interval) IS 'Tells a user something, now or at send_at; returns the notification''s id, or the id of the earlier one with the same idempotency_key';

CREATE FUNCTION outbox.over_cap(notification_ids bigint[], on_fallback boolean, OUT above bigint[], OUT uncounted bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    at timestamptz := clock_timestamp();
BEGIN
    WITH capped AS MATERIALIZED (
        SELECT n.id, n.user_id, n.category, g.max_per_user, g.cap_period, n.id IN (
            SELECT c.id FROM outbox.candidates(over_cap.notification_ids, over_cap.on_fallback) AS c
            WHERE c.refusal IS NULL) AS reachable
        FROM outbox.notification AS n JOIN outbox.category AS g ON g.name = n.category
        WHERE n.id = ANY (over_cap.notification_ids) AND g.max_per_user IS NOT NULL AND g.consent <> 'mandatory'
            AND NOT (over_cap.on_fallback -- was counted when its first messages were made
                AND EXISTS (SELECT FROM outbox.delivery AS m WHERE m.notification_id = n.id))
    ), counted AS MATERIALIZED (
        SELECT c.*, row_number() OVER (PARTITION BY c.user_id, c.category ORDER BY c.id) AS n
        FROM capped AS c
        WHERE c.reachable
    ), taken AS (
        INSERT INTO outbox.frequency AS f (user_id, category, recent, granted)
        SELECT c.user_id, c.category, array_fill(at, ARRAY[c.wanted]), c.wanted
        FROM (
            SELECT d.user_id, d.category, least(count(*), max(d.max_per_user))::integer AS wanted
            FROM counted AS d
            GROUP BY d.user_id, d.category) AS c
        ORDER BY c.user_id, c.category
        ON CONFLICT (user_id, category) DO UPDATE SET (recent, granted) = (
            SELECT array_agg(r.t ORDER BY r.n), count(*) FILTER (WHERE r.n > cardinality(f.recent))
            FROM (
                SELECT u.t, u.n, row_number() OVER (ORDER BY u.n) AS place, g.max_per_user
                FROM unnest(f.recent || excluded.recent) WITH ORDINALITY AS u (t, n), outbox.category AS g
                WHERE g.name = f.category AND u.t > at - g.cap_period) AS r
            WHERE r.n <= cardinality(f.recent) OR r.place <= r.max_per_user)
        RETURNING f.user_id, f.category, f.granted
    )
    SELECT coalesce((
            SELECT array_agg(c.id)
            FROM counted AS c JOIN taken AS t ON t.user_id = c.user_id AND t.category = c.category
            WHERE c.n > t.granted), '{}'),
        coalesce((SELECT array_agg(c.id) FROM capped AS c WHERE NOT c.reachable), '{}')
    INTO above, uncounted;
END
$$;

COMMENT ON FUNCTION outbox.over_cap(notification_ids bigint[], on_fallback boolean, OUT above bigint[], OUT uncounted bigint[]) IS 'Counts the notifications that would be sent against the caps of their categories; returns those above, and those with a cap that could not be sent to anyone';

CREATE FUNCTION outbox.set_paused(channel text, paused boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.set_paused(channel text, paused boolean) IS 'The part that outbox.pause and outbox.resume share';

CREATE FUNCTION outbox.pause(channel text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN outbox.set_paused(channel, true);

COMMENT ON FUNCTION outbox.pause(channel text) IS 'Stops sending on a channel; what is in the air is finished';

CREATE FUNCTION outbox.plausible(at timestamp with time zone, moment timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((at >= (moment - '7 days'::interval)) AND (at <= moment)) THEN at ELSE moment END;

COMMENT ON FUNCTION outbox.plausible(at timestamp with time zone, moment timestamp with time zone) IS 'When something happened that another clock has timed: at most a week before this moment, else at this moment';

CREATE FUNCTION outbox.prepare_partial() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    problem text := CASE
        WHEN coalesce(NEW.name, '') = '' OR NEW.name <> btrim(NEW.name, E' \t\r\n')
            THEN 'name must not be empty, or begin or end with white space'
        WHEN outbox.normal_locale(NEW.locale) IS NULL
            THEN format('locale "%s" must be a language tag such as ko or pt-br, or default', NEW.locale)
    END;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING
            ERRCODE = 'OB008', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(problem, ' ', 1);
    END IF;
    PERFORM outbox.mustache_parse(NEW.body, 'body: ');
    NEW.locale := outbox.normal_locale(NEW.locale);
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.prepare_partial() IS 'Trigger: checks a partial';

CREATE FUNCTION outbox.prepare_template() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    problem text := CASE
        WHEN coalesce(btrim(NEW.name), '') = '' THEN 'name must not be empty'
        WHEN NOT EXISTS (SELECT FROM outbox.channel AS c WHERE c.name = NEW.channel)
            THEN format('channel "%s" does not exist; see outbox.channel', NEW.channel)
        WHEN outbox.normal_locale(NEW.locale) IS NULL
            THEN format('locale "%s" must be a language tag such as ko or pt-br, or default', NEW.locale)
        WHEN jsonb_typeof(NEW.content) IS DISTINCT FROM 'object' THEN 'content must be a JSON object'
    END;
    frozen record;
BEGIN
    IF problem IS NULL THEN
        NEW.locale := outbox.normal_locale(NEW.locale);
        frozen := outbox.freeze_partials(NEW.content, NEW.locale);
        problem := CASE WHEN NEW."strict" THEN frozen.problem END;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING
            ERRCODE = 'OB008', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME,
            COLUMN = split_part(problem, ' ', 1);
    END IF;
    NEW.partials := frozen.partials;
    NEW.required := CASE
        WHEN NEW."strict" THEN outbox.required_names(NEW.content, NEW.partials) ELSE '{}' END;
    SELECT coalesce(max(t.version), 0) + 1 INTO NEW.version
    FROM outbox.template AS t
    WHERE t.name = NEW.name AND t.channel = NEW.channel AND t.locale = NEW.locale;
    IF NEW.current THEN
        UPDATE outbox.template AS t SET current = false
        WHERE t.name = NEW.name AND t.channel = NEW.channel AND t.locale = NEW.locale AND t.current;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.prepare_template() IS 'Trigger: checks, numbers and completes a new version';

CREATE FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    version outbox.template;
BEGIN
    SELECT t.* INTO version FROM outbox.template AS t
    WHERE t.id = outbox.find_template(preview.template, preview.channel, preview.locale);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'template "%" does not exist for channel "%" and locale "%"',
            preview.template, preview.channel, preview.locale
        USING ERRCODE = 'OB008';
    END IF;
    RETURN (
        SELECT coalesce(jsonb_object_agg(c.key, outbox.render_member(
            c.value, 'content ' || c.key, coalesce(preview.variables, '{}'), version.partials,
            c.key = 'html', version."strict")), '{}')
        FROM jsonb_each(version.content) AS c);
END
$$;

COMMENT ON FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb) IS 'What a template would send now; only the member html is escaped for HTML';

CREATE FUNCTION outbox.raise(code text, field text, rule text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION '% %', field, rule USING ERRCODE = code, SCHEMA = 'outbox', COLUMN = field;
END
$$;

COMMENT ON FUNCTION outbox.raise(code text, field text, rule text) IS 'Refuses: "field rule" with this SQLSTATE';

CREATE FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO outbox.queue AS q (channel, lane, low_water)
   VALUES (raise_low_water.channel, raise_low_water.lane, raise_low_water.pos) ON CONFLICT(channel, lane) DO UPDATE SET low_water = excluded.low_water
   WHERE (q.low_water < excluded.low_water);
END;

COMMENT ON FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) IS 'Says that all rows below this position are final; a lower value than the stored one changes nothing';

CREATE FUNCTION outbox.reattach_dispatcher(id integer) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.reattach_dispatcher(id integer) IS 'Takes the dispatcher''s lock again after a reconnect; false: it was given up, register again';

CREATE FUNCTION outbox.record_receipt(provider text, provider_message_id text, event text, at timestamp with time zone DEFAULT now(), detail text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
            greatest(least(record_receipt.at, now()), 'epoch'), -- a clock ahead of ours would outrule what the user says next
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

COMMENT ON FUNCTION outbox.record_receipt(provider text, provider_message_id text, event text, at timestamp with time zone, detail text) IS 'What a provider tells later about a message, in any order and as often as it likes; one that comes before its message was settled is kept. False: it was known';

CREATE FUNCTION outbox.recover_flight(dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    lost outbox.flight;
    open_ids bigint[];
    doubt_ids bigint[];
    noted record;
BEGIN
    SELECT f.* INTO lost FROM outbox.flight AS f
    WHERE f.dispatcher = recover_flight.dispatcher AND f.seq = recover_flight.seq
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(l.id), '{}') INTO open_ids FROM (
        SELECT m.id FROM outbox.message AS m
        WHERE m.id = ANY (lost.message_ids) AND m.status = 'pending'
        ORDER BY m.id FOR UPDATE SKIP LOCKED) AS l;
    IF EXISTS (SELECT FROM outbox.message AS m WHERE m.id = ANY (lost.message_ids) AND m.status = 'pending'
               AND m.id <> ALL (open_ids)) THEN
        RETURN;
    END IF;

    SELECT array_agg(v.id) AS ids, array_agg(v.verdict) AS verdicts, array_agg(v.provider) AS providers,
        array_agg(v.provider_id) AS provider_ids, array_agg(v.reason) AS reasons, array_agg(v.at) AS ats,
        array_agg(v.not_before) AS not_befores, array_agg(v.as_of) AS as_ofs
    INTO noted
    FROM (
        SELECT DISTINCT ON (u.id) u.*
        FROM outbox.flight_note AS n CROSS JOIN LATERAL unnest(
            n.message_ids, n.verdicts, n.providers, n.provider_ids, n.reasons, n.at, n.not_befores,
            n.as_ofs)
            WITH ORDINALITY AS u (id, verdict, provider, provider_id, reason, at, not_before, as_of, place)
        WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq AND u.id = ANY (open_ids)
        ORDER BY u.id, n.n DESC, u.place DESC) AS v;
    settled := coalesce(outbox.settle(
        lost.channel, lost.dispatcher, noted.ids, noted.verdicts, noted.providers, noted.provider_ids,
        noted.reasons, noted.ats, noted.not_befores, noted.as_ofs), 0);

    -- The rest was perhaps sent. What the policy sends again need not wait: it has waited long enough.
    SELECT coalesce(array_agg(o), '{}') INTO doubt_ids
    FROM unnest(open_ids) AS o WHERE o <> ALL (coalesce(noted.ids, '{}'));
    in_doubt := cardinality(doubt_ids);
    IF in_doubt > 0 THEN
        PERFORM outbox.settle(
            lost.channel, lost.dispatcher, doubt_ids, array_fill('in_doubt'::text, ARRAY[in_doubt]),
            array_fill(NULL::text, ARRAY[in_doubt]), array_fill(NULL::text, ARRAY[in_doubt]),
            array_fill(recover_flight.reason, ARRAY[in_doubt]),
            array_fill(now(), ARRAY[in_doubt]), array_fill(NULL::timestamptz, ARRAY[in_doubt]),
            array_fill(lost.started_at, ARRAY[in_doubt]));
        -- A dispatcher that is only cut off may go on until then.
        UPDATE outbox.doubt AS d SET sent_upto = greatest(d.sent_upto, lost.deadline)
        WHERE d.message_id = ANY (doubt_ids);
        UPDATE outbox.message AS m
        SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL
        WHERE m.id = ANY (doubt_ids) AND m.status = 'scheduled';
        PERFORM outbox.note_moves(doubt_ids, array_fill('scheduled'::outbox.message_status, ARRAY[in_doubt]));
        PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = lost.channel;
    END IF;

    DELETE FROM outbox.flight_note AS n WHERE n.dispatcher = lost.dispatcher AND n.seq = lost.seq;
    DELETE FROM outbox.flight AS f WHERE f.dispatcher = lost.dispatcher AND f.seq = lost.seq;
END
$$;

COMMENT ON FUNCTION outbox.recover_flight(dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer) IS 'Settles one lost flight: noted verdicts as they stand, the rest by the channel''s in-doubt policy';

CREATE FUNCTION outbox.recover_flights(grace interval DEFAULT '00:00:10'::interval, self integer DEFAULT NULL::integer, own bigint[] DEFAULT NULL::bigint[], marked integer[] DEFAULT NULL::integer[], marks bigint[] DEFAULT NULL::bigint[], silence interval DEFAULT '00:01:00'::interval, patience interval DEFAULT '00:10:00'::interval, OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    watched timestamptz := outbox.server_seen_at();
    candidate record;
    lost record;
    recovered record;
    is_free boolean;
    dead integer[] := '{}';
    hanging integer[] := '{}';
BEGIN
    flights := 0;
    settled := 0;
    in_doubt := 0;
    failed := 0;
    UPDATE outbox.dispatcher AS d SET seen_at = now(), lost_at = NULL
    WHERE d.id = (
        SELECT o.id FROM outbox.dispatcher AS o
        WHERE o.id = recover_flights.self AND (o.lost_at IS NOT NULL OR o.seen_at <= now() - interval '5 seconds')
        FOR UPDATE SKIP LOCKED);

    FOR candidate IN
        SELECT d.id, d.seen_at FROM outbox.dispatcher AS d
        WHERE d.id IS DISTINCT FROM recover_flights.self
        ORDER BY d.id
    LOOP
        is_free := pg_try_advisory_xact_lock(7302, candidate.id);
        CONTINUE WHEN NOT is_free AND candidate.seen_at + silence > now();
        SELECT d.id, d.seen_at, d.lost_at INTO candidate FROM outbox.dispatcher AS d WHERE d.id = candidate.id
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND OR (NOT is_free AND candidate.seen_at + silence > now());
        IF candidate.lost_at IS NULL THEN
            UPDATE outbox.dispatcher AS d SET lost_at = now() WHERE d.id = candidate.id;
        END IF;
        CONTINUE WHEN coalesce(candidate.lost_at, now()) + grace > now() OR watched + grace > now();
        IF is_free THEN
            dead := dead || candidate.id;
        ELSE
            hanging := hanging || candidate.id;
        END IF;
    END LOOP;

    FOR lost IN
        SELECT f.dispatcher, f.seq, CASE
            WHEN f.dispatcher = ANY (dead) THEN 'dispatcher died'
            WHEN f.dispatcher = ANY (hanging) THEN 'dispatcher hangs'
            WHEN f.dispatcher = recover_flights.self THEN 'its landing was lost'
            ELSE 'deadline passed' END AS reason
        FROM (
            SELECT o.dispatcher, o.seq, o.deadline
            FROM outbox.dispatcher AS d
                LEFT JOIN unnest(recover_flights.marked, recover_flights.marks) AS known (dispatcher, mark)
                    ON known.dispatcher = d.id
                CROSS JOIN LATERAL (
                    SELECT i.* FROM outbox.flight AS i
                    WHERE i.dispatcher = d.id AND i.seq >= coalesce(known.mark, 0)) AS o
            UNION ALL
            SELECT o.dispatcher, o.seq, o.deadline
            FROM outbox.flight AS o
            WHERE recover_flights.marks IS NULL
                AND NOT EXISTS (SELECT FROM outbox.dispatcher AS d WHERE d.id = o.dispatcher)) AS f
        WHERE f.dispatcher = ANY (dead)
            OR (f.dispatcher = ANY (hanging) AND f.deadline + grace <= now())
            OR (f.dispatcher = recover_flights.self AND f.seq <> ALL (recover_flights.own))
            OR (f.dispatcher IS DISTINCT FROM recover_flights.self
                AND greatest(f.deadline, watched) + patience <= now())
        ORDER BY f.dispatcher, f.seq
    LOOP
        BEGIN -- one that cannot be settled must not keep the others
            recovered := outbox.recover_flight(lost.dispatcher, lost.seq, lost.reason);
            IF recovered.settled IS NOT NULL THEN
                flights := flights + 1;
                settled := settled + recovered.settled;
                in_doubt := in_doubt + recovered.in_doubt;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            failed := failed + 1;
            RAISE WARNING 'flight % of dispatcher % cannot be settled: %', lost.seq, lost.dispatcher, SQLERRM;
        END;
    END LOOP;
    DELETE FROM outbox.dispatcher AS d
    WHERE d.id = ANY (dead) AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE f.dispatcher = d.id);
END
$$;

COMMENT ON FUNCTION outbox.recover_flights(grace interval, self integer, own bigint[], marked integer[], marks bigint[], silence interval, patience interval, OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer) IS 'Says that the dispatcher self lives; takes over the flights of dead dispatchers, those past their deadline of dispatchers that hang, those well past it, and those of self that it does not know. failed: that could not be settled, for the server''s log';

CREATE FUNCTION outbox.refresh_templates() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO outbox.template (name, channel, locale, content, strict)
    SELECT t.name, t.channel, t.locale, t.content, t.strict
    FROM outbox.template AS t
    WHERE t.current AND t.partials ? NEW.name
        AND (outbox.freeze_partials(t.content, t.locale)).partials <> t.partials;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION outbox.refresh_templates() IS 'Trigger: new versions of the templates that use a partial';

CREATE FUNCTION outbox.refuse() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION '% %', TG_ARGV[1], TG_ARGV[2] USING
        ERRCODE = TG_ARGV[0], SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = TG_ARGV[1],
        CONSTRAINT = TG_NAME;
END
$$;

COMMENT ON FUNCTION outbox.refuse() IS 'Trigger (SQLSTATE, column, rule): raises "column rule"';

CREATE FUNCTION outbox.refuse_http_settings() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    problem CONSTANT text := outbox.check_http_settings(NEW.settings);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem USING ERRCODE = 'OB006', COLUMN = 'settings', CONSTRAINT = TG_NAME,
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.refuse_http_settings() IS 'Trigger: refuses an http provider whose settings outbox.check_http_settings finds fault with';

CREATE FUNCTION outbox.refuse_regions() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

COMMENT ON FUNCTION outbox.refuse_regions() IS 'Trigger: refuses a region that no recipient can be in';

CREATE FUNCTION outbox.register_device(user_id text, platform text, token text, app text DEFAULT ''::text, locale text DEFAULT NULL::text, timezone text DEFAULT NULL::text, environment text DEFAULT 'production'::text, replaces text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    device_id bigint;
    canonical text := outbox.canonical_token(register_device.platform, register_device.token);
    former text := outbox.canonical_token(register_device.platform, register_device.replaces);
BEGIN
    IF register_device.token IS NULL OR register_device.platform IS NULL THEN
        PERFORM outbox.raise('OB007', CASE WHEN register_device.token IS NULL THEN 'token' ELSE 'platform' END,
                             'must be given');
    END IF;
    -- A rotated token stays the same device, so that what waits for it follows. Unless the new one is known
    -- already: then the old one is a device of its own that is gone.
    IF former <> canonical THEN
        UPDATE outbox.device AS d SET token = canonical
        WHERE d.platform = register_device.platform AND d.app = coalesce(register_device.app, '')
            AND d.token = former AND d.user_id = register_device.user_id
            AND NOT EXISTS (
                SELECT FROM outbox.device AS o
                WHERE o.platform = d.platform AND o.app = d.app AND o.token = canonical);
        IF NOT FOUND THEN
            PERFORM outbox.retire_device(
                register_device.user_id, register_device.platform, former, register_device.app,
                'its token was replaced');
        END IF;
    END IF;
    INSERT INTO outbox.device AS d (user_id, platform, token, app, environment, locale)
    VALUES (register_device.user_id, register_device.platform, canonical, coalesce(register_device.app, ''),
            coalesce(register_device.environment, 'production'), register_device.locale)
    ON CONFLICT (platform, token, app) DO UPDATE
    SET user_id = excluded.user_id, environment = excluded.environment,
        locale = coalesce(excluded.locale, CASE WHEN d.user_id = excluded.user_id THEN d.locale END),
        registered_at = CASE WHEN d.user_id = excluded.user_id AND d.retired_at IS NULL THEN d.registered_at
                             ELSE excluded.registered_at END,
        last_seen_at = excluded.last_seen_at, retired_at = NULL, retired_reason = NULL
    RETURNING d.id INTO device_id;
    -- The app shows the token, so whatever a provider once said about it is over.
    DELETE FROM outbox.suppression AS s
    WHERE s.channel = register_device.platform AND s.address = canonical AND s.message_id IS NOT NULL;
    IF register_device.timezone IS NOT NULL OR register_device.locale IS NOT NULL THEN
        PERFORM outbox.set_contact(
            register_device.user_id, locale => register_device.locale, timezone => register_device.timezone);
    END IF;
    RETURN device_id;
END
$$;

COMMENT ON FUNCTION outbox.register_device(user_id text, platform text, token text, app text, locale text, timezone text, environment text, replaces text) IS 'Call it at each start of the app: a device of this user from now on, whoever had its token before. replaces: the token that this one takes the place of. Language and time zone become the user''s';

CREATE FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[]) IS 'Registers the caller; its session holds the advisory lock (7302, id) for as long as it lives';

CREATE FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamp with time zone[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
DECLARE
    released integer;
    ready text[];
BEGIN
    -- Positions are given in the order in which the rows fell due.
    WITH placed AS MATERIALIZED (
        SELECT v.id, v.refusal, v.wait_until,
            CASE WHEN v.refusal IS NULL AND v.wait_until IS NULL THEN outbox.next_queue_pos() END AS pos
        FROM unnest(ids, refusals, waits) AS v (id, refusal, wait_until)
    ), moved AS (
        UPDATE outbox.message AS m
        SET status = CASE
                WHEN p.refusal = 'expired' THEN 'expired'
                WHEN p.refusal IS NOT NULL THEN 'suppressed'
                WHEN p.wait_until >= m.expires_at THEN 'expired'
                WHEN p.wait_until IS NOT NULL THEN 'scheduled'
                ELSE 'pending'
            END::outbox.message_status,
            queue_pos = p.pos,
            next_attempt_at = CASE
                WHEN p.refusal IS NULL AND (m.expires_at IS NULL OR p.wait_until < m.expires_at) THEN p.wait_until
            END,
            finished_at = CASE WHEN p.refusal IS NOT NULL OR p.wait_until >= m.expires_at THEN now() END,
            last_error = CASE
                WHEN p.refusal <> 'expired' THEN p.refusal
                WHEN p.refusal IS NULL AND p.wait_until IS NOT NULL THEN 'quiet hours'
                ELSE m.last_error
            END
        FROM placed AS p
        WHERE m.id = p.id AND m.id = ANY (ids) -- pins the plan, as in outbox.settle
        RETURNING m.id, m.lane, m.created_at, m.channel, m.status
    ), noted AS (
        INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
        SELECT v.id >> 18, v.channel, v.lane, (v.created_at AT TIME ZONE 'UTC')::date,
            'scheduled'::outbox.message_status, v.status, count(*)
        FROM moved AS v
        WHERE v.status <> 'scheduled'
        GROUP BY 1, 2, 3, 4, 5, 6
    )
    SELECT count(*), array_agg(DISTINCT v.channel) FILTER (WHERE v.status = 'pending') INTO released, ready
    FROM moved AS v;
    PERFORM outbox.wake(c.id, c.name) FROM outbox.channel AS c WHERE c.name = ANY (ready);
    RETURN released;
END
$$;

COMMENT ON FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamp with time zone[]) IS 'The part of outbox.release_due that moves the messages';

CREATE FUNCTION outbox.release_due(max_rows integer DEFAULT 5000) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    due_ids bigint[];
    refusals text[];
    waits timestamptz[];
BEGIN
    SELECT array_agg(d.id), array_agg(CASE WHEN d.expires_at <= now() THEN 'expired' ELSE s.refusal END),
        array_agg(s.wait_until)
    INTO due_ids, refusals, waits
    FROM (
        SELECT m.id, m.channel, m.recipient, m.lane, m.user_id, m.category, m.notification_id, m.device_id,
            m.expires_at
        FROM outbox.message AS m
        WHERE m.next_attempt_at <= now()
        ORDER BY m.next_attempt_at
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED) AS d
        -- As a condition of the join it would be asked, and then forgotten.
        LEFT JOIN LATERAL (
            SELECT j.*
            FROM outbox.standing(
                now(), d.channel, d.recipient, d.lane, d.user_id, d.category, d.notification_id, d.device_id) AS j
            WHERE d.user_id IS NOT NULL) AS s ON true;
    IF due_ids IS NULL THEN
        RETURN 0;
    END IF;
    RETURN outbox.release(due_ids, refusals, waits);
END
$$;

COMMENT ON FUNCTION outbox.release_due(max_rows integer) IS 'Moves due scheduled messages into the queue in order, expired and refused ones to their end, and those that have to wait to a later time; returns how many';

CREATE FUNCTION outbox.render_member(value jsonb, path text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN CASE jsonb_typeof(value)
        WHEN 'string' THEN to_jsonb(outbox.mustache_render(
            outbox.mustache_parse(value #>> '{}', path || ': '), 1, NULL, ARRAY[variables], partials,
            escape_html, strict, path || ': ', 0))
        WHEN 'object' THEN (
            SELECT coalesce(jsonb_object_agg(o.key, outbox.render_member(
                o.value, path || '.' || o.key, variables, partials, escape_html, strict)), '{}')
            FROM jsonb_each(value) AS o)
        WHEN 'array' THEN (
            SELECT coalesce(jsonb_agg(outbox.render_member(
                a.value, path || '.' || a.place - 1, variables, partials, escape_html, strict)
                ORDER BY a.place), '[]')
            FROM jsonb_array_elements(value) WITH ORDINALITY AS a (value, place))
        ELSE value
    END;
END
$$;

COMMENT ON FUNCTION outbox.render_member(value jsonb, path text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) IS 'A member of a template''s content with all its texts rendered';

CREATE FUNCTION outbox.report_finding(kind text, channel text, lane outbox.lane, day date, messages bigint, message_ids bigint[], detail text, mended text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO outbox.audit_finding (kind, channel, lane, day, messages, message_ids, detail, mended)
    VALUES (report_finding.kind, report_finding.channel, report_finding.lane, report_finding.day,
            report_finding.messages, report_finding.message_ids[1:100], report_finding.detail, report_finding.mended);
    UPDATE outbox.audit_run AS r SET findings = r.findings + 1;
END
$$;

COMMENT ON FUNCTION outbox.report_finding(kind text, channel text, lane outbox.lane, day date, messages bigint, message_ids bigint[], detail text, mended text) IS 'Keeps what the audit found';

CREATE TABLE outbox.provider_state (
    provider text NOT NULL COLLATE pg_catalog."C",
    dispatcher integer NOT NULL,
    state text NOT NULL,
    reason text,
    since timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT state_is_known CHECK ((state = ANY (ARRAY['closed'::text, 'open'::text, 'probing'::text])))
);

COMMENT ON TABLE outbox.provider_state IS 'The circuit breaker of each provider in each dispatcher; no row = it never opened';

COMMENT ON COLUMN outbox.provider_state.since IS 'When it opened or closed; probing does not change it';

CREATE FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO outbox.provider_state AS s (provider, dispatcher, state, reason)  SELECT p.name,
             report_provider.dispatcher AS dispatcher,
             report_provider.state AS state,
             "left"(report_provider.reason, 500) AS "left"
            FROM outbox.provider p
           WHERE (p.name = report_provider.provider) ON CONFLICT(provider, dispatcher) DO UPDATE SET state = excluded.state, reason =
         CASE
             WHEN (excluded.state = 'closed'::text) THEN excluded.reason
             ELSE COALESCE(excluded.reason, s.reason)
         END, since =
         CASE
             WHEN ((s.state = 'closed'::text) = (excluded.state = 'closed'::text)) THEN s.since
             ELSE excluded.since
         END;
END;

COMMENT ON FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text) IS 'A dispatcher tells that its circuit breaker of a provider opened, probes or closed';

CREATE TABLE outbox.audit_request (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    reason text NOT NULL
);

COMMENT ON TABLE outbox.audit_request IS 'Who wants a run that begins after this; a row each, so that nobody waits';

CREATE FUNCTION outbox.request_audit(reason text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO outbox.audit_request (reason)
   VALUES (request_audit.reason);
END;

COMMENT ON FUNCTION outbox.request_audit(reason text) IS 'The scheduler audits all that is there now, as soon as it can';

CREATE FUNCTION outbox.requeue(message_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.requeue(message_id bigint) IS 'The part that outbox.retry and outbox.resolve_doubt share';

CREATE FUNCTION outbox.required_names(content jsonb, partials jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH RECURSIVE part(kind, body) AS (
          SELECT t.kind,
             t.body
            FROM (outbox.content_texts(required_names.content) c(label, body)
              CROSS JOIN LATERAL unnest(outbox.mustache_parse(c.body)) t(kind, body, indent, depth, last, place))
           WHERE (t.depth = 0)
         UNION
          SELECT t.kind,
             t.body
            FROM (part p_1
              CROSS JOIN LATERAL unnest(outbox.mustache_parse((required_names.partials ->> p_1.body))) t(kind, body, indent, depth, last, place))
           WHERE ((p_1.kind = '>'::text) AND (t.depth = 0))
         )
  SELECT COALESCE(array_agg(DISTINCT p.body ORDER BY p.body), '{}'::text[]) AS "coalesce"
    FROM part p
   WHERE ((p.kind = ANY (ARRAY['name'::text, '&'::text])) AND (p.body <> '.'::text));
END;

COMMENT ON FUNCTION outbox.required_names(content jsonb, partials jsonb) IS 'The variables outside of any section';

CREATE FUNCTION outbox.required_variables(template text, channels text[]) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ARRAY(SELECT DISTINCT r.r FROM (outbox.template t CROSS JOIN LATERAL unnest(t.required) r(r)) WHERE ((t.name = required_variables.template) AND t.current AND t.strict AND ((required_variables.channels IS NULL) OR (t.channel = ANY (required_variables.channels)))));

COMMENT ON FUNCTION outbox.required_variables(template text, channels text[]) IS 'Variables without which some text of the template cannot be rendered, on these channels or (NULL) on all';

CREATE FUNCTION outbox.resolve_doubt(message_id bigint, was_sent boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.resolve_doubt(message_id bigint, was_sent boolean) IS 'Ends the doubt about a held message: it was sent, or it is sent now; false when it is not in doubt';

CREATE FUNCTION outbox.resume(channel text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN outbox.set_paused(channel, false);

COMMENT ON FUNCTION outbox.resume(channel text) IS 'Sends on a paused channel again';

CREATE FUNCTION outbox.resume_provider(name text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    UPDATE outbox.provider AS p SET stopped_until = NULL, stop_reason = NULL, stopped_at = NULL
    WHERE p.name = resume_provider.name;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION outbox.resume_provider(name text) IS 'Uses a stopped provider again at once; false: no such name';

CREATE FUNCTION outbox.resume_user(user_id text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE outbox.contact c SET stopped_at = NULL::timestamp with time zone
   WHERE ((c.user_id = resume_user.user_id) AND (c.stopped_at IS NOT NULL));
END;

COMMENT ON FUNCTION outbox.resume_user(user_id text) IS 'Takes outbox.stop_user back; refusals of categories stay';

CREATE FUNCTION outbox.retire_addresses(message_ids bigint[], gone_befores timestamp with time zone[], reasons text[], providers text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
BEGIN
    WITH gone AS MATERIALIZED (
        SELECT d.id, v.gone_before, v.reason
        FROM unnest(retire_addresses.message_ids, retire_addresses.gone_befores, retire_addresses.reasons)
                AS v (id, gone_before, reason)
            JOIN outbox.message AS m ON m.id = v.id
            JOIN outbox.device AS d
                ON d.platform = m.channel AND d.token = m.recipient
                AND CASE WHEN m.device_id IS NOT NULL THEN d.id = m.device_id ELSE coalesce(d.app = m.app, true) END
        WHERE d.retired_at IS NULL AND d.last_seen_at <= v.gone_before
        ORDER BY d.id
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE outbox.device AS d SET retired_at = now(), retired_reason = g.reason
    FROM gone AS g
    WHERE d.id = g.id;

    INSERT INTO outbox.suppression (channel, address, reason, provider, at, message_id)
    SELECT m.channel, m.recipient, v.reason, v.provider, v.gone_before, m.id
    FROM unnest(retire_addresses.message_ids, retire_addresses.gone_befores, retire_addresses.reasons,
                retire_addresses.providers) AS v (id, gone_before, reason, provider)
        JOIN outbox.message AS m ON m.id = v.id
    WHERE NOT EXISTS (
        SELECT FROM outbox.device AS d WHERE d.platform = m.channel AND d.token = m.recipient)
        AND octet_length(m.recipient) <= 2500 -- more does not fit into the index
    ORDER BY m.channel, m.recipient -- one order everywhere: two batches cannot wait for each other
    ON CONFLICT (channel, address) DO NOTHING;
END
$$;

COMMENT ON FUNCTION outbox.retire_addresses(message_ids bigint[], gone_befores timestamp with time zone[], reasons text[], providers text[]) IS 'The provider said that the addresses of these messages were gone at these moments: retires the devices that were not seen since, and suppresses addresses that belong to no device';

CREATE FUNCTION outbox.retire_device(user_id text, platform text, token text, app text DEFAULT ''::text, reason text DEFAULT 'signed out'::text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    UPDATE outbox.device AS d SET retired_at = now(), retired_reason = retire_device.reason
    WHERE d.platform = retire_device.platform AND d.app = coalesce(retire_device.app, '')
        AND d.token = outbox.canonical_token(retire_device.platform, retire_device.token)
        AND d.user_id = retire_device.user_id AND d.retired_at IS NULL;
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION outbox.retire_device(user_id text, platform text, token text, app text, reason text) IS 'The user signed out on this device; false when it is not (any more) a device of this user';

CREATE FUNCTION outbox.retry(message_id bigint) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN outbox.requeue(message_id);

COMMENT ON FUNCTION outbox.retry(message_id bigint) IS 'Sends a failed, expired, cancelled, suppressed or doubtful message again, with all its attempts, also when it is archived; false when it is in none of these states';

CREATE FUNCTION outbox.ring(bell text, word text) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    wish text := pg_catalog.current_setting('outbox.notify', true);
BEGIN
    IF wish = 'on' OR (wish IS DISTINCT FROM 'off'
                       AND pg_catalog.current_setting('max_prepared_transactions') = '0') THEN
        PERFORM pg_catalog.pg_notify(bell, word);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.ring(bell text, word text) IS 'NOTIFY, as the setting outbox.notify allows: on, off, or else only where no transaction can be prepared';

CREATE FUNCTION outbox.running_transactions() RETURNS text[]
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ARRAY(SELECT l.virtualtransaction FROM (pg_locks l JOIN pg_stat_activity a ON ((a.pid = l.pid))) WHERE ((l.locktype = 'virtualxid'::text) AND (l.mode = 'ExclusiveLock'::text) AND l.granted AND (l.pid <> pg_backend_pid()) AND (a.usesysid IS NOT NULL) AND (a.datid = (SELECT d.oid FROM pg_database d WHERE (d.datname = current_database())))));

COMMENT ON FUNCTION outbox.running_transactions() IS 'Virtual ids of the transactions that run in other sessions of this database';

CREATE FUNCTION outbox.schedule_message() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    NEW.status := 'scheduled';
    NEW.next_attempt_at := NEW.send_at;
    NEW.queue_pos := NULL;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.schedule_message() IS 'Trigger: keeps a message with a later send_at out of the queue';

CREATE FUNCTION outbox.schedule_notification() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    NEW.state := 'scheduled';
    NEW.due_at := NEW.send_at;
    RETURN NEW;
END
$$;

COMMENT ON FUNCTION outbox.schedule_notification() IS 'Trigger: a later send_at waits for the scheduler';

CREATE FUNCTION outbox.seal_history(reason text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    IF coalesce(btrim(reason), '') = '' THEN
        PERFORM outbox.raise('OB012', 'reason', 'must say why nothing is to be sent from this database');
    END IF;
    UPDATE outbox.history AS h SET sealed = seal_history.reason WHERE h.ended_at IS NULL;
    PERFORM outbox.ring('outbox_config', '');
END
$$;

COMMENT ON FUNCTION outbox.seal_history(reason text) IS 'Nothing is sent from this database until outbox.adopt_history is called';

CREATE FUNCTION outbox.send(channel text, recipient text, payload jsonb, idempotency_key text DEFAULT NULL::text, lane outbox.lane DEFAULT 'transactional'::outbox.lane, app text DEFAULT NULL::text, send_at timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

COMMENT ON FUNCTION outbox.send(channel text, recipient text, payload jsonb, idempotency_key text, lane outbox.lane, app text, send_at timestamp with time zone, expires_at timestamp with time zone) IS 'Inserts a message; returns its id, or the id of the earlier one with the same idempotency_key';

CREATE FUNCTION outbox.server_seen_at() RETURNS timestamp with time zone
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    since timestamptz;
BEGIN
    SELECT s.seen_at INTO since FROM outbox.server AS s WHERE s.started_at = pg_postmaster_start_time();
    IF NOT FOUND THEN
        INSERT INTO outbox.server AS s (started_at) VALUES (pg_postmaster_start_time())
        ON CONFLICT (only_row) DO UPDATE SET started_at = excluded.started_at, seen_at = excluded.seen_at
        WHERE s.started_at <> excluded.started_at;
        SELECT s.seen_at INTO since FROM outbox.server AS s;
    END IF;
    RETURN since;
END
$$;

COMMENT ON FUNCTION outbox.server_seen_at() IS 'When somebody first looked at the dispatchers on this server';

CREATE FUNCTION outbox.set_contact(user_id text, email text DEFAULT NULL::text, phone text DEFAULT NULL::text, locale text DEFAULT NULL::text, timezone text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO outbox.contact AS c (user_id, email, phone, locale, timezone)
    VALUES (set_contact.user_id, nullif(set_contact.email, ''), nullif(set_contact.phone, ''),
            nullif(set_contact.locale, ''), nullif(set_contact.timezone, ''))
    ON CONFLICT (user_id) DO UPDATE
    SET email = CASE WHEN set_contact.email IS NULL THEN c.email ELSE excluded.email END,
        phone = CASE WHEN set_contact.phone IS NULL THEN c.phone ELSE excluded.phone END,
        locale = CASE WHEN set_contact.locale IS NULL THEN c.locale ELSE excluded.locale END,
        timezone = CASE WHEN set_contact.timezone IS NULL THEN c.timezone ELSE excluded.timezone END
    -- At each start of an app nothing has changed: no row is written then.
    WHERE (c.email, c.phone, c.locale, c.timezone) IS DISTINCT FROM (
        coalesce(set_contact.email, c.email), coalesce(set_contact.phone, c.phone),
        coalesce(lower(replace(set_contact.locale, '_', '-')), c.locale),
        coalesce(set_contact.timezone, c.timezone));
END
$$;

COMMENT ON FUNCTION outbox.set_contact(user_id text, email text, phone text, locale text, timezone text) IS 'Sets what is given of a user''s addresses, language and time zone; an empty text removes';

CREATE FUNCTION outbox.set_preference(user_id text, category text, allowed boolean, channel text DEFAULT NULL::text, source text DEFAULT NULL::text, at_night boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
BEGIN
    -- Who decides about all channels means those, too, that were decided one by one before.
    DELETE FROM outbox.preference AS p
    WHERE p.user_id = set_preference.user_id AND p.category = set_preference.category
        AND (set_preference.channel IS NULL OR (p.channel = set_preference.channel AND set_preference.allowed IS NULL))
        AND NOT (set_preference.allowed IS NOT NULL AND p.channel = '*');
    IF set_preference.allowed IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO outbox.preference AS p (user_id, category, channel, allowed, at_night, source)
    VALUES (set_preference.user_id, set_preference.category, coalesce(set_preference.channel, '*'),
            set_preference.allowed, set_preference.at_night, set_preference.source)
    ON CONFLICT (user_id, category, channel) DO UPDATE
    SET allowed = excluded.allowed, at_night = excluded.at_night, source = excluded.source,
        changed_at = excluded.changed_at;
END
$$;

COMMENT ON FUNCTION outbox.set_preference(user_id text, category text, allowed boolean, channel text, source text, at_night boolean) IS 'Allows or refuses a category, on one channel or (NULL) on all; allowed NULL: as the category is by itself';

CREATE FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time without time zone, quiet_until time without time zone) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO outbox.contact AS c (user_id, quiet_from, quiet_until)
   VALUES (set_quiet_hours.user_id, set_quiet_hours.quiet_from, set_quiet_hours.quiet_until) ON CONFLICT(user_id) DO UPDATE SET quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until;
END;

COMMENT ON FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time without time zone, quiet_until time without time zone) IS 'Bulk messages wait in these hours of the user''s day, over midnight if need be; two NULLs end that';

CREATE FUNCTION outbox.settle(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[] DEFAULT NULL::timestamp with time zone[], costs numeric[] DEFAULT NULL::numeric[], currencies text[] DEFAULT NULL::text[], group_ids bigint[] DEFAULT NULL::bigint[], group_sizes integer[] DEFAULT NULL::integer[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
DECLARE
    settled integer;
    open_ids bigint[];
    moment timestamptz := clock_timestamp(); -- now() is when the batch was claimed
BEGIN
    IF group_ids IS NULL THEN
        SELECT coalesce(array_agg(l.id), '{}') INTO open_ids
        FROM (
            SELECT m.id FROM outbox.message AS m
            WHERE m.id = ANY (ids) AND m.status = 'pending'
            ORDER BY m.id FOR UPDATE) AS l;
    END IF;
    UPDATE outbox.message AS m
    SET status = 'sent', provider = v.provider, provider_message_id = nullif(v.provider_id, ''),
        sent_at = greatest(outbox.plausible(v.at, moment), least(m.created_at, moment)), finished_at = moment,
        attempts = least(m.attempts, 32766) + 1, last_error = NULL,
        cost = CASE WHEN v.cost BETWEEN 0 AND 1e15 THEN v.cost END,
        currency = CASE WHEN v.cost BETWEEN 0 AND 1e15 THEN v.currency END
    FROM unnest(ids, verdicts, providers, provider_ids, ats, costs, currencies)
        AS v (id, verdict, provider, provider_id, at, cost, currency)
    WHERE m.id = v.id AND m.id = ANY (ids) AND m.status = 'pending' AND v.verdict = 'sent';
    GET DIAGNOSTICS settled = ROW_COUNT;
    IF group_ids IS NULL THEN
        PERFORM outbox.note_moves(
            open_ids, array_fill('pending'::outbox.message_status, ARRAY[cardinality(open_ids)]));
    ELSE
        INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
        SELECT m.id >> 18, m.channel, m.lane, (m.created_at AT TIME ZONE 'UTC')::date, 'pending', 'sent', g.size
        FROM unnest(group_ids, group_sizes) AS g (id, size) JOIN outbox.message AS m ON m.id = g.id
        WHERE m.id = ANY (group_ids);
        IF settled <> (SELECT coalesce(sum(s), 0) FROM unnest(group_sizes) AS s) THEN
            PERFORM outbox.request_audit('messages were not pending any more when they were settled');
        END IF;
    END IF;
    PERFORM outbox.keep_provider_ids(ids) FROM outbox.channel AS c WHERE c.name = settle.channel AND c.receipts;
    IF settled < cardinality(ids) THEN
        settled := settled + outbox.settle_unsent(
            settle.channel, settle.dispatcher, ids, verdicts, providers, reasons, ats, not_befores, as_ofs);
    END IF;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], group_ids bigint[], group_sizes integer[]) IS 'Settles the messages that are still pending by verdict; element i of each array is about ids[i]; returns how many were settled. group_ids, group_sizes: what is sent, by lane, UTC day of created_at and id >> 18: one id of each group and how many it has; NULL = they are counted here';

CREATE FUNCTION outbox.settle_doubt(message_id bigint, turn bigint, dispatcher integer, verdict text, provider text, provider_id text, reason text, asked text[], cost numeric DEFAULT NULL::numeric, currency text DEFAULT NULL::text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    doubt outbox.doubt;
    rules outbox.channel;
    why text := reason;
    used integer;
BEGIN
    SELECT d.* INTO doubt FROM outbox.doubt AS d
    WHERE d.message_id = settle_doubt.message_id
        AND (extract(epoch FROM d.next_at) * 1000000)::bigint = settle_doubt.turn
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false; -- somebody else's turn, or a doubt about a later attempt
    END IF;
    SELECT m.attempts INTO used FROM outbox.message AS m
    WHERE m.id = settle_doubt.message_id AND m.status = 'in_doubt'
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = doubt.channel;

    IF verdict = 'sent' THEN
        IF NOT pg_try_advisory_xact_lock(hashtextextended(settle_doubt.provider_id, 0)) THEN
            RETURN false;
        END IF;
        -- Vendors that are asked by text and number cannot tell two equal messages apart: what another message has, or
        -- may have because ids are not kept, is not this one.
        IF NOT rules.receipts OR EXISTS (
            SELECT FROM outbox.provider AS o
                JOIN outbox.provider_message AS p
                    ON p.provider = o.name AND p.provider_message_id = settle_doubt.provider_id
            WHERE o.channel = doubt.channel AND p.message_id <> settle_doubt.message_id) THEN
            verdict := 'in_doubt';
        END IF;
    ELSIF verdict = 'unsent' THEN
        IF used >= rules.max_attempts OR NOT outbox.is_surely_unsent(doubt, settle_doubt.asked) THEN
            verdict := 'in_doubt';
        END IF;
    END IF;
    CASE verdict
        WHEN 'sent' THEN
            why := coalesce(why, 'the provider was asked and has it');
            UPDATE outbox.message AS m
            SET status = 'sent', provider = settle_doubt.provider,
                provider_message_id = nullif(settle_doubt.provider_id, ''), sent_at = least(doubt.sent_upto, now()),
                last_error = NULL, cost = settle_doubt.cost,
                currency = CASE WHEN settle_doubt.cost IS NOT NULL THEN settle_doubt.currency END
            WHERE m.id = settle_doubt.message_id;
            PERFORM outbox.keep_provider_ids(ARRAY[settle_doubt.message_id]);
        WHEN 'unsent' THEN
            UPDATE outbox.message AS m
            SET status = 'pending', queue_pos = outbox.next_queue_pos(), next_attempt_at = NULL, finished_at = NULL,
                last_error = why
            WHERE m.id = settle_doubt.message_id;
            PERFORM outbox.wake(rules.id, rules.name);
        WHEN 'deferred' THEN
            UPDATE outbox.doubt AS d SET next_at = now() + rules.backoff_base
            WHERE d.message_id = settle_doubt.message_id;
        ELSE
            UPDATE outbox.doubt AS d
            SET asked = d.asked + 1,
                next_at = now() + outbox.backoff(rules.backoff_base, rules.backoff_cap, d.asked + 1)
            WHERE d.message_id = settle_doubt.message_id;
    END CASE;
    IF verdict IN ('sent', 'unsent') THEN
        INSERT INTO outbox.attempt (message_id, dispatcher, attempt, verdict, provider, reason)
        VALUES (settle_doubt.message_id, settle_doubt.dispatcher, used, settle_doubt.verdict,
                coalesce(settle_doubt.provider, nullif(doubt.provider, '')), why);
    END IF;
    PERFORM outbox.note_moves(ARRAY[settle_doubt.message_id], '{in_doubt}')
    WHERE verdict IN ('sent', 'unsent');
    DELETE FROM outbox.doubt AS d
    WHERE d.message_id = settle_doubt.message_id
        AND (verdict IN ('sent', 'unsent') OR d.asked >= rules.max_attempts);
    RETURN verdict IN ('sent', 'unsent');
END
$$;

COMMENT ON FUNCTION outbox.settle_doubt(message_id bigint, turn bigint, dispatcher integer, verdict text, provider text, provider_id text, reason text, asked text[], cost numeric, currency text) IS 'What the asked providers said about a message in doubt: sent, unsent (all of them; it is sent now while attempts are left), deferred (one was not asked) or anything else (asked again later, as often as the channel allows attempts); false when the doubt goes on';

CREATE FUNCTION outbox.settle_late(channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[] DEFAULT NULL::timestamp with time zone[], costs numeric[] DEFAULT NULL::numeric[], currencies text[] DEFAULT NULL::text[], OUT settled integer, OUT repeated integer, OUT left_alone bigint[]) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    locked bigint[];
    late record;
BEGIN
    -- What a claim holds is locked, or, if the claim's connection broke, in a flight that is visible by now.
    SELECT coalesce(array_agg(l.id), '{}') INTO locked FROM (
        SELECT m.id FROM outbox.message AS m
        WHERE m.id = ANY (settle_late.ids)
        ORDER BY m.id FOR UPDATE SKIP LOCKED) AS l;
    WITH known AS MATERIALIZED (
        SELECT v.*, m.status, coalesce(doubt.found, false) AS doubted, coalesce(doubt.at < v.at, true) AS is_last
        FROM unnest(settle_late.ids, settle_late.uuids, settle_late.verdicts, settle_late.providers,
                    settle_late.provider_ids, settle_late.reasons, settle_late.ats, settle_late.not_befores,
                    settle_late.as_ofs, settle_late.costs, settle_late.currencies)
                AS v (id, uuid, verdict, provider, provider_id, reason, at, not_before, as_of, cost, currency)
            JOIN outbox.message AS m
                ON m.id = v.id AND m.channel = settle_late.channel
                AND outbox.message_uuid(m.idempotency_key) = v.uuid
            LEFT JOIN LATERAL (
                SELECT a.at, a.verdict = 'in_doubt' AND a.provider IS NULL
                    AND a.dispatcher = settle_late.dispatcher AS found
                FROM outbox.attempt AS a WHERE a.message_id = m.id
                ORDER BY a.id DESC LIMIT 1) AS doubt ON true
        WHERE m.id = ANY (locked)
            AND m.id NOT IN (
                SELECT air.id FROM outbox.flight AS f CROSS JOIN LATERAL unnest(f.message_ids) AS air (id))
    )
    SELECT coalesce(array_agg(k.id), '{}') AS ids, array_agg(k.doubted) AS doubted, array_agg(k.status) AS statuses,
        array_agg(k.verdict) AS verdicts, array_agg(k.provider) AS providers,
        array_agg(k.provider_id) AS provider_ids, array_agg(k.reason) AS reasons, array_agg(k.at) AS ats,
        array_agg(k.not_before) AS not_befores, array_agg(k.as_of) AS as_ofs, array_agg(k.cost) AS costs,
        array_agg(k.currency) AS currencies
    INTO late
    FROM known AS k
    WHERE k.status IN ('pending', 'scheduled', 'in_doubt') AND k.verdict = 'sent'
        OR k.status IN ('pending', 'scheduled', 'in_doubt', 'failed', 'expired') AND k.doubted
            AND k.verdict <> 'in_doubt'
        OR k.status IN ('pending', 'scheduled') AND NOT k.doubted AND k.is_last;

    UPDATE outbox.message AS m
    SET status = 'pending', queue_pos = coalesce(m.queue_pos, outbox.next_queue_pos()), next_attempt_at = NULL,
        finished_at = NULL, attempts = greatest(m.attempts - l.doubted::integer, 0)
    FROM unnest(late.ids, late.doubted) AS l (id, doubted)
    WHERE m.id = l.id AND m.id = ANY (late.ids) AND (m.status <> 'pending' OR l.doubted);
    PERFORM outbox.note_moves(late.ids, late.statuses);
    DELETE FROM outbox.doubt AS d WHERE d.message_id = ANY (late.ids);
    settled := coalesce(outbox.settle(
        settle_late.channel, settle_late.dispatcher, late.ids, late.verdicts, late.providers, late.provider_ids,
        late.reasons, late.ats, late.not_befores, late.as_ofs, late.costs, late.currencies), 0);
    INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
    SELECT m.id, coalesce(l.at, now()), settle_late.dispatcher, m.attempts, l.verdict, l.provider,
        'answered after it was put in doubt'
    FROM unnest(late.ids, late.doubted, late.verdicts, late.providers, late.ats)
            AS l (id, doubted, verdict, provider, at)
        JOIN outbox.message AS m ON m.id = l.id
    WHERE m.id = ANY (late.ids) AND l.doubted AND l.verdict = 'sent';

    -- A message that this very answer has settled before, by a note or by a landing, was not sent twice.
    INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
    SELECT m.id, v.at, settle_late.dispatcher, m.attempts, v.verdict, v.provider,
        'answered too late: sent more than once'
    FROM unnest(settle_late.ids, settle_late.uuids, settle_late.verdicts, settle_late.providers, settle_late.ats)
            AS v (id, uuid, verdict, provider, at)
        JOIN outbox.message AS m ON m.id = v.id AND outbox.message_uuid(m.idempotency_key) = v.uuid
    WHERE m.id = ANY (settle_late.ids) AND m.id NOT IN (SELECT unnest(late.ids)) AND v.verdict = 'sent'
        AND m.sent_at IS DISTINCT FROM greatest(v.at, m.created_at)
        AND NOT EXISTS (
            SELECT FROM outbox.attempt AS a
            WHERE a.message_id = m.id AND a.at = v.at AND a.dispatcher = settle_late.dispatcher
                AND a.verdict = 'sent');
    GET DIAGNOSTICS repeated = ROW_COUNT;
    left_alone := ARRAY(SELECT i FROM unnest(settle_late.ids) AS i WHERE i NOT IN (SELECT unnest(late.ids)) ORDER BY i);
END
$$;

COMMENT ON FUNCTION outbox.settle_late(channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], OUT settled integer, OUT repeated integer, OUT left_alone bigint[]) IS 'Settles by their true verdicts the messages of a flight that somebody else has taken over, or that this database does not know to have landed: those that have not ended and are not in the air again, if they are still the same messages (uuids, as outbox.message_uuid). Those sent more than once get a row in outbox.attempt each; left_alone: all that were not settled. May be called again with the same verdicts';

CREATE FUNCTION outbox.settle_unsent(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET enable_hashjoin TO 'on'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    rules outbox.channel;
    unknown text;
    settled integer;
    gone_ids bigint[];
    gone_ats timestamptz[];
    gone_reasons text[];
    gone_providers text[];
    moved_ids bigint[];
    moment timestamptz := clock_timestamp();
BEGIN
    SELECT c.* INTO STRICT rules FROM outbox.channel AS c WHERE c.name = settle_unsent.channel;
    SELECT v INTO unknown
    FROM unnest(settle_unsent.verdicts) AS v
    WHERE v IS NULL OR v NOT IN ('sent', 'retry', 'unsent', 'throttled', 'rejected', 'address_gone', 'refresh',
                                 'stopped', 'in_doubt', 'expired', 'suppressed', 'deferred', 'moved')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'verdict "%" does not exist', unknown USING ERRCODE = 'invalid_parameter_value';
    END IF;

    WITH given AS MATERIALIZED (
        SELECT m.id, m.lane, m.created_at, m.expires_at, v.verdict, v.provider, v.reason,
            CASE WHEN v.not_before IS NOT NULL
                THEN greatest(least(v.not_before, moment + interval '31 days'), now()) END AS not_before,
            -- However long ago: a device that was seen since is not retired.
            CASE WHEN v.as_of IS NOT NULL THEN greatest(least(v.as_of, moment), 'epoch') END AS as_of,
            outbox.plausible(v.at, moment) AS at,
            least(m.attempts, 32766) + (v.verdict IN ('retry', 'in_doubt', 'rejected', 'address_gone'))::integer
                AS attempts
        FROM unnest(settle_unsent.ids, settle_unsent.verdicts, settle_unsent.providers, settle_unsent.reasons,
                    settle_unsent.ats, settle_unsent.not_befores, settle_unsent.as_ofs)
                AS v (id, verdict, provider, reason, at, not_before, as_of)
            JOIN outbox.message AS m ON m.id = v.id
        WHERE m.id = ANY (settle_unsent.ids) AND v.verdict <> 'sent'
    ), timed AS MATERIALIZED (
        SELECT g.*, CASE
            WHEN g.verdict = 'retry' OR (g.verdict = 'in_doubt' AND rules.in_doubt = 'resend')
            THEN CASE WHEN g.attempts < rules.max_attempts THEN greatest(
                g.not_before, now() + outbox.backoff(rules.backoff_base, rules.backoff_cap, g.attempts)) END
            WHEN g.verdict IN ('unsent', 'throttled', 'refresh', 'stopped')
            THEN coalesce(g.not_before, now() + make_interval(secs => 1 + 4 * random()))
            WHEN g.verdict IN ('deferred', 'moved') THEN coalesce(g.not_before, now())
        END AS next_at
        FROM given AS g
    ), decided AS MATERIALIZED (
        SELECT t.*, CASE
            WHEN t.next_at IS NOT NULL AND t.expires_at <= t.next_at THEN 'expired'
            WHEN t.next_at IS NOT NULL THEN 'scheduled'
            WHEN t.verdict IN ('expired', 'suppressed') THEN t.verdict
            WHEN t.verdict = 'in_doubt' AND rules.in_doubt = 'hold' THEN 'in_doubt'
            ELSE 'failed'
        END::outbox.message_status AS status
        FROM timed AS t
    ), updated AS (
        UPDATE outbox.message AS m
        SET status = d.status,
            queue_pos = CASE WHEN d.status <> 'scheduled' THEN m.queue_pos END,
            next_attempt_at = CASE WHEN d.status = 'scheduled' THEN d.next_at END,
            finished_at = CASE WHEN d.status <> 'scheduled' THEN now() END,
            attempts = d.attempts, provider = coalesce(d.provider, m.provider), last_error = d.reason
        FROM decided AS d
        WHERE m.id = d.id AND m.id = ANY (settle_unsent.ids) AND m.status = 'pending'
        RETURNING d.*
    ), doubted AS (
        INSERT INTO outbox.doubt AS d (message_id, channel, provider, sent_from, sent_upto)
        SELECT u.id, settle_unsent.channel, coalesce(u.provider, ''), least(u.as_of, u.at, now()), greatest(u.at, now())
        FROM updated AS u
        WHERE u.status = 'in_doubt'
        ON CONFLICT (message_id) DO UPDATE
        SET provider = excluded.provider, sent_from = excluded.sent_from, sent_upto = excluded.sent_upto,
            doubted_at = excluded.doubted_at, next_at = excluded.next_at, asked = 0
    ), noted AS (
        INSERT INTO outbox.change (block, channel, lane, day, from_status, to_status, messages)
        SELECT u.id >> 18, settle_unsent.channel, u.lane, (u.created_at AT TIME ZONE 'UTC')::date,
            'pending'::outbox.message_status, u.status, count(*)
        FROM updated AS u
        GROUP BY 1, 2, 3, 4, 5, 6
    ), logged AS (
        INSERT INTO outbox.attempt (message_id, at, dispatcher, attempt, verdict, provider, reason)
        SELECT u.id, u.at, settle_unsent.dispatcher, u.attempts, u.verdict, u.provider, u.reason
        FROM updated AS u
        WHERE u.verdict NOT IN ('expired', 'suppressed', 'deferred', 'moved')
    )
    SELECT count(*), array_agg(u.id) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(coalesce(u.as_of, u.at)) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(u.reason) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(u.provider) FILTER (WHERE u.verdict = 'address_gone'),
        array_agg(u.id) FILTER (WHERE u.verdict = 'moved')
    INTO settled, gone_ids, gone_ats, gone_reasons, gone_providers, moved_ids
    FROM updated AS u;
    IF gone_ids IS NOT NULL THEN
        PERFORM outbox.retire_addresses(gone_ids, gone_ats, gone_reasons, gone_providers);
    END IF;
    IF moved_ids IS NOT NULL THEN
        PERFORM outbox.follow_addresses(moved_ids);
    END IF;
    RETURN settled;
END
$$;

COMMENT ON FUNCTION outbox.settle_unsent(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[]) IS 'The part of outbox.settle for every verdict but sent';

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

COMMENT ON FUNCTION outbox.skip_used_notification_key() IS 'Trigger: a notification whose key was used is not inserted';

CREATE FUNCTION outbox.snapshot_queues() RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE
    written integer;
BEGIN
    WITH due AS MATERIALIZED (
        SELECT m.channel, m.lane FROM outbox.message AS m
        WHERE m.next_attempt_at IS NOT NULL
        ORDER BY m.next_attempt_at
        LIMIT 20000
    ), total AS MATERIALIZED (
        SELECT count(*) AS seen, CASE
            WHEN count(*) < 20000 THEN 1
            ELSE greatest((SELECT c.reltuples FROM pg_class AS c
                           WHERE c.oid = 'outbox.message_due_idx'::regclass) / count(*), 1)
        END AS factor
        FROM due AS d
    ), flying AS MATERIALIZED (
        SELECT m.channel, m.lane, count(*) AS messages
        FROM outbox.message AS m
        WHERE m.status = 'pending'
            AND m.id = ANY (ARRAY(SELECT unnest(f.message_ids) FROM outbox.flight AS f))
        GROUP BY m.channel, m.lane
    )
    INSERT INTO outbox.queue_history (at, channel, lane, estimated, pending, scheduled, in_air, oldest_ready_age)
    SELECT now(), c.name, l.lane, q.estimated, q.pending,
        round((SELECT count(*) FROM due AS d WHERE d.channel = c.name AND d.lane = l.lane) * t.factor),
        coalesce((SELECT f.messages FROM flying AS f WHERE f.channel = c.name AND f.lane = l.lane), 0),
        coalesce(greatest(now() - q.oldest, '0'), '0')
    FROM outbox.channel AS c CROSS JOIN unnest(enum_range(NULL::outbox.lane)) AS l (lane) CROSS JOIN total AS t
        CROSS JOIN LATERAL outbox.measure_queue(c.name, l.lane) AS q
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

COMMENT ON FUNCTION outbox.snapshot_queues() IS 'Notes depth and age of each queue in outbox.queue_history; returns how many queues';

CREATE FUNCTION outbox.stop_provider(name text, reason text, duration interval) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE outbox.provider p SET stopped_until = (now() + stop_provider.duration), stop_reason = "left"(stop_provider.reason, 500), stopped_at = now()
   WHERE (p.name = stop_provider.name);
END;

COMMENT ON FUNCTION outbox.stop_provider(name text, reason text, duration interval) IS 'A dispatcher''s brake: the provider is not used for a while; a person''s edit of its row clears it';

CREATE FUNCTION outbox.stop_user(user_id text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 INSERT INTO outbox.contact AS c (user_id, stopped_at)
   VALUES (stop_user.user_id, now()) ON CONFLICT(user_id) DO UPDATE SET stopped_at = excluded.stopped_at
   WHERE (c.stopped_at IS NULL);
END;

COMMENT ON FUNCTION outbox.stop_user(user_id text) IS 'From now on the user gets nothing but mandatory categories';

CREATE FUNCTION outbox.take_doubt(channel text, ready text[], OUT message_id bigint, OUT provider text, OUT sent_from timestamp with time zone, OUT sent_upto timestamp with time zone, OUT waited interval, OUT turn bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    doubt outbox.doubt;
    is_open boolean := false;
BEGIN
    FOR i IN 1..20 LOOP
        SELECT d.* INTO doubt
        FROM unnest(take_doubt.ready) AS r (name)
            CROSS JOIN LATERAL (
                SELECT o.* FROM outbox.doubt AS o
                WHERE o.channel = take_doubt.channel AND o.provider = r.name AND o.next_at <= now()
                ORDER BY o.next_at LIMIT 1
                FOR UPDATE SKIP LOCKED) AS d
        ORDER BY d.next_at
        LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        is_open := EXISTS (SELECT FROM outbox.message AS m WHERE m.id = doubt.message_id AND m.status = 'in_doubt');
        EXIT WHEN is_open;
        DELETE FROM outbox.doubt AS d WHERE d.message_id = doubt.message_id;
    END LOOP;
    IF NOT is_open THEN
        RETURN;
    END IF;
    UPDATE outbox.doubt AS d SET next_at = clock_timestamp() + interval '5 minutes'
    WHERE d.message_id = doubt.message_id
    RETURNING extract(epoch FROM d.next_at) * 1000000 INTO turn;
    message_id := doubt.message_id;
    provider := nullif(doubt.provider, '');
    sent_from := doubt.sent_from;
    sent_upto := doubt.sent_upto;
    waited := clock_timestamp() - doubt.doubted_at;
END
$$;

COMMENT ON FUNCTION outbox.take_doubt(channel text, ready text[], OUT message_id bigint, OUT provider text, OUT sent_from timestamp with time zone, OUT sent_upto timestamp with time zone, OUT waited interval, OUT turn bigint) IS 'A message in doubt to ask about, for five minutes nobody else''s. ready: the providers whose messages are wanted, and an empty name for those that all must be asked about; turn: for outbox.settle_doubt';

CREATE FUNCTION outbox.take_leaving(kind outbox.key_kind) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    running_now text[];
    ready_ids bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM outbox.leaving AS l WHERE l.kind = take_leaving.kind) THEN
        RETURN NULL;
    END IF;
    running_now := outbox.running_transactions();
    UPDATE outbox.leaving AS l SET running = running_now
    WHERE l.kind = take_leaving.kind AND l.running IS NULL AND l.recorded_by <> pg_current_xact_id();
    DELETE FROM outbox.leaving AS l
    WHERE l.id = (SELECT o.id FROM outbox.leaving AS o
                  WHERE o.kind = take_leaving.kind AND NOT o.running && running_now
                  ORDER BY o.id LIMIT 1)
    RETURNING l.ids INTO ready_ids;
    RETURN ready_ids;
END
$$;

COMMENT ON FUNCTION outbox.take_leaving(kind outbox.key_kind) IS 'Takes rows off the list of leaving rows, none of which any running transaction could insert again';

CREATE FUNCTION outbox.tick_ledger(mark outbox.ledger_mark) RETURNS outbox.ledger_mark
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    prepared_now text[];
BEGIN
    IF mark.tick_at IS NULL THEN
        mark.tick_at := clock_timestamp();
        SELECT s.last_value - (NOT s.is_called)::integer INTO mark.tick_id FROM outbox.message_id_seq AS s;
        SELECT s.last_value - (NOT s.is_called)::integer INTO mark.tick_change FROM outbox.change_id_seq AS s;
        mark.running := outbox.running_transactions();
        mark.prepared := false;
    END IF;
    IF NOT mark.prepared AND NOT mark.running && outbox.running_transactions() THEN
        mark.running := ARRAY(SELECT p.transaction::text FROM pg_prepared_xacts AS p
                              WHERE p.database = current_database());
        mark.prepared := true;
    END IF;
    IF mark.prepared THEN
        prepared_now := ARRAY(SELECT p.transaction::text FROM pg_prepared_xacts AS p
                              WHERE p.database = current_database());
        IF NOT mark.running && prepared_now THEN
            mark.running := '{}';
        END IF;
    END IF;
    RETURN mark;
END
$$;

COMMENT ON FUNCTION outbox.tick_ledger(mark outbox.ledger_mark) IS 'Reads how far ids have come, or looks whether all transactions that ran then have ended: then prepared is true and running is empty';

CREATE FUNCTION outbox.unregister_dispatcher(id integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM outbox.dispatcher AS d
    WHERE d.id = unregister_dispatcher.id
        AND NOT EXISTS (SELECT FROM outbox.flight AS f WHERE f.dispatcher = d.id);
    PERFORM pg_advisory_unlock(7302, unregister_dispatcher.id);
END
$$;

COMMENT ON FUNCTION outbox.unregister_dispatcher(id integer) IS 'Ends a registration; with open flights the row stays, for recovery to settle them';

CREATE FUNCTION outbox.use_timezone(name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
BEGIN
    IF name COLLATE "C" ~* '^(?!(nan|inf|infinity)$)[a-z][a-z_/-]*$'
        OR name COLLATE "C" ~* ('^(posix/)?((etc/)?gmt[+-]?0|etc/gmt(\+([1-9]|1[0-2])|-([1-9]|1[0-4]))|'
            || 'est5edt|cst6cdt|mst7mdt|pst8pdt)$')
    THEN
        PERFORM set_config('TimeZone', name, true);
        RETURN;
    END IF;
    RAISE invalid_parameter_value;
EXCEPTION
    WHEN invalid_parameter_value THEN
        RAISE EXCEPTION 'timezone "%" does not exist', left(name, 64) USING
            ERRCODE = 'OB010', COLUMN = 'timezone', HINT = 'The names are listed in pg_timezone_names.';
END
$_$;

COMMENT ON FUNCTION outbox.use_timezone(name text) IS 'Sets TimeZone, for the calling function if that has a SET timezone clause, else for the transaction';

CREATE FUNCTION outbox.visit_rows(kind outbox.key_kind, after bigint, max_rows integer) RETURNS TABLE(id bigint, key text, used_at timestamp with time zone, ready boolean)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
( SELECT m.id,
         CASE
             WHEN (m.notification_id IS NULL) THEN m.idempotency_key
             ELSE NULL::text
         END AS "case",
     GREATEST(m.created_at, m.send_at) AS "greatest",
     ((m.status <> ALL (ARRAY['scheduled'::outbox.message_status, 'pending'::outbox.message_status, 'in_doubt'::outbox.message_status])) AND (m.finished_at <= (now() - s.keep_finished)))
    FROM (outbox.message m
      CROSS JOIN outbox.settings s)
   WHERE ((visit_rows.kind = 'message'::outbox.key_kind) AND (m.id > visit_rows.after))
   ORDER BY m.id
  LIMIT visit_rows.max_rows)
 UNION ALL
 ( SELECT n.id,
     n.idempotency_key,
     GREATEST(n.created_at, n.send_at) AS "greatest",
     ((n.state <> 'scheduled'::outbox.notification_state) AND (n.fallback_at IS NULL) AND (GREATEST(n.created_at, n.send_at) <= (now() - s.keep_finished)) AND (NOT (EXISTS ( SELECT
            FROM outbox.message m
           WHERE (m.notification_id = n.id)))))
    FROM (outbox.notification n
      CROSS JOIN outbox.settings s)
   WHERE ((visit_rows.kind = 'notification'::outbox.key_kind) AND (n.id > visit_rows.after))
   ORDER BY n.id
  LIMIT visit_rows.max_rows);
END;

COMMENT ON FUNCTION outbox.visit_rows(kind outbox.key_kind, after bigint, max_rows integer) IS 'The next messages or notifications, whether they may leave, and the key to record (NULL = none: it begins with that of a notification)';

CREATE FUNCTION outbox.wake(channel_id integer, name text) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT pg_catalog.pg_try_advisory_xact_lock_shared(7301, channel_id) THEN
        PERFORM outbox.ring('outbox_wake', name);
    END IF;
END
$$;

COMMENT ON FUNCTION outbox.wake(channel_id integer, name text) IS 'Notifies the sleeping dispatchers of a channel, if any; else keeps them awake until the transaction ends';

CREATE FUNCTION outbox.whereabouts(OUT system_identifier bigint, OUT database oid, OUT timeline integer) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT c.system_identifier,
     d.oid,
     ((('x'::text || "left"(pg_walfile_name(pg_current_wal_lsn()), 8)))::bit(32))::integer AS int4
    FROM (pg_control_system() c(pg_control_version, catalog_version_no, system_identifier, pg_control_last_modified)
      CROSS JOIN pg_database d)
   WHERE (d.datname = current_database());
END;

COMMENT ON FUNCTION outbox.whereabouts(OUT system_identifier bigint, OUT database oid, OUT timeline integer) IS 'Where this database is now, to be compared with outbox.history';

CREATE FUNCTION outbox.why_no_subscription(token text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
DECLARE
    subscription jsonb;
BEGIN
    IF octet_length(token) > 2048 THEN
        RETURN 'must not be longer than 2048 octets';
    END IF;
    subscription := token::jsonb;
    RETURN CASE
        WHEN jsonb_typeof(subscription) <> 'object'
            THEN 'must be a push subscription: a JSON object with endpoint and keys'
        -- What no provider's settings would allow: no user name, no fragment, the characters of RFC 3986.
        WHEN coalesce(subscription ->> 'endpoint', '')
                !~* '^https://[a-z0-9._:[\]-]+([/?][!$-;=?-[\]_a-z~]*)?$'
            THEN 'must have an endpoint that begins with https:// and is a URL'
        -- An uncompressed P-256 point has 65 octets, the authentication secret 16 (RFC 8291, section 3).
        WHEN coalesce(subscription #>> '{keys,p256dh}', '') !~ '^[A-Za-z0-9_-]{87}$'
            THEN 'must have keys.p256dh of 65 octets in base64url'
        WHEN coalesce(subscription #>> '{keys,auth}', '') !~ '^[A-Za-z0-9_-]{22}$'
            THEN 'must have keys.auth of 16 octets in base64url'
    END;
EXCEPTION WHEN invalid_text_representation OR untranslatable_character THEN
    RETURN 'must be a push subscription in JSON';
END
$_$;

COMMENT ON FUNCTION outbox.why_no_subscription(token text) IS 'The rule that a Web Push subscription breaks; NULL = none';

CREATE FUNCTION outbox.why_notification_refused(n outbox.notification) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN ((btrim((n).user_id) = ''::text) OR (octet_length((n).user_id) > 200) OR ((n).user_id ~ '[\x01-\x1f\x7f]'::text)) THEN 'OB009 user_id must have 1 to 200 octets and no control characters'::text WHEN (NOT (EXISTS (SELECT FROM outbox.category g WHERE (g.name = (why_notification_refused.n).category)))) THEN (('OB009 category "'::text || (n).category) || '" does not exist; see outbox.category'::text) WHEN ((n).channels = '{}'::text[]) THEN 'OB009 channels must not be empty; leave it out for all that the template has'::text WHEN (EXISTS (SELECT FROM unnest((why_notification_refused.n).channels) u(u) WHERE ((u.u IS NULL) OR (NOT (EXISTS (SELECT FROM outbox.channel c WHERE (c.name = u.u))))))) THEN (('OB009 channels "'::text || (SELECT COALESCE(min(u.u), 'NULL'::text) AS "coalesce" FROM unnest((why_notification_refused.n).channels) u(u) WHERE ((u.u IS NULL) OR (NOT (EXISTS (SELECT FROM outbox.channel c WHERE (c.name = u.u))))))) || '" does not exist; see outbox.channel'::text) WHEN (EXISTS (SELECT FROM unnest((why_notification_refused.n).fallback) u(u) WHERE ((u.u IS NULL) OR (NOT (EXISTS (SELECT FROM outbox.channel c WHERE (c.name = u.u))))))) THEN 'OB009 fallback must name channels of outbox.channel'::text WHEN (((n).fallback && (n).channels) OR (cardinality((n).fallback) > (SELECT count(DISTINCT u.u) AS count FROM unnest((why_notification_refused.n).fallback) u(u)))) THEN 'OB009 fallback must not name a channel twice, nor one of channels'::text WHEN ((n).fallback_after <= '00:00:00'::interval) THEN 'OB009 fallback_after must be positive'::text WHEN (NOT (EXISTS (SELECT FROM outbox.template t WHERE ((t.name = (why_notification_refused.n).template) AND t.current)))) THEN (('OB009 template "'::text || (n).template) || '" does not exist; see outbox.template'::text) WHEN (NOT (EXISTS (SELECT FROM outbox.template t WHERE ((t.name = (why_notification_refused.n).template) AND t.current AND (((why_notification_refused.n).channels IS NULL) OR (t.channel = ANY (((why_notification_refused.n).channels || (why_notification_refused.n).fallback)))))))) THEN (('OB009 template "'::text || (n).template) || '" has no text for any of the channels'::text) WHEN (jsonb_typeof((n).variables) <> 'object'::text) THEN 'OB009 variables must be a JSON object'::text WHEN (octet_length(((n).variables)::text) > 65536) THEN 'OB009 variables must not be longer than 65536 octets'::text WHEN (((n).firing_id IS NULL) AND (EXISTS (SELECT FROM unnest(outbox.required_variables((why_notification_refused.n).template, CASE WHEN ((why_notification_refused.n).channels IS NOT NULL) THEN ((why_notification_refused.n).channels || (why_notification_refused.n).fallback) ELSE NULL::text[] END)) r(r) WHERE (((why_notification_refused.n).variables #> string_to_array(r.r, '.'::text)) IS NULL)))) THEN (((('OB009 variables must have "'::text || (SELECT min(r.r) AS min FROM unnest(outbox.required_variables((why_notification_refused.n).template, CASE WHEN ((why_notification_refused.n).channels IS NOT NULL) THEN ((why_notification_refused.n).channels || (why_notification_refused.n).fallback) ELSE NULL::text[] END)) r(r) WHERE (((why_notification_refused.n).variables #> string_to_array(r.r, '.'::text)) IS NULL))) || '": template "'::text) || (n).template) || '" needs it'::text) WHEN (NOT isfinite((n).send_at)) THEN 'OB004 send_at must be finite; leave it out for now'::text WHEN (NOT isfinite((n).expires_at)) THEN 'OB004 expires_at must be finite; leave it out for the category''s rule'::text WHEN ((n).expires_at <= now()) THEN 'OB004 expires_at must be in the future'::text WHEN ((n).expires_at <= (n).send_at) THEN 'OB004 expires_at must be after send_at'::text WHEN (NOT ((octet_length((n).idempotency_key) >= 1) AND (octet_length((n).idempotency_key) <= 200))) THEN 'OB005 idempotency_key must have 1 to 200 octets'::text ELSE NULL::text END;

COMMENT ON FUNCTION outbox.why_notification_refused(n outbox.notification) IS 'SQLSTATE, column and rule that a new notification breaks; NULL = it is welcome';

CREATE FUNCTION outbox.why_refused(new_message outbox.message) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE WHEN (NOT (EXISTS (SELECT FROM outbox.channel c WHERE (c.name = (why_refused.new_message).channel)))) THEN (('OB001 channel "'::text || (new_message).channel) || '" does not exist; see outbox.channel'::text) WHEN (btrim((new_message).recipient) = ''::text) THEN 'OB002 recipient must not be empty'::text WHEN (octet_length((new_message).recipient) > 4096) THEN 'OB002 recipient must not be longer than 4096 octets'::text WHEN ((new_message).recipient ~ '[\x01-\x1f\x7f]'::text) THEN 'OB002 recipient must not hold control characters'::text WHEN (jsonb_typeof((new_message).payload) <> 'object'::text) THEN 'OB003 payload must be a JSON object'::text WHEN ((pg_column_size((new_message).payload) > 8192) AND (octet_length(((new_message).payload)::text) > 262144)) THEN 'OB003 payload must not be longer than 262144 octets'::text WHEN (NOT isfinite((new_message).send_at)) THEN 'OB004 send_at must be finite; leave it out for now'::text WHEN (NOT isfinite((new_message).expires_at)) THEN 'OB004 expires_at must be finite; leave it out for never'::text WHEN ((new_message).expires_at <= now()) THEN 'OB004 expires_at must be in the future'::text WHEN ((new_message).expires_at <= (new_message).send_at) THEN 'OB004 expires_at must be after send_at'::text WHEN (NOT ((octet_length((new_message).idempotency_key) >= 1) AND (octet_length((new_message).idempotency_key) <= 255))) THEN 'OB005 idempotency_key must have 1 to 255 octets'::text WHEN (((new_message).user_id IS NULL) <> ((new_message).category IS NULL)) THEN 'OB007 category must be given with user_id, and user_id with category'::text WHEN (((new_message).category IS NOT NULL) AND (NOT (EXISTS (SELECT FROM outbox.category g WHERE (g.name = (why_refused.new_message).category))))) THEN (('OB007 category "'::text || (new_message).category) || '" does not exist; see outbox.category'::text) WHEN ((octet_length((new_message).user_id) > 200) OR (btrim((new_message).user_id) = ''::text)) THEN 'OB007 user_id must have 1 to 200 octets'::text WHEN ((new_message).environment <> ALL (ARRAY['production'::text, 'sandbox'::text])) THEN 'OB007 environment must be production or sandbox'::text ELSE NULL::text END;

COMMENT ON FUNCTION outbox.why_refused(new_message outbox.message) IS 'SQLSTATE, column and rule that a new message breaks; NULL = it is welcome';

CREATE TABLE outbox.history (
    era integer NOT NULL,
    token uuid DEFAULT gen_random_uuid() NOT NULL,
    system_identifier bigint NOT NULL,
    database oid NOT NULL,
    timeline integer NOT NULL,
    last_pos bigint DEFAULT 0 NOT NULL,
    reason text NOT NULL,
    began_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    began_by text DEFAULT SESSION_USER NOT NULL,
    settled_at timestamp with time zone,
    sealed text,
    ended_at timestamp with time zone
);

COMMENT ON TABLE outbox.history IS 'The histories of this schema, one era after the other; that without ended_at is the present one. What a program remembers is true in one of them';

COMMENT ON COLUMN outbox.history.token IS 'Names the era also where numbers are given twice, as after a restore';

COMMENT ON COLUMN outbox.history.timeline IS 'Of the WAL: each promotion of a standby begins another one';

COMMENT ON COLUMN outbox.history.last_pos IS 'Rows up to this position are older than the era, and may have been sent in a history that is lost';

COMMENT ON COLUMN outbox.history.settled_at IS 'Since when rows of former eras are sent, too: all dispatchers have told what they know of them, or are gone';

COMMENT ON COLUMN outbox.history.sealed IS 'Why nothing is sent until somebody calls outbox.adopt_history; NULL = open';

CREATE FUNCTION outbox.why_sealed() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (h.sealed IS NOT NULL) THEN h.sealed
             WHEN (h.system_identifier <> w.system_identifier) THEN format('a copy: the schema was last run on the system %s, and this is %s'::text, h.system_identifier, w.system_identifier)
             WHEN (h.database <> w.database) THEN format('a copy: the schema was last run in the database with the oid %s, and this is %s'::text, h.database, w.database)
             ELSE NULL::text
         END AS "case"
    FROM (outbox.history h
      CROSS JOIN outbox.whereabouts() w(system_identifier, database, timeline))
   WHERE (h.ended_at IS NULL);
END;

COMMENT ON FUNCTION outbox.why_sealed() IS 'Why nothing may be sent from this database; NULL = it may';

CREATE FUNCTION outbox.write_off(channel text, day date) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    lost bigint;
BEGIN
    LOCK TABLE outbox.accepted IN SHARE ROW EXCLUSIVE MODE;
    SELECT c.missing INTO lost FROM outbox.conservation AS c
    WHERE c.channel = write_off.channel AND c.day = write_off.day AND c.missing <> 0;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    INSERT INTO outbox.accepted AS a (channel, lane, day, written_off)
    VALUES (write_off.channel, 'transactional', write_off.day, lost)
    ON CONFLICT ON CONSTRAINT accepted_pkey DO UPDATE SET written_off = a.written_off + excluded.written_off;
    RETURN lost;
END
$$;

COMMENT ON FUNCTION outbox.write_off(channel text, day date) IS 'What is missing of a channel and day is known, and not reported any more; returns how many messages that are';

ALTER TABLE outbox.attempt ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE outbox.audience_block (
    firing_id bigint NOT NULL,
    n integer NOT NULL,
    user_ids text[] NOT NULL COLLATE pg_catalog."C",
    variables jsonb[] NOT NULL
);

COMMENT ON TABLE outbox.audience_block IS 'Users of a firing who are still to be notified, some hundred a row; variables has each one''s row of the audience, user_id included';

ALTER TABLE outbox.audit_finding ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.audit_finding_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE outbox.audit_request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.audit_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE outbox.change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE outbox.channel ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.channel_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW outbox.delivery AS
 SELECT message.id,
    message.idempotency_key,
    outbox.message_uuid(message.idempotency_key) AS uuid,
    message.channel,
    message.recipient,
    message.status,
    message.lane,
    message.app,
    message.provider,
    message.provider_message_id,
    message.created_at,
    message.send_at,
    message.next_attempt_at,
    message.expires_at,
    message.sent_at,
    message.finished_at,
    message.attempts,
    message.last_error,
    message.notification_id,
    message.user_id,
    message.category,
    message.template_id,
    message.device_id,
    false AS archived,
    message.cost,
    message.currency
   FROM outbox.message
UNION ALL
 SELECT archive.id,
    archive.idempotency_key,
    outbox.message_uuid(archive.idempotency_key) AS uuid,
    archive.channel,
    archive.recipient,
    archive.status,
    archive.lane,
    archive.app,
    archive.provider,
    archive.provider_message_id,
    archive.created_at,
    archive.send_at,
    archive.next_attempt_at,
    archive.expires_at,
    archive.sent_at,
    archive.finished_at,
    archive.attempts,
    archive.last_error,
    archive.notification_id,
    archive.user_id,
    archive.category,
    archive.template_id,
    archive.device_id,
    true AS archived,
    archive.cost,
    archive.currency
   FROM outbox.archive;

COMMENT ON VIEW outbox.delivery IS 'What became of each message, archived or not';

ALTER TABLE outbox.device ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.device_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE outbox.dispatcher ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.dispatcher_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE outbox.firing ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.firing_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE outbox.flight_note (
    dispatcher integer NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    message_ids bigint[] NOT NULL,
    verdicts text[] NOT NULL,
    providers text[] NOT NULL,
    provider_ids text[] NOT NULL,
    reasons text[] NOT NULL,
    at timestamp with time zone[] NOT NULL,
    not_befores timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    as_ofs timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='500');

COMMENT ON TABLE outbox.flight_note IS 'Verdicts of an open flight as they came in; element i of each array is about message_ids[i]';

COMMENT ON COLUMN outbox.flight_note.n IS 'Counted from 1 within a flight; the last note of a message holds';

COMMENT ON COLUMN outbox.flight_note.verdicts IS 'As outbox.settle takes them';

COMMENT ON COLUMN outbox.flight_note.at IS 'When the answer came';

COMMENT ON COLUMN outbox.flight_note.not_befores IS 'Earliest next attempt; NULL = by the channel''s backoff';

COMMENT ON COLUMN outbox.flight_note.as_ofs IS 'The moment that a verdict speaks of: an address that is gone was gone then, a message in doubt was perhaps sent from then on; NULL = when the answer came';

CREATE TABLE outbox.frequency (
    user_id text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    recent timestamp with time zone[] NOT NULL,
    granted integer NOT NULL
)
WITH (fillfactor='70');

COMMENT ON TABLE outbox.frequency IS 'When a user was last notified of a category with a cap';

COMMENT ON COLUMN outbox.frequency.granted IS 'How many of recent the last statement added';

CREATE VIEW outbox.health AS
 SELECT check_health."check",
    check_health.ok,
    check_health.detail
   FROM outbox.check_health() check_health("check", ok, detail);

COMMENT ON VIEW outbox.health IS 'One row per check; what is not ok needs a person';

CREATE VIEW outbox.in_the_air AS
 SELECT f.dispatcher,
    d.name AS dispatcher_name,
    d.host,
    f.seq,
    f.channel,
    cardinality(f.message_ids) AS messages,
    COALESCE(n.noted, (0)::bigint) AS noted,
    f.started_at,
    f.deadline,
    d.lost_at,
    f.message_ids
   FROM ((outbox.flight f
     LEFT JOIN outbox.dispatcher d ON ((d.id = f.dispatcher)))
     LEFT JOIN LATERAL ( SELECT count(DISTINCT u.id) AS noted
           FROM (outbox.flight_note fn
             CROSS JOIN LATERAL unnest(fn.message_ids) u(id))
          WHERE ((fn.dispatcher = f.dispatcher) AND (fn.seq = f.seq))) n ON (true));

COMMENT ON VIEW outbox.in_the_air IS 'Batches being sent at this moment, by dispatcher';

ALTER TABLE outbox.leaving ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.leaving_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE outbox.message ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE outbox.migration (
    name text NOT NULL COLLATE pg_catalog."C",
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE outbox.migration IS 'Files applied by outboxctl; checksum is their SHA-256';

CREATE TABLE outbox.notification_archive (
    id bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    send_at timestamp with time zone,
    due_at timestamp with time zone,
    expires_at timestamp with time zone,
    fallback_at timestamp with time zone,
    state outbox.notification_state NOT NULL,
    lane outbox.lane,
    fallback_step smallint NOT NULL,
    firing_id bigint,
    user_id text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    template text NOT NULL COLLATE pg_catalog."C",
    variables jsonb NOT NULL,
    channels text[] COLLATE pg_catalog."C",
    fallback text[] COLLATE pg_catalog."C",
    fallback_after interval NOT NULL,
    idempotency_key text NOT NULL COLLATE pg_catalog."C",
    withheld jsonb,
    archived_at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE (created_at);

COMMENT ON TABLE outbox.notification_archive IS 'Notifications of which nothing is left in outbox.message; one partition a UTC day of created_at';

ALTER TABLE outbox.notification ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW outbox.notification_status AS
 SELECT n.id,
    n.idempotency_key,
    n.user_id,
    n.category,
    n.template,
    n.created_at,
    n.send_at,
    x.channel,
    x.recipient,
    COALESCE(x.status, (n.state)::text) AS status,
    x.reason,
    x.provider,
    x.attempts,
    x.sent_at,
    x.finished_at,
    x.message_id,
    n.archived
   FROM (( SELECT notification.id,
            notification.idempotency_key,
            notification.user_id,
            notification.category,
            notification.template,
            notification.created_at,
            notification.send_at,
            notification.state,
            notification.withheld,
            false AS archived
           FROM outbox.notification
        UNION ALL
         SELECT notification_archive.id,
            notification_archive.idempotency_key,
            notification_archive.user_id,
            notification_archive.category,
            notification_archive.template,
            notification_archive.created_at,
            notification_archive.send_at,
            notification_archive.state,
            notification_archive.withheld,
            true
           FROM outbox.notification_archive) n
     LEFT JOIN LATERAL ( SELECT m.channel,
            m.recipient,
            (m.status)::text AS status,
            m.last_error AS reason,
            m.provider,
            m.attempts,
            m.sent_at,
            m.finished_at,
            m.id AS message_id
           FROM outbox.delivery m
          WHERE (m.notification_id = n.id)
        UNION ALL
         SELECT w.key,
            NULL::text,
            'withheld'::text,
            w.value,
            NULL::text,
            NULL::smallint,
            NULL::timestamp with time zone,
            NULL::timestamp with time zone,
            NULL::bigint
           FROM jsonb_each_text(n.withheld) w(key, value)) x ON (true));

COMMENT ON VIEW outbox.notification_status IS 'Each notification, archived or not, with its messages and with what was withheld and why; one row when there is neither';

CREATE VIEW outbox.partitions AS
 SELECT (p.relname)::text AS parent,
    (c.relname)::text AS name,
    to_date("right"((c.relname)::text, 8), 'YYYYMMDD'::text) AS day,
    pg_total_relation_size((c.oid)::regclass) AS size
   FROM (((pg_inherits i
     JOIN pg_class p ON ((p.oid = i.inhparent)))
     JOIN pg_namespace n ON ((n.oid = p.relnamespace)))
     JOIN pg_class c ON ((c.oid = i.inhrelid)))
  WHERE ((n.nspname = 'outbox'::name) AND (p.relname = ANY (ARRAY['archive'::name, 'notification_archive'::name])) AND (c.relkind = 'r'::"char"));

COMMENT ON VIEW outbox.partitions IS 'The days that the archives hold';

CREATE TABLE outbox.provider_budget (
    provider text NOT NULL COLLATE pg_catalog."C",
    tokens double precision DEFAULT 0 NOT NULL,
    filled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    day date DEFAULT ((clock_timestamp() AT TIME ZONE 'UTC'::text))::date NOT NULL,
    used_today bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='200');

COMMENT ON TABLE outbox.provider_budget IS 'What of a provider''s rate is left; dispatchers take it in advance';

CREATE VIEW outbox.provider_health AS
 SELECT p.name AS provider,
    p.channel,
    p.adapter,
        CASE
            WHEN (NOT p.enabled) THEN 'disabled'::text
            WHEN (p.stopped_until > now()) THEN 'stopped'::text
            WHEN ((s.open > 0) AND (s.open = s.dispatchers)) THEN 'open'::text
            WHEN (b.used_today >= p.rate_per_day) THEN 'exhausted'::text
            WHEN (s.open > 0) THEN 'partly open'::text
            ELSE 'working'::text
        END AS state,
        CASE
            WHEN p.enabled THEN
            CASE
                WHEN (p.stopped_until > now()) THEN p.stop_reason
                ELSE s.reason
            END
            ELSE NULL::text
        END AS reason,
        CASE
            WHEN p.enabled THEN
            CASE
                WHEN (p.stopped_until > now()) THEN p.stopped_at
                ELSE s.since
            END
            ELSE NULL::timestamp with time zone
        END AS since,
    p.stopped_until,
    COALESCE(s.open, (0)::bigint) AS open_in_dispatchers,
    b.used_today,
    p.rate_per_day
   FROM ((outbox.provider p
     LEFT JOIN LATERAL ( SELECT count(*) AS dispatchers,
            count(*) FILTER (WHERE (r.state <> 'closed'::text)) AS open,
            max(r.reason) FILTER (WHERE (r.state <> 'closed'::text)) AS reason,
            min(r.since) FILTER (WHERE (r.state <> 'closed'::text)) AS since
           FROM (outbox.dispatcher d
             LEFT JOIN outbox.provider_state r ON (((r.dispatcher = d.id) AND (r.provider = p.name))))
          WHERE ((p.channel = ANY (d.channels)) AND (d.lost_at IS NULL))) s ON (true))
     LEFT JOIN outbox.provider_budget b ON (((b.provider = p.name) AND (b.day = ((now() AT TIME ZONE 'UTC'::text))::date))));

COMMENT ON VIEW outbox.provider_health IS 'Which providers work, and why one does not';

CREATE TABLE outbox.provider_message (
    provider text NOT NULL COLLATE pg_catalog."C",
    provider_message_id text NOT NULL COLLATE pg_catalog."C",
    message_id bigint NOT NULL,
    sent_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE outbox.provider_message IS 'Which message a receipt is about';

CREATE TABLE outbox.provider_share (
    provider text NOT NULL COLLATE pg_catalog."C",
    dispatcher integer NOT NULL,
    slots integer NOT NULL,
    wanted integer NOT NULL
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='200');

COMMENT ON TABLE outbox.provider_share IS 'How many requests in the air each dispatcher may have';

COMMENT ON COLUMN outbox.provider_share.wanted IS 'How many it could use';

CREATE VIEW outbox.queue_depth AS
 SELECT b.channel,
    b.lane,
    (COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'scheduled'::outbox.message_status)), (0)::numeric))::bigint AS scheduled,
    (GREATEST(COALESCE(sum(b.messages) FILTER (WHERE (b.status = 'pending'::outbox.message_status)), (0)::numeric), (0)::numeric))::bigint AS pending
   FROM ( SELECT l.channel,
            l.lane,
            l.status,
            l.messages
           FROM outbox.ledger l
        UNION ALL
         SELECT c.channel,
            c.lane,
            x.status,
            (x.sign * c.messages)
           FROM (outbox.change c
             CROSS JOIN LATERAL ( VALUES (c.from_status,'-1'::integer), (c.to_status,1)) x(status, sign))
          WHERE (c.id > ( SELECT m.folded_id
                   FROM outbox.ledger_mark m))) b
  WHERE (b.status = ANY (ARRAY['scheduled'::outbox.message_status, 'pending'::outbox.message_status]))
  GROUP BY b.channel, b.lane;

COMMENT ON VIEW outbox.queue_depth IS 'How many messages wait, by the ledger: in milliseconds at any size, without what is not counted as accepted yet';

CREATE TABLE outbox.queue_history (
    at timestamp with time zone NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    lane outbox.lane NOT NULL,
    estimated boolean NOT NULL,
    pending bigint NOT NULL,
    scheduled bigint NOT NULL,
    in_air bigint NOT NULL,
    oldest_ready_age interval NOT NULL
);

COMMENT ON TABLE outbox.queue_history IS 'Depth and age of the queues over the last 30 days, for plots';

COMMENT ON COLUMN outbox.queue_history.estimated IS 'pending was too much to be counted: it is estimated from 20 samples of 1,000 positions';

COMMENT ON COLUMN outbox.queue_history.pending IS 'With what is in the air; exact unless estimated';

COMMENT ON COLUMN outbox.queue_history.scheduled IS 'Exact up to 20,000 in all channels, else the share of the channel in the 20,000 that fall due first, of the number that the statistics of message_due_idx tell';

COMMENT ON COLUMN outbox.queue_history.in_air IS 'Exact';

COMMENT ON COLUMN outbox.queue_history.oldest_ready_age IS 'Of what was counted or sampled; 0 = nothing is pending';

CREATE VIEW outbox.queue_stats AS
 SELECT c.name AS channel,
    l.lane,
    c.paused,
    COALESCE(p.pending, (0)::bigint) AS pending,
    GREATEST((now() - p.oldest), '00:00:00'::interval) AS oldest_ready_age,
    COALESCE(s.scheduled, (0)::bigint) AS scheduled,
    COALESCE(a.in_air, (0)::bigint) AS in_air,
    ( SELECT count(*) AS count
           FROM (outbox.dispatcher d
             JOIN pg_locks k ON (((k.locktype = 'advisory'::text) AND (k.classid = (7302)::oid) AND (k.objid = (d.id)::oid) AND (k.objsubid = 2) AND k.granted)))
          WHERE ((c.name = ANY (d.channels)) AND (k.database = ( SELECT pg_database.oid
                   FROM pg_database
                  WHERE (pg_database.datname = current_database()))))) AS dispatchers
   FROM (((((outbox.channel c
     CROSS JOIN unnest(enum_range(NULL::outbox.lane)) l(lane))
     LEFT JOIN outbox.queue q ON (((q.channel = c.name) AND (q.lane = l.lane))))
     LEFT JOIN LATERAL ( SELECT count(*) AS pending,
            min(GREATEST(m.created_at, m.send_at)) AS oldest
           FROM outbox.message m
          WHERE ((m.channel = c.name) AND (m.lane = l.lane) AND (m.queue_pos >= COALESCE(q.low_water, (0)::bigint)) AND (m.status = 'pending'::outbox.message_status))) p ON (true))
     LEFT JOIN ( SELECT m.channel,
            m.lane,
            count(*) AS scheduled
           FROM outbox.message m
          WHERE (m.next_attempt_at IS NOT NULL)
          GROUP BY m.channel, m.lane) s ON (((s.channel = c.name) AND (s.lane = l.lane))))
     LEFT JOIN ( SELECT m.channel,
            m.lane,
            count(*) AS in_air
           FROM ((outbox.flight f
             CROSS JOIN LATERAL unnest(f.message_ids) u(id))
             JOIN outbox.message m ON ((m.id = u.id)))
          WHERE (m.status = 'pending'::outbox.message_status)
          GROUP BY m.channel, m.lane) a ON (((a.channel = c.name) AND (a.lane = l.lane))));

COMMENT ON VIEW outbox.queue_stats IS 'Depth and age of each queue; pending includes what is in the air; counted by reading the queue, so not for every second on a large backlog';

CREATE TABLE outbox.receipt (
    provider text NOT NULL COLLATE pg_catalog."C",
    provider_message_id text NOT NULL COLLATE pg_catalog."C",
    event outbox.receipt_event NOT NULL,
    at timestamp with time zone NOT NULL,
    detail text,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    message_id bigint
);

COMMENT ON TABLE outbox.receipt IS 'What providers said later about messages they took';

COMMENT ON COLUMN outbox.receipt.message_id IS 'NULL = no such message yet: its sending may not be settled';

ALTER TABLE outbox.schedule ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.schedule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW outbox.schedule_status AS
 SELECT s.id,
    s.name,
    s.cron,
    s.run_at,
    s.timezone,
    s.enabled,
    s.catch_up,
    s.next_fire_at,
    f.id AS firing_id,
    f.fire_at AS last_fire_at,
    f.state,
    f.audience,
    f.users,
    f.messages,
    f.finished_at,
    COALESCE(s.error, f.error) AS error,
    f.retry_at
   FROM (outbox.schedule s
     LEFT JOIN LATERAL ( SELECT l.id,
            l.schedule_id,
            l.fire_at,
            l.fired_at,
            l.finished_at,
            l.retry_at,
            l.audience,
            l.users,
            l.messages,
            l.next_block,
            l.state,
            l.error
           FROM outbox.firing l
          WHERE (l.schedule_id = s.id)
          ORDER BY l.fire_at DESC
         LIMIT 1) f ON (true));

COMMENT ON VIEW outbox.schedule_status IS 'Each schedule, when it fires next, and what became of its last firing';

CREATE TABLE outbox.server (
    only_row boolean DEFAULT true NOT NULL,
    started_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT server_only_row_check CHECK (only_row)
);

COMMENT ON TABLE outbox.server IS 'The server that dispatchers were last looked at on; see outbox.server_seen_at';

COMMENT ON COLUMN outbox.server.started_at IS 'Its pg_postmaster_start_time(): another one is another server, or a restart';

ALTER TABLE outbox.template ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME outbox.template_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE outbox.transition (
    from_status outbox.message_status NOT NULL,
    to_status outbox.message_status NOT NULL
);

COMMENT ON TABLE outbox.transition IS 'The legal moves of a message';

CREATE TABLE outbox.used_key (
    key text NOT NULL COLLATE pg_catalog."C",
    kind outbox.key_kind NOT NULL,
    id bigint NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE outbox.used_key IS 'Keys of rows that left, or are about to leave, the hot tables; kept for settings.key_window';

COMMENT ON COLUMN outbox.used_key.id IS 'The message or notification that has the key';

ALTER TABLE ONLY outbox.accepted
    ADD CONSTRAINT accepted_pkey PRIMARY KEY (channel, lane, day);

ALTER TABLE ONLY outbox.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.audience_block
    ADD CONSTRAINT audience_block_pkey PRIMARY KEY (firing_id, n);

ALTER TABLE ONLY outbox.audit_finding
    ADD CONSTRAINT audit_finding_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.audit_request
    ADD CONSTRAINT audit_request_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.audit_run
    ADD CONSTRAINT audit_run_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY outbox.category
    ADD CONSTRAINT category_pkey PRIMARY KEY (name);

ALTER TABLE ONLY outbox.change
    ADD CONSTRAINT change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.channel
    ADD CONSTRAINT channel_id_key UNIQUE (id);

ALTER TABLE ONLY outbox.channel
    ADD CONSTRAINT channel_pkey PRIMARY KEY (name);

ALTER TABLE ONLY outbox.contact
    ADD CONSTRAINT contact_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY outbox.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.device
    ADD CONSTRAINT device_platform_token_app_key UNIQUE (platform, token, app);

ALTER TABLE ONLY outbox.dispatcher
    ADD CONSTRAINT dispatcher_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.doubt
    ADD CONSTRAINT doubt_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY outbox.firing
    ADD CONSTRAINT firing_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.firing
    ADD CONSTRAINT firing_schedule_id_fire_at_key UNIQUE (schedule_id, fire_at);

ALTER TABLE ONLY outbox.flight_note
    ADD CONSTRAINT flight_note_pkey PRIMARY KEY (dispatcher, seq, n);

ALTER TABLE ONLY outbox.flight
    ADD CONSTRAINT flight_pkey PRIMARY KEY (dispatcher, seq);

ALTER TABLE ONLY outbox.frequency
    ADD CONSTRAINT frequency_pkey PRIMARY KEY (user_id, category);

ALTER TABLE ONLY outbox.history
    ADD CONSTRAINT history_pkey PRIMARY KEY (era);

ALTER TABLE ONLY outbox.history
    ADD CONSTRAINT history_token_key UNIQUE (token);

ALTER TABLE ONLY outbox.leaving
    ADD CONSTRAINT leaving_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.ledger_block
    ADD CONSTRAINT ledger_block_pkey PRIMARY KEY (block, channel, lane, day, place, status);

ALTER TABLE ONLY outbox.ledger_mark
    ADD CONSTRAINT ledger_mark_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY outbox.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (channel, lane, day, status);

ALTER TABLE ONLY outbox.message
    ADD CONSTRAINT message_idempotency_key_key UNIQUE (idempotency_key);

ALTER TABLE ONLY outbox.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY outbox.notification
    ADD CONSTRAINT notification_idempotency_key_key UNIQUE (idempotency_key);

ALTER TABLE ONLY outbox.notification
    ADD CONSTRAINT notification_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.partial
    ADD CONSTRAINT partial_pkey PRIMARY KEY (name, locale);

ALTER TABLE ONLY outbox.preference
    ADD CONSTRAINT preference_pkey PRIMARY KEY (user_id, category, channel);

ALTER TABLE ONLY outbox.provider_budget
    ADD CONSTRAINT provider_budget_pkey PRIMARY KEY (provider);

ALTER TABLE ONLY outbox.provider_message
    ADD CONSTRAINT provider_message_pkey PRIMARY KEY (provider, provider_message_id);

ALTER TABLE ONLY outbox.provider
    ADD CONSTRAINT provider_pkey PRIMARY KEY (name);

ALTER TABLE ONLY outbox.provider_share
    ADD CONSTRAINT provider_share_pkey PRIMARY KEY (provider, dispatcher);

ALTER TABLE ONLY outbox.provider_state
    ADD CONSTRAINT provider_state_pkey PRIMARY KEY (provider, dispatcher);

ALTER TABLE ONLY outbox.queue_history
    ADD CONSTRAINT queue_history_pkey PRIMARY KEY (at, channel, lane);

ALTER TABLE ONLY outbox.queue
    ADD CONSTRAINT queue_pkey PRIMARY KEY (channel, lane);

ALTER TABLE ONLY outbox.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (provider, provider_message_id, event);

ALTER TABLE ONLY outbox.schedule
    ADD CONSTRAINT schedule_name_key UNIQUE (name);

ALTER TABLE ONLY outbox.schedule
    ADD CONSTRAINT schedule_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.server
    ADD CONSTRAINT server_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY outbox.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY outbox.suppression
    ADD CONSTRAINT suppression_pkey PRIMARY KEY (channel, address);

ALTER TABLE ONLY outbox.template
    ADD CONSTRAINT template_name_channel_locale_version_key UNIQUE (name, channel, locale, version);

ALTER TABLE ONLY outbox.template
    ADD CONSTRAINT template_pkey PRIMARY KEY (id);

ALTER TABLE ONLY outbox.transition
    ADD CONSTRAINT transition_pkey PRIMARY KEY (from_status, to_status);

ALTER TABLE ONLY outbox.used_key
    ADD CONSTRAINT used_key_pkey PRIMARY KEY (key, kind);

ALTER TABLE ONLY outbox.walk
    ADD CONSTRAINT walk_pkey PRIMARY KEY (duty, channel, lane);

CREATE INDEX archive_id_idx ON ONLY outbox.archive USING btree (id);

CREATE INDEX archive_key_idx ON ONLY outbox.archive USING btree (idempotency_key);

CREATE INDEX archive_notification_idx ON ONLY outbox.archive USING btree (notification_id) WHERE (notification_id IS NOT NULL);

CREATE INDEX archive_provider_idx ON ONLY outbox.archive USING btree (provider, provider_message_id) WHERE (provider_message_id IS NOT NULL);

CREATE INDEX attempt_in_doubt_idx ON outbox.attempt USING btree (message_id) WHERE (verdict = 'in_doubt'::text);

CREATE INDEX attempt_message_idx ON outbox.attempt USING btree (message_id);

CREATE INDEX audit_finding_at_idx ON outbox.audit_finding USING btree (at);

CREATE INDEX contact_timezone_idx ON outbox.contact USING btree (timezone) WHERE (timezone IS NOT NULL);

CREATE INDEX device_user_idx ON outbox.device USING btree (user_id) WHERE (retired_at IS NULL);

CREATE INDEX doubt_due_idx ON outbox.doubt USING btree (channel, provider, next_at);

CREATE INDEX firing_open_idx ON outbox.firing USING btree (state, fire_at) WHERE (state = ANY (ARRAY['gathering'::outbox.firing_state, 'expanding'::outbox.firing_state]));

CREATE UNIQUE INDEX history_present_idx ON outbox.history USING btree (((ended_at IS NULL))) WHERE (ended_at IS NULL);

CREATE INDEX message_claim_idx ON outbox.message USING btree (channel, lane, queue_pos) WHERE (queue_pos IS NOT NULL);

CREATE INDEX message_due_idx ON outbox.message USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);

CREATE INDEX message_notification_idx ON outbox.message USING btree (notification_id) WHERE (notification_id IS NOT NULL);

CREATE INDEX notification_archive_id_idx ON ONLY outbox.notification_archive USING btree (id);

CREATE INDEX notification_archive_key_idx ON ONLY outbox.notification_archive USING btree (idempotency_key);

CREATE INDEX notification_due_idx ON outbox.notification USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX notification_fallback_idx ON outbox.notification USING btree (fallback_at) WHERE (fallback_at IS NOT NULL);

CREATE INDEX provider_message_sent_idx ON outbox.provider_message USING btree (sent_at);

CREATE INDEX receipt_message_idx ON outbox.receipt USING btree (message_id);

CREATE INDEX receipt_recorded_idx ON outbox.receipt USING btree (recorded_at);

CREATE INDEX receipt_unmatched_idx ON outbox.receipt USING btree (recorded_at) WHERE (message_id IS NULL);

CREATE INDEX schedule_due_idx ON outbox.schedule USING btree (next_fire_at) WHERE (next_fire_at IS NOT NULL);

CREATE UNIQUE INDEX template_current_idx ON outbox.template USING btree (name, channel, locale) WHERE current;

CREATE INDEX used_key_recorded_idx ON outbox.used_key USING btree (recorded_at);

CREATE TRIGGER after_insert AFTER INSERT ON outbox.message REFERENCING NEW TABLE AS new_messages FOR EACH STATEMENT EXECUTE FUNCTION outbox.after_insert();

CREATE TRIGGER after_insert AFTER INSERT ON outbox.notification REFERENCING NEW TABLE AS new_notifications FOR EACH STATEMENT EXECUTE FUNCTION outbox.after_notification_insert();

CREATE TRIGGER channel_is_used BEFORE DELETE ON outbox.channel FOR EACH ROW EXECUTE FUNCTION outbox.channel_is_used();

CREATE TRIGGER channel_is_used_by_its_name BEFORE UPDATE OF name ON outbox.channel FOR EACH ROW WHEN ((new.name <> old.name)) EXECUTE FUNCTION outbox.channel_is_used();

CREATE TRIGGER check_contact BEFORE INSERT OR UPDATE ON outbox.contact FOR EACH ROW EXECUTE FUNCTION outbox.check_contact();

CREATE TRIGGER check_device BEFORE INSERT OR UPDATE OF user_id, platform, app, environment, token, locale ON outbox.device FOR EACH ROW EXECUTE FUNCTION outbox.check_device();

CREATE TRIGGER check_preference BEFORE INSERT OR UPDATE ON outbox.preference FOR EACH ROW EXECUTE FUNCTION outbox.check_preference();

CREATE TRIGGER check_schedule BEFORE INSERT OR UPDATE OF name, cron, run_at, timezone, audience, template, category, channels, variables, lane, fallback, fallback_after, valid_for, enabled ON outbox.schedule FOR EACH ROW EXECUTE FUNCTION outbox.check_schedule();

CREATE TRIGGER check_settings BEFORE INSERT OR UPDATE OF default_timezone ON outbox.settings FOR EACH ROW EXECUTE FUNCTION outbox.check_settings();

CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.channel FOR EACH STATEMENT EXECUTE FUNCTION outbox.config_changed();

CREATE TRIGGER config_changed AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON outbox.provider FOR EACH STATEMENT EXECUTE FUNCTION outbox.config_changed();

CREATE TRIGGER forget_stop BEFORE UPDATE OF channel, adapter, app, environment, regions, settings, enabled ON outbox.provider FOR EACH ROW EXECUTE FUNCTION outbox.forget_stop();

CREATE TRIGGER keep_used_partial BEFORE DELETE ON outbox.partial FOR EACH ROW EXECUTE FUNCTION outbox.keep_used_partial();

CREATE TRIGGER key_is_fixed BEFORE UPDATE ON outbox.partial FOR EACH ROW WHEN (((new.name IS DISTINCT FROM old.name) OR (new.locale IS DISTINCT FROM old.locale))) EXECUTE FUNCTION outbox.refuse('OB008', 'name', 'and locale are never changed: insert another partial');

CREATE TRIGGER lock_templates BEFORE INSERT OR DELETE OR UPDATE ON outbox.partial FOR EACH STATEMENT EXECUTE FUNCTION outbox.lock_templates();

CREATE TRIGGER lock_templates BEFORE INSERT OR DELETE OR UPDATE ON outbox.template FOR EACH STATEMENT EXECUTE FUNCTION outbox.lock_templates();

CREATE TRIGGER note_deleted AFTER DELETE ON outbox.archive REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_archive();

CREATE TRIGGER note_deleted AFTER DELETE ON outbox.message REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_deleted();

CREATE TRIGGER note_inserted AFTER INSERT ON outbox.archive REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_archive();

CREATE TRIGGER note_no_provider AFTER TRUNCATE ON outbox.provider FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_provider();

CREATE CONSTRAINT TRIGGER note_other_provider AFTER UPDATE OF name, channel, adapter, settings ON outbox.provider DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((((old.name IS DISTINCT FROM new.name) OR (old.channel IS DISTINCT FROM new.channel)) OR (old.adapter IS DISTINCT FROM new.adapter)) OR (old.settings IS DISTINCT FROM new.settings))) EXECUTE FUNCTION outbox.note_provider();

CREATE CONSTRAINT TRIGGER note_provider AFTER INSERT OR DELETE ON outbox.provider DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outbox.note_provider();

CREATE TRIGGER note_updated AFTER UPDATE ON outbox.archive REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION outbox.note_archive();

CREATE TRIGGER prepare_partial BEFORE INSERT OR UPDATE ON outbox.partial FOR EACH ROW EXECUTE FUNCTION outbox.prepare_partial();

CREATE TRIGGER prepare_template BEFORE INSERT ON outbox.template FOR EACH ROW EXECUTE FUNCTION outbox.prepare_template();

CREATE TRIGGER refresh_templates AFTER INSERT OR UPDATE ON outbox.partial FOR EACH ROW EXECUTE FUNCTION outbox.refresh_templates();

CREATE TRIGGER regions_are_places BEFORE INSERT OR UPDATE OF regions ON outbox.provider FOR EACH ROW WHEN ((new.regions <> '{}'::text[])) EXECUTE FUNCTION outbox.refuse_regions();

CREATE TRIGGER schedule_message BEFORE INSERT ON outbox.message FOR EACH ROW WHEN ((new.send_at > now())) EXECUTE FUNCTION outbox.schedule_message();

CREATE TRIGGER schedule_notification BEFORE INSERT ON outbox.notification FOR EACH ROW WHEN ((new.send_at > now())) EXECUTE FUNCTION outbox.schedule_notification();

CREATE TRIGGER settings_is_object BEFORE INSERT OR UPDATE OF settings ON outbox.provider FOR EACH ROW WHEN ((jsonb_typeof(new.settings) <> 'object'::text)) EXECUTE FUNCTION outbox.refuse('OB006', 'settings', 'must be a JSON object');

CREATE TRIGGER settings_without_secrets BEFORE INSERT OR UPDATE OF settings, adapter ON outbox.provider FOR EACH ROW WHEN (((new.settings ?| ARRAY['key'::text, 'private_key'::text, 'password'::text, 'passwd'::text, 'token'::text, 'access_token'::text, 'auth_token'::text, 'secret'::text, 'client_secret'::text, 'service_account'::text, 'credentials'::text, 'secret_key'::text, 'api_secret'::text, 'secret_access_key'::text, 'session_token'::text, 'signing_key'::text, 'former_signing_key'::text, 'vapid_key'::text, 'dkim_key'::text, 'dkim_key2'::text]) OR ((new.settings ? 'api_key'::text) AND (new.adapter <> ALL (ARRAY['twilio'::text, 'vonage'::text]))))) EXECUTE FUNCTION outbox.refuse('OB006', 'settings', 'must not hold a secret: name it by NAME_file (a path) or NAME_env (a variable)');

CREATE TRIGGER skip_used_key BEFORE INSERT ON outbox.message FOR EACH ROW EXECUTE FUNCTION outbox.skip_used_key();

CREATE TRIGGER skip_used_key BEFORE INSERT ON outbox.notification FOR EACH ROW EXECUTE FUNCTION outbox.skip_used_notification_key();

CREATE TRIGGER state_is_possible AFTER UPDATE ON outbox.message FOR EACH ROW WHEN ((NOT
        CASE new.status
            WHEN 'pending'::outbox.message_status THEN ((new.queue_pos IS NOT NULL) AND (new.next_attempt_at IS NULL) AND (new.finished_at IS NULL))
            WHEN 'scheduled'::outbox.message_status THEN ((new.queue_pos IS NULL) AND (isfinite(new.next_attempt_at) IS TRUE) AND (new.finished_at IS NULL))
            ELSE ((new.next_attempt_at IS NULL) AND (isfinite(new.finished_at) IS TRUE))
        END)) EXECUTE FUNCTION outbox.refuse('OB004', 'status', 'must fit: pending has queue_pos only, scheduled next_attempt_at only, any other finished_at');

CREATE TRIGGER vendor_is_described BEFORE INSERT OR UPDATE OF adapter, settings ON outbox.provider FOR EACH ROW WHEN ((new.adapter = 'http'::text)) EXECUTE FUNCTION outbox.refuse_http_settings();

CREATE TRIGGER version_is_fixed BEFORE UPDATE ON outbox.template FOR EACH ROW WHEN ((((to_jsonb(new.*) - '{channel,current}'::text[]) <> (to_jsonb(old.*) - '{channel,current}'::text[])) OR ((new.channel IS DISTINCT FROM old.channel) AND (pg_trigger_depth() = 0)))) EXECUTE FUNCTION outbox.refuse('OB008', 'version', 'is never changed: insert a new version');

ALTER TABLE ONLY outbox.audience_block
    ADD CONSTRAINT audience_block_firing_id_fkey FOREIGN KEY (firing_id) REFERENCES outbox.firing(id) ON DELETE CASCADE;

ALTER TABLE ONLY outbox.firing
    ADD CONSTRAINT firing_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES outbox.schedule(id) ON DELETE CASCADE;

ALTER TABLE ONLY outbox.frequency
    ADD CONSTRAINT frequency_category_fkey FOREIGN KEY (category) REFERENCES outbox.category(name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY outbox.preference
    ADD CONSTRAINT preference_category_fkey FOREIGN KEY (category) REFERENCES outbox.category(name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY outbox.provider_budget
    ADD CONSTRAINT provider_budget_provider_fkey FOREIGN KEY (provider) REFERENCES outbox.provider(name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY outbox.provider
    ADD CONSTRAINT provider_channel_fkey FOREIGN KEY (channel) REFERENCES outbox.channel(name) ON UPDATE CASCADE;

ALTER TABLE ONLY outbox.provider_share
    ADD CONSTRAINT provider_share_provider_fkey FOREIGN KEY (provider) REFERENCES outbox.provider(name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY outbox.provider_state
    ADD CONSTRAINT provider_state_provider_fkey FOREIGN KEY (provider) REFERENCES outbox.provider(name) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY outbox.template
    ADD CONSTRAINT template_channel_fkey FOREIGN KEY (channel) REFERENCES outbox.channel(name) ON UPDATE CASCADE;
GRANT USAGE ON SCHEMA outbox TO outbox_admin;
GRANT USAGE ON SCHEMA outbox TO outbox_dispatcher;
GRANT USAGE ON SCHEMA outbox TO outbox_producer;
GRANT USAGE ON SCHEMA outbox TO outbox_reader;
GRANT USAGE ON SCHEMA outbox TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.adopt_history(reason text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.adopt_history(reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.after_insert() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.after_insert() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.after_notification_insert() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.after_notification_insert() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.apply_receipts(message_id bigint, news outbox.receipt_event[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.apply_receipts(message_id bigint, news outbox.receipt_event[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.archive_rows(kind outbox.key_kind, duty text, max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.archive_rows(kind outbox.key_kind, duty text, max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.archive_rows(kind outbox.key_kind, duty text, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.archive_finished(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.archive_finished(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.archive_finished(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.archive_notifications(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.archive_notifications(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.archive_notifications(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.audience_query(audience text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.audience_query(audience text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.audience_query(audience text) FROM PUBLIC;
GRANT ALL ON PROCEDURE outbox.audit() TO outbox_admin;
REVOKE ALL ON PROCEDURE outbox.audit() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.audit_archive(block bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.audit_archive(block bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.audit_archive(block bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.audit_ledger(block bigint, opening boolean) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.audit_ledger(block bigint, opening boolean) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.audit_ledger(block bigint, opening boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.audit_rest() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.audit_rest() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.audit_rest() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.audit_step(at_once boolean) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.audit_step(at_once boolean) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.audit_step(at_once boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.audit_waiting(block bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.audit_waiting(block bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.audit_waiting(block bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.backoff(base interval, cap interval, attempts integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.backoff(base interval, cap interval, attempts integer) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.backoff(base interval, cap interval, attempts integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.backoff(base interval, cap interval, attempts integer) FROM PUBLIC;
GRANT ALL ON TABLE outbox.leaving TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.leaving TO outbox_scheduler;
GRANT ALL ON TABLE outbox.walk TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.walk TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.begin_walk(walk outbox.walk, kind outbox.key_kind) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.bring_back(message_id bigint) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.bring_back(message_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cancel(idempotency_key text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cancel(idempotency_key text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.cancel(idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cancel_firing(firing_id bigint, reason text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cancel_firing(firing_id bigint, reason text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cancel_firing(firing_id bigint, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cancel_notification(idempotency_key text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cancel_notification(idempotency_key text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.cancel_notification(idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.normal_locale(locale text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.normal_locale(locale text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.normal_locale(locale text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.normal_locale(locale text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.normal_locale(locale text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.normal_locale(locale text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.locale_chain(locale text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.locale_chain(locale text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.locale_chain(locale text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.locale_chain(locale text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.locale_chain(locale text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.locale_chain(locale text) FROM PUBLIC;
GRANT ALL ON TABLE outbox.template TO outbox_admin;
GRANT SELECT ON TABLE outbox.template TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.template TO outbox_reader;
GRANT ALL ON FUNCTION outbox.find_template(name text, channel text, locale text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.find_template(name text, channel text, locale text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.find_template(name text, channel text, locale text) TO outbox_reader;
REVOKE ALL ON FUNCTION outbox.find_template(name text, channel text, locale text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.quiet_end(at timestamp with time zone, timezone text, quiet_from time without time zone, quiet_until time without time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.quiet_end(at timestamp with time zone, timezone text, quiet_from time without time zone, quiet_until time without time zone) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.quiet_end(at timestamp with time zone, timezone text, quiet_from time without time zone, quiet_until time without time zone) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.quiet_end(at timestamp with time zone, timezone text, quiet_from time without time zone, quiet_until time without time zone) FROM PUBLIC;
GRANT ALL ON TABLE outbox.category TO outbox_admin;
GRANT SELECT ON TABLE outbox.category TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.category TO outbox_reader;
GRANT SELECT ON TABLE outbox.category TO outbox_scheduler;
GRANT SELECT(name) ON TABLE outbox.category TO outbox_producer;
GRANT ALL ON TABLE outbox.contact TO outbox_admin;
GRANT SELECT ON TABLE outbox.contact TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.contact TO outbox_reader;
GRANT SELECT ON TABLE outbox.contact TO outbox_scheduler;
GRANT ALL ON TABLE outbox.device TO outbox_admin;
GRANT SELECT ON TABLE outbox.device TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.device TO outbox_reader;
GRANT SELECT ON TABLE outbox.device TO outbox_scheduler;
GRANT UPDATE(retired_at) ON TABLE outbox.device TO outbox_dispatcher;
GRANT UPDATE(retired_at) ON TABLE outbox.device TO outbox_scheduler;
GRANT UPDATE(retired_reason) ON TABLE outbox.device TO outbox_dispatcher;
GRANT UPDATE(retired_reason) ON TABLE outbox.device TO outbox_scheduler;
GRANT ALL ON TABLE outbox.preference TO outbox_admin;
GRANT SELECT ON TABLE outbox.preference TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.preference TO outbox_reader;
GRANT SELECT ON TABLE outbox.preference TO outbox_scheduler;
GRANT SELECT ON TABLE outbox.settings TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.settings TO outbox_reader;
GRANT SELECT ON TABLE outbox.settings TO outbox_scheduler;
GRANT SELECT,UPDATE ON TABLE outbox.settings TO outbox_admin;
GRANT ALL ON TABLE outbox.suppression TO outbox_admin;
GRANT SELECT ON TABLE outbox.suppression TO outbox_reader;
GRANT SELECT,INSERT ON TABLE outbox.suppression TO outbox_dispatcher;
GRANT SELECT,INSERT ON TABLE outbox.suppression TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.standing(at timestamp with time zone, channel text, recipient text, lane outbox.lane, user_id text, category text, notification_id bigint, device_id bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.standing(at timestamp with time zone, channel text, recipient text, lane outbox.lane, user_id text, category text, notification_id bigint, device_id bigint) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.standing(at timestamp with time zone, channel text, recipient text, lane outbox.lane, user_id text, category text, notification_id bigint, device_id bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.standing(at timestamp with time zone, channel text, recipient text, lane outbox.lane, user_id text, category text, notification_id bigint, device_id bigint) FROM PUBLIC;
GRANT ALL ON TABLE outbox.notification TO outbox_admin;
GRANT SELECT ON TABLE outbox.notification TO outbox_reader;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.notification TO outbox_scheduler;
GRANT SELECT(id) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(send_at) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(expires_at) ON TABLE outbox.notification TO outbox_producer;
GRANT UPDATE(fallback_at) ON TABLE outbox.notification TO outbox_scheduler;
GRANT INSERT(lane) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(user_id) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(category) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(template) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(variables) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(channels) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(fallback) ON TABLE outbox.notification TO outbox_producer;
GRANT INSERT(fallback_after) ON TABLE outbox.notification TO outbox_producer;
GRANT SELECT(idempotency_key),INSERT(idempotency_key) ON TABLE outbox.notification TO outbox_producer;
GRANT ALL ON FUNCTION outbox.candidates(notification_ids bigint[], on_fallback boolean) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.candidates(notification_ids bigint[], on_fallback boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.canonical_token(platform text, token text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.canonical_token(platform text, token text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.channel_is_used() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.channel_is_used() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_audience(audience text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_audience(audience text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_contact() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_contact() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_device() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_device() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.horizon_pins(pinned_for interval, pinned_xids bigint) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.horizon_pins(pinned_for interval, pinned_xids bigint) FROM PUBLIC;
GRANT ALL ON TABLE outbox.accepted TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.accepted TO outbox_scheduler;
GRANT ALL ON TABLE outbox.attempt TO outbox_admin;
GRANT SELECT ON TABLE outbox.attempt TO outbox_reader;
GRANT SELECT,INSERT ON TABLE outbox.attempt TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.attempt TO outbox_scheduler;
GRANT ALL ON TABLE outbox.audit_finding TO outbox_admin;
GRANT SELECT ON TABLE outbox.audit_finding TO outbox_reader;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.audit_finding TO outbox_scheduler;
GRANT ALL ON TABLE outbox.audit_run TO outbox_admin;
GRANT SELECT ON TABLE outbox.audit_run TO outbox_reader;
GRANT SELECT,UPDATE ON TABLE outbox.audit_run TO outbox_scheduler;
GRANT ALL ON TABLE outbox.change TO outbox_admin;
GRANT INSERT ON TABLE outbox.change TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.change TO outbox_scheduler;
GRANT ALL ON TABLE outbox.channel TO outbox_admin;
GRANT SELECT ON TABLE outbox.channel TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.channel TO outbox_reader;
GRANT SELECT ON TABLE outbox.channel TO outbox_scheduler;
GRANT SELECT(id) ON TABLE outbox.channel TO outbox_producer;
GRANT SELECT(name) ON TABLE outbox.channel TO outbox_producer;
GRANT ALL ON TABLE outbox.ledger TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.ledger TO outbox_scheduler;
GRANT ALL ON TABLE outbox.ledger_mark TO outbox_admin;
GRANT SELECT,UPDATE ON TABLE outbox.ledger_mark TO outbox_scheduler;
GRANT ALL ON TABLE outbox.conservation TO outbox_admin;
GRANT SELECT ON TABLE outbox.conservation TO outbox_reader;
GRANT ALL ON TABLE outbox.dispatcher TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.dispatcher TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.dispatcher TO outbox_scheduler;
GRANT ALL ON TABLE outbox.firing TO outbox_admin;
GRANT SELECT ON TABLE outbox.firing TO outbox_reader;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.firing TO outbox_scheduler;
GRANT ALL ON TABLE outbox.flight TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.flight TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.flight TO outbox_scheduler;
GRANT ALL ON SEQUENCE outbox.queue_pos_seq TO outbox_admin;
GRANT SELECT,USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_dispatcher;
GRANT SELECT,USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_scheduler;
GRANT USAGE ON SEQUENCE outbox.queue_pos_seq TO outbox_producer;
GRANT ALL ON TABLE outbox.message TO outbox_admin;
GRANT SELECT ON TABLE outbox.message TO outbox_dispatcher;
GRANT SELECT,DELETE ON TABLE outbox.message TO outbox_scheduler;
GRANT SELECT(id) ON TABLE outbox.message TO outbox_producer;
GRANT UPDATE(queue_pos) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(queue_pos) ON TABLE outbox.message TO outbox_scheduler;
GRANT INSERT(send_at) ON TABLE outbox.message TO outbox_producer;
GRANT UPDATE(next_attempt_at) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(next_attempt_at) ON TABLE outbox.message TO outbox_scheduler;
GRANT INSERT(expires_at) ON TABLE outbox.message TO outbox_producer;
GRANT UPDATE(sent_at) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(sent_at) ON TABLE outbox.message TO outbox_scheduler;
GRANT UPDATE(finished_at) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(finished_at) ON TABLE outbox.message TO outbox_scheduler;
GRANT INSERT(lane) ON TABLE outbox.message TO outbox_producer;
GRANT UPDATE(status) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(status) ON TABLE outbox.message TO outbox_scheduler;
GRANT UPDATE(attempts) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(attempts) ON TABLE outbox.message TO outbox_scheduler;
GRANT INSERT(channel) ON TABLE outbox.message TO outbox_producer;
GRANT INSERT(app) ON TABLE outbox.message TO outbox_producer;
GRANT INSERT(recipient) ON TABLE outbox.message TO outbox_producer;
GRANT SELECT(idempotency_key),INSERT(idempotency_key) ON TABLE outbox.message TO outbox_producer;
GRANT INSERT(payload) ON TABLE outbox.message TO outbox_producer;
GRANT UPDATE(provider) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(provider) ON TABLE outbox.message TO outbox_scheduler;
GRANT UPDATE(provider_message_id) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(provider_message_id) ON TABLE outbox.message TO outbox_scheduler;
GRANT UPDATE(last_error) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(last_error) ON TABLE outbox.message TO outbox_scheduler;
GRANT INSERT(user_id) ON TABLE outbox.message TO outbox_producer;
GRANT INSERT(category) ON TABLE outbox.message TO outbox_producer;
GRANT INSERT(environment) ON TABLE outbox.message TO outbox_producer;
GRANT UPDATE(cost) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(cost) ON TABLE outbox.message TO outbox_scheduler;
GRANT UPDATE(currency) ON TABLE outbox.message TO outbox_dispatcher;
GRANT UPDATE(currency) ON TABLE outbox.message TO outbox_scheduler;
GRANT ALL ON TABLE outbox.provider TO outbox_admin;
GRANT SELECT ON TABLE outbox.provider TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.provider TO outbox_scheduler;
GRANT ALL ON TABLE outbox.queue TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.queue TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.queue TO outbox_scheduler;
GRANT ALL ON TABLE outbox.schedule TO outbox_admin;
GRANT SELECT ON TABLE outbox.schedule TO outbox_reader;
GRANT SELECT ON TABLE outbox.schedule TO outbox_scheduler;
GRANT UPDATE(next_fire_at) ON TABLE outbox.schedule TO outbox_scheduler;
GRANT UPDATE(error) ON TABLE outbox.schedule TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.check_health(pinned_for interval, pinned_xids bigint, ready_for interval, lost_for interval) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.check_health(pinned_for interval, pinned_xids bigint, ready_for interval, lost_for interval) TO outbox_reader;
REVOKE ALL ON FUNCTION outbox.check_health(pinned_for interval, pinned_xids bigint, ready_for interval, lost_for interval) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_auth(settings jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_auth(settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_text(template text, place text, literal text, names text[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_text(template text, place text, literal text, names text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.http_body_kind(content_type text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.http_body_kind(content_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_body(settings jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_body(settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.is_json_path(path text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.is_json_path(path text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.json_type(value jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.json_type(value jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_condition(condition jsonb, place text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_condition(condition jsonb, place text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_header(name text, place text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_header(name text, place text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_headers(headers jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_headers(headers jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_keys(object jsonb, place text, types jsonb, required text[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_keys(object jsonb, place text, types jsonb, required text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_rule(rule jsonb, place text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_rule(rule jsonb, place text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_response(response jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_response(response jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_http_settings(settings jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_http_settings(settings jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_preference() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_preference() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_schedule() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_schedule() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_settings() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_settings() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.check_user(user_id text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.check_user(user_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.checked_locale(locale text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.checked_locale(locale text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.clock_change(since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;
GRANT ALL ON TABLE outbox.archive TO outbox_admin;
GRANT SELECT ON TABLE outbox.archive TO outbox_reader;
GRANT SELECT,INSERT ON TABLE outbox.archive TO outbox_scheduler;
GRANT ALL ON TABLE outbox.ledger_block TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.ledger_block TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.compare_block(block bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.compare_block(block bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.compare_block(block bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.config_changed() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.config_changed() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.content_texts(content jsonb, OUT label text, OUT body text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.content_texts(content jsonb, OUT label text, OUT body text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.count_accepted(after bigint, upto bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.count_accepted(after bigint, upto bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.count_accepted(after bigint, upto bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.countries() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.countries() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cron_check(expr text, timezone text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cron_check(expr text, timezone text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.cron_check(expr text, timezone text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.cron_check(expr text, timezone text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cron_check(expr text, timezone text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cron_day(days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[]) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[]) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cron_field(field text, name text, low integer, high integer, names text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cron_fields(expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying, OUT weekdays bit varying, OUT either_day boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.cron_next(expr text, timezone text, after timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.drop_old_days() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.drop_old_days() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.drop_old_days() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.drop_partitions() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.drop_partitions() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.drop_partitions() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.end_walk(walk outbox.walk, started bigint, reached bigint, found bigint, lowest bigint, pause interval) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.end_walk(walk outbox.walk, started bigint, reached bigint, found bigint, lowest bigint, pause interval) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.end_walk(walk outbox.walk, started bigint, reached bigint, found bigint, lowest bigint, pause interval) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.expand(notification_ids bigint[], on_fallback boolean) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.expand(notification_ids bigint[], on_fallback boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.expand_audience(max_blocks integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.expand_audience(max_blocks integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.expand_audience(max_blocks integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.expand_block(firing outbox.firing) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.expand_block(firing outbox.firing) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.expand_block(firing outbox.firing) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.expand_due(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.expand_due(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.expand_due(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.expire_messages(ids bigint[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.expire_messages(ids bigint[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.expire_messages(ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.expire_waiting(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.expire_waiting(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.expire_waiting(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.fall_back(notification_ids bigint[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.fall_back(notification_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.fall_back_due(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.fall_back_due(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.fall_back_due(max_rows integer) FROM PUBLIC;
GRANT ALL ON TABLE outbox.partial TO outbox_admin;
GRANT SELECT ON TABLE outbox.partial TO outbox_reader;
GRANT ALL ON FUNCTION outbox.find_partial(name text, locale text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.find_partial(name text, locale text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.fire_due(max_firings integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.fire_due(max_firings integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.fire_due(max_firings integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.fold_changes(after bigint, max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.fold_changes(after bigint, max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.fold_changes(after bigint, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.fold_ledger(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.fold_ledger(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.fold_ledger(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.follow_addresses(message_ids bigint[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.follow_addresses(message_ids bigint[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.follow_addresses(message_ids bigint[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.follow_addresses(message_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.forget_keys(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.forget_keys(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.forget_keys(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.forget_stop() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.forget_stop() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.forget_unknown_timezones() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.forget_unknown_timezones() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.forget_unknown_timezones() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.mustache_parse(template text, label text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.mustache_parse(template text, label text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.freeze_partials(content jsonb, locale text, OUT partials jsonb, OUT problem text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.freeze_partials(content jsonb, locale text, OUT partials jsonb, OUT problem text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.gather_audience() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.gather_audience() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.gather_audience() FROM PUBLIC;
GRANT ALL ON TABLE outbox.doubt TO outbox_admin;
GRANT SELECT ON TABLE outbox.doubt TO outbox_reader;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.doubt TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.doubt TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.is_surely_unsent(doubt outbox.doubt, asked text[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.is_surely_unsent(doubt outbox.doubt, asked text[]) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.is_surely_unsent(doubt outbox.doubt, asked text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.is_timezone(name text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.is_timezone(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.keep_provider_ids(message_ids bigint[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.keep_provider_ids(message_ids bigint[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.keep_provider_ids(message_ids bigint[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.keep_provider_ids(message_ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.keep_used_partial() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.keep_used_partial() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.lease_budget(provider text, dispatcher integer, wanted integer, unused integer, in_flight integer, OUT tokens integer, OUT slots integer, OUT more_in interval) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.lease_budget(provider text, dispatcher integer, wanted integer, unused integer, in_flight integer, OUT tokens integer, OUT slots integer, OUT more_in interval) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.lease_budget(provider text, dispatcher integer, wanted integer, unused integer, in_flight integer, OUT tokens integer, OUT slots integer, OUT more_in interval) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.local_instant(local_time timestamp without time zone, timezone text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.lock_templates() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.lock_templates() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.make_partition(parent text, at timestamp with time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.make_partition(parent text, at timestamp with time zone) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.make_partition(parent text, at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.match_receipts(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.match_receipts(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.match_receipts(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.may_wait(block bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.may_wait(block bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.may_wait(block bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.measure_queue(channel text, lane outbox.lane, OUT pending bigint, OUT estimated boolean, OUT oldest timestamp with time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.measure_queue(channel text, lane outbox.lane, OUT pending bigint, OUT estimated boolean, OUT oldest timestamp with time zone) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.measure_queue(channel text, lane outbox.lane, OUT pending bigint, OUT estimated boolean, OUT oldest timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.mend_sequence(sequence regclass, lowest bigint) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.mend_sequence(sequence regclass, lowest bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.mend_sequences() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.mend_sequences() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.message_uuid(idempotency_key text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.message_uuid(idempotency_key text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.message_uuid(idempotency_key text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.message_uuid(idempotency_key text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.message_uuid(idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.mustache_value(name text, contexts jsonb[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.mustache_value(name text, contexts jsonb[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.missing_variables(template_id integer, variables jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.missing_variables(template_id integer, variables jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.moment(ms bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.moment(ms bigint) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.moment(ms bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.moment(ms bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.move_messages(ids bigint[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.move_messages(ids bigint[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.move_messages(ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.move_notifications(ids bigint[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.move_notifications(ids bigint[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.move_notifications(ids bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.mustache_render(tags outbox.mustache_tag[], first integer, last integer, contexts jsonb[], partials jsonb, escape_html boolean, strict boolean, label text, nesting integer) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.mustache_render(tags outbox.mustache_tag[], first integer, last integer, contexts jsonb[], partials jsonb, escape_html boolean, strict boolean, label text, nesting integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.mustache(template text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.mustache(template text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.next_due() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.next_due() TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.next_due() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.next_due() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.next_queue_pos() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.next_queue_pos() TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.next_queue_pos() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.next_queue_pos() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.note_archive() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.note_archive() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.note_arrival(block bigint, channel text, lane outbox.lane, day date, status outbox.message_status, messages bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.note_arrival(block bigint, channel text, lane outbox.lane, day date, status outbox.message_status, messages bigint) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.note_arrival(block bigint, channel text, lane outbox.lane, day date, status outbox.message_status, messages bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.note_deleted() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.note_deleted() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.note_moves(ids bigint[], former outbox.message_status[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.note_provider() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.note_provider() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.notify(user_id text, template text, variables jsonb, category text, channels text[], idempotency_key text, send_at timestamp with time zone, expires_at timestamp with time zone, lane outbox.lane, fallback text[], fallback_after interval) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.notify(user_id text, template text, variables jsonb, category text, channels text[], idempotency_key text, send_at timestamp with time zone, expires_at timestamp with time zone, lane outbox.lane, fallback text[], fallback_after interval) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.notify(user_id text, template text, variables jsonb, category text, channels text[], idempotency_key text, send_at timestamp with time zone, expires_at timestamp with time zone, lane outbox.lane, fallback text[], fallback_after interval) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.over_cap(notification_ids bigint[], on_fallback boolean, OUT above bigint[], OUT uncounted bigint[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.over_cap(notification_ids bigint[], on_fallback boolean, OUT above bigint[], OUT uncounted bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.set_paused(channel text, paused boolean) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.set_paused(channel text, paused boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.pause(channel text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.pause(channel text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.plausible(at timestamp with time zone, moment timestamp with time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.plausible(at timestamp with time zone, moment timestamp with time zone) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.plausible(at timestamp with time zone, moment timestamp with time zone) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.plausible(at timestamp with time zone, moment timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.prepare_partial() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.prepare_partial() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.prepare_template() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.prepare_template() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb) TO outbox_reader;
REVOKE ALL ON FUNCTION outbox.preview(template text, locale text, channel text, variables jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.raise(code text, field text, rule text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.raise(code text, field text, rule text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.raise_low_water(channel text, lane outbox.lane, pos bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.reattach_dispatcher(id integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.reattach_dispatcher(id integer) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.reattach_dispatcher(id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.record_receipt(provider text, provider_message_id text, event text, at timestamp with time zone, detail text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.record_receipt(provider text, provider_message_id text, event text, at timestamp with time zone, detail text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.record_receipt(provider text, provider_message_id text, event text, at timestamp with time zone, detail text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.recover_flight(dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.recover_flight(dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.recover_flight(dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.recover_flight(dispatcher integer, seq bigint, reason text, OUT settled integer, OUT in_doubt integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.recover_flights(grace interval, self integer, own bigint[], marked integer[], marks bigint[], silence interval, patience interval, OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.recover_flights(grace interval, self integer, own bigint[], marked integer[], marks bigint[], silence interval, patience interval, OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.recover_flights(grace interval, self integer, own bigint[], marked integer[], marks bigint[], silence interval, patience interval, OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.recover_flights(grace interval, self integer, own bigint[], marked integer[], marks bigint[], silence interval, patience interval, OUT flights integer, OUT settled integer, OUT in_doubt integer, OUT failed integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.refresh_templates() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.refresh_templates() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.refuse() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.refuse() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.refuse_http_settings() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.refuse_http_settings() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.refuse_regions() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.refuse_regions() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.register_device(user_id text, platform text, token text, app text, locale text, timezone text, environment text, replaces text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.register_device(user_id text, platform text, token text, app text, locale text, timezone text, environment text, replaces text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.register_device(user_id text, platform text, token text, app text, locale text, timezone text, environment text, replaces text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[]) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.register_dispatcher(name text, host text, pid integer, channels text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamp with time zone[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamp with time zone[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.release(ids bigint[], refusals text[], waits timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.release_due(max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.release_due(max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.release_due(max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.render_member(value jsonb, path text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.render_member(value jsonb, path text, variables jsonb, partials jsonb, escape_html boolean, strict boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.report_finding(kind text, channel text, lane outbox.lane, day date, messages bigint, message_ids bigint[], detail text, mended text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.report_finding(kind text, channel text, lane outbox.lane, day date, messages bigint, message_ids bigint[], detail text, mended text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.report_finding(kind text, channel text, lane outbox.lane, day date, messages bigint, message_ids bigint[], detail text, mended text) FROM PUBLIC;
GRANT ALL ON TABLE outbox.provider_state TO outbox_admin;
GRANT SELECT ON TABLE outbox.provider_state TO outbox_reader;
GRANT SELECT,DELETE ON TABLE outbox.provider_state TO outbox_scheduler;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.provider_state TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.report_provider(provider text, dispatcher integer, state text, reason text) FROM PUBLIC;
GRANT ALL ON TABLE outbox.audit_request TO outbox_admin;
GRANT SELECT ON TABLE outbox.audit_request TO outbox_reader;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.audit_request TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.request_audit(reason text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.request_audit(reason text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.request_audit(reason text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.request_audit(reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.requeue(message_id bigint) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.requeue(message_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.required_names(content jsonb, partials jsonb) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.required_names(content jsonb, partials jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.required_variables(template text, channels text[]) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.required_variables(template text, channels text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.resolve_doubt(message_id bigint, was_sent boolean) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.resolve_doubt(message_id bigint, was_sent boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.resume(channel text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.resume(channel text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.resume_provider(name text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.resume_provider(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.resume_user(user_id text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.resume_user(user_id text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.resume_user(user_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.retire_addresses(message_ids bigint[], gone_befores timestamp with time zone[], reasons text[], providers text[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.retire_addresses(message_ids bigint[], gone_befores timestamp with time zone[], reasons text[], providers text[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.retire_addresses(message_ids bigint[], gone_befores timestamp with time zone[], reasons text[], providers text[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.retire_addresses(message_ids bigint[], gone_befores timestamp with time zone[], reasons text[], providers text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.retire_device(user_id text, platform text, token text, app text, reason text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.retire_device(user_id text, platform text, token text, app text, reason text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.retire_device(user_id text, platform text, token text, app text, reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.retry(message_id bigint) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.retry(message_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.ring(bell text, word text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.ring(bell text, word text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.ring(bell text, word text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.ring(bell text, word text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.ring(bell text, word text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.running_transactions() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.running_transactions() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.running_transactions() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.schedule_message() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.schedule_message() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.schedule_notification() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.schedule_notification() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.seal_history(reason text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.seal_history(reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.send(channel text, recipient text, payload jsonb, idempotency_key text, lane outbox.lane, app text, send_at timestamp with time zone, expires_at timestamp with time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.send(channel text, recipient text, payload jsonb, idempotency_key text, lane outbox.lane, app text, send_at timestamp with time zone, expires_at timestamp with time zone) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.send(channel text, recipient text, payload jsonb, idempotency_key text, lane outbox.lane, app text, send_at timestamp with time zone, expires_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.server_seen_at() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.server_seen_at() TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.server_seen_at() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.server_seen_at() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.set_contact(user_id text, email text, phone text, locale text, timezone text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.set_contact(user_id text, email text, phone text, locale text, timezone text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.set_contact(user_id text, email text, phone text, locale text, timezone text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.set_preference(user_id text, category text, allowed boolean, channel text, source text, at_night boolean) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.set_preference(user_id text, category text, allowed boolean, channel text, source text, at_night boolean) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.set_preference(user_id text, category text, allowed boolean, channel text, source text, at_night boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time without time zone, quiet_until time without time zone) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time without time zone, quiet_until time without time zone) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.set_quiet_hours(user_id text, quiet_from time without time zone, quiet_until time without time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.settle(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], group_ids bigint[], group_sizes integer[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.settle(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], group_ids bigint[], group_sizes integer[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.settle(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], group_ids bigint[], group_sizes integer[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.settle(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], group_ids bigint[], group_sizes integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.settle_doubt(message_id bigint, turn bigint, dispatcher integer, verdict text, provider text, provider_id text, reason text, asked text[], cost numeric, currency text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.settle_doubt(message_id bigint, turn bigint, dispatcher integer, verdict text, provider text, provider_id text, reason text, asked text[], cost numeric, currency text) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.settle_doubt(message_id bigint, turn bigint, dispatcher integer, verdict text, provider text, provider_id text, reason text, asked text[], cost numeric, currency text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.settle_late(channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], OUT settled integer, OUT repeated integer, OUT left_alone bigint[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.settle_late(channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], OUT settled integer, OUT repeated integer, OUT left_alone bigint[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.settle_late(channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], OUT settled integer, OUT repeated integer, OUT left_alone bigint[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.settle_late(channel text, dispatcher integer, ids bigint[], uuids text[], verdicts text[], providers text[], provider_ids text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[], costs numeric[], currencies text[], OUT settled integer, OUT repeated integer, OUT left_alone bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.settle_unsent(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[]) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.settle_unsent(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[]) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.settle_unsent(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[]) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.settle_unsent(channel text, dispatcher integer, ids bigint[], verdicts text[], providers text[], reasons text[], ats timestamp with time zone[], not_befores timestamp with time zone[], as_ofs timestamp with time zone[]) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.skip_used_key() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.skip_used_key() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.skip_used_notification_key() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.skip_used_notification_key() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.snapshot_queues() TO outbox_admin;
GRANT ALL ON FUNCTION outbox.snapshot_queues() TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.snapshot_queues() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.stop_provider(name text, reason text, duration interval) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.stop_provider(name text, reason text, duration interval) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.stop_provider(name text, reason text, duration interval) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.stop_user(user_id text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.stop_user(user_id text) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.stop_user(user_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.take_doubt(channel text, ready text[], OUT message_id bigint, OUT provider text, OUT sent_from timestamp with time zone, OUT sent_upto timestamp with time zone, OUT waited interval, OUT turn bigint) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.take_doubt(channel text, ready text[], OUT message_id bigint, OUT provider text, OUT sent_from timestamp with time zone, OUT sent_upto timestamp with time zone, OUT waited interval, OUT turn bigint) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.take_doubt(channel text, ready text[], OUT message_id bigint, OUT provider text, OUT sent_from timestamp with time zone, OUT sent_upto timestamp with time zone, OUT waited interval, OUT turn bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.take_leaving(kind outbox.key_kind) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.take_leaving(kind outbox.key_kind) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.take_leaving(kind outbox.key_kind) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.tick_ledger(mark outbox.ledger_mark) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.tick_ledger(mark outbox.ledger_mark) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.tick_ledger(mark outbox.ledger_mark) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.unregister_dispatcher(id integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.unregister_dispatcher(id integer) TO outbox_dispatcher;
REVOKE ALL ON FUNCTION outbox.unregister_dispatcher(id integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.use_timezone(name text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.use_timezone(name text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.use_timezone(name text) TO outbox_reader;
GRANT ALL ON FUNCTION outbox.use_timezone(name text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.use_timezone(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.visit_rows(kind outbox.key_kind, after bigint, max_rows integer) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.visit_rows(kind outbox.key_kind, after bigint, max_rows integer) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.visit_rows(kind outbox.key_kind, after bigint, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.wake(channel_id integer, name text) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.wake(channel_id integer, name text) TO outbox_dispatcher;
GRANT ALL ON FUNCTION outbox.wake(channel_id integer, name text) TO outbox_producer;
GRANT ALL ON FUNCTION outbox.wake(channel_id integer, name text) TO outbox_scheduler;
REVOKE ALL ON FUNCTION outbox.wake(channel_id integer, name text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.whereabouts(OUT system_identifier bigint, OUT database oid, OUT timeline integer) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.whereabouts(OUT system_identifier bigint, OUT database oid, OUT timeline integer) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.why_no_subscription(token text) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.why_no_subscription(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.why_notification_refused(n outbox.notification) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.why_notification_refused(n outbox.notification) FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.why_refused(new_message outbox.message) TO outbox_admin;
GRANT ALL ON FUNCTION outbox.why_refused(new_message outbox.message) TO outbox_producer;
REVOKE ALL ON FUNCTION outbox.why_refused(new_message outbox.message) FROM PUBLIC;
GRANT ALL ON TABLE outbox.history TO outbox_admin;
GRANT SELECT ON TABLE outbox.history TO outbox_dispatcher;
GRANT SELECT ON TABLE outbox.history TO outbox_reader;
GRANT SELECT ON TABLE outbox.history TO outbox_scheduler;
GRANT ALL ON FUNCTION outbox.why_sealed() TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.why_sealed() FROM PUBLIC;
GRANT ALL ON FUNCTION outbox.write_off(channel text, day date) TO outbox_admin;
REVOKE ALL ON FUNCTION outbox.write_off(channel text, day date) FROM PUBLIC;
GRANT ALL ON SEQUENCE outbox.attempt_id_seq TO outbox_admin;
GRANT ALL ON TABLE outbox.audience_block TO outbox_admin;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.audience_block TO outbox_scheduler;
GRANT ALL ON SEQUENCE outbox.audit_finding_id_seq TO outbox_admin;
GRANT ALL ON SEQUENCE outbox.audit_request_id_seq TO outbox_admin;
GRANT ALL ON SEQUENCE outbox.change_id_seq TO outbox_admin;
GRANT SELECT ON SEQUENCE outbox.change_id_seq TO outbox_scheduler;
GRANT ALL ON SEQUENCE outbox.channel_id_seq TO outbox_admin;
GRANT ALL ON TABLE outbox.delivery TO outbox_admin;
GRANT SELECT ON TABLE outbox.delivery TO outbox_reader;
GRANT ALL ON SEQUENCE outbox.device_id_seq TO outbox_admin;
GRANT ALL ON SEQUENCE outbox.dispatcher_id_seq TO outbox_admin;
GRANT ALL ON SEQUENCE outbox.firing_id_seq TO outbox_admin;
GRANT ALL ON TABLE outbox.flight_note TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.flight_note TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.flight_note TO outbox_scheduler;
GRANT ALL ON TABLE outbox.frequency TO outbox_admin;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE outbox.frequency TO outbox_scheduler;
GRANT ALL ON TABLE outbox.health TO outbox_admin;
GRANT SELECT ON TABLE outbox.health TO outbox_reader;
GRANT ALL ON TABLE outbox.in_the_air TO outbox_admin;
GRANT SELECT ON TABLE outbox.in_the_air TO outbox_reader;
GRANT ALL ON SEQUENCE outbox.leaving_id_seq TO outbox_admin;
GRANT ALL ON SEQUENCE outbox.message_id_seq TO outbox_admin;
GRANT SELECT ON SEQUENCE outbox.message_id_seq TO outbox_scheduler;
GRANT ALL ON TABLE outbox.migration TO outbox_admin;
GRANT ALL ON TABLE outbox.notification_archive TO outbox_admin;
GRANT INSERT ON TABLE outbox.notification_archive TO outbox_scheduler;
GRANT SELECT ON TABLE outbox.notification_archive TO outbox_reader;
GRANT ALL ON SEQUENCE outbox.notification_id_seq TO outbox_admin;
GRANT ALL ON TABLE outbox.notification_status TO outbox_admin;
GRANT SELECT ON TABLE outbox.notification_status TO outbox_reader;
GRANT ALL ON TABLE outbox.partitions TO outbox_admin;
GRANT SELECT ON TABLE outbox.partitions TO outbox_reader;
GRANT SELECT ON TABLE outbox.partitions TO outbox_scheduler;
GRANT ALL ON TABLE outbox.provider_budget TO outbox_admin;
GRANT SELECT ON TABLE outbox.provider_budget TO outbox_reader;
GRANT ALL ON TABLE outbox.provider_health TO outbox_admin;
GRANT SELECT ON TABLE outbox.provider_health TO outbox_reader;
GRANT ALL ON TABLE outbox.provider_message TO outbox_admin;
GRANT SELECT,INSERT ON TABLE outbox.provider_message TO outbox_dispatcher;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.provider_message TO outbox_scheduler;
GRANT ALL ON TABLE outbox.provider_share TO outbox_admin;
GRANT SELECT ON TABLE outbox.provider_share TO outbox_reader;
GRANT ALL ON TABLE outbox.queue_depth TO outbox_admin;
GRANT SELECT ON TABLE outbox.queue_depth TO outbox_reader;
GRANT ALL ON TABLE outbox.queue_history TO outbox_admin;
GRANT SELECT ON TABLE outbox.queue_history TO outbox_reader;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.queue_history TO outbox_scheduler;
GRANT ALL ON TABLE outbox.queue_stats TO outbox_admin;
GRANT SELECT ON TABLE outbox.queue_stats TO outbox_reader;
GRANT ALL ON TABLE outbox.receipt TO outbox_admin;
GRANT SELECT ON TABLE outbox.receipt TO outbox_reader;
GRANT SELECT,DELETE ON TABLE outbox.receipt TO outbox_scheduler;
GRANT ALL ON SEQUENCE outbox.schedule_id_seq TO outbox_admin;
GRANT ALL ON TABLE outbox.schedule_status TO outbox_admin;
GRANT SELECT ON TABLE outbox.schedule_status TO outbox_reader;
GRANT ALL ON TABLE outbox.server TO outbox_admin;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.server TO outbox_dispatcher;
GRANT SELECT,INSERT,UPDATE ON TABLE outbox.server TO outbox_scheduler;
GRANT ALL ON SEQUENCE outbox.template_id_seq TO outbox_admin;
GRANT ALL ON TABLE outbox.transition TO outbox_admin;
GRANT ALL ON TABLE outbox.used_key TO outbox_admin;
GRANT SELECT,INSERT,DELETE ON TABLE outbox.used_key TO outbox_scheduler;
GRANT SELECT(key) ON TABLE outbox.used_key TO outbox_producer;
GRANT SELECT(kind) ON TABLE outbox.used_key TO outbox_producer;
GRANT SELECT(id) ON TABLE outbox.used_key TO outbox_producer;
