/* Receipts: what providers tell later about messages, in any order; and what settling keeps for them. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/pg.h"
#include "support/suite.h"

#define SETTLE                                                                                               \
    "SELECT outbox.settle('sms', 1, array_agg(id), array_agg('sent'::text), array_agg('p'::text), "          \
    "array_agg('s' || id), array_agg(NULL::text), array_agg(now()), array_agg(NULL::timestamptz)) "          \
    "FROM outbox.message WHERE status = 'pending'"

/* Messages of the channel sms: 1 without a user, 2 of user u in a category with opt-out, 3 in a mandatory
 * one. */
static struct db_session *start(void)
{
    struct db_session *db = pg_case_session();
    pg_guard_transitions(db);
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, user_id, category) VALUES "
                "('sms', '+821000000001', '{}', NULL, NULL), ('sms', '+821000000002', '{}', 'u', 'service'), "
                "('sms', '+821000000003', '{}', 'u', 'security')");
    return db;
}

static void receive(struct db_session *db, int message, const char *event, const char *expected)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT outbox.record_receipt('p', 's%d', '%s', now() - interval '1 min', 'why %s')", message,
             event, event);
    pg_expect(db, sql, expected);
}

/* Every order of every set of events, on each of the three messages, with the settling before, between and
 * after them. A set must have one end. */
static const char ends[] =
    "CREATE TABLE public.ends (message int, events text, trail text, finish text);"
    "CREATE PROCEDURE public.try(which int, trail text[], early int) LANGUAGE plpgsql AS $$"
    "DECLARE e text; n int := 0; known boolean; BEGIN "
    "  BEGIN "
    "    IF early = 0 THEN PERFORM public.settle_all(); END IF;"
    "    FOREACH e IN ARRAY trail LOOP "
    "      n := n + 1;"
    "      PERFORM outbox.record_receipt('p', 's' || which, e, now() - interval '1 min', 'why ' || e);"
    "      IF n = early THEN PERFORM public.settle_all();"
    "        IF outbox.match_receipts() <> 1 THEN RAISE 'nothing matched'; END IF; END IF;"
    "      IF outbox.record_receipt('p', 's' || which, e, now(), 'again') THEN RAISE 'taken twice'; END IF;"
    "    END LOOP;"
    "    RAISE EXCEPTION USING ERRCODE = 'XX999', MESSAGE = public.finish();"
    "  EXCEPTION WHEN SQLSTATE 'XX999' THEN "
    "    INSERT INTO public.ends SELECT which, (SELECT string_agg(t, ' ' ORDER BY t) FROM unnest(trail) AS "
    "t), "
    "      array_to_string(trail, ' ') || early, SQLERRM;"
    "  END; END $$;"
    "CREATE FUNCTION public.finish() RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' | ',"
    "  (SELECT string_agg(concat_ws(' ', status, last_error), ', ' ORDER BY id) FROM outbox.delivery),"
    "  (SELECT string_agg(concat_ws(' ', channel, address, reason, message_id, at = now() - interval '1 "
    "min'), ', ') "
    "   FROM outbox.suppression),"
    "  (SELECT string_agg(concat_ws(' ', user_id, category, channel, allowed), ', ') FROM "
    "outbox.preference)) $$;"
    "CREATE FUNCTION public.settle_all() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
    "PERFORM 1 FROM (" SETTLE ") AS s; END $$;";

START_TEST(test_every_order)
{
    struct db_session *db = start();
    pg_exec(db, ends);
    pg_exec(
        db,
        "DO $$ DECLARE r record; BEGIN FOR r IN "
        "WITH RECURSIVE trail (events) AS ("
        "  SELECT ARRAY[e::text] FROM unnest(enum_range(NULL::outbox.receipt_event)) AS e "
        "  UNION ALL SELECT t.events || e::text FROM trail AS t "
        "    CROSS JOIN unnest(enum_range(NULL::outbox.receipt_event)) AS e WHERE e::text <> ALL (t.events)) "
        "SELECT t.events, m.id, n.early FROM trail AS t CROSS JOIN generate_series(1, 3) AS m (id) "
        "CROSS JOIN generate_series(0, cardinality(t.events)) AS n (early) "
        "LOOP CALL public.try(r.id, r.events, r.early); END LOOP; END $$");
    pg_expect(db, "SELECT count(*) || ' ' || count(DISTINCT events) FROM public.ends", "4890 31");
    pg_expect(
        db,
        "SELECT string_agg(concat(message, ' ', events), ', ') FROM (SELECT message, events FROM public.ends "
        "GROUP BY message, events HAVING count(DISTINCT finish) > 1) AS x",
        NULL);
    static const struct {
        int message;
        const char *events, *finish;
    } known[] = {
        {1, "delivered", "delivered, sent, sent"},
        {1, "undelivered", "bounced why undelivered, sent, sent"},
        {1, "delivered undelivered", "bounced why undelivered, sent, sent"},
        {1, "bounced", "bounced why bounced, sent, sent | sms +821000000001 why bounced 1 t"},
        {1, "bounced delivered", "bounced why bounced, sent, sent | sms +821000000001 why bounced 1 t"},
        {1, "complained delivered", "delivered, sent, sent | sms +821000000001 why complained 1 t"},
        {1, "bounced complained", "bounced why bounced, sent, sent | sms +821000000001 why bounced 1 t"},
        {1, "unsubscribed", "sent, sent, sent | sms +821000000001 why unsubscribed 1 t"},
        {2, "unsubscribed", "sent, sent, sent | u service sms f"},
        {2, "delivered unsubscribed", "sent, delivered, sent | u service sms f"},
        {2, "complained unsubscribed",
         "sent, sent, sent | sms +821000000002 why complained 2 t | u service sms f"},
        {3, "unsubscribed", "sent, sent, sent"},
        {3, "bounced unsubscribed", "sent, sent, bounced why bounced | sms +821000000003 why bounced 3 t"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "SELECT DISTINCT finish FROM public.ends WHERE message = %d AND events = '%s'",
                 known[i].message, known[i].events);
        pg_expect(db, sql, known[i].finish);
    }
}
END_TEST

START_TEST(test_before_settling)
{
    struct db_session *db = start();
    receive(db, 1, "delivered", "t");
    receive(db, 1, "delivered", "f");
    receive(db, 9, "bounced", "t"); /* nobody's: kept */
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.match_receipts()", "0");
    pg_exec(db, "RESET ROLE");
    pg_exec(db, SETTLE);
    pg_expect(db, "SELECT status FROM outbox.message WHERE id = 1", "sent");
    receive(db, 2, "delivered", "t");
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.match_receipts()", "1");
    pg_expect(db, "SELECT outbox.match_receipts()", "0");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT string_agg(status::text, ' ' ORDER BY id) FROM outbox.message",
              "delivered delivered sent");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', provider_message_id, message_id), ', ' ORDER BY "
              "provider_message_id) FROM outbox.receipt",
              "s1 1, s2 2, s9");
    /* Ours are found among any number of ids that are not: the newest are looked at. */
    pg_exec(db, "INSERT INTO outbox.receipt (provider, provider_message_id, event, at, recorded_at) "
                "SELECT 'p', 'x' || n, 'delivered', now(), now() - interval '1 hour' FROM generate_series(1, "
                "500) AS n;"
                "INSERT INTO outbox.receipt (provider, provider_message_id, event, at) "
                "VALUES ('p', 's3', 'delivered', now())");
    pg_expect(db, "SELECT outbox.match_receipts(10)", "1");
}
END_TEST

START_TEST(test_archived)
{
    struct db_session *db = start();
    pg_exec(db, SETTLE);
    pg_exec(db, "UPDATE outbox.message SET finished_at = now() - interval '2 hours'");
    pg_exec(db, "SELECT outbox.archive_finished()");
    pg_expect(db, "SELECT outbox.archive_finished()", "3");
    pg_exec(db, "SET ROLE outbox_producer");
    receive(db, 1, "delivered", "t");
    receive(db, 1, "bounced", "t");
    receive(db, 1, "delivered", "f");
    receive(db, 2, "unsubscribed", "t");
    receive(db, 3, "delivered", "t");
    pg_exec(db, "RESET ROLE");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', status, last_error), ', ' ORDER BY id) FROM outbox.archive",
              "bounced why bounced, sent, delivered");
    pg_expect(db, "SELECT string_agg(address, ' ') FROM outbox.suppression", "+821000000001");
    pg_expect(db, "SELECT concat_ws(' ', user_id, allowed, source) FROM outbox.preference",
              "u f receipt of p");
    /* The archive's day is gone, the receipt is late. */
    pg_exec(db, "DELETE FROM outbox.archive");
    receive(db, 3, "complained", "t");
    pg_expect(db, "SELECT count(*) FROM outbox.suppression", "1");
}
END_TEST

/* While a message is being archived, its receipt waits and then finds it there. Two receipts of one message.
 */
START_TEST(test_at_the_same_time)
{
    struct db_session *db = start();
    struct db_session *other = pg_session(pg_case_conninfo());
    pg_exec(db, SETTLE);
    pg_exec(db, "UPDATE outbox.message SET finished_at = now() - interval '2 hours' WHERE id = 1;"
                "CREATE EXTENSION dblink SCHEMA public");
    pg_exec(db, "SELECT outbox.archive_finished()");
    pg_exec(other, "BEGIN");
    pg_expect(other, "SELECT outbox.archive_finished()", "1");
    char sql[512];
    snprintf(sql, sizeof sql, "SELECT public.dblink_connect('c', '%s')", pg_case_conninfo());
    pg_exec(db, sql);
    pg_exec(
        db,
        "SELECT public.dblink_send_query('c', 'SELECT outbox.record_receipt(''p'', ''s1'', ''delivered'')')");
    const char *waits = "DO $$ DECLARE until timestamptz := clock_timestamp() + interval '15 s'; BEGIN "
                        "WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP "
                        "IF clock_timestamp() > until THEN RAISE 'nobody waits'; END IF; "
                        "PERFORM pg_sleep(0.01); END LOOP; END $$";
    pg_exec(db, waits);
    pg_exec(other, "COMMIT");
    pg_expect(db, "SELECT r FROM public.dblink_get_result('c') AS t (r boolean)", "t");
    pg_exec(db, "SELECT * FROM public.dblink_get_result('c') AS t (r boolean)");
    pg_expect(db, "SELECT status FROM outbox.archive", "delivered");
    /* The one that waits counts what the other one said. */
    pg_exec(other, "BEGIN");
    receive(other, 2, "undelivered", "t");
    pg_exec(db,
            "SELECT public.dblink_send_query('c', 'SELECT outbox.record_receipt(''p'', ''s2'', ''bounced'', "
            "detail => ''a'')')");
    pg_exec(db, waits);
    pg_exec(other, "COMMIT");
    pg_expect(db, "SELECT r FROM public.dblink_get_result('c') AS t (r boolean)", "t");
    pg_exec(
        db,
        "SELECT * FROM public.dblink_get_result('c') AS t (r boolean); SELECT public.dblink_disconnect('c')");
    pg_expect(db, "SELECT status || ' ' || last_error FROM outbox.message WHERE id = 2",
              "bounced why undelivered");
    db_close(other);
}
END_TEST

/* What a person decided since is not undone by what comes late. */
START_TEST(test_later_decisions_hold)
{
    struct db_session *db = start();
    pg_exec(db, SETTLE);
    receive(db, 1, "bounced", "t");
    pg_exec(db, "DELETE FROM outbox.suppression");
    receive(db, 1, "undelivered", "t");
    pg_expect(db, "SELECT count(*) FROM outbox.suppression", "0");
    receive(db, 1, "complained", "t"); /* is news */
    pg_expect(db, "SELECT count(*) FROM outbox.suppression", "1");
    pg_exec(db, "UPDATE outbox.suppression SET message_id = NULL, reason = 'by hand'");
    pg_exec(db,
            "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('sms', '+821000000001', '{}')");
    pg_exec(db, SETTLE);
    receive(db, 4, "bounced", "t");
    pg_expect(db, "SELECT reason FROM outbox.suppression", "by hand");

    /* Allowed again after the moment of the receipt, which comes a minute late. */
    pg_exec(db, "SELECT outbox.set_preference('u', 'service', true, 'sms', 'asked by phone')");
    receive(db, 2, "unsubscribed", "t");
    pg_expect(db, "SELECT allowed FROM outbox.preference", "t");
    receive(db, 2, "unsubscribed", "f");
    /* Allowed before. */
    pg_exec(
        db,
        "DELETE FROM outbox.receipt; UPDATE outbox.preference SET changed_at = now() - interval '1 hour'");
    receive(db, 2, "unsubscribed", "t");
    pg_expect(db, "SELECT allowed FROM outbox.preference", "f");
    pg_exec(db, "SELECT outbox.set_preference('u', 'service', NULL)");
    receive(db, 2, "delivered", "t");
    pg_expect(db, "SELECT count(*) FROM outbox.preference", "0");
    /* A clock ahead of ours. */
    pg_exec(db, "SELECT outbox.record_receipt('p', 's3', 'delivered', 'infinity'),"
                "outbox.record_receipt('p', 's3', 'bounced', NULL)");
    pg_expect(db, "SELECT count(*) FROM outbox.receipt WHERE provider_message_id = 's3' AND at <= now()",
              "2");
}
END_TEST

START_TEST(test_refusals)
{
    struct db_session *db = start();
    static const struct {
        const char *arguments, *refusal;
    } bad[] = {
        {"'p', 's1', 'opened'",
         "OB011 event must be one of delivered, undelivered, bounced, complained, unsubscribed"},
        {"'p', 's1', NULL", "OB011 event must be one of"},
        {"'p', NULL, 'delivered'", "OB011 provider_message_id must have 1 to 1000 octets"},
        {"NULL, 's1', 'delivered'", "OB011 provider must have 1 to 500 octets"},
    };
    char sql[256];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(sql, sizeof sql, "SELECT outbox.record_receipt(%s)", bad[i].arguments);
        pg_refused(db, sql, bad[i].refusal);
    }
    pg_exec(db, "SET ROLE outbox_producer; SELECT outbox.record_receipt('p', 's1', 'delivered')");
    pg_refused(db, "SELECT outbox.match_receipts()", "42501 ");
    pg_refused(db, "SELECT outbox.apply_receipts(1, '{bounced}')", "42501 ");
    pg_refused(db, "SELECT * FROM outbox.receipt", "42501 ");
    pg_exec(db, "SET ROLE outbox_reader; SELECT * FROM outbox.receipt");
    pg_refused(db, "SELECT outbox.record_receipt('p', 's1', 'delivered')", "42501 ");
    pg_exec(db, "SET ROLE outbox_dispatcher");
    pg_refused(db, "DELETE FROM outbox.provider_message", "42501 ");
    pg_refused(db, "SELECT outbox.apply_receipts(1, '{bounced}')", "42501 ");
    pg_exec(db, "RESET ROLE");
    /* Only what was sent moves. */
    pg_exec(db, SETTLE);
    static const char *const others[] = {"failed", "expired", "cancelled", "suppressed", "in_doubt"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(sql, sizeof sql, "status = '%s'", others[i]);
        pg_force(db, sql);
        receive(db, 2, i == 0 ? "delivered" : i == 1 ? "undelivered" : "bounced", i < 3 ? "t" : "f");
        pg_expect(db, "SELECT status FROM outbox.message WHERE id = 2", others[i]);
    }
}
END_TEST

/* Costs come with the same row version, in a batch of several verdicts, as the dispatcher. */
START_TEST(test_costs)
{
    struct db_session *db = start();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r', '{}'), "
                "('sms', '+821000000005', '{}'); SET ROLE outbox_dispatcher");
    pg_exec(db, "BEGIN");
    pg_expect(db,
              "SELECT outbox.settle('sms', 1, '{1,2,3,5}', '{sent,sent,retry,sent}', '{p,p,p,p}', "
              "ARRAY['s1', 's2', 's3', repeat('x', 1001)], "
              "'{NULL,NULL,w,NULL}', array_fill(now(), '{4}'), array_fill(NULL::timestamptz, '{4}'), NULL, "
              "'{0.0075,NULL,9,12}', '{USD,USD,USD,KRW}')",
              "4");
    pg_expect(db, "SELECT pg_stat_get_xact_tuples_updated('outbox.message'::regclass)", "4");
    pg_exec(db, "COMMIT");
    pg_expect(
        db, "SELECT outbox.settle('ios', 1, '{4}', '{sent}', '{apns}', '{s4}', '{NULL}', '{now}', '{NULL}')",
        "1");
    pg_exec(db, "RESET ROLE");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', id, status, cost, currency), ', ' ORDER BY id) FROM "
              "outbox.delivery",
              "1 sent 0.0075 USD, 2 sent, 3 scheduled, 4 sent, 5 sent 12 KRW");
    /* Ids are kept of channels with receipts only, of what was sent, and as far as an index holds them. */
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', provider, provider_message_id, message_id), ', ' ORDER BY "
              "message_id) "
              "FROM outbox.provider_message",
              "p s1 1, p s2 2");
    pg_expect(db, "SELECT string_agg(name, ' ' ORDER BY name) FROM outbox.channel WHERE receipts",
              "email sms");
    /* Settled again: nothing changes. */
    pg_expect(db,
              "SELECT outbox.settle('sms', 1, '{1}', '{sent}', '{p}', '{other}', '{NULL}', '{now}', "
              "'{NULL}', NULL, "
              "'{5}', '{EUR}')",
              "0");
    pg_expect(db, "SELECT count(*) FROM outbox.provider_message", "2");
    pg_expect(db, "SELECT cost FROM outbox.message WHERE id = 1", "0.0075");
}
END_TEST

/* Settling with costs and ids, and the receipts after it, touch no index of outbox.message. */
START_TEST(test_hot)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'sms', '+82100000' || n, "
                "jsonb_build_object('text', repeat('x', 100)) FROM generate_series(1000, 1999) AS n");
    pg_exec(db, "BEGIN");
    pg_expect(
        db,
        "SELECT outbox.settle('sms', 1, array_agg(n), array_fill('sent'::text, '{1000}'), "
        "array_fill('p'::text, '{1000}'), array_agg('s' || n), array_fill(NULL::text, '{1000}'), "
        "array_fill(now(), '{1000}'), array_fill(NULL::timestamptz, '{1000}'), NULL, "
        "array_fill(0.0075, '{1000}'), array_fill('USD'::text, '{1000}')) FROM generate_series(1, 1000) AS n",
        "1000");
    int64_t hot = pg_int(db, "SELECT pg_stat_get_xact_tuples_hot_updated('outbox.message'::regclass)");
    ck_assert_msg(hot >= 990, "only %lld of 1000 were HOT", (long long)hot);
    pg_expect(db, "SELECT count(*) FROM outbox.provider_message", "1000");
    pg_exec(db, "COMMIT");
    /* No index mentions a column that settling or a receipt changes. */
    pg_expect(db,
              "SELECT string_agg(DISTINCT a.attname, ' ') FROM pg_index AS i JOIN pg_attribute AS a "
              "ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = "
              "'outbox.message'::regclass "
              "AND a.attname IN ('status', 'provider', 'provider_message_id', 'sent_at', 'finished_at', "
              "'attempts', "
              "'last_error', 'cost', 'currency')",
              NULL);
}
END_TEST

START_TEST(test_old_rows_go)
{
    struct db_session *db = start();
    pg_exec(
        db,
        "INSERT INTO outbox.provider_message (provider, provider_message_id, message_id, sent_at) "
        "SELECT 'p', 's' || n, n, now() - make_interval(days => 100, secs => -n) "
        "FROM generate_series(1, 50010) AS n;"
        "INSERT INTO outbox.receipt (provider, provider_message_id, event, at, recorded_at) "
        "SELECT 'p', 's' || n, 'delivered', now(), now() - make_interval(days => 100, secs => -n) "
        "FROM generate_series(1, 50010) AS n;"
        "INSERT INTO outbox.provider_message (provider, provider_message_id, message_id, sent_at) "
        "VALUES ('p', 'young', 1, now() - interval '89 days');"
        "INSERT INTO outbox.receipt (provider, provider_message_id, event, at, recorded_at) "
        "VALUES ('p', 'young', 'delivered', now() - interval '100 days', now() - interval '89 days');"
        "INSERT INTO outbox.provider (name, channel, adapter) VALUES ('p', 'sms', 'twilio');"
        "INSERT INTO outbox.dispatcher (name, channels) VALUES ('d', '{sms}');"
        "SELECT outbox.report_provider('p', 1, 'open', 'x'), outbox.report_provider('p', 99, 'open', 'x');"
        "SET ROLE outbox_scheduler; SELECT outbox.drop_old_days()");
    pg_exec(db, "RESET ROLE");
    const char *left = "SELECT (SELECT count(*) FROM outbox.provider_message) || ' ' || "
                       "(SELECT count(*) FROM outbox.receipt)";
    pg_expect(db, left, "11 11");
    pg_exec(db, "SET ROLE outbox_scheduler; SELECT outbox.drop_old_days(); RESET ROLE");
    pg_expect(db, left, "1 1");
    pg_exec(db, "UPDATE outbox.settings SET keep_archive = '30 days';"
                "SET ROLE outbox_scheduler; SELECT outbox.drop_old_days(); RESET ROLE");
    pg_expect(db, left, "0 0");
    pg_expect(db, "SELECT string_agg(dispatcher::text, ' ') FROM outbox.provider_state", "1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("receipts");
    pg_case_add(suite, "every order", test_every_order);
    pg_case_add(suite, "before settling", test_before_settling);
    pg_case_add(suite, "archived", test_archived);
    pg_case_add(suite, "at the same time", test_at_the_same_time);
    pg_case_add(suite, "later decisions hold", test_later_decisions_hold);
    pg_case_add(suite, "refusals", test_refusals);
    pg_case_add(suite, "costs", test_costs);
    pg_case_add(suite, "hot", test_hot);
    pg_case_add(suite, "old rows go", test_old_rows_go);
    return suite_run(suite);
}
