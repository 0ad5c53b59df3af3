/* Providers and servers that misbehave for a while: nothing may be stuck, spin or grow without end. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "support/engine.h"
#include "support/peer.h"
#include "support/pg.h"
#include "support/suite.h"
#include "support/wait.h"

enum { DEADLINE_MS = 20000 };

static struct engine *engine;

static void setup(void)
{
    engine = engine_start("faults");
    engine_scheduler(engine);
}

static void teardown(void)
{
    engine_stop(engine);
}

/* Lines of the dispatcher's log that hold the text. */
static int count_in_log(const struct process *program, const char *text)
{
    char path[4096], line[4096];
    snprintf(path, sizeof path, "%s/%d.log", engine->log_directory, (int)process_pid(program));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    int count = 0;
    while (fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    fclose(file);
    return count;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void watch_for(int64_t ms)
{
    wait_until(never, NULL, ms);
}

START_TEST(test_a_token_endpoint_that_is_down_holds_no_batch)
{
    struct process *dispatcher = engine_dispatcher(engine, "android");
    sandbox_kill(engine->sandbox);
    engine_insert(engine, "android", "t", 20);
    engine_wait(engine, "SELECT count(*) = 20 FROM outbox.message WHERE status = 'scheduled'", "t", 5000);
    engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", 5000);
    sandbox_restart(engine->sandbox);
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "20", 3 * DEADLINE_MS);
    pg_expect(engine->sql, "SELECT max(attempts) FROM outbox.message", "1");
    ck_assert_int_eq(count_in_log(dispatcher, "claim_connection_lost"), 0);
}
END_TEST

START_TEST(test_a_stale_credential_holds_no_batch)
{
    /* Of some messages only, so that first and second refusals overlap. */
    engine_insert(engine, "ios", "s", 3000);
    pg_exec(engine->sql, "UPDATE outbox.message SET recipient = 'fa17040300' || substr(recipient, 11) "
                         "WHERE id % 3 = 0");
    engine_dispatcher(engine, "ios");
    engine_wait(engine,
                "SELECT stop_reason LIKE '%ExpiredProviderToken%' FROM outbox.provider WHERE name = 'apns'",
                "t", DEADLINE_MS);
    engine_wait(engine, "SELECT count(*) FROM outbox.flight", "0", 5000);
}
END_TEST

START_TEST(test_a_refused_flight_does_not_spin)
{
    struct process *dispatcher = engine_dispatcher(engine, "ios");
    pg_exec(engine->sql, "REVOKE INSERT ON outbox.flight FROM outbox_dispatcher");
    engine_insert(engine, "ios", "f", 10);
    watch_for(3000);
    int failures = count_in_log(dispatcher, "event=flight_failed");
    ck_assert_int_ge(failures, 1);
    ck_assert_int_le(failures, 10);
    pg_exec(engine->sql, "GRANT INSERT ON outbox.flight TO outbox_dispatcher");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "10", DEADLINE_MS);
}
END_TEST

START_TEST(test_an_app_without_provider_is_tried_rarely)
{
    engine_dispatcher(engine, "ios");
    pg_exec(engine->sql, "UPDATE outbox.provider SET app = 'one' WHERE name = 'apns'");
    pg_exec(engine->sql, "INSERT INTO outbox.message (channel, recipient, payload, app) "
                         "SELECT 'ios', encode(sha256(i::text::bytea), 'hex'), '{\"title\":\"Hi\"}', 'other' "
                         "FROM generate_series(1, 100) AS i");
    watch_for(10000);
    int64_t logged = pg_int(engine->sql, "SELECT count(*) FROM outbox.attempt");
    ck_assert_int_le(logged, 100);
}
END_TEST

START_TEST(test_a_refused_registration_does_not_spin)
{
    pg_exec(engine->sql, "REVOKE INSERT ON outbox.dispatcher FROM outbox_dispatcher");
    struct process *dispatcher = engine_dispatcher_with(engine, "ios", NULL);
    watch_for(4000);
    int failures = count_in_log(dispatcher, "event=register_failed");
    ck_assert_int_ge(failures, 1);
    ck_assert_int_le(failures, 8);
    pg_exec(engine->sql, "GRANT INSERT ON outbox.dispatcher TO outbox_dispatcher");
    engine_wait_ready(engine, dispatcher);
}
END_TEST

START_TEST(test_bulk_has_its_share_of_few_slots)
{
    engine_insert(engine, "email", "t", 2000);
    engine_insert(engine, "email", "b", 20);
    pg_exec(engine->sql, "UPDATE outbox.message SET lane = 'bulk' WHERE idempotency_key LIKE 'b-%'");
    engine_dispatcher(engine, "email");
    engine_wait(engine, "SELECT count(*) >= 1000 FROM outbox.message WHERE status = 'sent'", "t",
                3 * DEADLINE_MS);
    int64_t bulk =
        pg_int(engine->sql, "SELECT count(*) FROM outbox.message WHERE status = 'sent' AND lane = 'bulk'");
    ck_assert_int_eq(bulk, 20);
}
END_TEST

START_TEST(test_a_secret_replaced_in_place_is_read_again)
{
    char link[512], sql[1024];
    snprintf(link, sizeof link, "%.400s/password", engine->log_directory);
    FILE *file = fopen(link, "w");
    ck_assert_ptr_nonnull(file);
    fputs("wrong\n", file);
    fclose(file);
    snprintf(sql, sizeof sql,
             "UPDATE outbox.provider SET settings = settings || '{\"password_file\":\"%s\"}' "
             "WHERE name = 'smtp'",
             link);
    pg_exec(engine->sql, sql);
    engine_dispatcher(engine, "email");
    engine_insert(engine, "email", "p", 3);
    engine_wait(engine, "SELECT stop_reason <> '' FROM outbox.provider WHERE name = 'smtp'", "t",
                DEADLINE_MS);
    char *right = sandbox_file(engine->sandbox, "smtp.password");
    file = fopen(link, "w");
    ck_assert_ptr_nonnull(file);
    fputs(right, file);
    fclose(file);
    mem_free(right);
    pg_exec(engine->sql, "SELECT outbox.resume_provider('smtp')");
    engine_wait(engine, "SELECT count(*) FROM outbox.message WHERE status = 'sent'", "3", DEADLINE_MS);
}
END_TEST

START_TEST(test_a_reply_in_latin_1_is_settled)
{
    static const struct peer_reply replies[] = {{"RCPT", "550 5.1.1 Destinataire refus\xE9\r\n"},
                                                {NULL, NULL}};
    struct certs *certs = certs_new();
    struct peer *peer = peer_new(certs, &(struct peer_options){.kind = PEER_SMTP, .replies = replies});
    char sql[1024];
    snprintf(sql, sizeof sql,
             "UPDATE outbox.provider SET settings = (settings - 'username' - 'password_file') || "
             "'{\"url\":\"smtp://localhost:%d\",\"ca_file\":\"%.400s\"}' WHERE name = 'smtp'",
             peer_port(peer), certs->ca_file);
    pg_exec(engine->sql, sql);
    engine_dispatcher(engine, "email");
    engine_insert(engine, "email", "l", 1);
    engine_wait(engine, "SELECT status || ' ' || last_error FROM outbox.message",
                "failed 550 5.1.1 at RCPT: Destinataire refus?", DEADLINE_MS);
    peer_free(peer);
    certs_free(certs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("faults");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_a_refused_flight_does_not_spin);
    tcase_add_test(tcase, test_a_refused_registration_does_not_spin);
    tcase_add_test(tcase, test_an_app_without_provider_is_tried_rarely);
    tcase_add_test(tcase, test_a_token_endpoint_that_is_down_holds_no_batch);
    tcase_add_test(tcase, test_a_stale_credential_holds_no_batch);
    tcase_add_test(tcase, test_bulk_has_its_share_of_few_slots);
    tcase_add_test(tcase, test_a_secret_replaced_in_place_is_read_again);
    tcase_add_test(tcase, test_a_reply_in_latin_1_is_settled);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
