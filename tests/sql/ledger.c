/* The ledger: what was accepted, counted apart from the states, and each move of a message noted once. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "support/pg.h"
#include "support/suite.h"

/* Folds until nothing is left to be counted or added up. */
static void fold(struct db_session *db)
{
    pg_exec(db, "DO $$ BEGIN FOR i IN 1..3 LOOP PERFORM outbox.fold_ledger(); END LOOP; END $$");
}

/* What the ledger says of each state, by channel and day, is what the rows say; and by block and place. */
static void check_exact(struct db_session *db)
{
    pg_expect(
        db,
        "WITH rows AS (SELECT channel, (created_at AT TIME ZONE 'UTC')::date AS day, status, count(*) AS n "
        "FROM outbox.delivery GROUP BY 1, 2, 3), book AS (SELECT c.channel, c.day, x.status, x.n "
        "FROM outbox.conservation AS c CROSS JOIN LATERAL (VALUES ('scheduled', c.scheduled), "
        "('pending', c.pending), ('sent', c.sent), ('delivered', c.delivered), ('bounced', c.bounced), "
        "('failed', c.failed), ('expired', c.expired), ('cancelled', c.cancelled), "
        "('suppressed', c.suppressed), ('in_doubt', c.in_doubt)) AS x (status, n) WHERE x.n <> 0) "
        "SELECT string_agg(concat_ws(' ', channel, day, status, r.n, b.n), '; ') FROM rows AS r "
        "FULL JOIN (SELECT channel, day, status::outbox.message_status, n FROM book) AS b "
        "USING (channel, day, status) WHERE r.n IS DISTINCT FROM b.n",
        NULL);
    pg_expect(db, "SELECT count(*) FROM outbox.conservation WHERE NOT adds_up OR uncounted <> 0", "0");
    pg_expect(
        db,
        "SELECT count(*) FROM (SELECT channel, lane, count(*) FILTER (WHERE status = 'scheduled') AS s, "
        "count(*) FILTER (WHERE status = 'pending') AS p FROM outbox.message GROUP BY 1, 2) AS r "
        "FULL JOIN outbox.queue_depth AS d USING (channel, lane) "
        "WHERE coalesce(s, 0) <> scheduled OR coalesce(p, 0) <> pending",
        "0");
    pg_expect(db, "SELECT sum(accepted) = (SELECT count(*) FROM outbox.delivery) FROM outbox.conservation",
              "t");
    pg_expect(
        db,
        "WITH rows AS (SELECT m.id >> 18 AS block, channel, lane, (created_at AT TIME ZONE 'UTC')::date AS "
        "day, '-infinity'::date AS place, status, count(*) AS n FROM outbox.message AS m "
        "GROUP BY 1, 2, 3, 4, 5, 6 UNION ALL SELECT id >> 18, channel, lane, (created_at AT TIME ZONE "
        "'UTC')::date, (finished_at AT TIME ZONE 'UTC')::date, status, count(*) FROM outbox.archive "
        "GROUP BY 1, 2, 3, 4, 5, 6) SELECT count(*) FROM rows AS r FULL JOIN (SELECT * FROM "
        "outbox.ledger_block WHERE messages <> 0) AS b USING (block, channel, lane, day, place, status) "
        "WHERE r.n IS DISTINCT FROM b.messages",
        "0");
}

START_TEST(test_each_move)
{
    struct db_session *db = pg_case_session();
    /* ID stands for some message. What must not be done to it at that moment does nothing. */
    static const char *const moves[] = {
        "INSERT INTO outbox.message (channel, recipient, payload) SELECT CASE WHEN random() < 0.5 THEN 'ios' "
        "ELSE "
        "'sms' END, 'r', '{}' FROM generate_series(1, 5)",
        "INSERT INTO outbox.message (channel, lane, recipient, payload, send_at) SELECT 'email', 'bulk', "
        "'r', '{}', "
        "now() + make_interval(secs => random() * 0.05) FROM generate_series(1, 3)",
        "INSERT INTO outbox.message (channel, recipient, payload, status, next_attempt_at, queue_pos, "
        "created_at) "
        "VALUES ('ios', 'r', '{}', 'scheduled', now(), NULL, now() - random() * interval '3 days')",
        "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) VALUES ('ios', 'r', '{}', "
        "'same') "
        "ON CONFLICT DO NOTHING",
        "DO $$ BEGIN INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r', '{}'); "
        "RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$",
        "SELECT outbox.release_due()",
        "SELECT outbox.settle('sms', 1, array_agg(id), array_agg((ARRAY['sent', 'retry', 'rejected', "
        "'in_doubt', "
        "'unsent', 'suppressed', 'expired'])[1 + id % 7]), array_agg('p'::text), array_agg('x' || id), "
        "array_agg('why'::text), "
        "array_agg(now()), array_agg(now())) FROM outbox.message WHERE channel = 'sms' AND status = "
        "'pending'",
        "SELECT outbox.settle('ios', 1, array_agg(id), array_agg('sent'::text), array_agg('p'::text), "
        "array_agg('i' || id), array_agg(NULL::text), array_agg(now()), array_agg(now())) FROM (SELECT id "
        "FROM "
        "outbox.message WHERE channel = 'ios' AND status = 'pending' LIMIT 7) AS m",
        "SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id = ID",
        "SELECT outbox.retry(ID)",
        "SELECT outbox.resolve_doubt(ID, random() < 0.5)",
        "SELECT outbox.record_receipt('p', provider_message_id, (ARRAY['delivered', 'bounced', "
        "'undelivered'])"
        "[1 + (id + ID) % 3]) FROM (SELECT id, provider_message_id FROM outbox.delivery WHERE channel = "
        "'sms' "
        "AND provider_message_id <> '' AND (status = 'sent' OR random() < 0.1) ORDER BY random() LIMIT 3) AS "
        "m",
        "UPDATE outbox.message SET expires_at = now() WHERE id = ID AND status = 'pending'; "
        "UPDATE outbox.walk SET position = 0, next_round_at = '-infinity'; SELECT outbox.expire_waiting()",
        "UPDATE outbox.walk SET position = 0, next_round_at = '-infinity'; SELECT outbox.archive_finished(7)",
        "SELECT outbox.match_receipts()",
        "SELECT outbox.fold_ledger()",
    };
    unsigned seed = 1;
    pg_exec(db, "UPDATE outbox.settings SET keep_finished = '0'; SELECT setseed(0.3)");
    for (int step = 0; step < 1500; step++) {
        seed = seed * 1103515245 + 12345;
        const char *move = moves[(seed >> 16) % (sizeof moves / sizeof moves[0])];
        char sql[1024], id[16];
        seed = seed * 1103515245 + 12345;
        snprintf(id, sizeof id, "%" PRId64,
                 1 + (int64_t)(seed >> 8) %
                         (1 + pg_int(db, "SELECT coalesce(max(id), 1) FROM outbox.delivery")));
        size_t used = 0;
        for (const char *p = move; *p != '\0' && used < sizeof sql - sizeof id; p++) {
            if (p[0] == 'I' && p[1] == 'D' && (p == move || p[-1] == ' ' || p[-1] == '(')) {
                used += (size_t)snprintf(sql + used, sizeof sql - used, "%s", id);
                p++;
            } else {
                sql[used++] = *p;
            }
        }
        sql[used] = '\0';
        pg_exec(db, sql);
    }
    fold(db);
    check_exact(db);
    /* Each end was met, or this would prove less than it says. */
    pg_expect(db, "SELECT string_agg(DISTINCT status::text, ' ' ORDER BY status::text) FROM outbox.delivery",
              "bounced cancelled delivered expired failed in_doubt pending scheduled sent suppressed");
    pg_expect(db, "SELECT count(*) > 0 FROM outbox.archive", "t");
    /* A day that is dropped stays in the ledger. */
    char *before = pg_value(db, "SELECT sum(sent) FROM outbox.conservation");
    pg_exec(db, "DELETE FROM outbox.leaving; SELECT outbox.drop_old_days()");
    pg_exec(
        db,
        "DO $$ DECLARE p text; BEGIN FOR p IN SELECT name FROM outbox.partitions WHERE parent = 'archive' "
        "LOOP EXECUTE format('DROP TABLE outbox.%I', p); END LOOP; END $$");
    pg_expect(db, "SELECT sum(sent) FROM outbox.conservation", before);
    mem_free(before);
}
END_TEST

START_TEST(test_counted_once_when_all_have_ended)
{
    struct db_session *db = pg_case_session();
    struct db_session *late = pg_session(pg_case_conninfo());
    pg_exec(late,
            "BEGIN; INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'late', '{}')");
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'r', '{}'), ('ios', 'r', "
        "'{}')");
    pg_exec(db, "SELECT outbox.cancel(idempotency_key) FROM outbox.message");
    fold(db);
    /* Not yet counted, which is not wrong. */
    pg_expect(db,
              "SELECT concat_ws(' ', accepted, uncounted, cancelled, pending, missing, adds_up) "
              "FROM outbox.conservation",
              "0 2 2 0 0 t");
    pg_exec(late, "COMMIT");
    fold(db);
    pg_expect(db,
              "SELECT concat_ws(' ', accepted, uncounted, cancelled, pending, missing, adds_up) "
              "FROM outbox.conservation",
              "3 0 2 1 0 t");
    fold(db);
    pg_expect(db, "SELECT accepted FROM outbox.conservation", "3");
    check_exact(db);
    db_close(late);
}
END_TEST

START_TEST(test_a_fold_that_is_rolled_back)
{
    struct db_session *db = pg_case_session();
    struct db_session *other = pg_session(pg_case_conninfo());
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'ios', 'r', '{}' FROM "
                "generate_series(1, 10)");
    pg_exec(db, "SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id <= 3");
    pg_exec(other, "BEGIN; SELECT outbox.fold_ledger()");
    pg_expect(db, "SELECT outbox.fold_ledger()", "0"); /* it does not wait */
    pg_exec(other, "ROLLBACK");
    fold(db);
    check_exact(db);
    pg_exec(other, "BEGIN; SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id = 4");
    fold(db);
    pg_exec(other, "COMMIT"); /* it commits behind what was folded meanwhile */
    pg_exec(db, "SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id = 5");
    fold(db);
    check_exact(db);
    pg_expect(db, "SELECT count(*) FROM outbox.change", "0");
    db_close(other);
}
END_TEST

/* The dispatcher says how many it sent; where that is not what was settled, the audit puts it right. */
START_TEST(test_a_wrong_word_is_audited)
{
    struct db_session *db = pg_case_session();
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, lane, recipient, payload) SELECT 'ios', CASE WHEN i > 2 THEN "
        "'bulk' ELSE 'transactional' END::outbox.lane, 'r', '{}' FROM generate_series(1, 5) AS i");
    fold(db);
    pg_exec(db, "CALL outbox.audit()");
    static const char settle[] =
        "SELECT outbox.settle('ios', 1, '{1,3,4}', '{sent,sent,sent}', '{p,p,p}', '{a,b,c}', "
        "'{NULL,NULL,NULL}', array_fill(now(), '{3}'), array_fill(now(), '{3}'), "
        "group_ids => '{1,3}', group_sizes => '{1,2}')";
    pg_exec(db, "SET ROLE outbox_dispatcher; BEGIN");
    pg_expect(db, settle, "3");
    pg_exec(db,
            "ROLLBACK; RESET ROLE; SELECT outbox.cancel(idempotency_key) FROM outbox.message WHERE id = 4; "
            "SET ROLE outbox_dispatcher");
    pg_expect(db, settle, "2");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT count(*) FROM outbox.audit_request", "1");
    pg_exec(db, "SELECT outbox.audit_step(), outbox.audit_step()");
    fold(db);
    check_exact(db);
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', lane, status, messages), ', ' ORDER BY lane, status) "
              "FROM outbox.ledger WHERE messages <> 0",
              "transactional pending 1, transactional sent 1, bulk pending 1, bulk sent 1, bulk cancelled 1");
}
END_TEST

START_TEST(test_a_deleted_row_is_missing)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload) SELECT 'ios', 'r', '{}' FROM "
                "generate_series(1, 10)");
    fold(db);
    pg_exec(db, "DELETE FROM outbox.message WHERE id IN (2, 3)");
    pg_expect(db, "SELECT concat_ws(' ', accepted, pending, missing, adds_up) FROM outbox.conservation",
              "10 8 2 f");
    fold(db);
    pg_expect(db, "SELECT concat_ws(' ', accepted, pending, missing, adds_up) FROM outbox.conservation",
              "10 8 2 f");
}
END_TEST

START_TEST(test_rights)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SET ROLE outbox_producer; INSERT INTO outbox.message (channel, recipient, payload, send_at) "
                "VALUES ('ios', 'r', '{}', now() + interval '1 day'); RESET ROLE");
    pg_refused(db, "SET ROLE outbox_producer; SELECT * FROM outbox.conservation", "42501");
    pg_refused(db, "SET ROLE outbox_producer; INSERT INTO outbox.change (block) VALUES (0)", "42501");
    pg_exec(
        db,
        "SET ROLE outbox_scheduler; SELECT outbox.fold_ledger(); SELECT outbox.fold_ledger(); RESET ROLE");
    pg_exec(db, "SET ROLE outbox_reader");
    pg_expect(db, "SELECT scheduled FROM outbox.conservation", "1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger");
    pg_case_add(suite, "each move", test_each_move);
    pg_case_add(suite, "counted once", test_counted_once_when_all_have_ended);
    pg_case_add(suite, "a fold is rolled back", test_a_fold_that_is_rolled_back);
    pg_case_add(suite, "a wrong word", test_a_wrong_word_is_audited);
    pg_case_add(suite, "a row is deleted", test_a_deleted_row_is_missing);
    pg_case_add(suite, "rights", test_rights);
    return suite_run(suite);
}
