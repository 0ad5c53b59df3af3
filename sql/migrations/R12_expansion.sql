-- How notifications become messages: where to, within caps, and over fallback channels.

-- Every address that notifications could go to, with the text for it and whether it may be used now. No pinned
-- search_path: it is inlined, so that the callers' settings make its plan.
CREATE OR REPLACE FUNCTION outbox.candidates(notification_ids bigint[], on_fallback boolean) RETURNS TABLE (
    id bigint, user_id text, category text, variables jsonb, idempotency_key text, lane outbox.lane,
    expires_at timestamptz, channel text, recipient text, device_id bigint, app text, environment text,
    template_id integer, wait_until timestamptz, refusal text
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH addressed AS MATERIALIZED (
        SELECT n.id, n.user_id, n.category, n.template, n.variables, n.idempotency_key,
            coalesce(n.lane, g.lane, 'transactional') AS lane,
            coalesce(n.expires_at, greatest(n.created_at, n.send_at) + g.expires_after) AS expires_at,
            a.channel, a.recipient, a.device_id, a.app, a.environment, coalesce(a.locale, c.locale, '') AS locale
        FROM outbox.notification AS n
            LEFT JOIN outbox.category AS g ON g.name = n.category
            LEFT JOIN outbox.contact AS c ON c.user_id = n.user_id
            CROSS JOIN LATERAL (
                SELECT d.platform AS channel, d.token AS recipient, d.id AS device_id, nullif(d.app, '') AS app,
                    nullif(d.environment, 'production') AS environment, d.locale
                FROM outbox.device AS d
                WHERE d.user_id = n.user_id AND d.retired_at IS NULL
                UNION ALL
                SELECT 'email', c.email, NULL, NULL, NULL, NULL WHERE c.email IS NOT NULL
                UNION ALL
                SELECT 'sms', c.phone, NULL, NULL, NULL, NULL WHERE c.phone IS NOT NULL) AS a
        WHERE n.id = ANY (candidates.notification_ids) AND n.state = 'expanded'
            AND CASE
                WHEN candidates.on_fallback THEN a.channel = n.fallback[n.fallback_step]
                ELSE coalesce(a.channel = ANY (n.channels), a.channel <> ALL (coalesce(n.fallback, '{}')) AND EXISTS (
                    SELECT FROM outbox.template AS t
                    WHERE t.name = n.template AND t.channel = a.channel AND t.current))
            END
    ), worded AS MATERIALIZED (
        SELECT k.*, outbox.find_template(k.template, k.channel, k.locale) AS template_id
        FROM (SELECT DISTINCT a.template, a.channel, a.locale FROM addressed AS a) AS k
    )
    SELECT a.id, a.user_id, a.category, a.variables, a.idempotency_key, a.lane, a.expires_at, a.channel,
        a.recipient, a.device_id, a.app, a.environment, w.template_id, s.wait_until, coalesce(s.refusal, CASE
            WHEN w.template_id IS NULL THEN 'the template has no text for this channel'
            WHEN a.expires_at <= now() THEN 'it has expired'
            WHEN a.expires_at <= s.wait_until THEN 'it expires before the quiet hours end'
        END)
    FROM addressed AS a
        JOIN worded AS w ON w.template = a.template AND w.channel = a.channel AND w.locale = a.locale
        CROSS JOIN LATERAL outbox.standing(
            now(), a.channel, a.recipient, a.lane, a.user_id, a.category, a.id, a.device_id) AS s;
END;

COMMENT ON FUNCTION outbox.candidates IS
    'The addresses of expanded notifications on their channels (or on the present channel of their fallback), the '
    'template version for each, and why no message is made for it (NULL = one is)';

-- The rows of outbox.frequency are locked, so that no two transactions pass the same cap. In the order of their
-- key, so that they do not wait for each other in a circle. Who cannot be reached is not counted, and gets nothing even
-- if an address appears before the messages are made.
CREATE OR REPLACE FUNCTION outbox.over_cap(
    notification_ids bigint[], on_fallback boolean, OUT above bigint[], OUT uncounted bigint[]
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
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

COMMENT ON FUNCTION outbox.over_cap IS
    'Counts the notifications that would be sent against the caps of their categories; returns those above, and '
    'those with a cap that could not be sent to anyone';

-- The messages of many notifications in one statement. It walks from the notifications by index: the tables may be
-- empty or huge when a session plans it.
CREATE OR REPLACE FUNCTION outbox.expand(notification_ids bigint[], on_fallback boolean DEFAULT false) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
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

COMMENT ON FUNCTION outbox.expand IS
    'Makes the messages of expanded notifications, each at most once; returns how many';

CREATE OR REPLACE FUNCTION outbox.fall_back(notification_ids bigint[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
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

COMMENT ON FUNCTION outbox.fall_back IS
    'Goes on to the next channel of these notifications'' fallback, unless something was accepted or may be; what '
    'still waits on the former channel is cancelled. Returns how many messages were made';

CREATE OR REPLACE FUNCTION outbox.expand_due(max_rows integer DEFAULT 500) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
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

COMMENT ON FUNCTION outbox.expand_due IS
    'Makes the messages of notifications whose time has come; returns how many notifications';

CREATE OR REPLACE FUNCTION outbox.fall_back_due(max_rows integer DEFAULT 500) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off
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

COMMENT ON FUNCTION outbox.fall_back_due IS 'Looks after notifications whose fallback is due; returns how many';
