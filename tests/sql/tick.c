/* The two statements of a tick against a real server: what the cursor is told must be true. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/mem.h"
#include "dispatcher/cursor.h"
#include "statements.h"
#include "support/pg.h"
#include "support/suite.h"

static int64_t read_position(struct db_session *session)
{
    struct error err;
    struct db_result *result = db_query(session, sql_read_position.sql, 0, NULL, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    int64_t position = db_int(result, 0, 0);
    db_result_free(result);
    return position;
}

static bool listed_as_running(struct db_session *session, uint64_t xid)
{
    struct error err;
    struct db_result *result = db_query(session, sql_read_snapshot.sql, 0, NULL, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    uint64_t running[64];
    struct snapshot snapshot;
    ck_assert(snapshot_parse(db_text(result, 0, 0), running, 64, &snapshot));
    ck_assert_uint_lt(xid, snapshot.xmax);
    bool found = false;
    for (size_t i = 0; i < snapshot.count; i++)
        found = found || snapshot.running[i] == xid;
    db_result_free(result);
    return found;
}

START_TEST(test_tick_lists_the_newest_open_producer)
{
    char *conninfo = pg_fresh_database("tick");
    struct db_session *producer = pg_session(conninfo), *dispatcher = pg_session(conninfo);
    ck_assert_int_eq(read_position(dispatcher), 0);
    pg_exec(producer,
            "BEGIN; INSERT INTO outbox.message (channel, recipient, payload) VALUES ('ios', 'ab', '{}')");
    char *xid_text = pg_value(producer, "SELECT pg_current_xact_id()");
    uint64_t xid = strtoull(xid_text, NULL, 10);
    /* Nothing has ended since: without an id used up, its own would be at or above xmax and not listed. */
    ck_assert_int_eq(read_position(dispatcher), 1);
    ck_assert(listed_as_running(dispatcher, xid));
    pg_exec(producer, "COMMIT");
    ck_assert_int_eq(read_position(dispatcher), 1);
    ck_assert(!listed_as_running(dispatcher, xid));
    mem_free(xid_text);
    db_close(producer);
    db_close(dispatcher);
    pg_drop_database(conninfo);
}
END_TEST

START_TEST(test_a_row_has_its_transaction_id_before_its_position)
{
    char *conninfo = pg_fresh_database("tick_order");
    struct db_session *session = pg_session(conninfo);
    /* The position alone is drawn, as the column's default does it, in a transaction that writes nothing. */
    pg_exec(session, "BEGIN");
    pg_expect(session, "SELECT pg_current_xact_id_if_assigned()", NULL);
    pg_expect(session, "SELECT outbox.next_queue_pos()", "1");
    pg_expect(session, "SELECT pg_current_xact_id_if_assigned() IS NOT NULL", "t");
    pg_exec(session, "ROLLBACK");
    pg_expect(session,
              "SELECT pg_get_expr(adbin, adrelid) ~ 'CASE\\s+WHEN \\(pg_current_xact_id\\(\\) IS NOT NULL\\) "
              "THEN nextval\\(' FROM pg_attrdef "
              "JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum "
              "WHERE adrelid = 'outbox.message'::regclass AND attname = 'queue_pos'",
              "t");
    db_close(session);
    pg_drop_database(conninfo);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tick");
    suite_add(suite, test_tick_lists_the_newest_open_producer);
    suite_add(suite, test_a_row_has_its_transaction_id_before_its_position);
    return suite_run(suite);
}
