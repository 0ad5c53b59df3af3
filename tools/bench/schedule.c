/*
 * The scheduler's work on a large scale: a million messages due in the same second, single messages due at
 * odd times, an audience of a million users. Bulk goes to android, so that what goes to ios can be told
 * apart.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/delivery.h"
#include "bench/latency.h"
#include "bench/parts.h"
#include "bench/report.h"
#include "bench/session.h"
#include "bench/view.h"

enum {
    SINGLES = 500,
    LEAD_MS = 3000,
    INSERTS_A_SECOND = 12000, /* a slow machine's; the rows must be there before they are due */
    OPEN_LOOP_S = 10
};

#define TOKEN "b000000000000000000000000000000000000000000000000000000000000001"

/* When a message of a known key arrived, Unix microseconds. */
static double arrived_us(struct json_object *arrival)
{
    return json_object_get_double(json_get(arrival, "at")) * 1e3;
}

static void singles(const struct bench *bench, struct db_session *session)
{
    delivery_begin(bench, session);
    session_run(session,
                "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key, send_at)"
                " SELECT 'ios', '" TOKEN "', '{\"title\": \"On time\"}',"
                "  '00000000-0000-4000-8000-' || lpad(to_hex(i), 12, '0'),"
                "  clock_timestamp() + %d * interval '1 ms' + i * interval '13.7 ms'"
                " FROM generate_series(1, %d) AS i",
                LEAD_MS, SINGLES);
    delivery_wait(bench, session, SINGLES);
    char path[64];
    snprintf(path, sizeof path, "/arrivals?channel=apns&limit=%d", SINGLES);
    struct json_object *list = view_get(bench->sandbox_url, path);
    double late[SINGLES];
    size_t count = json_object_array_length(list);
    for (size_t i = 0; i < count && i < SINGLES; i++) {
        struct json_object *arrival = json_object_array_get_idx(list, i);
        int64_t due_us =
            session_int(session,
                        "SELECT (extract(epoch FROM send_at) * 1000000)::bigint FROM outbox.message"
                        " WHERE idempotency_key = '%s'",
                        json_get_text(arrival, "id"));
        late[i] = (arrived_us(arrival) - (double)due_us) / 1e3;
    }
    json_object_put(list);
    report_title("schedule: messages due singly, every 13.7 ms");
    report_spread("send_at -> request taken in", late, count);
}

static int64_t waiting(struct db_session *session)
{
    return session_int(session, "SELECT count(*) FROM outbox.message WHERE next_attempt_at IS NOT NULL");
}

/* All due in the same second, while transactional messages are inserted and sent. */
static void release(const struct bench *bench, struct db_session *session, bool sent)
{
    delivery_begin(bench, session);
    session_run(session, "SELECT outbox.set_paused('android', %s)", sent ? "false" : "true");
    int64_t lead_s = bench->front / INSERTS_A_SECOND + 10;
    session_run(session,
                "INSERT INTO outbox.message (channel, lane, recipient, payload, send_at)"
                " SELECT 'android', 'bulk', 'token-' || i, '{\"title\": \"Sale\"}',"
                "  date_trunc('second', now()) + %" PRId64 " * interval '1 s'"
                " FROM generate_series(1, %" PRId64 ") AS i",
                lead_s, bench->front);
    session_run(session, "VACUUM ANALYZE outbox.message");
    int64_t early_ms = session_int(
        session,
        "SELECT (extract(epoch FROM min(send_at) - clock_timestamp()) * 1000)::bigint FROM outbox.message");
    if (early_ms < 0)
        bench_die("the rows took too long to insert");
    bench_pause_ms((int)early_ms);

    double began = bench_now_us();
    latency_measure(bench, session,
                    sent ? "schedule: transactional while timed rows are released and sent"
                         : "schedule: transactional while timed rows are released",
                    (size_t)(bench->rate * OPEN_LOOP_S), !sent);
    double looked = (bench_now_us() - began) / 1e6;
    int64_t left = waiting(session);
    report_number("released in that time", (double)(bench->front - left) / looked, "rows/s");
    while (left > 0) {
        bench_pause_ms(10);
        left = session_int(session, "SELECT count(*) FROM (SELECT FROM outbox.message"
                                    " WHERE next_attempt_at IS NOT NULL LIMIT 1) AS t");
    }
    double took = (bench_now_us() - began) / 1e6;
    report_number("timed rows", (double)bench->front, "");
    report_number("all of them released within", took, "s");
    report_number("which is at least", (double)bench->front / took, "rows/s");
    if (sent)
        while (session_int(session, "SELECT count(*) FROM outbox.flight") > 0 ||
               session_int(session, "SELECT coalesce(sum(pending), 0)::bigint FROM outbox.queue_stats") > 0)
            bench_pause_ms(200);
    session_run(session, "SELECT outbox.resume('android')");
}

/* 1.5 devices a user. */
static void audience(const struct bench *bench, struct db_session *session)
{
    delivery_begin(bench, session);
    session_run(session, "SELECT outbox.pause(name) FROM outbox.channel");
    session_run(session, "INSERT INTO outbox.template (name, channel, content) VALUES"
                         " ('bench', 'ios', '{\"title\": \"{{title}}\", \"body\": \"{{n}} left\"}'),"
                         " ('bench', 'android', '{\"title\": \"{{title}}\", \"body\": \"{{n}} left\"}')");
    session_run(session,
                "INSERT INTO outbox.device (user_id, platform, token)"
                " SELECT 'user-' || lpad((i * 2 / 3)::text, 8, '0'), CASE WHEN i %% 3 = 0 THEN 'android' "
                "ELSE 'ios' END,"
                "  lpad(to_hex(i), 64, '0')"
                " FROM generate_series(2, %" PRId64 " * 3 / 2 + 1) AS i",
                bench->front);
    session_run(session, "INSERT INTO outbox.contact (user_id, timezone) SELECT DISTINCT user_id, "
                         "'Asia/Seoul' FROM outbox.device");
    session_run(session, "VACUUM ANALYZE outbox.device, outbox.contact");
    double began = bench_now_us();
    session_run(
        session,
        "INSERT INTO outbox.schedule (name, run_at, audience, template, category, variables, lane) VALUES"
        " ('bench', clock_timestamp(), 'SELECT user_id, 7 AS n FROM outbox.contact', 'bench', 'service',"
        "  '{\"title\": \"Sale\"}', 'bulk')");
    while (session_int(session, "SELECT count(*) FROM outbox.firing WHERE state = 'done'") == 0)
        bench_pause_ms(20);
    double took = (bench_now_us() - began) / 1e6;
    int64_t messages = session_int(session, "SELECT count(*) FROM outbox.message");
    int64_t devices = session_int(session, "SELECT count(*) FROM outbox.device");
    if (messages != devices)
        bench_die("of %" PRId64 " devices %" PRId64 " got a message", devices, messages);
    report_title(
        "schedule: an audience, each user with an iOS device and half of them with an Android one too");
    report_number("users", (double)session_int(session, "SELECT count(*) FROM outbox.contact"), "");
    report_number("messages", (double)messages, "");
    report_number("from INSERT of the schedule to its last message", took, "s");
    report_number("messages made", (double)messages / took, "/s");
    session_run(session, "SELECT outbox.resume(name) FROM outbox.channel");
    session_truncate(session,
                     "outbox.schedule, outbox.notification, outbox.device, outbox.contact, outbox.template, "
                     "outbox.message");
}

void schedule_run(const struct bench *bench)
{
    struct db_session *session = session_open(bench->conninfo);
    singles(bench, session);
    release(bench, session, false);
    release(bench, session, true);
    audience(bench, session);
    db_close(session);
}
