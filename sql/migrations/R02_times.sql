-- Time zones, and cron: when an expression about local wall-clock time fires next. Syntax and policy are in
-- docs/cron.md.
--
-- SQLSTATE of refusals: OB010, for a bad expression and for an unknown time zone.

-- What AT TIME ZONE takes without asking is wider than the names: "XYZ3", and "Asia/Seoul3" just as well, would be
-- three hours west of Greenwich. Of the names only those of Etc/GMT have digits.
CREATE OR REPLACE FUNCTION outbox.is_timezone(name text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR name !~ '^(UTC|GMT|Etc/GMT([+-]?[0-9]|[+-]1[0-4])|[A-Za-z_]+(/[A-Za-z_-]+)+)$' THEN
        RETURN false;
    END IF;
    PERFORM now() AT TIME ZONE name;
    RETURN true;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN false;
END
$$;

COMMENT ON FUNCTION outbox.is_timezone IS 'A name of the time zone database, as "Asia/Seoul", or UTC';

-- Local times are converted by the session's TimeZone, which each function below sets for itself: its own
-- SET clause makes Postgres put the caller's zone back at the end. AT TIME ZONE would not do. It takes an
-- abbreviation before a zone of that name, so that CET would never have summer time there.
--
-- Setting it is also the check of the name, at the cost of a look into a hash table; pg_timezone_names reads
-- every file of the time zone database, for tens of milliseconds. What else TimeZone would take, numbers and
-- offsets in the manner of POSIX (XYZ+3), has a digit or is a word of strtod(), so only the few names with
-- digits need a list. Where such a zone has no file, Postgres reads its name as an offset, which is the same.
CREATE OR REPLACE FUNCTION outbox.use_timezone(name text) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
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
$$;

COMMENT ON FUNCTION outbox.use_timezone IS
    'Sets TimeZone, for the calling function if that has a SET timezone clause, else for the transaction';

-- At most one change lies in a span of a few days: in the whole time zone database no two are closer.
CREATE OR REPLACE FUNCTION outbox.clock_change(since timestamptz, until timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
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

COMMENT ON FUNCTION outbox.clock_change IS
    'The moment in (since, until] at which the clocks of TimeZone are set forward or back; NULL = none';

-- Postgres alone would take a time that exists twice as standard time, and move one that does not exist by
-- the length of the gap. No zone is ever 16 hours away from UTC.
CREATE OR REPLACE FUNCTION outbox.local_instant(local_time timestamp, timezone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
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

COMMENT ON FUNCTION outbox.local_instant IS
    'The first moment at which the clocks of a zone show a local time or a later one: its first occurrence, '
    'or the end of the gap that it falls into';

-- upper() and \d go by a collation; in the Turkish one "fri" has another capital I.
CREATE OR REPLACE FUNCTION outbox.cron_field(
    field text, name text, low integer, high integer, names text[] DEFAULT '{}'
) RETURNS bit varying
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
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
$$;

COMMENT ON FUNCTION outbox.cron_field IS
    'The values that a field of a cron expression allows: bit N, counted from 0, stands for N';

CREATE OR REPLACE FUNCTION outbox.cron_fields(
    expr text, OUT minutes bit varying, OUT hours bit varying, OUT days bit varying, OUT months bit varying,
    OUT weekdays bit varying, OUT either_day boolean
)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
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

COMMENT ON FUNCTION outbox.cron_fields IS
    'A cron expression taken apart; either_day: days and weekdays are both restricted, so one is enough';

-- Any day that exists comes back within a year, except 29 February, which stays away for up to eight.
CREATE OR REPLACE FUNCTION outbox.cron_day(
    days bit varying, months bit varying, weekdays bit varying, either_day boolean, start date
) RETURNS date
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
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

COMMENT ON FUNCTION outbox.cron_day IS
    'The first day from start on that the day and month fields of a cron expression allow; NULL = none';

CREATE OR REPLACE FUNCTION outbox.cron_minute(minutes bit varying, hours bit varying, start integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
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

COMMENT ON FUNCTION outbox.cron_minute IS
    'The first minute of the day from start on that a cron expression allows; NULL = none is left';

CREATE OR REPLACE FUNCTION outbox.cron_next(expr text, timezone text, after timestamptz DEFAULT now())
RETURNS timestamptz
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
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

COMMENT ON FUNCTION outbox.cron_next IS
    'The first firing of a cron expression about the local time of a zone strictly after a moment; '
    'NULL = never';

CREATE OR REPLACE FUNCTION outbox.cron_check(expr text, timezone text) RETURNS void
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
    PERFORM outbox.cron_fields(expr);
    PERFORM outbox.use_timezone(timezone);
END
$$;

COMMENT ON FUNCTION outbox.cron_check IS 'Raises OB010 for a bad cron expression or an unknown zone';
