-- cron_next: against two other programs, by the stated policy around changes of the clocks, and by brute force.

-- --- What two other programs answer: see tools/scripts/cron-vectors

CREATE TEMP TABLE oracle (cron text, zone text, after bigint, next bigint); -- in minutes
\copy oracle FROM PROGRAM 'cat "${PGOUTBOX_VECTORS:-tests/vectors}/cron.tsv"'
SELECT test.same('the examples of other programs are many', (count(*) >= 10000)::text, 'true') FROM oracle;

-- What countries decide about their clocks after the examples were made is known to some releases of tzdata and not to
-- others. So each zone has a digest of its local times at midnight UTC of each day from 2025 to 2049, as the makers of the
-- examples knew them: where a zone's is another here, its examples of these years are left out.
CREATE TEMP TABLE known (zone text, digest text);
\copy known FROM PROGRAM 'cat "${PGOUTBOX_VECTORS:-tests/vectors}/cron-zones.tsv"'
CREATE TEMP TABLE changed AS
    SELECT zone FROM known
    WHERE digest <> (SELECT md5(string_agg(to_char(t AT TIME ZONE zone, 'MMDDHH24MI'), ' ' ORDER BY t))
        FROM generate_series('2025-01-01 00:00Z'::timestamptz, '2050-01-01 00:00Z', '24 hours') AS t);
SELECT test.line(true, 'zones whose future the examples do not know: ' || coalesce(string_agg(zone, ', '), 'none'), NULL)
FROM changed;
SELECT test.same('every zone of the examples has a digest', string_agg(DISTINCT zone, ', '), NULL)
FROM oracle WHERE zone NOT IN (SELECT zone FROM known);

WITH answer AS MATERIALIZED (
    SELECT *, outbox.cron_next(cron, zone, to_timestamp(after * 60)) AS fires FROM oracle
    WHERE next * 60 < extract(epoch FROM timestamptz '2025-01-01 00:00Z') OR zone NOT IN (TABLE changed)),
wrong AS (
    SELECT *, row_number() OVER () AS number FROM answer WHERE fires IS DISTINCT FROM to_timestamp(next * 60))
SELECT test.same('the examples of other programs', count(*) || ' differ: ' || string_agg(format('%s, %s after %s: %s',
    cron, zone, to_timestamp(after * 60), fires), '; ') FILTER (WHERE number <= 10), NULL)
FROM wrong;

-- --- Examples

-- The firings after a moment, in UTC and separated by commas.
CREATE FUNCTION test.firings(cron text, zone text, after timestamptz, format text, count bigint) RETURNS text
LANGUAGE sql AS $$
    WITH RECURSIVE fired (n, t) AS (
        SELECT 1, outbox.cron_next(cron, zone, after)
        UNION ALL
        SELECT n + 1, outbox.cron_next(cron, zone, t) FROM fired WHERE n < count)
    SELECT string_agg(coalesce(to_char(t AT TIME ZONE 'UTC', format), 'never'), ', ' ORDER BY n) FROM fired
$$;
CREATE FUNCTION test.fires(zone text, cron text, after text, format text, expected text) RETURNS text
LANGUAGE sql AS $$
    SELECT test.same(format('%s, %s after %s', cron, zone, after), test.firings(cron, zone, after::timestamptz,
        format, cardinality(string_to_array(expected, ','))), expected)
$$;

-- The expected moments follow from the policy and from the moments at which the clocks were set:
--   Berlin     2025-03-30 01:00Z  02:00 -> 03:00        2025-10-26 01:00Z  03:00 -> 02:00
--   New York   2025-03-09 07:00Z  02:00 -> 03:00        2025-11-02 06:00Z  02:00 -> 01:00
--   Lord Howe  2025-10-04 15:30Z  02:00 -> 02:30        2025-04-05 15:00Z  02:00 -> 01:30
--   Havana     2025-03-09 05:00Z  00:00 -> 01:00        2025-11-02 05:00Z  01:00 -> 00:00
--   Beirut     2025-03-29 22:00Z  00:00 -> 01:00        2025-10-25 21:00Z  24:00 -> 23:00
--   Asuncion   2023-10-01 04:00Z  00:00 -> 01:00        2023-03-26 03:00Z  24:00 -> 23:00
--   Pyongyang  2018-05-04 15:00Z  23:30 -> 24:00        2015-08-14 15:00Z  24:00 -> 23:30
--   Troll      2025-03-30 01:00Z  01:00 -> 03:00
--   Apia       2011-12-30 10:00Z  29 December 24:00 -> 31 December 00:00
SELECT test.fires(zone, cron, after, 'MM-DD HH24:MI', expected)
FROM (VALUES
    ('Europe/Berlin', '30 2 * * *', '2025-03-28 12:00Z', '03-29 01:30, 03-30 01:00, 03-31 00:30'),
    ('Europe/Berlin', '0 2 * * *', '2025-03-29 12:00Z', '03-30 01:00, 03-31 00:00'),
    ('Europe/Berlin', '0 3 * * *', '2025-03-29 12:00Z', '03-30 01:00, 03-31 01:00'),
    ('Europe/Berlin', '0 2,3 * * *', '2025-03-29 12:00Z', '03-30 01:00, 03-31 00:00, 03-31 01:00'),
    ('Europe/Berlin', '59 1 * * *', '2025-03-29 12:00Z', '03-30 00:59, 03-30 23:59'),
    ('Europe/Berlin', '*/10 2 * * *', '2025-03-30 00:00Z', '03-30 01:00, 03-31 00:00, 03-31 00:10'),
    ('Europe/Berlin', '30 * * * *', '2025-03-29 23:45Z', '03-30 00:30, 03-30 01:00, 03-30 01:30, 03-30 02:30'),
    ('Europe/Berlin', '*/10 * * * *', '2025-03-30 00:45Z', '03-30 00:50, 03-30 01:00, 03-30 01:10'),
    ('Europe/Berlin', '* * * * *', '2025-03-30 00:59:59.999999Z', '03-30 01:00, 03-30 01:01'),
    ('Europe/Berlin', '30 2 * * *', '2025-10-25 12:00Z', '10-26 00:30, 10-27 01:30'),
    ('Europe/Berlin', '30 2 * * *', '2025-10-26 00:30Z', '10-27 01:30'),
    ('Europe/Berlin', '30 2 * * *', '2025-10-26 01:15Z', '10-27 01:30'),
    ('Europe/Berlin', '0 2 * * *', '2025-10-25 12:00Z', '10-26 00:00, 10-27 01:00'),
    ('Europe/Berlin', '59 2 * * *', '2025-10-25 12:00Z', '10-26 00:59, 10-27 01:59'),
    ('Europe/Berlin', '0 3 * * *', '2025-10-25 12:00Z', '10-26 02:00, 10-27 02:00'),
    ('Europe/Berlin', '30 * * * *', '2025-10-25 23:45Z', '10-26 00:30, 10-26 02:30, 10-26 03:30'),
    ('Europe/Berlin', '*/10 * * * *', '2025-10-26 00:45Z', '10-26 00:50, 10-26 02:00, 10-26 02:10'),
    ('Europe/Berlin', '* * * * *', '2025-10-26 00:59Z', '10-26 02:00, 10-26 02:01'),
    ('Europe/Berlin', '* * * * *', '2025-10-26 01:00Z', '10-26 02:00'),
    ('Europe/Berlin', '* * * * *', '2025-10-26 01:30:30Z', '10-26 02:00'),
    ('Europe/Berlin', '* * * * *', '2025-10-26 01:59:59Z', '10-26 02:00'),
    ('America/New_York', '30 2 * * *', '2025-03-08 12:00Z', '03-09 07:00, 03-10 06:30'),
    ('America/New_York', '30 * * * *', '2025-03-09 06:15Z', '03-09 06:30, 03-09 07:00, 03-09 07:30'),
    ('America/New_York', '30 1 * * *', '2025-11-01 12:00Z', '11-02 05:30, 11-03 06:30'),
    ('America/New_York', '*/30 * * * *', '2025-11-02 05:15Z', '11-02 05:30, 11-02 07:00, 11-02 07:30'),
    ('Australia/Lord_Howe', '15 2 * * *', '2025-10-03 20:00Z', '10-04 15:30, 10-05 15:15'),
    ('Australia/Lord_Howe', '30 * * * *', '2025-10-04 14:45Z', '10-04 15:00, 10-04 15:30, 10-04 16:30'),
    ('Australia/Lord_Howe', '*/10 * * * *', '2025-10-04 15:15Z', '10-04 15:20, 10-04 15:30, 10-04 15:40'),
    ('Australia/Lord_Howe', '45 1 * * *', '2025-04-04 20:00Z', '04-05 14:45, 04-06 15:15'),
    ('Australia/Lord_Howe', '30 1 * * *', '2025-04-04 20:00Z', '04-05 14:30, 04-06 15:00'),
    ('Australia/Lord_Howe', '30 * * * *', '2025-04-05 14:00Z', '04-05 14:30, 04-05 16:00, 04-05 17:00'),
    ('Australia/Lord_Howe', '*/10 * * * *', '2025-04-05 14:45Z', '04-05 14:50, 04-05 15:30, 04-05 15:40'),
    ('Asia/Seoul', '30 2 * * *', '2025-03-30 00:00Z', '03-30 17:30, 03-31 17:30'),
    ('America/Havana', '0 0 * * *', '2025-03-08 12:00Z', '03-09 05:00, 03-10 04:00'),
    ('America/Havana', '30 0 * * *', '2025-03-08 12:00Z', '03-09 05:00, 03-10 04:30'),
    ('America/Havana', '0 0 9 3 *', '2025-03-08 12:00Z', '03-09 05:00'),
    ('America/Havana', '0 0 * * *', '2025-11-01 12:00Z', '11-02 04:00, 11-03 05:00'),
    ('America/Havana', '30 0 * * *', '2025-11-01 12:00Z', '11-02 04:30, 11-03 05:30'),
    ('America/Havana', '*/30 * * * *', '2025-11-02 04:00Z', '11-02 04:30, 11-02 06:00, 11-02 06:30'),
    ('Asia/Beirut', '0 0 * * *', '2025-03-29 12:00Z', '03-29 22:00, 03-30 21:00'),
    ('Asia/Beirut', '0 0 * * *', '2025-10-25 12:00Z', '10-25 22:00, 10-26 22:00'),
    ('Asia/Beirut', '30 23 * * *', '2025-10-25 12:00Z', '10-25 20:30, 10-26 21:30'),
    ('Asia/Beirut', '0 23 * * *', '2025-10-25 12:00Z', '10-25 20:00, 10-26 21:00'),
    ('Asia/Beirut', '*/20 * * * *', '2025-10-25 20:30Z', '10-25 20:40, 10-25 22:00, 10-25 22:20'),
    ('America/Asuncion', '0 0 * * *', '2023-09-30 12:00Z', '10-01 04:00, 10-02 03:00'),
    ('America/Asuncion', '30 23 * * *', '2023-03-25 12:00Z', '03-26 02:30, 03-27 03:30'),
    ('America/Asuncion', '0 0 * * *', '2023-03-25 12:00Z', '03-26 04:00, 03-27 04:00'),
    ('Asia/Pyongyang', '45 23 * * *', '2018-05-04 00:00Z', '05-04 15:00, 05-05 14:45'),
    ('Asia/Pyongyang', '45 23 * * *', '2015-08-14 00:00Z', '08-14 14:45, 08-15 15:15'),
    ('Antarctica/Troll', '0 1,2 * * *', '2025-03-29 12:00Z', '03-30 01:00, 03-30 23:00'),
    ('Pacific/Apia', '0 12 30 12 *', '2011-12-01 00:00Z', '12-30 10:00, 12-29 22:00'),
    ('Pacific/Apia', '0 0 * * *', '2011-12-29 00:00Z', '12-29 10:00, 12-30 10:00, 12-31 10:00'),
    ('Pacific/Apia', '0 9 * * FRI', '2011-12-24 00:00Z', '12-30 10:00, 01-05 19:00'),
    ('Pacific/Apia', '* * * * *', '2011-12-30 09:59Z', '12-30 10:00, 12-30 10:01'),
    ('Asia/Kathmandu', '0 0 * * *', '2025-01-01 00:00Z', '01-01 18:15'),
    ('Etc/GMT+5', '0 12 * * *', '2025-07-01 00:00Z', '07-01 17:00'))
    AS example (zone, cron, after, expected);

-- Names that a package of their own holds since Debian 13 (tzdata-legacy).
SELECT test.fires(zone, '0 12 * * *', '2025-07-01 00:00Z', 'MM-DD HH24:MI', expected)
FROM (VALUES ('CET', '07-01 10:00'), ('EST5EDT', '07-01 16:00')) AS example (zone, expected)
WHERE zone IN (SELECT name FROM pg_timezone_names);

-- Until 1972 Liberia was 44 minutes and 30 seconds behind.
SELECT test.fires('Africa/Monrovia', '0 12 * * *', '1970-06-01 00:00Z', 'MM-DD HH24:MI:SS', '06-01 12:44:30');

SELECT test.fires(zone, cron, after, 'YYYY-MM-DD HH24:MI', expected)
FROM (VALUES
    ('UTC', '*/5 * * * *', '2025-06-01 00:04:59.5Z', '2025-06-01 00:05, 2025-06-01 00:10'),
    ('UTC', '*/5 * * * *', '2025-06-01 00:05Z', '2025-06-01 00:10'),
    ('UTC', E'\t*/5  *\n* \x0B* \r\f* ', '2025-06-01 00:00Z', '2025-06-01 00:05'),
    ('UTC', '59 23 31 12 *', '2025-06-01 00:00Z', '2025-12-31 23:59, 2026-12-31 23:59'),
    ('UTC', '0 0 1 1 *', '2024-12-31 23:59:59Z', '2025-01-01 00:00, 2026-01-01 00:00'),
    ('UTC', '0 0 29 2 *', '2025-01-01 00:00Z', '2028-02-29 00:00, 2032-02-29 00:00'),
    ('UTC', '0 0 29 2 *', '2096-02-29 00:00Z', '2104-02-29 00:00'),
    ('UTC', '0 0 29 2 *', '2100-01-01 00:00Z', '2104-02-29 00:00'),
    ('UTC', '0 0 29 2 MON', '2028-02-20 00:00Z', '2028-02-21 00:00, 2028-02-28 00:00, 2028-02-29 00:00'),
    ('UTC', '0 0 28-31 2 *', '2027-02-01 00:00Z', '2027-02-28 00:00, 2028-02-28 00:00, 2028-02-29 00:00'),
    ('UTC', '0 0 31 * *', '2025-01-31 00:00Z',
        '2025-03-31 00:00, 2025-05-31 00:00, 2025-07-31 00:00, 2025-08-31 00:00'),
    ('UTC', '0 0 30 2 *', '2025-01-01 00:00Z', 'never'),
    ('UTC', '0 0 31 2,4,6,9,11 *', '2025-01-01 00:00Z', 'never'),
    ('UTC', '0 0 30 2 1', '2025-01-01 00:00Z', '2025-02-03 00:00, 2025-02-10 00:00'),
    ('UTC', '0 0 13 * FRI', '2025-06-07 00:00Z',
        '2025-06-13 00:00, 2025-06-20 00:00, 2025-06-27 00:00, 2025-07-04 00:00, 2025-07-11 00:00, 2025-07-13 00:00'),
    ('UTC', '0 0 */10 * MON', '2025-06-01 00:00Z', '2025-06-02 00:00, 2025-06-09 00:00, 2025-06-11 00:00'),
    ('UTC', '0 0 5 * */3', '2025-06-01 00:00Z', '2025-06-04 00:00, 2025-06-05 00:00, 2025-06-07 00:00'),
    ('UTC', '0 0 * * 0', '2025-06-01 00:00Z', '2025-06-08 00:00'),
    ('UTC', '0 0 * * 7', '2025-06-01 00:00Z', '2025-06-08 00:00'),
    ('UTC', '0 0 * * sUn', '2025-06-01 00:00Z', '2025-06-08 00:00'),
    ('UTC', '0 0 * * */7', '2025-06-01 00:00Z', '2025-06-08 00:00'),
    ('UTC', '0 0 * * 5-7', '2025-06-01 00:00Z',
        '2025-06-06 00:00, 2025-06-07 00:00, 2025-06-08 00:00, 2025-06-13 00:00'),
    ('UTC', '0 0 * * fri-SUN', '2025-06-02 00:00Z', '2025-06-06 00:00, 2025-06-07 00:00, 2025-06-08 00:00'),
    ('UTC', '0 0 * * SUN-TUE', '2025-06-01 00:00Z', '2025-06-02 00:00, 2025-06-03 00:00, 2025-06-08 00:00'),
    ('UTC', '0 0 * * 1/2', '2025-06-01 00:00Z',
        '2025-06-02 00:00, 2025-06-04 00:00, 2025-06-06 00:00, 2025-06-08 00:00'),
    ('UTC', '45/10 0 * * *', '2025-06-01 00:00Z', '2025-06-01 00:45, 2025-06-01 00:55, 2025-06-02 00:45'),
    ('UTC', '10-40/15 8 * JAN-Mar,dec mon-FRI', '2025-03-31 08:39Z', '2025-03-31 08:40, 2025-12-01 08:10'),
    ('UTC', '0,00,5-5,5 0 * * *', '2025-06-01 00:00Z', '2025-06-01 00:05, 2025-06-02 00:00'),
    ('UTC', '*/60 */24 */31 */12 *', '2025-06-01 00:00Z', '2026-01-01 00:00'))
    AS example (zone, cron, after, expected);

SELECT test.gives($$ SELECT outbox.cron_next('* * * * *', 'UTC', 'infinity') $$, NULL),
    test.gives($$ SELECT outbox.cron_next('* * * * *', 'UTC', NULL) $$, NULL),
    test.gives($$ SELECT outbox.cron_next('* * * * *', 'UTC') = date_trunc('minute', now()) + interval '1 minute' $$,
        'true');

-- --- By brute force

-- Walks through all minutes around the moment at which a clock was set: an expression fires at a minute when the clock
-- then shows, for the first time, a local time l that it means, or has just passed over one. The series of firings must
-- be exactly these.
CREATE FUNCTION test.walk(cron text, meaning text, zone text, change timestamptz, around interval) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := change - around;
    until timestamptz := change + around;
    expected text;
    fired text;
BEGIN
    EXECUTE format($query$
        WITH minute AS (
            SELECT t, t AT TIME ZONE $1 AS clock, max(t AT TIME ZONE $1) OVER (
                ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS shown
            FROM generate_series($2, $3, interval '1 minute') AS t)
        SELECT array_agg(t ORDER BY t)
        FROM minute
        WHERE EXISTS (
            SELECT FROM generate_series(shown + interval '1 minute', clock, interval '1 minute') AS l WHERE %s)
        $query$, meaning) INTO expected USING zone, since, until;
    WITH RECURSIVE series (n, t) AS (
        SELECT 1, outbox.cron_next(cron, zone, since)
        UNION ALL
        SELECT n + 1, outbox.cron_next(cron, zone, t) FROM series WHERE t < until AND n < 5000)
    SELECT array_agg(t ORDER BY n) INTO fired FROM series WHERE t <= until;
    RETURN test.same(format('%s, %s around %s', cron, zone, change), fired, expected);
END
$$;

SELECT test.walk(cron, meaning, zone, change::timestamptz, around::interval)
FROM (VALUES
    ('* * * * *', 'true', '4 hours'),
    ('*/10 * * * *', 'extract(minute FROM l) IN (0, 10, 20, 30, 40, 50)', '36 hours'),
    ('30 * * * *', 'extract(minute FROM l) = 30', '36 hours'),
    ('0 0 * * *', 'l = date_trunc(''day'', l)', '60 hours'),
    ('30 2 * * *', 'l::time = ''02:30''', '60 hours'),
    ('7,37 0-3,23 * * 0,6', 'extract(minute FROM l) IN (7, 37) AND extract(hour FROM l) IN (0, 1, 2, 3, 23) '
        'AND extract(isodow FROM l) IN (6, 7)', '60 hours'))
    AS expression (cron, meaning, around)
CROSS JOIN (VALUES
    ('Europe/Berlin', '2025-03-30 01:00Z'), ('Europe/Berlin', '2025-10-26 01:00Z'),
    ('America/New_York', '2025-03-09 07:00Z'), ('America/New_York', '2025-11-02 06:00Z'),
    ('Australia/Lord_Howe', '2025-10-04 15:30Z'), ('Australia/Lord_Howe', '2025-04-05 15:00Z'),
    ('America/Havana', '2025-03-09 05:00Z'), ('America/Havana', '2025-11-02 05:00Z'),
    ('Asia/Beirut', '2025-03-29 22:00Z'), ('Asia/Beirut', '2025-10-25 21:00Z'),
    ('America/Asuncion', '2023-10-01 04:00Z'), ('America/Asuncion', '2023-03-26 03:00Z'),
    ('Asia/Pyongyang', '2018-05-04 15:00Z'), ('Asia/Pyongyang', '2015-08-14 15:00Z'),
    ('Antarctica/Troll', '2025-03-30 01:00Z'), ('Antarctica/Troll', '2025-10-26 01:00Z'),
    ('Pacific/Apia', '2011-12-30 10:00Z'), ('Asia/Seoul', '2025-03-30 00:00Z'))
    AS clock (zone, change);

-- --- What is refused

SELECT test.refused('SELECT outbox.cron_check(repeat(''*'', 1001), ''UTC'')',
        'OB010 cron must not be longer than 1000 characters'),
    test.gives('SELECT outbox.cron_check(repeat(''0,'', 490) || ''0 * * * *'', ''UTC'')', '');

SELECT test.refused(format('SELECT outbox.cron_next(%L, ''UTC'')', cron), 'OB010 cron ' || message),
    test.refused(format('SELECT outbox.cron_check(%L, ''UTC'')', cron), 'OB010 cron ' || message)
FROM (VALUES
    ('', 'must have 5 fields, not 0'),
    (' ', 'must have 5 fields, not 0'),
    ('* * * *', 'must have 5 fields, not 4'),
    ('0 * * * * *', 'must have 5 fields, not 6'),
    ('@daily', 'must have 5 fields, not 1'),
    ('60 * * * *', 'minute: 60 is not within 0 to 59'),
    ('999999 * * * *', 'minute: 999999 is not within 0 to 59'),
    ('0 24 * * *', 'hour: 24 is not within 0 to 23'),
    ('0 0 0 * *', 'day-of-month: 0 is not within 1 to 31'),
    ('0 0 1-32 * *', 'day-of-month: 32 is not within 1 to 31'),
    ('0 0 * 13 *', 'month: 13 is not within 1 to 12'),
    ('0 0 * 0 *', 'month: 0 is not within 1 to 12'),
    ('0 0 * * 8', 'day-of-week: 8 is not within 0 to 7'),
    ('-1 * * * *', 'minute: "-1" is not a number, name, range or step'),
    ('9999999999 * * * *', 'minute: "9999999999" is not a number, name, range or step'),
    ('1.5 * * * *', 'minute: "1.5" is not a number, name, range or step'),
    ('? * * * *', 'minute: "?" is not a number, name, range or step'),
    ('MON * * * *', 'minute: "MON" is not a number, name, range or step'),
    ('1,,2 * * * *', 'minute: "" is not a number, name, range or step'),
    ('1, * * * *', 'minute: "" is not a number, name, range or step'),
    ('1-2-3 * * * *', 'minute: "1-2-3" is not a number, name, range or step'),
    ('*-5 * * * *', 'minute: "*-5" is not a number, name, range or step'),
    ('*/ * * * *', 'minute: "*/" is not a number, name, range or step'),
    ('/5 * * * *', 'minute: "/5" is not a number, name, range or step'),
    ('*/5/5 * * * *', 'minute: "*/5/5" is not a number, name, range or step'),
    ('*/0 * * * *', 'minute: step 0 is not within 1 to 60'),
    ('*/90 * * * *', 'minute: step 90 is not within 1 to 60'),
    ('0 1-5/25 * * *', 'hour: step 25 is not within 1 to 24'),
    ('40-10 * * * *', 'minute: range 40-10 runs backwards'),
    ('0 22-6 * * *', 'hour: range 22-6 runs backwards'),
    ('0 0 * DEC-feb *', 'month: range DEC-FEB runs backwards'),
    ('0 0 * * FRI-MON', 'day-of-week: range FRI-MON runs backwards'),
    ('0 0 * * 5-0', 'day-of-week: range 5-0 runs backwards'),
    ('0 0 L * *', 'day-of-month: "L" is not a number, name, range or step'),
    ('0 0 15W * *', 'day-of-month: "15W" is not a number, name, range or step'),
    ('0 0 * FOO *', 'month: "FOO" is not a number, name, range or step'),
    ('0 0 * MON *', 'month: "MON" is not a number, name, range or step'),
    ('0 12 * * 1#2', 'day-of-week: "1#2" is not a number, name, range or step'),
    ('0 12 * * MONDAY', 'day-of-week: "MONDAY" is not a number, name, range or step'),
    ('0 12 * * MÖN', 'day-of-week: "MÖN" is not a number, name, range or step'))
    AS bad (cron, message);

-- What AT TIME ZONE or the setting TimeZone would take besides names.
SELECT test.refused(format(call, zone), format('OB010 timezone "%s" does not exist', zone))
FROM (VALUES
    ('Asia/Soul'), (''), (' '), ('CEST'), ('PDT'), ('XYZ+3'), ('Asia/Seoul+3'), ('<+03>-3'), ('Etc/GMT+15'), ('+9'),
    ('3'), ('-5'), ('nan'), ('inf'), ('Infinity'), ('interval'), ('right/UTC'), ('../etc/passwd'), ('default'),
    ('/'), ('.'), ('UTC '), ('UTC+1'), ('GMT+3'), ('GMT+00:00'), ('Asia/Seöul'))
    AS bad (zone)
CROSS JOIN (VALUES
    ('SELECT outbox.cron_next(''* * * * *'', %L)'), ('SELECT outbox.cron_check(''* * * * *'', %L)'),
    ('SELECT outbox.local_instant(''2025-01-01'', %L)'))
    AS function (call);

-- --- Zones

SELECT test.same('all zones', (count(*) > 300 AND count(*) = count(outbox.local_instant('2025-07-01', name)))::text,
    'true')
FROM pg_timezone_names;
SELECT test.gives($$ SELECT outbox.local_instant('2025-07-01', 'asia/SEOUL') = '2025-06-30 15:00Z' $$, 'true'),
    test.gives($$ SELECT outbox.local_instant('infinity', 'Asia/Seoul') $$, 'infinity');

-- The caller's own zone, and what it calls a time zone abbreviation, change nothing and are left alone.
BEGIN;
SET LOCAL timezone = 'America/Caracas';
SET LOCAL timezone_abbreviations = 'Australia';
SELECT test.fires(name, '0 12 * * *', '2025-07-01 00:00Z', 'MM-DD HH24:MI', '07-01 09:00')
FROM pg_timezone_names WHERE name = 'EET'; -- of tzdata-legacy
SELECT outbox.cron_check('* * * * *', 'Asia/Seoul'), outbox.local_instant('2025-07-01', 'Asia/Seoul');
SELECT test.same('the time zone after an answer', current_setting('timezone'), 'America/Caracas');
SELECT test.refused($$ SELECT outbox.cron_check('* * * * *', 'CEST') $$, 'OB010');
SELECT test.same('the time zone after a refusal', current_setting('timezone'), 'America/Caracas');
ROLLBACK;

-- --- Who may call it

SELECT test.may('outbox_producer', call), test.may('outbox_scheduler', call), test.may('outbox_reader', call),
    test.may('outbox_admin', call), test.may_not('outbox_dispatcher', call)
FROM (VALUES
    ($$ SELECT outbox.cron_next('* * * * *', 'UTC') $$),
    ($$ SELECT outbox.cron_check('* * * * *', 'UTC') $$),
    ($$ SELECT outbox.local_instant('2025-07-01', 'UTC') $$))
    AS function (call);
SELECT test.same('functions for everybody', string_agg(p.proname, ', '), NULL)
FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
WHERE p.pronamespace = 'outbox'::regnamespace AND a.grantee = 0
    AND (p.proname LIKE 'cron%' OR p.proname IN ('use_timezone', 'clock_change', 'local_instant'));
