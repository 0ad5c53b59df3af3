/* What a producer may insert, what is refused and how, and what the producer's role may not do. */
#include <check.h>
#include <stdio.h>

#include "support/pg.h"
#include "support/suite.h"

#define INSERT_ROW "INSERT INTO outbox.message (channel, recipient, payload) VALUES "

START_TEST(test_accepted)
{
    struct db_session *db = pg_case_session();
    static const struct {
        const char *label, *columns, *values;
    } rows[] = {
        {"plain", "channel, recipient, payload", "'ios', 'r', '{}'"},
        {"bulk", "channel, lane, recipient, payload", "'ios', 'bulk', 'r', '{}'"},
        {"recipient of other letters", "channel, recipient, payload", "'email', 'jörg@exämple.org', '{}'"},
        {"expires later", "channel, recipient, payload, expires_at", "'ios', 'r', '{}', now() + '1 s'"},
        {"app", "channel, recipient, payload, app", "'ios', 'r', '{}', 'shop'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sql[512];
        snprintf(sql, sizeof sql, "INSERT INTO outbox.message (%s) VALUES (%s) RETURNING status",
                 rows[i].columns, rows[i].values);
        pg_expect(db, sql, "pending");
    }
    pg_expect(db, "SELECT count(*) FROM outbox.message WHERE queue_pos IS NULL", "0");
    pg_expect(db, "SELECT count(DISTINCT queue_pos) = count(*) FROM outbox.message", "t");
    pg_expect(db, "SELECT count(*) FROM outbox.message WHERE idempotency_key ~ '^[0-9a-f-]{36}$'", "5");
}
END_TEST

START_TEST(test_refused)
{
    struct db_session *db = pg_case_session();
    static const struct {
        const char *columns, *values, *error;
    } rows[] = {
        {"channel, recipient, payload", "'pigeon', 'r', '{}'", "OB001 channel \"pigeon\" does not exist"},
        {"channel, recipient, payload", "'', 'r', '{}'", "OB001 channel \"\" does not exist"},
        {"channel, recipient, payload", "NULL, 'r', '{}'", "23502 "},
        {"channel, recipient, payload", "'ios', '', '{}'", "OB002 recipient must not be empty"},
        {"channel, recipient, payload", "'ios', '  ', '{}'", "OB002 recipient must not be empty"},
        {"channel, recipient, payload", "'ios', NULL, '{}'", "23502 "},
        {"channel, recipient, payload", "'email', E'a@b\\r\\nBcc: c@d', '{}'",
         "OB002 recipient must not hold control characters"},
        {"channel, recipient, payload", "'email', E'a\\x7f', '{}'",
         "OB002 recipient must not hold control characters"},
        {"channel, recipient, payload", "'ios', 'r', '[]'", "OB003 payload must be a JSON object"},
        {"channel, recipient, payload", "'ios', 'r', '\"text\"'", "OB003 payload must be a JSON object"},
        {"channel, recipient, payload", "'ios', 'r', 'null'", "OB003 payload must be a JSON object"},
        {"channel, recipient, payload", "'ios', 'r', NULL", "23502 "},
        {"channel, recipient, payload, expires_at", "'ios', 'r', '{}', now()",
         "OB004 expires_at must be in the future"},
        {"channel, recipient, payload, send_at, expires_at",
         "'ios', 'r', '{}', now() + '1 hour', now() + '1 hour'", "OB004 expires_at must be after send_at"},
        {"channel, recipient, payload, send_at", "'ios', 'r', '{}', 'infinity'",
         "OB004 send_at must be finite"},
        {"channel, recipient, payload, send_at", "'ios', 'r', '{}', '-infinity'",
         "OB004 send_at must be finite"},
        {"channel, recipient, payload, expires_at", "'ios', 'r', '{}', 'infinity'",
         "OB004 expires_at must be finite"},
        {"channel, recipient, payload, environment", "'ios', 'r', '{}', 'test'",
         "OB007 environment must be production or sandbox"},
        {"channel, recipient, payload, user_id", "'ios', 'r', '{}', 'u'", "OB007 category must be given"},
        {"channel, lane, recipient, payload", "'ios', 'fast', 'r', '{}'", "22P02 "},
        {"id, channel, recipient, payload", "1, 'ios', 'r', '{}'", "428C9 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sql[512];
        snprintf(sql, sizeof sql, "INSERT INTO outbox.message (%s) VALUES (%s)", rows[i].columns,
                 rows[i].values);
        pg_refused(db, sql, rows[i].error);
    }
    pg_refused(db, INSERT_ROW "('ios', 'a', '{}'), ('pigeon', 'b', '{}')", "OB001 ");
    pg_expect(db, "SELECT count(*) FROM outbox.message", "0");
}
END_TEST

START_TEST(test_settling_is_not_checked_again)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, expires_at) "
                "VALUES ('ios', 'r', '{}', clock_timestamp() + '1 ms')");
    pg_exec(db, "UPDATE outbox.message SET status = 'sent', finished_at = now()");
}
END_TEST

START_TEST(test_times)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, send_at, idempotency_key) VALUES "
                "('ios', 'r', '{}', now() + '1 hour', 'later'), ('ios', 'r', '{}', now() - interval '1 "
                "hour', 'past')");
    pg_expect(db,
              "SELECT status || ' ' || (queue_pos IS NULL) || ' ' || (next_attempt_at = send_at) "
              "FROM outbox.message WHERE idempotency_key = 'later'",
              "scheduled true true");
    pg_expect(db,
              "SELECT status || ' ' || (queue_pos IS NULL) || ' ' || (next_attempt_at IS NULL) "
              "FROM outbox.message WHERE idempotency_key = 'past'",
              "pending false true");
}
END_TEST

START_TEST(test_producer)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SET ROLE outbox_producer");
    pg_exec(db, INSERT_ROW "('ios', 'a', '{}'), ('android', 'b', '{}'), ('email', 'c', '{}')");
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, lane, app, environment, recipient, payload, idempotency_key, "
        "send_at, expires_at) "
        "VALUES ('ios', 'bulk', 'a', 'sandbox', 'r', '{}', 'k', now(), now() + '1 day')");
    pg_expect(
        db,
        "WITH i AS (INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
        "VALUES ('ios', 'r', '{}', 'k'), ('ios', 'r', '{}', 'k2') ON CONFLICT (idempotency_key) DO NOTHING "
        "RETURNING idempotency_key) SELECT string_agg(idempotency_key, ',') FROM i",
        "k2");
    pg_refused(db,
               "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
               "VALUES ('ios', 'r', '{}', 'k')",
               "23505 ");
    pg_expect(db, "SELECT outbox.send('ios', 'r', '{}') > 0", "t");
    pg_expect(db, "SELECT outbox.cancel('k2')", "t");

    static const char *const forbidden[] = {
        "SELECT recipient FROM outbox.message",
        "SELECT * FROM outbox.delivery",
        "UPDATE outbox.message SET status = 'sent'",
        "DELETE FROM outbox.message",
        "TRUNCATE outbox.message",
        "INSERT INTO outbox.message (channel, recipient, payload, status) VALUES ('ios', 'r', '{}', 'sent')",
        "INSERT INTO outbox.message (channel, recipient, payload, queue_pos) VALUES ('ios', 'r', '{}', 1)",
        "INSERT INTO outbox.message (channel, recipient, payload, attempts) VALUES ('ios', 'r', '{}', 1)",
        "SELECT * FROM outbox.provider",
        "SELECT * FROM outbox.channel",
        "SELECT setval('outbox.queue_pos_seq', 1)",
        "SELECT outbox.settle('ios', 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
        "SELECT outbox.retry(1)",
        "SELECT outbox.pause('ios')",
        "SELECT outbox.release_due()",
        "SELECT outbox.recover_flights()",
        "SELECT outbox.stop_provider('p', 'r', '1 hour')",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        pg_refused(db, forbidden[i], "42501 ");
}
END_TEST

START_TEST(test_copy)
{
    struct db_session *db = pg_case_session();
    /* The producer's rights alone, and the right to read what a test program writes. */
    pg_exec(db, "BEGIN; CREATE ROLE outbox_test_copy IN ROLE outbox_producer, pg_execute_server_program;"
                "SET LOCAL ROLE outbox_test_copy;"
                "COPY outbox.message (channel, recipient, payload, idempotency_key) "
                "FROM PROGRAM 'printf ''ios\\ta\\t{}\\tk1\\nemail\\tb@c\\t{\"subject\":\"s\"}\\tk2\\n'''");
    pg_exec(db, "RESET ROLE; DROP ROLE outbox_test_copy; COMMIT");
    pg_expect(db, "SELECT count(*) FROM outbox.message WHERE status = 'pending' AND queue_pos > 0", "2");
    pg_refused(db,
               "COPY outbox.message (channel, recipient, payload) FROM PROGRAM 'printf ''ios\\t \\t{}\\n'''",
               "OB002 ");
    pg_refused(db,
               "COPY outbox.message (channel, recipient, payload) FROM PROGRAM 'printf ''x\\tr\\t{}\\n'''",
               "OB001 ");
}
END_TEST

START_TEST(test_roles)
{
    struct db_session *db = pg_case_session();
    pg_expect(db,
              "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc AS p "
              "WHERE p.pronamespace = 'outbox'::regnamespace "
              "AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a "
              "WHERE a.grantee = 0)",
              NULL);
    pg_expect(db,
              "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc AS p "
              "WHERE p.pronamespace = 'outbox'::regnamespace AND p.prosecdef "
              "AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}'))",
              NULL);
    pg_expect(db,
              "SELECT string_agg(c.relname, ', ') FROM pg_class AS c "
              "WHERE c.relnamespace = 'outbox'::regnamespace AND c.relkind IN ('r', 'v') "
              "AND obj_description(c.oid) IS NULL",
              NULL);
    pg_expect(db,
              "SELECT string_agg(p.proname, ', ') FROM pg_proc AS p "
              "WHERE p.pronamespace = 'outbox'::regnamespace AND obj_description(p.oid) IS NULL",
              NULL);
    pg_exec(db, "SET ROLE outbox_reader");
    pg_exec(db, "SELECT * FROM outbox.delivery, outbox.queue_stats, outbox.in_the_air");
    pg_refused(db, "SELECT payload FROM outbox.message", "42501 ");
    pg_refused(db, "SELECT outbox.retry(1)", "42501 ");
    pg_refused(db, "SELECT outbox.cancel('k')", "42501 ");
    pg_refused(db, INSERT_ROW "('ios', 'r', '{}')", "42501 ");
    pg_exec(db, "SET ROLE outbox_dispatcher");
    pg_refused(db, "UPDATE outbox.message SET recipient = 'x'", "42501 ");
    pg_refused(db, "UPDATE outbox.provider SET enabled = false", "42501 ");
    pg_refused(db, "DELETE FROM outbox.message", "42501 ");
}
END_TEST

START_TEST(test_provider_settings)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.provider (name, channel, adapter, settings) "
                "VALUES ('p', 'ios', 'apns', '{\"key_file\": \"/etc/key.p8\", \"password_env\": \"P\"}')");
    static const char *const secrets[] = {"key",    "private_key",   "password",        "token",
                                          "secret", "client_secret", "service_account", "api_key"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "UPDATE outbox.provider SET settings = settings || '{\"%s\": \"x\"}'",
                 secrets[i]);
        pg_refused(db, sql, "OB006 settings must not hold a secret: name it by NAME_file");
    }
    pg_refused(db, "UPDATE outbox.provider SET settings = '[]'", "OB006 settings must be a JSON object");
    pg_refused(db, "INSERT INTO outbox.provider (name, channel, adapter) VALUES ('q', 'pigeon', 'apns')",
               "23503 ");
    pg_refused(db, "INSERT INTO outbox.channel (name) VALUES ('Pigeon')", "23514 ");
}
END_TEST

START_TEST(test_send)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "CREATE TABLE public.first AS SELECT outbox.send('ios', 'r', '{}', 'k') AS id");
    int64_t position = pg_int(db, "SELECT last_value FROM outbox.queue_pos_seq");
    pg_expect(db, "SELECT outbox.send('ios', 'other', '{}', 'k') = id FROM public.first", "t");
    ck_assert_int_eq(position, pg_int(db, "SELECT last_value FROM outbox.queue_pos_seq"));
    pg_expect(db, "SELECT count(*) || ' ' || min(recipient) FROM outbox.message", "1 r");
    pg_exec(db, "SELECT outbox.send(channel => 'email', recipient => 'a@b', payload => '{}', lane => 'bulk', "
                "app => 'shop', send_at => now() + '1 hour', expires_at => now() + '2 hours')");
    pg_expect(
        db,
        "SELECT status || ' ' || lane || ' ' || app || ' ' || (expires_at - send_at) FROM outbox.message "
        "WHERE channel = 'email'",
        "scheduled bulk shop 01:00:00");
    pg_refused(db, "SELECT outbox.send('pigeon', 'r', '{}')", "OB001 ");
    pg_refused(db, "SELECT outbox.send('ios', 'r', '{}', '')", "OB005 ");
}
END_TEST

START_TEST(test_uuid)
{
    struct db_session *db = pg_case_session();
    pg_expect(db, "SELECT outbox.message_uuid('2E1F4D8E-1111-4222-8333-123456789ABC')",
              "2e1f4d8e-1111-4222-8333-123456789abc");
    /* sha256("abc") of FIPS 180-2, B.1, with the version and variant of RFC 9562, 5.8. */
    pg_expect(db, "SELECT outbox.message_uuid('abc')", "ba7816bf-8f01-8fea-8141-40de5dae2223");
}
END_TEST

/* A position is taken only once the transaction has its id: cursors rely on it. */
START_TEST(test_position_after_transaction_id)
{
    struct db_session *db = pg_case_session();
    pg_exec(
        db,
        "CREATE FUNCTION public.check_xid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF pg_current_xact_id_if_assigned() IS NULL THEN RAISE EXCEPTION 'no transaction id yet'; END IF; "
        "RETURN NEW; END $$;"
        "CREATE TRIGGER a BEFORE INSERT ON outbox.message FOR EACH ROW EXECUTE FUNCTION public.check_xid()");
    for (int i = 0; i < 4; i++) {
        pg_exec(db, INSERT_ROW "('ios', 'r', '{}')");
        pg_exec(db, "BEGIN; SELECT outbox.next_queue_pos()");
        pg_expect(db, "SELECT pg_current_xact_id_if_assigned() IS NOT NULL", "t");
        pg_exec(db, "ROLLBACK");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("intake");
    pg_case_add(suite, "accepted", test_accepted);
    pg_case_add(suite, "refused", test_refused);
    pg_case_add(suite, "settling is not checked again", test_settling_is_not_checked_again);
    pg_case_add(suite, "times", test_times);
    pg_case_add(suite, "producer", test_producer);
    pg_case_add(suite, "copy", test_copy);
    pg_case_add(suite, "roles", test_roles);
    pg_case_add(suite, "provider settings", test_provider_settings);
    pg_case_add(suite, "send", test_send);
    pg_case_add(suite, "uuid", test_uuid);
    pg_case_add(suite, "position after transaction id", test_position_after_transaction_id);
    return suite_run(suite);
}
