/* Waking: a producer notifies exactly when a dispatcher of the channel sleeps, and none falls asleep too
 * early. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/loop.h"
#include "support/pg.h"
#include "support/suite.h"

enum { DEADLINE_MS = 20000 };

static const char end_mark[] = "end of test step";

/* A connection that listens; what it hears is kept until the end mark arrives. */
struct listener {
    struct loop *loop;
    struct db *db;
    struct timer *deadline;
    struct buf heard;
    bool late;
};

static const struct db_statement listen_wake = {"listen_wake", "LISTEN outbox_wake"};
static const struct db_statement listen_config = {"listen_config", "LISTEN outbox_config"};

static void on_listening(void *arg, enum db_status status, const struct db_result *result)
{
    (void)result;
    struct listener *listener = arg;
    ck_assert_int_eq(status, DB_OK);
    loop_stop(listener->loop);
}

static void on_up(void *arg)
{
    struct listener *listener = arg;
    db_send(listener->db, &listen_wake, 0, NULL, NULL, NULL);
    db_send(listener->db, &listen_config, 0, NULL, on_listening, listener);
    db_sync(listener->db);
}

static void on_down(void *arg, const char *reason)
{
    (void)arg;
    (void)reason;
}

static void on_notified(void *arg, const char *channel, const char *payload)
{
    struct listener *listener = arg;
    if (strcmp(payload, end_mark) == 0)
        loop_stop(listener->loop);
    else
        buf_printf(&listener->heard, "%s:%s ", channel, payload);
}

static void on_deadline(void *arg)
{
    struct listener *listener = arg;
    listener->late = true;
    loop_stop(listener->loop);
}

static void run(struct listener *listener)
{
    timer_set(listener->deadline, DEADLINE_MS);
    loop_run(listener->loop);
    timer_clear(listener->deadline);
    ck_assert_msg(!listener->late, "no answer within %d ms", DEADLINE_MS);
}

static void listener_start(struct listener *listener)
{
    static const struct db_events events = {.up = on_up, .down = on_down, .notified = on_notified};
    *listener = (struct listener){.loop = loop_new()};
    buf_init(&listener->heard, 4096);
    listener->deadline = timer_new(listener->loop, on_deadline, listener);
    listener->db = db_new(listener->loop, pg_case_conninfo(), "listener", &events, listener);
    run(listener);
}

/* Fails unless exactly this was heard since the last call: "CHANNEL:PAYLOAD " for each. Notifications arrive
 * in the order of their commits, so the mark is the last. */
static void heard(struct listener *listener, struct db_session *db, const char *step, const char *expected)
{
    buf_reset(&listener->heard);
    char sql[128];
    snprintf(sql, sizeof sql, "NOTIFY outbox_wake, '%s'", end_mark);
    pg_exec(db, sql);
    run(listener);
    ck_assert_msg(strcmp(buf_string(&listener->heard), expected) == 0, "%s: heard '%s', expected '%s'", step,
                  buf_string(&listener->heard), expected);
}

static void listener_end(struct listener *listener)
{
    db_free(listener->db);
    timer_free(listener->deadline);
    loop_free(listener->loop);
    buf_free(&listener->heard);
}

#define SLEEP  "SELECT pg_try_advisory_lock(7301, (SELECT id FROM outbox.channel WHERE name = 'ios'))"
#define AWAKE  "SELECT pg_advisory_unlock(7301, (SELECT id FROM outbox.channel WHERE name = 'ios'))"
#define INSERT "INSERT INTO outbox.message (channel, recipient, payload, send_at) VALUES "

START_TEST(test_only_while_asleep)
{
    struct db_session *db = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    struct listener listener;
    listener_start(&listener);

    pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
    heard(&listener, db, "nobody sleeps", "");
    pg_expect(dispatcher, SLEEP, "t");
    pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
    heard(&listener, db, "asleep", "outbox_wake:ios ");
    pg_exec(db, INSERT "('ios', 'a', '{}', NULL), ('android', 'b', '{}', NULL), ('ios', 'c', '{}', NULL)");
    heard(&listener, db, "many rows", "outbox_wake:ios ");
    pg_exec(db, INSERT "('android', 'r', '{}', NULL)");
    heard(&listener, db, "another channel", "");
    pg_exec(db, INSERT "('ios', 'r', '{}', now() + interval '1 hour')");
    heard(&listener, db, "not due yet", "");
    pg_exec(db, "BEGIN");
    pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
    pg_exec(db, "ROLLBACK");
    heard(&listener, db, "rolled back", "");
    pg_exec(db, "SET ROLE outbox_producer; SELECT outbox.send('ios', 'r', '{}'); RESET ROLE");
    heard(&listener, db, "send", "outbox_wake:ios ");
    pg_expect(dispatcher, AWAKE, "t");
    pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
    heard(&listener, db, "awake again", "");

    listener_end(&listener);
    db_close(dispatcher);
}
END_TEST

START_TEST(test_open_producer_keeps_awake)
{
    struct db_session *producer = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    pg_exec(producer, "BEGIN");
    pg_exec(producer, INSERT "('ios', 'r', '{}', NULL)");
    pg_expect(dispatcher, SLEEP, "f");
    pg_expect(dispatcher, "SELECT count(*) FROM outbox.message", "0");
    pg_exec(producer, "COMMIT");
    pg_expect(dispatcher, SLEEP, "t");
    pg_expect(dispatcher, "SELECT count(*) FROM outbox.message", "1");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_dead_sleeper_leaves_nothing)
{
    struct db_session *db = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    struct listener listener;
    listener_start(&listener);
    pg_expect(dispatcher, SLEEP, "t");
    db_close(dispatcher);
    /* Waits until the server has noticed. */
    pg_exec(db, "SELECT pg_advisory_lock(7301, id), pg_advisory_unlock(7301, id) FROM outbox.channel "
                "WHERE name = 'ios'");
    pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
    heard(&listener, db, "sleeper died", "");
    listener_end(&listener);
}
END_TEST

START_TEST(test_other_wakers)
{
    struct db_session *db = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    struct listener listener;
    listener_start(&listener);
    pg_expect(dispatcher, SLEEP, "t");
    pg_exec(db, INSERT "('ios', 'r', '{}', now() + interval '1 hour')");
    pg_force(db, "next_attempt_at = now()");
    pg_exec(db, INSERT "('ios', 'late', '{}', now() + interval '1 hour')");
    pg_exec(db, "UPDATE outbox.message SET next_attempt_at = now() - interval '2 s', "
                "expires_at = now() - interval '1 s' WHERE recipient = 'late'");
    pg_expect(db, "SELECT outbox.release_due(1)", "1");
    heard(&listener, db, "only an expired one was due", "");
    pg_expect(db, "SELECT outbox.release_due()", "1");
    heard(&listener, db, "release_due", "outbox_wake:ios ");
    pg_force(db, "status = 'failed'");
    pg_expect(db, "SELECT outbox.retry(1)", "t");
    heard(&listener, db, "retry", "outbox_wake:ios ");
    pg_exec(db, "SELECT outbox.resume('ios')");
    heard(&listener, db, "resume", "outbox_config: outbox_wake:ios ");
    pg_exec(db, "UPDATE outbox.channel SET max_attempts = 3");
    heard(&listener, db, "channel edited", "outbox_config: ");
    pg_exec(db, "INSERT INTO outbox.provider (name, channel, adapter) VALUES ('p', 'ios', 'apns')");
    heard(&listener, db, "provider added", "outbox_config: ");
    pg_exec(db, "DELETE FROM outbox.provider");
    heard(&listener, db, "provider deleted", "outbox_config: ");
    listener_end(&listener);
    db_close(dispatcher);
}
END_TEST

START_TEST(test_who_may_notify)
{
    struct db_session *db = pg_case_session(), *dispatcher = pg_session(pg_case_conninfo());
    struct listener listener;
    listener_start(&listener);
    pg_expect(dispatcher, SLEEP, "t");
    pg_exec(db, "SET outbox.notify = off; UPDATE outbox.channel SET max_attempts = 4");
    pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
    heard(&listener, db, "off", "");
    static const char *const words[] = {"on", "auto", ""}; /* here nothing can be prepared */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SET outbox.notify = '%s'", words[i]);
        pg_exec(db, sql);
        pg_exec(db, INSERT "('ios', 'r', '{}', NULL)");
        heard(&listener, db, words[i], "outbox_wake:ios ");
    }
    listener_end(&listener);
    db_close(dispatcher);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wake");
    pg_case_add(suite, "who may notify", test_who_may_notify);
    pg_case_add(suite, "only while asleep", test_only_while_asleep);
    pg_case_add(suite, "open producer keeps awake", test_open_producer_keeps_awake);
    pg_case_add(suite, "dead sleeper leaves nothing", test_dead_sleeper_leaves_nothing);
    pg_case_add(suite, "other wakers", test_other_wakers);
    return suite_run(suite);
}
