/* What becomes of a notification after its first messages: fallback chains and cancelling. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/notify.h"
#include "support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define FALL_BACK_NOW                                                                                        \
    "UPDATE outbox.notification SET fallback_at = now() WHERE fallback_at IS NOT NULL; "                     \
    "SELECT outbox.fall_back_due()"

START_TEST(test_at_once)
{
    struct db_session *db = notify_start();
    pg_exec(db, NOTIFY("m", FALLBACK));
    pg_expect(db, STATUSES, "email pending");
    pg_expect(
        db, "SELECT fallback_step || ' ' || (fallback_at - created_at) || withheld FROM outbox.notification",
        "1 00:10:00{\"*\": \"the user has no address for this\"}");
    pg_exec(db, NOTIFY("nobody", FALLBACK));
    pg_expect(
        db, "SELECT withheld - '*' FROM outbox.notification ORDER BY id DESC LIMIT 1",
        "{\"sms\": \"the user has no address for this\", \"email\": \"the user has no address for this\"}");
    pg_expect(db,
              "SELECT fallback_step || coalesce(fallback_at::text, ' done') FROM outbox.notification "
              "WHERE user_id = 'nobody'",
              "2 done");
    /* Refused on the first: the next. */
    pg_exec(
        db,
        "SELECT outbox.set_preference('u', 'service', false, c) FROM unnest('{ios,android,email}'::text[]) "
        "AS c");
    pg_exec(db, NOTIFY("u", FALLBACK));
    pg_expect(db, "SELECT channel FROM outbox.message WHERE user_id = 'u'", "sms");
    /* Every channel but those of the chain, when none are named. */
    pg_exec(db, "DELETE FROM outbox.preference; TRUNCATE outbox.message");
    pg_exec(db, NOTIFY("u", ", fallback => '{sms}'"));
    pg_expect(db, "SELECT string_agg(DISTINCT channel, ' ') FROM outbox.message", "android email ios web");
}
END_TEST

START_TEST(test_in_time)
{
    struct db_session *db = notify_start();
    static const struct {
        const char *label, *ios, *android; /* verdicts; NULL = it waits */
        const char *expected;
    } rows[] = {
        {"accepted by one", "sent", NULL, "ios sent, android pending, ios sent"},
        {"accepted by all", "sent", "sent", "ios sent, android sent, ios sent"},
        {"refused", "rejected", "rejected", "ios failed, android failed, ios failed, email pending"},
        {"waits for the next try", "retry", "rejected",
         "ios cancelled, android failed, ios cancelled, email pending"},
        {"not tried yet", NULL, NULL, "ios cancelled, android cancelled, ios cancelled, email pending"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        pg_exec(db, "BEGIN");
        pg_exec(db, NOTIFY("u", FALLBACK));
        pg_expect(db, "SELECT outbox.fall_back_due()", "0");
        if (rows[i].ios != NULL)
            pg_exec(db, strcmp(rows[i].ios, "sent") == 0    ? ANSWER("ios", "sent")
                        : strcmp(rows[i].ios, "retry") == 0 ? ANSWER("ios", "retry")
                                                            : ANSWER("ios", "rejected"));
        if (rows[i].android != NULL)
            pg_exec(db, strcmp(rows[i].android, "sent") == 0 ? ANSWER("android", "sent")
                                                             : ANSWER("android", "rejected"));
        pg_expect(db, FALL_BACK_NOW, "1");
        pg_expect(db, STATUSES, rows[i].expected);
        pg_exec(db, "ROLLBACK");
    }
    /* A chain of two: the mail is not accepted either, then the SMS is, and that is the end. */
    pg_exec(db, NOTIFY("u", FALLBACK));
    pg_exec(db, FALL_BACK_NOW);
    pg_expect(db, "SELECT fallback_step || ' ' || (fallback_at - now() > '9 min') FROM outbox.notification",
              "1 true");
    pg_exec(db, FALL_BACK_NOW);
    pg_expect(db, STATUSES, "ios cancelled, android cancelled, ios cancelled, email cancelled, sms pending");
    pg_expect(db, "SELECT string_agg(DISTINCT last_error, ', ') FROM outbox.message",
              "fell back to email, fell back to sms");
    pg_expect(db, "SELECT fallback_at FROM outbox.notification", NULL);
    pg_expect(db, FALL_BACK_NOW, "0");
}
END_TEST

START_TEST(test_in_the_air)
{
    struct db_session *db = notify_start();
    struct db_session *dispatcher = pg_session(pg_case_conninfo());
    pg_exec(db, NOTIFY("u", ", channels => '{android}', fallback => '{email}'"));
    /* Claimed: whoever sends it holds its row. */
    pg_exec(dispatcher, "BEGIN; SELECT FROM outbox.message WHERE channel = 'android' FOR UPDATE");
    pg_expect(db, FALL_BACK_NOW, "1");
    pg_expect(db, STATUSES, "android pending");
    pg_expect(db,
              "SELECT fallback_at > now() AND fallback_at < now() + interval '10 s' FROM outbox.notification",
              "t");
    pg_exec(dispatcher, "ROLLBACK");
    /* Its dispatcher is gone, the flight is still there. */
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "SELECT 1, 1, now(), 'android', array_agg(id) FROM outbox.message");
    pg_expect(db, FALL_BACK_NOW, "1");
    pg_expect(db, STATUSES, "android pending");
    pg_exec(db,
            "DELETE FROM outbox.flight; UPDATE outbox.channel SET in_doubt = 'hold' WHERE name = 'android'");
    pg_exec(db, ANSWER("android", "in_doubt"));
    pg_expect(db, FALL_BACK_NOW, "1");
    pg_expect(db, STATUSES, "android in_doubt");
    pg_exec(db, "SELECT outbox.resolve_doubt(id, true) FROM outbox.message");
    pg_expect(db, FALL_BACK_NOW, "1");
    pg_expect(db, "SELECT fallback_at FROM outbox.notification", NULL);
    pg_expect(db, STATUSES, "android sent");
    db_close(dispatcher);
}
END_TEST

/* It expired before its fallback was due: the others' fallback goes on. */
START_TEST(test_expired)
{
    struct db_session *db = notify_start();
    pg_exec(db, NOTIFY("u", FALLBACK ", expires_at => now() + '1 h', idempotency_key => 'late'"));
    pg_exec(db, NOTIFY("u", FALLBACK));
    pg_exec(db, NOTIFY("u", FALLBACK ", category => 'security', idempotency_key => 'code'"));
    pg_exec(db, "UPDATE outbox.notification SET expires_at = now() WHERE idempotency_key = 'late';"
                "UPDATE outbox.notification SET created_at = now() - interval '9 min' WHERE idempotency_key "
                "= 'code'");
    pg_expect(db, FALL_BACK_NOW, "3");
    pg_expect(db, "SELECT withheld FROM outbox.notification WHERE idempotency_key = 'late'",
              "{\"sms\": \"it has expired\", \"email\": \"it has expired\"}");
    pg_expect(
        db,
        "SELECT count(*) || ' ' || round(extract(epoch FROM min(expires_at) - now())) FROM outbox.message "
        "WHERE channel = 'email'",
        "2 60");
}
END_TEST

START_TEST(test_cancel)
{
    struct db_session *db = notify_start();
    struct db_session *dispatcher = pg_session(pg_case_conninfo());
    pg_exec(db, NOTIFY("u", ", send_at => now() + '1 h', idempotency_key => 'timed'"));
    pg_expect(db, "SELECT outbox.cancel_notification('timed')", "t");
    pg_expect(db, "SELECT outbox.cancel_notification('timed')", "f");
    pg_expect(db, "SELECT outbox.cancel_notification('none')", "f");
    pg_exec(db, "UPDATE outbox.notification SET send_at = now()");
    pg_expect(db, "SELECT outbox.expand_due()", "0");
    pg_expect(db, "SELECT status FROM outbox.notification_status", "cancelled");
    pg_exec(db, NOTIFY("u", FALLBACK ", idempotency_key => 'k'"));
    pg_exec(db, ANSWER("android", "sent"));
    pg_exec(dispatcher,
            "BEGIN; SELECT FROM outbox.message WHERE channel = 'ios' ORDER BY id LIMIT 1 FOR UPDATE");
    pg_expect(db, "SELECT outbox.cancel_notification('k')", "t");
    pg_expect(db, "SELECT string_agg(channel || ' ' || status, ', ' ORDER BY device_id) FROM outbox.message",
              "ios pending, android sent, ios cancelled");
    pg_expect(db, "SELECT outbox.cancel_notification('k')", "f");
    pg_exec(dispatcher, "ROLLBACK");
    pg_expect(db, FALL_BACK_NOW, "0");
    pg_expect(db, "SELECT outbox.cancel_notification('k')", "t");
    db_close(dispatcher);
}
END_TEST

/* A scheduler's session plans while the tables are small, and uses the plan when they have grown. */
START_TEST(test_plans)
{
    struct db_session *db = notify_start();
    struct db_session *scheduler = pg_session(pg_case_conninfo());
    for (int i = 0; i < 7; i++) {
        pg_exec(db, NOTIFY("u", ", idempotency_key => 'k', send_at => now() + '1 h'"));
        pg_exec(db, "UPDATE outbox.notification SET due_at = now() WHERE state = 'scheduled'");
        pg_exec(db, NOTIFY("u", ", channels => '{ios}', fallback => '{email}'"));
        pg_exec(db, "UPDATE outbox.notification SET fallback_at = now() WHERE fallback IS NOT NULL");
        pg_exec(scheduler, "SELECT outbox.expand_due(), outbox.fall_back_due();"
                           "SELECT outbox.cancel_notification('k')");
        pg_expect(scheduler,
                  "SELECT string_agg(relname, ' ') FROM pg_stat_xact_user_tables WHERE seq_scan > 0 "
                  "AND schemaname = 'outbox' AND relname IN ('message', 'notification')",
                  NULL);
        pg_exec(db, "DELETE FROM outbox.message; DELETE FROM outbox.notification");
    }
    db_close(scheduler);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fallback");
    pg_case_add(suite, "at once", test_at_once);
    pg_case_add(suite, "in time", test_in_time);
    pg_case_add(suite, "in the air", test_in_the_air);
    pg_case_add(suite, "expired", test_expired);
    pg_case_add(suite, "cancel", test_cancel);
    pg_case_add(suite, "plans", test_plans);
    return suite_run(suite);
}
