/* cron_next: against two other programs, by the stated policy around changes of the clocks, and by brute
 * force. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"
#include "support/vectors.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* One value of a query with parameters; the caller frees it with mem_free. */
static char *value_of(struct db_session *db, const char *sql, int count, const char *const *values)
{
    struct error err;
    struct db_result *result = db_query(db, sql, count, values, &err);
    ck_assert_msg(result != NULL, "%s\n  failed: %s", sql, err.text);
    char *value = mem_strdup(db_rows(result) > 0 ? db_text(result, 0, 0) : "");
    db_result_free(result);
    return value;
}

/* See tools/scripts/cron-vectors. */
START_TEST(test_oracles)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "CREATE TEMP TABLE oracle (cron text, zone text, after timestamptz, next timestamptz)");
    char *lines = vectors_text("cron.tsv");
    const char *const values[] = {lines};
    mem_free(value_of(db,
                      "INSERT INTO oracle SELECT field[1], field[2], to_timestamp(field[3]::bigint * 60), "
                      "to_timestamp(field[4]::bigint * 60) "
                      "FROM string_to_table(rtrim($1, E'\\n'), E'\\n') AS line, "
                      "string_to_array(line, E'\\t') AS field",
                      1, values));
    mem_free(lines);
    ck_assert_int_ge(pg_int(db, "SELECT count(*) FROM oracle"), 10000);
    char *wrong = pg_value(
        db,
        "WITH answer AS MATERIALIZED (SELECT *, outbox.cron_next(cron, zone, after) AS fires FROM oracle) "
        "SELECT count(*) || ' differ: ' || string_agg(format(E'\\n%s, %s after %s: %s, expected %s', cron, "
        "zone, after, coalesce(fires::text, 'never'), next), '') FILTER (WHERE number <= 10) "
        "FROM (SELECT *, row_number() OVER () AS number FROM answer WHERE fires IS DISTINCT FROM next) AS w");
    ck_assert_msg(wrong == NULL, "%s", wrong);
}
END_TEST

/* The firings after a moment, in UTC and separated by commas. */
static char *firings(struct db_session *db, const char *zone, const char *cron, const char *after,
                     const char *format, size_t count)
{
    char limit[16];
    snprintf(limit, sizeof limit, "%zu", count);
    const char *const values[] = {cron, zone, after, limit, format};
    return value_of(
        db,
        "WITH RECURSIVE fired (n, t) AS (SELECT 1, outbox.cron_next($1, $2, $3::timestamptz) "
        "UNION ALL SELECT n + 1, outbox.cron_next($1, $2, t) FROM fired WHERE n < $4::integer) "
        "SELECT string_agg(coalesce(to_char(t AT TIME ZONE 'UTC', $5), 'never'), ', ' ORDER BY n) "
        "FROM fired",
        5, values);
}

struct example {
    const char *zone, *cron, *after, *expected;
};

static void check_examples(const struct example *examples, size_t count, const char *format)
{
    struct db_session *db = pg_case_session();
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const struct example *e = &examples[i];
        size_t length = 1;
        for (const char *c = e->expected; *c != '\0'; c++)
            length += *c == ',';
        char *fired = firings(db, e->zone, e->cron, e->after, format, length);
        if (strcmp(fired, e->expected) != 0) {
            wrong++;
            printf("%s, %s after %s: %s, expected %s\n", e->cron, e->zone, e->after, fired, e->expected);
        }
        mem_free(fired);
    }
    ck_assert_msg(wrong == 0, "%zu of %zu are wrong", wrong, count);
}

/* The expected moments follow from the policy and from the moments at which the clocks were set:
 *   Berlin     2025-03-30 01:00Z  02:00 -> 03:00        2025-10-26 01:00Z  03:00 -> 02:00
 *   New York   2025-03-09 07:00Z  02:00 -> 03:00        2025-11-02 06:00Z  02:00 -> 01:00
 *   Lord Howe  2025-10-04 15:30Z  02:00 -> 02:30        2025-04-05 15:00Z  02:00 -> 01:30
 *   Havana     2025-03-09 05:00Z  00:00 -> 01:00        2025-11-02 05:00Z  01:00 -> 00:00
 *   Beirut     2025-03-29 22:00Z  00:00 -> 01:00        2025-10-25 21:00Z  24:00 -> 23:00
 *   Asuncion   2023-10-01 04:00Z  00:00 -> 01:00        2023-03-26 03:00Z  24:00 -> 23:00
 *   Pyongyang  2018-05-04 15:00Z  23:30 -> 24:00        2015-08-14 15:00Z  24:00 -> 23:30
 *   Troll      2025-03-30 01:00Z  01:00 -> 03:00
 *   Apia       2011-12-30 10:00Z  29 December 24:00 -> 31 December 00:00 */
static const struct example clock_examples[] = {
    {"Europe/Berlin", "30 2 * * *", "2025-03-28 12:00Z", "03-29 01:30, 03-30 01:00, 03-31 00:30"},
    {"Europe/Berlin", "0 2 * * *", "2025-03-29 12:00Z", "03-30 01:00, 03-31 00:00"},
    {"Europe/Berlin", "0 3 * * *", "2025-03-29 12:00Z", "03-30 01:00, 03-31 01:00"},
    {"Europe/Berlin", "0 2,3 * * *", "2025-03-29 12:00Z", "03-30 01:00, 03-31 00:00, 03-31 01:00"},
    {"Europe/Berlin", "59 1 * * *", "2025-03-29 12:00Z", "03-30 00:59, 03-30 23:59"},
    {"Europe/Berlin", "*/10 2 * * *", "2025-03-30 00:00Z", "03-30 01:00, 03-31 00:00, 03-31 00:10"},
    {"Europe/Berlin", "30 * * * *", "2025-03-29 23:45Z",
     "03-30 00:30, 03-30 01:00, 03-30 01:30, 03-30 02:30"},
    {"Europe/Berlin", "*/10 * * * *", "2025-03-30 00:45Z", "03-30 00:50, 03-30 01:00, 03-30 01:10"},
    {"Europe/Berlin", "* * * * *", "2025-03-30 00:59:59.999999Z", "03-30 01:00, 03-30 01:01"},
    {"Europe/Berlin", "30 2 * * *", "2025-10-25 12:00Z", "10-26 00:30, 10-27 01:30"},
    {"Europe/Berlin", "30 2 * * *", "2025-10-26 00:30Z", "10-27 01:30"},
    {"Europe/Berlin", "30 2 * * *", "2025-10-26 01:15Z", "10-27 01:30"},
    {"Europe/Berlin", "0 2 * * *", "2025-10-25 12:00Z", "10-26 00:00, 10-27 01:00"},
    {"Europe/Berlin", "59 2 * * *", "2025-10-25 12:00Z", "10-26 00:59, 10-27 01:59"},
    {"Europe/Berlin", "0 3 * * *", "2025-10-25 12:00Z", "10-26 02:00, 10-27 02:00"},
    {"Europe/Berlin", "30 * * * *", "2025-10-25 23:45Z", "10-26 00:30, 10-26 02:30, 10-26 03:30"},
    {"Europe/Berlin", "*/10 * * * *", "2025-10-26 00:45Z", "10-26 00:50, 10-26 02:00, 10-26 02:10"},
    {"Europe/Berlin", "* * * * *", "2025-10-26 00:59Z", "10-26 02:00, 10-26 02:01"},
    {"Europe/Berlin", "* * * * *", "2025-10-26 01:00Z", "10-26 02:00"},
    {"Europe/Berlin", "* * * * *", "2025-10-26 01:30:30Z", "10-26 02:00"},
    {"Europe/Berlin", "* * * * *", "2025-10-26 01:59:59Z", "10-26 02:00"},
    {"America/New_York", "30 2 * * *", "2025-03-08 12:00Z", "03-09 07:00, 03-10 06:30"},
    {"America/New_York", "30 * * * *", "2025-03-09 06:15Z", "03-09 06:30, 03-09 07:00, 03-09 07:30"},
    {"America/New_York", "30 1 * * *", "2025-11-01 12:00Z", "11-02 05:30, 11-03 06:30"},
    {"America/New_York", "*/30 * * * *", "2025-11-02 05:15Z", "11-02 05:30, 11-02 07:00, 11-02 07:30"},
    {"Australia/Lord_Howe", "15 2 * * *", "2025-10-03 20:00Z", "10-04 15:30, 10-05 15:15"},
    {"Australia/Lord_Howe", "30 * * * *", "2025-10-04 14:45Z", "10-04 15:00, 10-04 15:30, 10-04 16:30"},
    {"Australia/Lord_Howe", "*/10 * * * *", "2025-10-04 15:15Z", "10-04 15:20, 10-04 15:30, 10-04 15:40"},
    {"Australia/Lord_Howe", "45 1 * * *", "2025-04-04 20:00Z", "04-05 14:45, 04-06 15:15"},
    {"Australia/Lord_Howe", "30 1 * * *", "2025-04-04 20:00Z", "04-05 14:30, 04-06 15:00"},
    {"Australia/Lord_Howe", "30 * * * *", "2025-04-05 14:00Z", "04-05 14:30, 04-05 16:00, 04-05 17:00"},
    {"Australia/Lord_Howe", "*/10 * * * *", "2025-04-05 14:45Z", "04-05 14:50, 04-05 15:30, 04-05 15:40"},
    {"Asia/Seoul", "30 2 * * *", "2025-03-30 00:00Z", "03-30 17:30, 03-31 17:30"},
    {"America/Havana", "0 0 * * *", "2025-03-08 12:00Z", "03-09 05:00, 03-10 04:00"},
    {"America/Havana", "30 0 * * *", "2025-03-08 12:00Z", "03-09 05:00, 03-10 04:30"},
    {"America/Havana", "0 0 9 3 *", "2025-03-08 12:00Z", "03-09 05:00"},
    {"America/Havana", "0 0 * * *", "2025-11-01 12:00Z", "11-02 04:00, 11-03 05:00"},
    {"America/Havana", "30 0 * * *", "2025-11-01 12:00Z", "11-02 04:30, 11-03 05:30"},
    {"America/Havana", "*/30 * * * *", "2025-11-02 04:00Z", "11-02 04:30, 11-02 06:00, 11-02 06:30"},
    {"Asia/Beirut", "0 0 * * *", "2025-03-29 12:00Z", "03-29 22:00, 03-30 21:00"},
    {"Asia/Beirut", "0 0 * * *", "2025-10-25 12:00Z", "10-25 22:00, 10-26 22:00"},
    {"Asia/Beirut", "30 23 * * *", "2025-10-25 12:00Z", "10-25 20:30, 10-26 21:30"},
    {"Asia/Beirut", "0 23 * * *", "2025-10-25 12:00Z", "10-25 20:00, 10-26 21:00"},
    {"Asia/Beirut", "*/20 * * * *", "2025-10-25 20:30Z", "10-25 20:40, 10-25 22:00, 10-25 22:20"},
    {"America/Asuncion", "0 0 * * *", "2023-09-30 12:00Z", "10-01 04:00, 10-02 03:00"},
    {"America/Asuncion", "30 23 * * *", "2023-03-25 12:00Z", "03-26 02:30, 03-27 03:30"},
    {"America/Asuncion", "0 0 * * *", "2023-03-25 12:00Z", "03-26 04:00, 03-27 04:00"},
    {"Asia/Pyongyang", "45 23 * * *", "2018-05-04 00:00Z", "05-04 15:00, 05-05 14:45"},
    {"Asia/Pyongyang", "45 23 * * *", "2015-08-14 00:00Z", "08-14 14:45, 08-15 15:15"},
    {"Antarctica/Troll", "0 1,2 * * *", "2025-03-29 12:00Z", "03-30 01:00, 03-30 23:00"},
    {"Pacific/Apia", "0 12 30 12 *", "2011-12-01 00:00Z", "12-30 10:00, 12-29 22:00"},
    {"Pacific/Apia", "0 0 * * *", "2011-12-29 00:00Z", "12-29 10:00, 12-30 10:00, 12-31 10:00"},
    {"Pacific/Apia", "0 9 * * FRI", "2011-12-24 00:00Z", "12-30 10:00, 01-05 19:00"},
    {"Pacific/Apia", "* * * * *", "2011-12-30 09:59Z", "12-30 10:00, 12-30 10:01"},
    {"Asia/Kathmandu", "0 0 * * *", "2025-01-01 00:00Z", "01-01 18:15"},
    {"CET", "0 12 * * *", "2025-07-01 00:00Z", "07-01 10:00"},
    {"EST5EDT", "0 12 * * *", "2025-07-01 00:00Z", "07-01 16:00"},
    {"Etc/GMT+5", "0 12 * * *", "2025-07-01 00:00Z", "07-01 17:00"},
};

START_TEST(test_clock_changes)
{
    check_examples(clock_examples, LENGTH(clock_examples), "MM-DD HH24:MI");
    /* Until 1972 Liberia was 44 minutes and 30 seconds behind. */
    pg_expect(pg_case_session(),
              "SELECT outbox.cron_next('0 12 * * *', 'Africa/Monrovia', '1970-06-01 00:00Z') "
              "= '1970-06-01 12:44:30Z'",
              "t");
}
END_TEST

static const struct example calendar_examples[] = {
    {"UTC", "*/5 * * * *", "2025-06-01 00:04:59.5Z", "2025-06-01 00:05, 2025-06-01 00:10"},
    {"UTC", "*/5 * * * *", "2025-06-01 00:05Z", "2025-06-01 00:10"},
    {"UTC", "\t*/5  *\n* \v* \r\f* ", "2025-06-01 00:00Z", "2025-06-01 00:05"},
    {"UTC", "59 23 31 12 *", "2025-06-01 00:00Z", "2025-12-31 23:59, 2026-12-31 23:59"},
    {"UTC", "0 0 1 1 *", "2024-12-31 23:59:59Z", "2025-01-01 00:00, 2026-01-01 00:00"},
    {"UTC", "0 0 29 2 *", "2025-01-01 00:00Z", "2028-02-29 00:00, 2032-02-29 00:00"},
    {"UTC", "0 0 29 2 *", "2096-02-29 00:00Z", "2104-02-29 00:00"},
    {"UTC", "0 0 29 2 *", "2100-01-01 00:00Z", "2104-02-29 00:00"},
    {"UTC", "0 0 29 2 MON", "2028-02-20 00:00Z", "2028-02-21 00:00, 2028-02-28 00:00, 2028-02-29 00:00"},
    {"UTC", "0 0 28-31 2 *", "2027-02-01 00:00Z", "2027-02-28 00:00, 2028-02-28 00:00, 2028-02-29 00:00"},
    {"UTC", "0 0 31 * *", "2025-01-31 00:00Z",
     "2025-03-31 00:00, 2025-05-31 00:00, 2025-07-31 00:00, 2025-08-31 00:00"},
    {"UTC", "0 0 30 2 *", "2025-01-01 00:00Z", "never"},
    {"UTC", "0 0 31 2,4,6,9,11 *", "2025-01-01 00:00Z", "never"},
    {"UTC", "0 0 30 2 1", "2025-01-01 00:00Z", "2025-02-03 00:00, 2025-02-10 00:00"},
    {"UTC", "0 0 13 * FRI", "2025-06-07 00:00Z",
     "2025-06-13 00:00, 2025-06-20 00:00, 2025-06-27 00:00, 2025-07-04 00:00, "
     "2025-07-11 00:00, 2025-07-13 00:00"},
    {"UTC", "0 0 */10 * MON", "2025-06-01 00:00Z", "2025-06-02 00:00, 2025-06-09 00:00, 2025-06-11 00:00"},
    {"UTC", "0 0 5 * */3", "2025-06-01 00:00Z", "2025-06-04 00:00, 2025-06-05 00:00, 2025-06-07 00:00"},
    {"UTC", "0 0 * * 0", "2025-06-01 00:00Z", "2025-06-08 00:00"},
    {"UTC", "0 0 * * 7", "2025-06-01 00:00Z", "2025-06-08 00:00"},
    {"UTC", "0 0 * * sUn", "2025-06-01 00:00Z", "2025-06-08 00:00"},
    {"UTC", "0 0 * * */7", "2025-06-01 00:00Z", "2025-06-08 00:00"},
    {"UTC", "0 0 * * 5-7", "2025-06-01 00:00Z",
     "2025-06-06 00:00, 2025-06-07 00:00, 2025-06-08 00:00, 2025-06-13 00:00"},
    {"UTC", "0 0 * * fri-SUN", "2025-06-02 00:00Z", "2025-06-06 00:00, 2025-06-07 00:00, 2025-06-08 00:00"},
    {"UTC", "0 0 * * SUN-TUE", "2025-06-01 00:00Z", "2025-06-02 00:00, 2025-06-03 00:00, 2025-06-08 00:00"},
    {"UTC", "0 0 * * 1/2", "2025-06-01 00:00Z",
     "2025-06-02 00:00, 2025-06-04 00:00, 2025-06-06 00:00, 2025-06-08 00:00"},
    {"UTC", "45/10 0 * * *", "2025-06-01 00:00Z", "2025-06-01 00:45, 2025-06-01 00:55, 2025-06-02 00:45"},
    {"UTC", "10-40/15 8 * JAN-Mar,dec mon-FRI", "2025-03-31 08:39Z", "2025-03-31 08:40, 2025-12-01 08:10"},
    {"UTC", "0,00,5-5,5 0 * * *", "2025-06-01 00:00Z", "2025-06-01 00:05, 2025-06-02 00:00"},
    {"UTC", "*/60 */24 */31 */12 *", "2025-06-01 00:00Z", "2026-01-01 00:00"},
};

START_TEST(test_calendar)
{
    check_examples(calendar_examples, LENGTH(calendar_examples), "YYYY-MM-DD HH24:MI");
    struct db_session *db = pg_case_session();
    pg_expect(db, "SELECT outbox.cron_next('* * * * *', 'UTC', 'infinity')", NULL);
    pg_expect(db, "SELECT outbox.cron_next('* * * * *', 'UTC', NULL)", NULL);
    pg_expect(
        db, "SELECT outbox.cron_next('* * * * *', 'UTC') = date_trunc('minute', now()) + interval '1 minute'",
        "t");
}
END_TEST

/* Moments at which clocks were set. */
static const struct {
    const char *zone, *change;
} changes[] = {
    {"Europe/Berlin", "2025-03-30 01:00Z"},       {"Europe/Berlin", "2025-10-26 01:00Z"},
    {"America/New_York", "2025-03-09 07:00Z"},    {"America/New_York", "2025-11-02 06:00Z"},
    {"Australia/Lord_Howe", "2025-10-04 15:30Z"}, {"Australia/Lord_Howe", "2025-04-05 15:00Z"},
    {"America/Havana", "2025-03-09 05:00Z"},      {"America/Havana", "2025-11-02 05:00Z"},
    {"Asia/Beirut", "2025-03-29 22:00Z"},         {"Asia/Beirut", "2025-10-25 21:00Z"},
    {"America/Asuncion", "2023-10-01 04:00Z"},    {"America/Asuncion", "2023-03-26 03:00Z"},
    {"Asia/Pyongyang", "2018-05-04 15:00Z"},      {"Asia/Pyongyang", "2015-08-14 15:00Z"},
    {"Antarctica/Troll", "2025-03-30 01:00Z"},    {"Antarctica/Troll", "2025-10-26 01:00Z"},
    {"Pacific/Apia", "2011-12-30 10:00Z"},        {"Asia/Seoul", "2025-03-30 00:00Z"},
};

/* What an expression means, as SQL about a local time l; how long before and after the change to look. */
static const struct {
    const char *cron, *meaning, *hours;
} meanings[] = {
    {"* * * * *", "true", "4"},
    {"*/10 * * * *", "extract(minute FROM l) IN (0, 10, 20, 30, 40, 50)", "36"},
    {"30 * * * *", "extract(minute FROM l) = 30", "36"},
    {"0 0 * * *", "l = date_trunc('day', l)", "60"},
    {"30 2 * * *", "l::time = '02:30'", "60"},
    {"7,37 0-3,23 * * 0,6",
     "extract(minute FROM l) IN (7, 37) AND extract(hour FROM l) IN (0, 1, 2, 3, 23) "
     "AND extract(isodow FROM l) IN (6, 7)",
     "60"},
};

/* Walks through all minutes: an expression fires at a minute when the clock then shows, for the first time, a
 * local time that it means, or has just passed over one. The series of firings must be exactly these. */
static const char brute_force[] =
    "WITH RECURSIVE span AS MATERIALIZED (SELECT $3::timestamptz - $4::interval AS since, "
    "$3::timestamptz + $4::interval AS until), "
    "minute AS (SELECT t, t AT TIME ZONE $2 AS clock, max(t AT TIME ZONE $2) OVER "
    "(ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS shown "
    "FROM span, generate_series(since, until, interval '1 minute') AS t), "
    "expected AS (SELECT t FROM minute WHERE EXISTS (SELECT FROM generate_series("
    "shown + interval '1 minute', clock, interval '1 minute') AS l WHERE %s)), "
    "fired (n, t) AS (SELECT 1, outbox.cron_next($1, $2, since) FROM span UNION ALL "
    "SELECT n + 1, outbox.cron_next($1, $2, t) FROM fired, span WHERE t < until AND n < 5000) "
    "SELECT CASE WHEN a.all = b.all THEN 'same' ELSE format('expected %%s, fired %%s', a.all, b.all) END "
    "FROM "
    "(SELECT array_agg(t ORDER BY t) AS all FROM expected) AS a, "
    "(SELECT array_agg(t ORDER BY n) AS all FROM fired, span WHERE t <= until) AS b";

START_TEST(test_brute_force)
{
    struct db_session *db = pg_case_session();
    for (size_t m = 0; m < LENGTH(meanings); m++) {
        char *sql = NULL;
        char hours[32];
        ck_assert_int_ge(asprintf(&sql, brute_force, meanings[m].meaning), 0);
        snprintf(hours, sizeof hours, "%s hours", meanings[m].hours);
        for (size_t c = 0; c < LENGTH(changes); c++) {
            const char *const values[] = {meanings[m].cron, changes[c].zone, changes[c].change, hours};
            char *verdict = value_of(db, sql, 4, values);
            ck_assert_msg(strcmp(verdict, "same") == 0, "%s, %s around %s: %.2000s", meanings[m].cron,
                          changes[c].zone, changes[c].change, verdict);
            mem_free(verdict);
        }
        free(sql);
    }
}
END_TEST

static const struct {
    const char *cron, *message;
} bad_expressions[] = {
    {"", "must have 5 fields, not 0"},
    {" ", "must have 5 fields, not 0"},
    {"* * * *", "must have 5 fields, not 4"},
    {"0 * * * * *", "must have 5 fields, not 6"},
    {"@daily", "must have 5 fields, not 1"},
    {"60 * * * *", "minute: 60 is not within 0 to 59"},
    {"999999 * * * *", "minute: 999999 is not within 0 to 59"},
    {"0 24 * * *", "hour: 24 is not within 0 to 23"},
    {"0 0 0 * *", "day-of-month: 0 is not within 1 to 31"},
    {"0 0 1-32 * *", "day-of-month: 32 is not within 1 to 31"},
    {"0 0 * 13 *", "month: 13 is not within 1 to 12"},
    {"0 0 * 0 *", "month: 0 is not within 1 to 12"},
    {"0 0 * * 8", "day-of-week: 8 is not within 0 to 7"},
    {"-1 * * * *", "minute: \"-1\" is not a number, name, range or step"},
    {"9999999999 * * * *", "minute: \"9999999999\" is not a number, name, range or step"},
    {"1.5 * * * *", "minute: \"1.5\" is not a number, name, range or step"},
    {"? * * * *", "minute: \"?\" is not a number, name, range or step"},
    {"MON * * * *", "minute: \"MON\" is not a number, name, range or step"},
    {"1,,2 * * * *", "minute: \"\" is not a number, name, range or step"},
    {"1, * * * *", "minute: \"\" is not a number, name, range or step"},
    {"1-2-3 * * * *", "minute: \"1-2-3\" is not a number, name, range or step"},
    {"*-5 * * * *", "minute: \"*-5\" is not a number, name, range or step"},
    {"*/ * * * *", "minute: \"*/\" is not a number, name, range or step"},
    {"/5 * * * *", "minute: \"/5\" is not a number, name, range or step"},
    {"*/5/5 * * * *", "minute: \"*/5/5\" is not a number, name, range or step"},
    {"*/0 * * * *", "minute: step 0 is not within 1 to 60"},
    {"*/90 * * * *", "minute: step 90 is not within 1 to 60"},
    {"0 1-5/25 * * *", "hour: step 25 is not within 1 to 24"},
    {"40-10 * * * *", "minute: range 40-10 runs backwards"},
    {"0 22-6 * * *", "hour: range 22-6 runs backwards"},
    {"0 0 * DEC-feb *", "month: range DEC-FEB runs backwards"},
    {"0 0 * * FRI-MON", "day-of-week: range FRI-MON runs backwards"},
    {"0 0 * * 5-0", "day-of-week: range 5-0 runs backwards"},
    {"0 0 L * *", "day-of-month: \"L\" is not a number, name, range or step"},
    {"0 0 15W * *", "day-of-month: \"15W\" is not a number, name, range or step"},
    {"0 0 * FOO *", "month: \"FOO\" is not a number, name, range or step"},
    {"0 0 * MON *", "month: \"MON\" is not a number, name, range or step"},
    {"0 12 * * 1#2", "day-of-week: \"1#2\" is not a number, name, range or step"},
    {"0 12 * * MONDAY", "day-of-week: \"MONDAY\" is not a number, name, range or step"},
    {"0 12 * * M\xc3\x96N", "day-of-week: \"M\xc3\x96N\" is not a number, name, range or step"},
};

START_TEST(test_bad_expressions)
{
    struct db_session *db = pg_case_session();
    char sql[256];
    char message[256];
    for (size_t i = 0; i < LENGTH(bad_expressions); i++) {
        snprintf(message, sizeof message, "OB010 cron %s", bad_expressions[i].message);
        snprintf(sql, sizeof sql, "SELECT outbox.cron_next('%s', 'UTC')", bad_expressions[i].cron);
        pg_refused(db, sql, message);
        snprintf(sql, sizeof sql, "SELECT outbox.cron_check('%s', 'UTC')", bad_expressions[i].cron);
        pg_refused(db, sql, message);
    }
    pg_refused(db, "SELECT outbox.cron_check(repeat('*', 1001), 'UTC')",
               "OB010 cron must not be longer than 1000 characters");
    pg_exec(db, "SELECT outbox.cron_check(repeat('0,', 490) || '0 * * * *', 'UTC')");
}
END_TEST

/* What AT TIME ZONE or the setting TimeZone would take besides names. */
static const char *const bad_zones[] = {
    "Asia/Soul", "",  " ",  "CEST", "PDT",   "XYZ+3",    "Asia/Seoul+3", "<+03>-3",           "Etc/GMT+15",
    "+9",        "3", "-5", "nan",  "inf",   "Infinity", "interval",     "right/UTC",         "../etc/passwd",
    "default",   "/", ".",  "UTC ", "UTC+1", "GMT+3",    "GMT+00:00",    "Asia/Se\xc3\xb6ul",
};

START_TEST(test_zones)
{
    struct db_session *db = pg_case_session();
    char sql[256];
    char message[256];
    for (size_t i = 0; i < LENGTH(bad_zones); i++) {
        snprintf(message, sizeof message, "OB010 timezone \"%s\" does not exist", bad_zones[i]);
        snprintf(sql, sizeof sql, "SELECT outbox.cron_next('* * * * *', '%s')", bad_zones[i]);
        pg_refused(db, sql, message);
        snprintf(sql, sizeof sql, "SELECT outbox.cron_check('* * * * *', '%s')", bad_zones[i]);
        pg_refused(db, sql, message);
        snprintf(sql, sizeof sql, "SELECT outbox.local_instant('2025-01-01', '%s')", bad_zones[i]);
        pg_refused(db, sql, message);
    }
    pg_expect(db,
              "SELECT count(*) > 300 AND count(*) = count(outbox.local_instant('2025-07-01', name)) "
              "FROM pg_timezone_names",
              "t");
    pg_expect(db, "SELECT outbox.local_instant('2025-07-01', 'asia/SEOUL') = '2025-06-30 15:00Z'", "t");
    pg_expect(db, "SELECT outbox.local_instant('infinity', 'Asia/Seoul')", "infinity");

    /* The caller's own zone, and what it calls a time zone abbreviation, change nothing and are left alone.
     */
    pg_exec(db,
            "BEGIN; SET LOCAL timezone = 'America/Caracas'; SET LOCAL timezone_abbreviations = 'Australia'");
    pg_expect(db, "SELECT outbox.cron_next('0 12 * * *', 'EET', '2025-07-01 00:00Z') = '2025-07-01 09:00Z'",
              "t");
    pg_exec(db, "SELECT outbox.cron_check('* * * * *', 'Asia/Seoul'), "
                "outbox.local_instant('2025-07-01', 'Asia/Seoul')");
    pg_expect(db, "SHOW timezone", "America/Caracas");
    pg_exec(db, "SAVEPOINT s");
    pg_refused(db, "SELECT outbox.cron_check('* * * * *', 'CEST')", "OB010");
    pg_exec(db, "ROLLBACK TO s");
    pg_expect(db, "SHOW timezone", "America/Caracas");
    pg_exec(db, "ROLLBACK");
}
END_TEST

START_TEST(test_rights)
{
    struct db_session *db = pg_case_session();
    static const char *const roles[] = {"outbox_producer", "outbox_scheduler", "outbox_reader",
                                        "outbox_admin"};
    char sql[64];
    for (size_t i = 0; i < LENGTH(roles); i++) {
        snprintf(sql, sizeof sql, "SET ROLE %s", roles[i]);
        pg_exec(db, sql);
        pg_exec(db, "SELECT outbox.cron_next('* * * * *', 'UTC'), outbox.cron_check('* * * * *', 'UTC'), "
                    "outbox.local_instant('2025-07-01', 'UTC')");
    }
    pg_exec(db, "SET ROLE outbox_dispatcher");
    pg_refused(db, "SELECT outbox.cron_next('* * * * *', 'UTC')", "42501");
    pg_exec(db, "RESET ROLE");
    pg_expect(
        db,
        "SELECT count(*) FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a "
        "WHERE p.pronamespace = 'outbox'::regnamespace AND a.grantee = 0 AND (p.proname LIKE 'cron%' "
        "OR p.proname IN ('use_timezone', 'clock_change', 'local_instant'))",
        "0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cron");
    pg_case_add(suite, "oracles", test_oracles);
    pg_case_add(suite, "clock changes", test_clock_changes);
    pg_case_add(suite, "calendar", test_calendar);
    pg_case_add(suite, "brute force", test_brute_force);
    pg_case_add(suite, "bad expressions", test_bad_expressions);
    pg_case_add(suite, "zones", test_zones);
    pg_case_add(suite, "rights", test_rights);
    return suite_run(suite);
}
