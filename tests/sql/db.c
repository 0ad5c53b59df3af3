#include "support/suite.h"

#include <string.h>

#include "core/mem.h"
#include "db/db.h"
#include "support/pg.h"

enum { DEADLINE_MS = 10000 };

static const struct db_statement one = {"one", "SELECT 1"};
static const struct db_statement echo = {"echo", "SELECT $1::text, $2::bigint, $3::boolean"};
static const struct db_statement fail = {"fail", "SELECT 1 / $1::int"};
static const struct db_statement bad_syntax = {"bad_syntax", "SELECT FROM WHERE"};
static const struct db_statement begin = {"begin", "BEGIN"};
static const struct db_statement commit = {"commit", "COMMIT"};
static const struct db_statement rollback = {"rollback", "ROLLBACK"};
static const struct db_statement make_table = {"make_table", "CREATE TEMP TABLE t (id bigint, name text)"};
static const struct db_statement fill_table = {
    "fill_table", "INSERT INTO t SELECT * FROM unnest($1::bigint[], $2::text[])"};
static const struct db_statement read_table = {"read_table", "SELECT id, name FROM t ORDER BY id NULLS LAST"};
static const struct db_statement big = {"big",
                                        "SELECT i, repeat('x', 1000) FROM generate_series(1, $1::int) i"};
static const struct db_statement my_pid = {"my_pid", "SELECT pg_backend_pid()"};
static const struct db_statement prepared_count = {
    "prepared_count", "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE $1"};
static const struct db_statement settings = {
    "settings", "SELECT current_setting('search_path'), current_setting('application_name')"};
static const struct db_statement listen = {"listen", "LISTEN db_test"};
static const struct db_statement sleep_long = {"sleep_long", "SELECT pg_sleep(60)"};

/* One asynchronous connection, one blocking one, and a journal of what the first one reported:
 * "up;" "down;" "notified:CHANNEL=PAYLOAD;" and for each call "NAME:STATUS[=first cell or SQLSTATE];" */
static struct {
    struct loop *loop;
    struct timer *deadline;
    struct db *db;
    struct db_session *admin;
    struct buf journal;
    int ups, downs, awaited;
    bool timed_out;
} t;

static void on_up(void *arg)
{
    (void)arg;
    t.ups++;
    buf_text(&t.journal, "up;");
    loop_stop(t.loop);
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    ck_assert_str_ne(reason, "");
    t.downs++;
    buf_text(&t.journal, "down;");
}

static void on_notified(void *arg, const char *channel, const char *payload)
{
    (void)arg;
    buf_printf(&t.journal, "notified:%s=%s;", channel, payload);
    if (t.awaited > 0 && --t.awaited == 0)
        loop_stop(t.loop);
}

static const struct db_events events = {.up = on_up, .down = on_down, .notified = on_notified};

static void on_deadline(void *arg)
{
    (void)arg;
    t.timed_out = true;
    loop_stop(t.loop);
}

static void run(void)
{
    timer_set(t.deadline, DEADLINE_MS);
    loop_run(t.loop);
    timer_clear(t.deadline);
    ck_assert_msg(!t.timed_out, "nothing happened in time after: %s", buf_string(&t.journal));
}

static void wait_up(int ups)
{
    while (t.ups < ups)
        run();
    buf_reset(&t.journal);
}

/* arg: the name of the call in the journal. */
static void on_result(void *arg, enum db_status status, const struct db_result *result)
{
    static const char *const names[] = {
        [DB_OK] = "ok", [DB_FAILED] = "failed", [DB_SKIPPED] = "skipped", [DB_LOST] = "lost"};
    buf_printf(&t.journal, "%s:%s", (const char *)arg, names[status]);
    if (status == DB_OK && db_rows(result) > 0)
        buf_printf(&t.journal, "=%s", db_text(result, 0, 0));
    if (status == DB_FAILED)
        buf_printf(&t.journal, "=%s", db_sqlstate(result));
    ck_assert((result == NULL) == (status == DB_SKIPPED || status == DB_LOST));
    buf_char(&t.journal, ';');
    if (t.awaited > 0 && --t.awaited == 0)
        loop_stop(t.loop);
}

static void send_named(const struct db_statement *statement, const char *value, const char *name)
{
    db_send(t.db, statement, value != NULL ? 1 : 0, &value, on_result, (void *)(uintptr_t)name);
}

/* Runs the loop until so many more calls have been answered. */
static void await(int calls)
{
    t.awaited = calls;
    run();
    ck_assert_int_eq(t.awaited, 0);
}

static void check_journal(const char *expected)
{
    ck_assert_str_eq(buf_string(&t.journal), expected);
    buf_reset(&t.journal);
}

static void admin_do(const char *sql)
{
    struct error err;
    struct db_result *result = db_query(t.admin, sql, 0, NULL, &err);
    ck_assert_msg(result != NULL, "%s: %s", sql, err.text);
    db_result_free(result);
}

static void terminate_session(const char *pid)
{
    struct error err;
    struct db_result *result = db_query(t.admin, "SELECT pg_terminate_backend($1::int, 5000)", 1, &pid, &err);
    ck_assert_msg(result != NULL && db_bool(result, 0, 0), "%s", result == NULL ? err.text : "still there");
    db_result_free(result);
}

static void setup(void)
{
    struct error err;
    memset(&t, 0, sizeof t);
    buf_init(&t.journal, 65536);
    t.loop = loop_new();
    t.deadline = timer_new(t.loop, on_deadline, NULL);
    t.admin = db_open(pg_conninfo(), "db_test_admin", &err);
    ck_assert_msg(t.admin != NULL, "%s", err.text);
    t.db = db_new(t.loop, pg_conninfo(), "db_test", &events, NULL);
    ck_assert(!db_is_up(t.db));
    wait_up(1);
    ck_assert(db_is_up(t.db));
}

static void teardown(void)
{
    db_free(t.db);
    db_close(t.admin);
    timer_free(t.deadline);
    loop_free(t.loop);
    buf_free(&t.journal);
}

static char *session_pid(void)
{
    send_named(&my_pid, NULL, "pid");
    db_sync(t.db);
    await(1);
    char *pid = mem_strdup(buf_string(&t.journal) + strlen("pid:ok="));
    pid[strcspn(pid, ";")] = '\0';
    buf_reset(&t.journal);
    return pid;
}

static void on_settings(void *arg, enum db_status status, const struct db_result *result)
{
    ck_assert_int_eq(status, DB_OK);
    ck_assert_str_eq(db_text(result, 0, 0), "pg_catalog");
    ck_assert_str_eq(db_text(result, 0, 1), "db_test");
    on_result(arg, status, result);
}

START_TEST(test_session_settings)
{
    db_send(t.db, &settings, 0, NULL, on_settings, (void *)(uintptr_t) "s");
    db_sync(t.db);
    await(1);
}
END_TEST

static void on_echo(void *arg, enum db_status status, const struct db_result *result)
{
    ck_assert_int_eq(status, DB_OK);
    ck_assert_int_eq(db_rows(result), 1);
    ck_assert_str_eq(db_text(result, 0, 0), "it's \"é\"\n");
    ck_assert_uint_eq(db_size(result, 0, 0), strlen("it's \"é\"\n"));
    ck_assert(!db_is_null(result, 0, 0));
    ck_assert(db_int(result, 0, 1) == INT64_MIN);
    ck_assert(db_bool(result, 0, 2));
    on_result(arg, status, result);
}

static void on_nulls(void *arg, enum db_status status, const struct db_result *result)
{
    ck_assert_int_eq(status, DB_OK);
    for (int i = 0; i < 3; i++)
        ck_assert(db_is_null(result, 0, i));
    ck_assert_str_eq(db_text(result, 0, 0), "");
    ck_assert_uint_eq(db_size(result, 0, 0), 0);
    ck_assert_int_eq(db_int(result, 0, 1), 0);
    ck_assert(!db_bool(result, 0, 2));
    on_result(arg, status, result);
}

START_TEST(test_values)
{
    static const char *const values[] = {"it's \"é\"\n", "-9223372036854775808", "true"};
    static const char *const nulls[] = {NULL, NULL, NULL};
    db_send(t.db, &echo, 3, values, on_echo, (void *)(uintptr_t) "e");
    db_send(t.db, &echo, 3, nulls, on_nulls, (void *)(uintptr_t) "n");
    db_sync(t.db);
    await(2);
}
END_TEST

START_TEST(test_prepared_once)
{
    for (int i = 0; i < 5; i++) {
        send_named(&one, NULL, "one");
        send_named(&one, NULL, "one");
        db_sync(t.db);
        await(2);
    }
    buf_reset(&t.journal);
    send_named(&prepared_count, "one.%", "count");
    db_sync(t.db);
    await(1);
    check_journal("count:ok=1;");
}
END_TEST

START_TEST(test_error_skips_the_rest_of_the_group)
{
    send_named(&one, NULL, "a");
    send_named(&fail, "0", "b");
    send_named(&echo, NULL, "c"); /* its PREPARE is skipped too */
    send_named(&one, NULL, "d");
    db_sync(t.db);
    send_named(&one, NULL, "e");
    send_named(&fail, "1", "f");
    db_sync(t.db);
    await(6);
    check_journal("a:ok=1;b:failed=22012;c:skipped;d:skipped;e:ok=1;f:ok=1;");
}
END_TEST

/* The PREPARE of "one" is skipped by an error before it; groups sent before that is known, and after. */
START_TEST(test_skipped_prepare_is_repeated)
{
    send_named(&fail, "0", "a");
    send_named(&one, NULL, "b");
    db_sync(t.db);
    send_named(&one, NULL, "c");
    db_sync(t.db);
    send_named(&one, NULL, "d");
    send_named(&one, NULL, "e");
    db_sync(t.db);
    await(5);
    check_journal("a:failed=22012;b:skipped;c:ok=1;d:ok=1;e:ok=1;");
    send_named(&one, NULL, "f");
    db_sync(t.db);
    await(1);
    check_journal("f:ok=1;");
}
END_TEST

/* The error of a PREPARE belongs to its statement. */
START_TEST(test_failed_prepare)
{
    for (int i = 0; i < 2; i++) {
        send_named(&one, NULL, "a");
        send_named(&bad_syntax, NULL, "b");
        send_named(&bad_syntax, NULL, "c");
        db_sync(t.db);
        send_named(&one, NULL, "d");
        db_sync(t.db);
        await(4);
        check_journal("a:ok=1;b:failed=42601;c:skipped;d:ok=1;");
    }
}
END_TEST

START_TEST(test_transaction)
{
    send_named(&begin, NULL, "begin");
    send_named(&make_table, NULL, "make");
    db_sync(t.db);
    send_named(&fail, "0", "fail");
    db_sync(t.db);
    send_named(&one, NULL, "one"); /* the transaction is aborted: its PREPARE is refused */
    db_sync(t.db);
    send_named(&rollback, NULL, "rollback");
    send_named(&one, NULL, "one");
    db_sync(t.db);
    await(6);
    check_journal("begin:ok;make:ok;fail:failed=22012;one:failed=25P02;rollback:ok;one:ok=1;");
}
END_TEST

static void on_filled(void *arg, enum db_status status, const struct db_result *result)
{
    ck_assert_int_eq(status, DB_OK);
    ck_assert_int_eq(db_affected(result), 5);
    on_result(arg, status, result);
}

static void on_rows(void *arg, enum db_status status, const struct db_result *result)
{
    static const char *const names[] = {"", "plain, {x}", "quote\" back\\slash", NULL, "NULL"};
    ck_assert_int_eq(status, DB_OK);
    ck_assert_int_eq(db_rows(result), 5);
    ck_assert(db_int(result, 0, 0) == INT64_MIN);
    ck_assert(db_int(result, 4, 0) == INT64_MAX);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(db_is_null(result, i, 1), names[i] == NULL);
        ck_assert_str_eq(db_text(result, i, 1), names[i] != NULL ? names[i] : "");
    }
    on_result(arg, status, result);
}

START_TEST(test_arrays)
{
    struct buf ids, names;
    buf_init(&ids, 1000);
    buf_init(&names, 1000);
    db_array_start(&ids);
    db_array_int(&ids, INT64_MIN);
    db_array_int(&ids, -1);
    db_array_int(&ids, 0);
    db_array_int(&ids, 1);
    db_array_int(&ids, INT64_MAX);
    db_array_finish(&ids);
    db_array_start(&names);
    db_array_text(&names, "");
    db_array_text(&names, "plain, {x}");
    db_array_text(&names, "quote\" back\\slash");
    db_array_text(&names, NULL);
    db_array_text(&names, "NULL");
    db_array_finish(&names);
    const char *const values[] = {buf_string(&ids), buf_string(&names)};
    send_named(&begin, NULL, "begin");
    send_named(&make_table, NULL, "make");
    db_send(t.db, &fill_table, 2, values, on_filled, (void *)(uintptr_t) "fill");
    buf_free(&ids); /* values are copied */
    buf_free(&names);
    db_send(t.db, &read_table, 0, NULL, on_rows, (void *)(uintptr_t) "read");
    send_named(&commit, NULL, "commit");
    db_sync(t.db);
    await(5);
    struct buf empty;
    buf_init(&empty, 10);
    db_array_start(&empty);
    db_array_finish(&empty);
    const char *const none[] = {buf_string(&empty), buf_string(&empty)};
    db_send(t.db, &fill_table, 2, none, on_result, (void *)(uintptr_t) "none");
    db_sync(t.db);
    await(1);
    buf_free(&empty);
}
END_TEST

static void on_big(void *arg, enum db_status status, const struct db_result *result)
{
    ck_assert_int_eq(status, DB_OK);
    int rows = db_rows(result);
    ck_assert_int_eq(db_int(result, rows - 1, 0), rows);
    ck_assert_uint_eq(db_size(result, rows - 1, 1), 1000);
    on_result(arg, status, result);
}

/* Large answers, and parameters that do not fit into the socket at once while answers come in. */
START_TEST(test_big)
{
    static const char *const counts[] = {"20000"};
    char *large = mem_alloc(4 * 1024 * 1024 + 1);
    memset(large, 'y', 4 * 1024 * 1024);
    const char *const values[] = {large, "1", "t"};
    for (int i = 0; i < 2; i++) {
        db_send(t.db, &big, 1, counts, on_big, (void *)(uintptr_t) "big");
        db_send(t.db, &echo, 3, values, NULL, NULL);
        db_sync(t.db);
    }
    mem_free(large);
    send_named(&one, NULL, "one");
    db_sync(t.db);
    await(3);
    check_journal("big:ok=1;big:ok=1;one:ok=1;");
}
END_TEST

START_TEST(test_notify_while_idle)
{
    send_named(&listen, NULL, "listen");
    db_sync(t.db);
    await(1);
    check_journal("listen:ok;");
    admin_do("NOTIFY db_test, 'first'");
    await(1);
    check_journal("notified:db_test=first;");
    admin_do("BEGIN; NOTIFY db_test, 'a'; NOTIFY db_test; COMMIT");
    await(2);
    check_journal("notified:db_test=a;notified:db_test=;");
}
END_TEST

START_TEST(test_lost_while_idle)
{
    char *pid = session_pid();
    terminate_session(pid);
    while (t.ups < 2)
        run();
    check_journal("down;up;");
    send_named(&my_pid, NULL, "pid"); /* prepared again on the new connection */
    db_sync(t.db);
    await(1);
    ck_assert(strncmp(buf_string(&t.journal), "pid:ok=", 7) == 0);
    ck_assert_ptr_null(strstr(buf_string(&t.journal), pid));
    mem_free(pid);
}
END_TEST

/* Answers that came before the end count; what was open is lost, in order, before down. */
START_TEST(test_lost_in_flight)
{
    char *pid = session_pid();
    send_named(&one, NULL, "a");
    db_sync(t.db);
    send_named(&sleep_long, NULL, "b");
    send_named(&one, NULL, "c");
    db_sync(t.db);
    send_named(&one, NULL, "d"); /* never synced */
    await(1);
    check_journal("a:ok=1;");
    terminate_session(pid);
    mem_free(pid);
    while (t.ups < 2)
        run();
    check_journal("b:lost;c:lost;d:lost;down;up;");
}
END_TEST

/* As a primary that has become a standby: its sessions can only read from one moment to the next. */
START_TEST(test_a_server_that_only_reads_is_left)
{
    static const struct db_statement read_only = {"read_only", "SET transaction_read_only = on"};
    static const struct db_statement write = {"write", "SELECT nextval('public.db_test_seq')"};
    admin_do("DROP SEQUENCE IF EXISTS public.db_test_seq; CREATE SEQUENCE public.db_test_seq");
    send_named(&read_only, NULL, "a");
    send_named(&write, NULL, "b");
    send_named(&one, NULL, "c");
    db_sync(t.db);
    while (t.ups < 2)
        run();
    check_journal("a:ok;b:lost;c:lost;down;up;");
}
END_TEST

START_TEST(test_reconnect)
{
    send_named(&one, NULL, "a");
    db_sync(t.db);
    db_reconnect(t.db, "asked for");
    ck_assert(!db_is_up(t.db));
    send_named(&one, NULL, "b");
    db_sync(t.db);
    check_journal(""); /* nothing is called from inside */
    while (t.ups < 2)
        run();
    check_journal("a:lost;b:lost;down;up;");
    send_named(&one, NULL, "c");
    db_sync(t.db);
    await(1);
    check_journal("c:ok=1;");
}
END_TEST

static void on_free_db(void *arg, enum db_status status, const struct db_result *result)
{
    on_result(arg, status, result);
    db_free(t.db);
    t.db = NULL;
}

START_TEST(test_free_in_callback)
{
    db_send(t.db, &one, 0, NULL, on_free_db, (void *)(uintptr_t) "a");
    send_named(&one, NULL, "b");
    db_sync(t.db);
    send_named(&one, NULL, "c");
    await(3);
    check_journal("a:ok=1;b:lost;c:lost;");
}
END_TEST

static void on_reconnect_db(void *arg, enum db_status status, const struct db_result *result)
{
    on_result(arg, status, result);
    db_reconnect(t.db, "from a callback");
    send_named(&one, NULL, "late");
}

START_TEST(test_reconnect_in_callback)
{
    db_send(t.db, &one, 0, NULL, on_reconnect_db, (void *)(uintptr_t) "a");
    send_named(&one, NULL, "b");
    db_sync(t.db);
    while (t.ups < 2)
        run();
    check_journal("a:ok=1;b:lost;late:lost;down;up;");
}
END_TEST

static void on_next(void *arg, enum db_status status, const struct db_result *result)
{
    on_result(arg, status, result);
    send_named(&one, NULL, "next");
    db_sync(t.db);
}

START_TEST(test_send_in_callback)
{
    db_send(t.db, &one, 0, NULL, on_next, (void *)(uintptr_t) "a");
    db_sync(t.db);
    await(2);
    check_journal("a:ok=1;next:ok=1;");
}
END_TEST

/* No server at all: calls are answered from the loop, and freeing is clean. */
START_TEST(test_unreachable)
{
    struct db *none = db_new(t.loop, "host=/nonexistent", "db_test", &events, NULL);
    db_send(none, &one, 0, NULL, on_result, (void *)(uintptr_t) "a");
    db_sync(none);
    check_journal("");
    await(1);
    check_journal("a:lost;");
    db_send(none, &one, 0, NULL, on_result, (void *)(uintptr_t) "b");
    db_free(none);
    check_journal("b:lost;");
}
END_TEST

START_TEST(test_session)
{
    struct error err;
    static const char *const values[] = {"6", NULL};
    struct db_result *result = db_query(t.admin, "SELECT $1::int * 7, $2::text", 2, values, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    ck_assert_int_eq(db_int(result, 0, 0), 42);
    ck_assert(db_is_null(result, 0, 1));
    db_result_free(result);
    ck_assert_ptr_null(db_query(t.admin, "SELECT 1; SELECT 1 / 0", 0, NULL, &err));
    ck_assert_str_eq(err.text, "22012 division by zero");
    ck_assert_ptr_null(db_query(t.admin, "COPY pg_class TO STDOUT", 0, NULL, &err));
    admin_do("SELECT 1; SELECT 2");
    ck_assert_ptr_null(db_open("host=/nonexistent", "x", &err));
    ck_assert_str_ne(err.text, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("db");
    TCase *cases = tcase_create("connection");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, test_session_settings);
    tcase_add_test(cases, test_values);
    tcase_add_test(cases, test_prepared_once);
    tcase_add_test(cases, test_error_skips_the_rest_of_the_group);
    tcase_add_test(cases, test_skipped_prepare_is_repeated);
    tcase_add_test(cases, test_failed_prepare);
    tcase_add_test(cases, test_transaction);
    tcase_add_test(cases, test_arrays);
    tcase_add_test(cases, test_big);
    tcase_add_test(cases, test_notify_while_idle);
    tcase_add_test(cases, test_lost_while_idle);
    tcase_add_test(cases, test_lost_in_flight);
    tcase_add_test(cases, test_a_server_that_only_reads_is_left);
    tcase_add_test(cases, test_reconnect);
    tcase_add_test(cases, test_free_in_callback);
    tcase_add_test(cases, test_reconnect_in_callback);
    tcase_add_test(cases, test_send_in_callback);
    tcase_add_test(cases, test_unreachable);
    tcase_add_test(cases, test_session);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
