-- Whether a message may be sent, and when: asked when messages are made, when they are released and when they are
-- claimed.

-- Not earlier than `at`, whatever the clocks of a summer time night do. No pinned search_path: it is inlined.
CREATE OR REPLACE FUNCTION outbox.quiet_end(at timestamptz, timezone text, quiet_from time, quiet_until time)
RETURNS timestamptz
LANGUAGE sql STABLE
RETURN CASE
    WHEN quiet_from < quiet_until
        AND (at AT TIME ZONE timezone)::time >= quiet_from AND (at AT TIME ZONE timezone)::time < quiet_until
        THEN greatest(((at AT TIME ZONE timezone)::date + quiet_until) AT TIME ZONE timezone, at)
    WHEN quiet_from > quiet_until AND (at AT TIME ZONE timezone)::time >= quiet_from
        THEN ((at AT TIME ZONE timezone)::date + 1 + quiet_until) AT TIME ZONE timezone
    WHEN quiet_from > quiet_until AND (at AT TIME ZONE timezone)::time < quiet_until
        THEN greatest(((at AT TIME ZONE timezone)::date + quiet_until) AT TIME ZONE timezone, at)
END;

COMMENT ON FUNCTION outbox.quiet_end IS 'When the quiet hours that hold at a moment end; NULL = it is not quiet';

-- The only place that judges. Asked when messages are made, when they are released and when they are claimed: an
-- opt-out that was committed before the claim is honoured, however long the message has waited. It has no pinned
-- search_path, because it is to be inlined into those statements; its names are bound when it is created.
CREATE OR REPLACE FUNCTION outbox.standing(
    at timestamptz, channel text, recipient text, lane outbox.lane, user_id text, category text,
    notification_id bigint, device_id bigint
) RETURNS TABLE (refusal text, wait_until timestamptz, moved_to text)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT
        CASE WHEN s.address IS NOT NULL THEN 'the address is suppressed' ELSE known.refusal END,
        known.wait_until,
        nullif(known.address, standing.recipient)
    FROM (SELECT) AS row
        -- Of a message that knows nobody the executor visits none of these tables.
        LEFT JOIN LATERAL (
            SELECT
                CASE
                    WHEN standing.device_id IS NOT NULL AND (d.id IS NULL OR d.retired_at IS NOT NULL)
                        THEN 'the device was retired: ' || coalesce(d.retired_reason, 'deleted')
                    WHEN d.user_id <> standing.user_id THEN 'the device belongs to another user now'
                    WHEN standing.notification_id IS NOT NULL AND standing.device_id IS NULL
                        AND CASE standing.channel WHEN 'email' THEN c.email WHEN 'sms' THEN c.phone END IS NULL
                        THEN 'the user has no such address any more'
                    WHEN standing.user_id IS NULL OR g.consent = 'mandatory' THEN NULL
                    WHEN c.stopped_at IS NOT NULL THEN 'the user stopped all notifications'
                    WHEN g.name IS NULL THEN 'the category does not exist any more'
                    WHEN NOT coalesce(one.allowed, every.allowed, g.consent = 'opt_out') THEN
                        CASE WHEN coalesce(one.allowed, every.allowed) IS NULL
                            THEN 'no consent to ' || g.name ELSE 'the user refused ' || g.name END
                END AS refusal,
                CASE WHEN standing.lane = 'bulk' AND g.consent <> 'mandatory' THEN greatest(
                    CASE WHEN c.quiet_from IS NOT NULL THEN outbox.quiet_end(
                        standing.at, coalesce(c.timezone, (SELECT o.default_timezone FROM outbox.settings AS o)),
                        c.quiet_from, c.quiet_until) END,
                    CASE WHEN g.quiet_from IS NOT NULL AND NOT coalesce(one.at_night, every.at_night, false)
                        THEN outbox.quiet_end(
                            standing.at,
                            coalesce(c.timezone, (SELECT o.default_timezone FROM outbox.settings AS o)),
                            g.quiet_from, g.quiet_until) END)
                END AS wait_until,
                CASE
                    WHEN standing.device_id IS NOT NULL THEN d.token
                    WHEN standing.notification_id IS NOT NULL THEN
                        CASE standing.channel WHEN 'email' THEN c.email WHEN 'sms' THEN c.phone END
                END AS address
            FROM (SELECT) AS row
                LEFT JOIN outbox.device AS d ON d.id = standing.device_id
                LEFT JOIN outbox.contact AS c ON c.user_id = standing.user_id
                LEFT JOIN outbox.category AS g ON g.name = standing.category
                LEFT JOIN outbox.preference AS one ON one.user_id = standing.user_id
                    AND one.category = standing.category AND one.channel = standing.channel
                LEFT JOIN outbox.preference AS every ON every.user_id = standing.user_id
                    AND every.category = standing.category AND every.channel = '*'
            WHERE standing.user_id IS NOT NULL OR standing.notification_id IS NOT NULL
                OR standing.device_id IS NOT NULL) AS known ON true
        -- The address that it would go to: a rotated token was perhaps reported gone before the message moved on.
        LEFT JOIN outbox.suppression AS s
            ON s.channel = standing.channel AND s.address = coalesce(known.address, standing.recipient);
END;

COMMENT ON FUNCTION outbox.standing IS
    'Of one message: why it must not be sent (NULL = it may), until when it has to wait (NULL = not at all), '
    'and the address that its device or user has now (NULL = the one it has)';
