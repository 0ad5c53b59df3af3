/* What leaves the hot tables, what stays, what is remembered of it, and how it comes back. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "support/pg.h"
#include "support/suite.h"

static void new_round(struct db_session *db)
{
    pg_exec(db, "UPDATE outbox.walk SET position = 0, next_round_at = '-infinity'");
}

/* Two calls: the first records the keys, the second moves the rows. */
static void archive(struct db_session *db, const char *moved)
{
    new_round(db);
    pg_expect(db, "SELECT outbox.archive_finished()", "0");
    pg_expect(db, "SELECT outbox.archive_finished()", moved);
}

/* A message of key K with id N that was sent two hours ago. */
static void insert_sent(struct db_session *db, const char *key)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
             "VALUES ('ios', 'r', '{}', '%s');"
             "UPDATE outbox.message SET status = 'sent', finished_at = now() - interval '2 hours', "
             "sent_at = now() - interval '2 hours' WHERE idempotency_key = '%s'",
             key, key);
    pg_exec(db, sql);
}

static void insert_template(struct db_session *db)
{
    pg_exec(db, "INSERT INTO outbox.template (name, channel, content) "
                "VALUES ('hello', 'email', '{\"subject\": \"Hello\", \"text\": \"Hello\"}');"
                "SELECT outbox.set_contact('u', email => 'u@example.com')");
}

START_TEST(test_what_leaves)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, app, expires_at) "
                "SELECT 'ios', 'r' || s, '{\"a\":1}', s::text, 'app', now() + interval '1 day' "
                "FROM unnest(enum_range(NULL::outbox.message_status)) AS s");
    pg_force(db, "status = idempotency_key::outbox.message_status, provider = 'p', provider_message_id = "
                 "'x', "
                 "finished_at = CASE WHEN idempotency_key NOT IN ('scheduled', 'pending') THEN now() - "
                 "interval '2 hours' END, "
                 "next_attempt_at = CASE idempotency_key WHEN 'scheduled' THEN now() END");
    pg_exec(db, "CREATE TABLE public.former AS TABLE outbox.delivery;  SET ROLE outbox_scheduler");
    archive(db, "7");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT string_agg(status::text, ' ' ORDER BY status) FROM outbox.message",
              "scheduled pending in_doubt");
    pg_expect(db, "SELECT string_agg(status::text, ' ' ORDER BY status) FROM outbox.archive",
              "sent delivered bounced failed expired cancelled suppressed");
    pg_expect(db, "SELECT string_agg(status::text, ' ' ORDER BY status) FROM outbox.delivery WHERE archived",
              "sent delivered bounced failed expired cancelled suppressed");
    pg_expect(db,
              "SELECT count(*) FROM outbox.delivery AS d JOIN public.former AS f USING (id) "
              "WHERE to_jsonb(d) - 'archived' = to_jsonb(f) - 'archived'",
              "10");
    /* Every column has its place in the archive. */
    pg_expect(
        db,
        "SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute AS a "
        "WHERE attrelid = 'outbox.message'::regclass AND attnum > 0 AND NOT attisdropped AND NOT EXISTS ("
        "SELECT FROM pg_attribute AS b WHERE b.attrelid = 'outbox.archive'::regclass "
        "AND b.attname = a.attname AND b.atttypid = a.atttypid)",
        NULL);
    pg_expect(db,
              "SELECT count(*) FROM outbox.partitions WHERE parent = 'archive' "
              "AND name = to_char((now() - interval '2 hours') AT TIME ZONE 'UTC', '\"archive_\"YYYYMMDD')",
              "1");
}
END_TEST

START_TEST(test_young_ones_stay)
{
    struct db_session *db = pg_case_session();
    insert_sent(db, "k");
    pg_force(db, "finished_at = now() - interval '59 minutes'");
    archive(db, "0");
    pg_exec(db, "UPDATE outbox.settings SET keep_finished = '58 minutes'");
    archive(db, "1");
}
END_TEST

START_TEST(test_needed_ones_stay)
{
    struct db_session *db = pg_case_session();
    struct db_session *other = pg_session(pg_case_conninfo());
    insert_sent(db, "flying");
    insert_sent(db, "locked");
    insert_sent(db, "free");
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "SELECT 1, 1, now(), 'ios', ARRAY[id] FROM outbox.message WHERE idempotency_key = 'flying'");
    pg_expect(db, "SELECT outbox.archive_finished()", "0");
    /* While it is locked its list is taken up, but not it. */
    pg_exec(db, "UPDATE outbox.leaving SET running = '{}'");
    pg_exec(other, "BEGIN; SELECT FROM outbox.message WHERE idempotency_key = 'locked' FOR UPDATE");
    pg_exec(db, "SET lock_timeout = '10s'");
    pg_expect(db, "SELECT outbox.archive_finished()", "1");
    pg_exec(other, "ROLLBACK");
    pg_expect(db, "SELECT string_agg(idempotency_key, ' ' ORDER BY id) FROM outbox.message", "flying locked");
    pg_exec(db, "UPDATE outbox.walk SET full_round_at = '-infinity'");
    archive(db, "1");
    pg_exec(db, "DELETE FROM outbox.flight");
    archive(db, "1");
    db_close(other);
}
END_TEST

START_TEST(test_small_steps)
{
    struct db_session *db = pg_case_session();
    for (int i = 0; i < 7; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        insert_sent(db, key);
    }
    pg_force(db, "finished_at = CASE WHEN id = 2 THEN now() ELSE finished_at END");
    pg_expect(db, "SELECT outbox.archive_finished(2)", "0");
    pg_expect(db, "SELECT outbox.archive_finished(2)", "2");
    pg_expect(db, "SELECT outbox.archive_finished(2)", "2");
    pg_expect(db, "SELECT outbox.archive_finished(2)", "2");
    pg_expect(db, "SELECT string_agg(id::text, ' ') FROM outbox.message", "2");
    /* The round is over: it pauses, and the next one begins at the lowest row that is left. */
    pg_expect(db, "SELECT outbox.archive_finished(2)", "0");
    pg_expect(db,
              "SELECT concat_ws(' ', position, lowest, next_round_at > now()) FROM outbox.walk "
              "WHERE duty = 'archive_finished'",
              "0 2 t");
    pg_force(db, "finished_at = now() - interval '2 hours'");
    pg_expect(db, "SELECT outbox.archive_finished(2)", "0");
    pg_expect(db, "SELECT count(*) FROM outbox.leaving", "0");
    archive(db, "1");
}
END_TEST

/* A row that becomes visible below the point where rounds begin is found by the next full round. */
START_TEST(test_late_commit)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SELECT nextval('outbox.message_id_seq')");
    insert_sent(db, "young");
    pg_force(db, "finished_at = now()");
    pg_expect(db, "SELECT outbox.archive_finished()", "0");
    pg_exec(db, "ALTER SEQUENCE outbox.message_id_seq RESTART WITH 1");
    insert_sent(db, "late");
    archive(db, "0");
    pg_exec(db, "UPDATE outbox.walk SET full_round_at = now()");
    archive(db, "1");
}
END_TEST

START_TEST(test_used_key)
{
    struct db_session *db = pg_case_session();
    insert_sent(db, "k");
    archive(db, "1");
    pg_exec(db, "SET ROLE outbox_producer");
    for (int i = 0; i < 2; i++) {
        pg_expect(db,
                  "WITH i AS (INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
                  "VALUES ('ios', 'r', '{}', 'k') ON CONFLICT (idempotency_key) DO NOTHING RETURNING id) "
                  "SELECT count(*) FROM i",
                  "0");
        pg_exec(db, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
                    "VALUES ('ios', 'r', '{}', 'k')");
        pg_expect(db, "SELECT outbox.send('ios', 'r', '{}', 'k')", "1");
        /* Then the archived day is dropped, which changes nothing. */
        pg_exec(db, "RESET ROLE; UPDATE outbox.archive SET finished_at = now() - interval '2 hours';"
                    "TRUNCATE outbox.archive; SET ROLE outbox_producer");
    }
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT count(*) FROM outbox.message", "0");
    pg_exec(db, "SET ROLE outbox_producer; SELECT outbox.send('ios', 'r', '{}', 'other'); RESET ROLE");
    pg_expect(db, "SELECT count(*) FROM outbox.message", "1");
}
END_TEST

/* What waited for longer than the window was still sent a moment ago. */
START_TEST(test_used_key_of_timed)
{
    struct db_session *db = pg_case_session();
    insert_template(db);
    insert_sent(db, "k");
    pg_exec(db, "SELECT outbox.notify('u', 'hello', idempotency_key => 'n')");
    pg_force(db, "created_at = now() - interval '8 days', send_at = now() - interval '3 hours', "
                 "status = 'sent', finished_at = now() - interval '2 hours'");
    pg_exec(db, "UPDATE outbox.notification SET created_at = now() - interval '8 days', "
                "send_at = now() - interval '3 hours'");
    archive(db, "2");
    new_round(db);
    pg_exec(db, "SELECT outbox.archive_notifications()");
    pg_expect(db, "SELECT outbox.archive_notifications()", "1");
    pg_exec(db,
            "SELECT outbox.send('ios', 'r', '{}', 'k'), outbox.notify('u', 'hello', idempotency_key => 'n')");
    pg_expect(db, "SELECT count(*) FROM outbox.message", "0");
}
END_TEST

/* A transaction that began before the key was recorded cannot slip in after the row has left. */
static void race(const char *begin)
{
    struct db_session *db = pg_case_session();
    struct db_session *producer = pg_session(pg_case_conninfo());
    insert_sent(db, "k");
    pg_exec(producer, begin);
    pg_exec(producer, "SELECT count(*) FROM outbox.message");
    pg_exec(db, "SET ROLE outbox_scheduler"); /* which sees of other sessions only that they are there */
    for (int i = 0; i < 3; i++)
        pg_expect(db, "SELECT outbox.archive_finished()", "0");
    pg_exec(producer, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
                      "VALUES ('ios', 'r', '{}', 'k') ON CONFLICT (idempotency_key) DO NOTHING; COMMIT");
    pg_expect(db, "SELECT outbox.archive_finished()", "1");
    pg_exec(producer, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
                      "VALUES ('ios', 'r', '{}', 'k') ON CONFLICT (idempotency_key) DO NOTHING");
    pg_expect(producer, "SELECT count(*) FROM outbox.delivery", "1");
    db_close(producer);
}

START_TEST(test_race_read_committed)
{
    race("BEGIN");
}
END_TEST

START_TEST(test_race_repeatable_read)
{
    race("BEGIN ISOLATION LEVEL REPEATABLE READ");
}
END_TEST

/* The transactions that matter are those that run when the record is committed, not when it is made. */
START_TEST(test_race_uncommitted_record)
{
    struct db_session *db = pg_case_session();
    struct db_session *producer = pg_session(pg_case_conninfo());
    insert_sent(db, "k");
    pg_exec(db, "BEGIN; SELECT outbox.archive_finished(); SELECT outbox.archive_finished()");
    pg_exec(producer, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox.message");
    pg_expect(db, "SELECT count(*) FROM outbox.leaving WHERE running IS NULL", "1");
    pg_exec(db, "COMMIT");
    pg_expect(db, "SELECT outbox.archive_finished()", "0");
    pg_exec(producer, "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
                      "VALUES ('ios', 'r', '{}', 'k') ON CONFLICT (idempotency_key) DO NOTHING; COMMIT");
    pg_expect(db, "SELECT outbox.archive_finished()", "1");
    pg_expect(db, "SELECT count(*) FROM outbox.delivery", "1");
    db_close(producer);
}
END_TEST

START_TEST(test_retry_archived)
{
    struct db_session *db = pg_case_session();
    struct db_session *other = pg_session(pg_case_conninfo());
    insert_sent(db, "k");
    pg_force(db, "status = 'failed', attempts = 3, last_error = 'why', expires_at = now() - interval '1 h', "
                 "send_at = now() + interval '1 day', sent_at = NULL");
    archive(db, "1");
    pg_exec(db, "SET ROLE outbox_admin");
    pg_expect(db, "SELECT outbox.retry(99)", "f");
    pg_exec(other, "BEGIN; SELECT outbox.retry(1)");
    pg_exec(db, "SET lock_timeout = '100ms'");
    pg_refused(db, "SELECT outbox.retry(1)", "55P03");
    pg_exec(other, "COMMIT");
    pg_exec(db, "RESET lock_timeout; RESET ROLE");
    pg_expect(
        db,
        "SELECT concat_ws(' ', id, idempotency_key, status, attempts, last_error, queue_pos IS NOT NULL, "
        "next_attempt_at IS NULL, finished_at IS NULL, expires_at IS NULL) FROM outbox.message",
        "1 k pending 0 why t t t t");
    pg_expect(db, "SELECT count(*) FROM outbox.archive", "0");
    pg_expect(db, "SELECT outbox.retry(1)", "f");
    /* And goes there again. */
    pg_force(db, "status = 'sent', finished_at = now() - interval '2 hours'");
    archive(db, "1");
    pg_expect(db, "SELECT outbox.retry(1)", "f");
    pg_expect(db, "SELECT outbox.send('ios', 'r', '{}', 'k')", "1");
    db_close(other);
}
END_TEST

/* The key was free again, and another message has it: nothing is lost. */
START_TEST(test_retry_key_taken)
{
    struct db_session *db = pg_case_session();
    insert_sent(db, "k");
    pg_force(db, "status = 'failed'");
    archive(db, "1");
    pg_exec(db, "TRUNCATE outbox.used_key; SELECT outbox.send('ios', 'r', '{}', 'k')");
    pg_expect(db, "SELECT outbox.retry(1)", "f");
    pg_force(db, "status = 'sent', finished_at = now() - interval '2 hours'");
    archive(db, "1");
    pg_expect(db, "SELECT outbox.retry(1)", "f");
    pg_expect(db, "SELECT count(*) FROM outbox.archive", "2");
}
END_TEST

START_TEST(test_notifications)
{
    struct db_session *db = pg_case_session();
    insert_template(db);
    pg_expect(db, "SELECT outbox.notify('u', 'hello', idempotency_key => 'n')", "1");
    pg_expect(db, "SELECT outbox.notify('u', 'hello', idempotency_key => 'waits', fallback => '{sms}')", "2");
    pg_expect(db,
              "SELECT outbox.notify('u', 'hello', idempotency_key => 'later', send_at => now() + interval '1 "
              "day')",
              "3");
    pg_force(db, "status = 'sent', finished_at = now() - interval '2 hours'");
    pg_exec(db, "UPDATE outbox.notification SET created_at = created_at - interval '2 hours'");
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.archive_notifications()", "0"); /* its message is still there */
    pg_expect(db, "SELECT count(*) FROM outbox.leaving", "0");
    archive(db, "1"); /* that of the one that waits for its fallback stays */
    pg_expect(db, "SELECT outbox.archive_notifications()", "0");
    pg_expect(db, "SELECT outbox.archive_notifications()", "1");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT string_agg(idempotency_key, ' ' ORDER BY id) FROM outbox.notification",
              "waits later");
    pg_expect(db,
              "SELECT string_agg(concat_ws(' ', id, status, archived), ', ' ORDER BY id) FROM "
              "outbox.notification_status",
              "1 sent t, 2 sent f, 3 scheduled f");
    pg_exec(db, "GRANT SELECT ON outbox.settings TO outbox_producer; SET ROLE outbox_producer");
    pg_expect(db, "SELECT outbox.notify('u', 'hello', idempotency_key => 'n')", "1");
    pg_exec(db, "INSERT INTO outbox.notification (user_id, template, category, idempotency_key) "
                "VALUES ('u', 'hello', 'service', 'n')");
    pg_exec(db, "RESET ROLE");
    pg_expect(db, "SELECT count(*) FROM outbox.notification", "2");
    /* The key spaces are two. */
    pg_exec(db, "SELECT outbox.send('ios', 'r', '{}', 'n')");
    pg_expect(db, "SELECT count(*) FROM outbox.message WHERE idempotency_key = 'n'", "1");
    pg_exec(db, "UPDATE outbox.notification SET fallback_at = NULL");
    archive(db, "1");
}
END_TEST

START_TEST(test_partitions)
{
    struct db_session *db = pg_case_session();
    struct db_session *reader = pg_session(pg_case_conninfo());
    pg_exec(db, "SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.drop_old_days()", "0");
    pg_expect(db,
              "SELECT count(*) FROM outbox.partitions WHERE name = parent || to_char(day, '_YYYYMMDD') "
              "AND day - (now() AT TIME ZONE 'UTC')::date IN (0, 1)",
              "4");
    pg_exec(db, "SELECT outbox.make_partition(p, now() - interval '91 days 1 hour'), "
                "outbox.make_partition(p, now() - interval '90 days'), "
                "outbox.make_partition(p, now() - interval '90 days') "
                "FROM unnest('{archive,notification_archive}'::text[]) AS p");
    pg_refused(db, "SELECT outbox.make_partition('message', now())", "22023");
    /* Somebody reads the archive: its old day is dropped next time. */
    pg_exec(reader, "BEGIN; SELECT count(*) FROM outbox.archive");
    pg_expect(db, "SELECT outbox.drop_old_days()", "1");
    pg_exec(reader, "COMMIT");
    pg_expect(db, "SELECT outbox.drop_old_days()", "1");
    pg_expect(db, "SELECT count(*) FROM outbox.partitions WHERE day < (now() AT TIME ZONE 'UTC')::date", "2");
    db_close(reader);
}
END_TEST

/* The archived day is dropped before the key's window has passed. */
START_TEST(test_key_outlives_archive)
{
    struct db_session *db = pg_case_session();
    insert_sent(db, "k");
    insert_sent(db, "old");
    pg_force(db,
             "created_at = now() - make_interval(days => CASE idempotency_key WHEN 'k' THEN 5 ELSE 8 END), "
             "finished_at = now() - interval '5 days'");
    pg_exec(db, "UPDATE outbox.settings SET keep_archive = '1 day'");
    archive(db, "2");
    pg_expect(db, "SELECT outbox.drop_old_days()", "1");
    pg_expect(db, "SELECT count(*) FROM outbox.delivery", "0");
    pg_expect(db, "SELECT outbox.send('ios', 'r', '{}', 'k')", "1");
    pg_expect(db, "SELECT outbox.send('ios', 'r', '{}', 'old') > 2", "t");
    /* When the window has passed the key is forgotten. */
    pg_exec(db, "UPDATE outbox.used_key SET recorded_at = now() - interval '7 days' + interval '1 minute';"
                "SELECT outbox.drop_old_days()");
    pg_expect(db, "SELECT outbox.send('ios', 'r', '{}', 'k')", "1");
    pg_exec(db, "UPDATE outbox.used_key SET recorded_at = now() - interval '7 days';"
                "SET ROLE outbox_scheduler; SELECT outbox.drop_old_days(); RESET ROLE");
    pg_expect(db, "SELECT outbox.send('ios', 'r', '{}', 'k') > 2", "t");
}
END_TEST

START_TEST(test_expire_waiting)
{
    struct db_session *db = pg_case_session();
    struct db_session *dispatcher = pg_session(pg_case_conninfo());
    pg_guard_transitions(db);
    pg_exec(
        db,
        "INSERT INTO outbox.message (channel, lane, recipient, payload, idempotency_key, expires_at) "
        "SELECT c, l::outbox.lane, 'r', '{}', concat_ws('/', c, l, i), CASE WHEN i > 1 THEN now() + interval "
        "'1 day' END "
        "FROM unnest('{ios,email}'::text[]) AS c, unnest('{transactional,bulk}'::text[]) AS l, "
        "generate_series(1, 5) AS i");
    pg_exec(db, "SELECT outbox.pause('ios'); SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.expire_waiting()", "0");
    pg_exec(db, "RESET ROLE");
    pg_force(db, "expires_at = expires_at - interval '2 days'");
    pg_expect(db, "SELECT outbox.expire_waiting()", "0"); /* the next round begins in a while */
    pg_exec(db,
            "UPDATE outbox.walk SET next_round_at = '-infinity';"
            "INSERT INTO outbox.queue VALUES ('email', 'bulk', (SELECT queue_pos FROM outbox.message WHERE "
            "idempotency_key = 'email/bulk/3'));"
            "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) SELECT 1, 1, now(), "
            "'ios', ARRAY[id] FROM outbox.message WHERE idempotency_key = 'ios/bulk/3'");
    pg_exec(dispatcher,
            "BEGIN; SELECT FROM outbox.message WHERE idempotency_key = 'email/bulk/4' FOR UPDATE");
    pg_exec(db, "SET lock_timeout = '10s'; SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.expire_waiting(2)", "2");
    pg_expect(db, "SELECT outbox.expire_waiting(1000)", "11");
    pg_exec(dispatcher, "ROLLBACK");
    pg_exec(db, "RESET ROLE");
    pg_expect(db,
              "SELECT string_agg(idempotency_key, ' ' ORDER BY idempotency_key) FROM outbox.message WHERE "
              "status = 'pending'",
              "email/bulk/1 email/bulk/2 email/bulk/4 email/transactional/1 ios/bulk/1 ios/bulk/3 "
              "ios/transactional/1");
    db_close(dispatcher);
}
END_TEST

START_TEST(test_snapshot_exact)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "INSERT INTO outbox.message (channel, lane, recipient, payload, send_at) "
                "SELECT 'ios', 'bulk', 'r', '{}', CASE WHEN i > 30 THEN now() + interval '1 day' END "
                "FROM generate_series(1, 50) AS i");
    pg_force(db, "created_at = now() - interval '1 hour', "
                 "status = CASE WHEN id > 25 AND id <= 30 THEN 'sent' ELSE status END");
    pg_exec(db, "INSERT INTO outbox.flight (dispatcher, seq, deadline, channel, message_ids) "
                "VALUES (1, 1, now(), 'ios', '{1,2,3}'); SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.snapshot_queues() = 2 * count(*) FROM outbox.channel", "t");
    pg_exec(db, "SET ROLE outbox_reader");
    pg_expect(db,
              "SELECT concat_ws(' ', pending, scheduled, in_air, estimated, oldest_ready_age >= '1 hour') "
              "FROM outbox.queue_history WHERE channel = 'ios' AND lane = 'bulk'",
              "25 20 3 f t");
    pg_expect(db,
              "SELECT DISTINCT concat_ws(' ', pending, scheduled, in_air, estimated, oldest_ready_age) "
              "FROM outbox.queue_history WHERE channel <> 'ios' OR lane <> 'bulk'",
              "0 0 0 f 00:00:00");
}
END_TEST

START_TEST(test_snapshot_estimated)
{
    struct db_session *db = pg_case_session();
    /* 60,000 positions, of which each third row is of this queue, and three quarters of these are final. */
    pg_exec(db, "SET session_replication_role = replica;"
                "INSERT INTO outbox.message (channel, recipient, payload, queue_pos, status) "
                "SELECT CASE WHEN i % 3 = 0 THEN 'ios' ELSE 'email' END, 'r', '{}', i, "
                "CASE WHEN i % 4 = 0 THEN 'pending' ELSE 'sent' END::outbox.message_status "
                "FROM generate_series(1, 120000) AS i; RESET session_replication_role");
    pg_exec(db, "SELECT outbox.snapshot_queues()");
    pg_expect(
        db,
        "SELECT string_agg(concat_ws(' ', channel, pending BETWEEN 0.95 * n AND 1.05 * n, estimated), ', ' "
        "ORDER BY n) FROM outbox.queue_history JOIN (VALUES ('ios', 10000), ('email', 20000)) AS v (c, n) "
        "ON v.c = channel WHERE lane = 'transactional'",
        "ios t t, email t t");
}
END_TEST

START_TEST(test_old_rows)
{
    struct db_session *db = pg_case_session();
    pg_exec(db,
            "SELECT outbox.snapshot_queues();"
            "UPDATE outbox.queue_history SET at = now() - interval '31 days' WHERE lane = 'bulk';"
            "INSERT INTO outbox.attempt (message_id, at, attempt, verdict) "
            "SELECT 1, now() - make_interval(days => d), 1, 'retry' FROM unnest('{100,91,89}'::int[]) AS d;"
            "SET ROLE outbox_scheduler; SELECT outbox.drop_old_days(); RESET ROLE");
    pg_expect(db, "SELECT count(*) FROM outbox.queue_history WHERE lane = 'bulk'", "0");
    pg_expect(db, "SELECT count(*) > 0 FROM outbox.queue_history", "t");
    pg_expect(db, "SELECT count(*) FROM outbox.attempt", "1");
}
END_TEST

/* Every way in uses indexes, on both sides. */
START_TEST(test_lookups_use_indexes)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SELECT outbox.drop_old_days(); SET enable_seqscan = off;"
                "CREATE FUNCTION public.seq_scans(query text) RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE "
                "line text; "
                "n bigint := 0; BEGIN FOR line IN EXECUTE 'EXPLAIN ' || query LOOP "
                "n := n + (line LIKE '%Seq Scan%')::integer; END LOOP; RETURN n; END $$");
    static const char *const lookups[] = {
        "outbox.delivery WHERE idempotency_key = ''k''",
        "outbox.delivery WHERE id = 1",
        "outbox.delivery WHERE notification_id = 1",
        "outbox.notification_status WHERE idempotency_key = ''k''",
        "outbox.notification_status WHERE id = 1",
    };
    for (size_t i = 0; i < sizeof lookups / sizeof *lookups; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT public.seq_scans('SELECT * FROM %s')", lookups[i]);
        pg_expect(db, sql, "0");
    }
}
END_TEST

START_TEST(test_unknown_time_zones)
{
    struct db_session *db = pg_case_session();
    pg_exec(db, "SELECT outbox.set_contact('a', timezone => 'Asia/Seoul');"
                "SELECT outbox.set_contact('b', timezone => 'Europe/Berlin');"
                "ALTER TABLE outbox.contact DISABLE TRIGGER check_contact;"
                "UPDATE outbox.contact SET timezone = 'Mars/Olympus' WHERE user_id = 'b';"
                "INSERT INTO outbox.contact (user_id, timezone) VALUES ('c', 'Mars/Olympus'), ('d', NULL);"
                "ALTER TABLE outbox.contact ENABLE TRIGGER check_contact;"
                "ALTER TABLE outbox.settings DISABLE TRIGGER check_settings;"
                "UPDATE outbox.settings SET default_timezone = 'Moon/Base';"
                "ALTER TABLE outbox.settings ENABLE TRIGGER check_settings; SET ROLE outbox_scheduler");
    pg_expect(db, "SELECT outbox.forget_unknown_timezones()", "2");
    pg_expect(db, "SELECT outbox.forget_unknown_timezones()", "0");
    pg_expect(db, "SELECT string_agg(coalesce(timezone, '-'), ' ' ORDER BY user_id) FROM outbox.contact",
              "Asia/Seoul - - -");
    pg_expect(db, "SELECT default_timezone FROM outbox.settings", "UTC");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("housekeeping");
    pg_case_add(suite, "what leaves", test_what_leaves);
    pg_case_add(suite, "young ones stay", test_young_ones_stay);
    pg_case_add(suite, "needed ones stay", test_needed_ones_stay);
    pg_case_add(suite, "small steps", test_small_steps);
    pg_case_add(suite, "late commit", test_late_commit);
    pg_case_add(suite, "used key", test_used_key);
    pg_case_add(suite, "used key of timed", test_used_key_of_timed);
    pg_case_add(suite, "race, read committed", test_race_read_committed);
    pg_case_add(suite, "race, repeatable read", test_race_repeatable_read);
    pg_case_add(suite, "race, uncommitted record", test_race_uncommitted_record);
    pg_case_add(suite, "retry archived", test_retry_archived);
    pg_case_add(suite, "retry, key taken", test_retry_key_taken);
    pg_case_add(suite, "notifications", test_notifications);
    pg_case_add(suite, "partitions", test_partitions);
    pg_case_add(suite, "key outlives archive", test_key_outlives_archive);
    pg_case_add(suite, "expire waiting", test_expire_waiting);
    pg_case_add(suite, "snapshot, exact", test_snapshot_exact);
    pg_case_add(suite, "snapshot, estimated", test_snapshot_estimated);
    pg_case_add(suite, "old rows", test_old_rows);
    pg_case_add(suite, "lookups use indexes", test_lookups_use_indexes);
    pg_case_add(suite, "unknown zones", test_unknown_time_zones);
    return suite_run(suite);
}
