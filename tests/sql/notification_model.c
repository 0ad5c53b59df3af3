/*
 * Random streams of what users, services, dispatchers and the scheduler do, compared with a model of the
 * rules after each step; and the same from several sessions at once, where only what must never happen is
 * looked for. PGOUTBOX_TEST_SEED=N runs the one stream that a failure names.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"
#include "statements.h"
#include "support/pg.h"
#include "support/suite.h"
#include "support/user_model.h"

enum { SEEDS = 12, STEPS = 500, SESSION_STEPS = 250, SQL_SIZE = 2048 };

struct stream {
    struct db_session *db;
    struct model *model; /* NULL = several sessions at once */
    uint64_t random;
    unsigned seed;
    int step;
    char sql[SQL_SIZE]; /* the last statement */
};

/* xorshift64*, Vigna 2016 */
static int pick(struct stream *stream, int below)
{
    stream->random ^= stream->random >> 12;
    stream->random ^= stream->random << 25;
    stream->random ^= stream->random >> 27;
    return (int)((stream->random * UINT64_C(2685821657736338717) >> 33) % (uint64_t)below);
}

static void seed_stream(struct stream *stream, unsigned seed)
{
    stream->seed = seed;
    stream->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (int i = 0; i < 8; i++)
        pick(stream, 2);
}

static void set_sql(struct stream *stream, const char *format, ...) PRINTF_LIKE(2, 3);
static void set_sql(struct stream *stream, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(stream->sql, sizeof stream->sql, format, args);
    va_end(args);
    ck_assert_int_lt(size, SQL_SIZE);
}

static void prepare_database(struct db_session *db)
{
    pg_exec(db, "UPDATE outbox.channel SET max_attempts = 1000;"
                "UPDATE outbox.category SET quiet_from = NULL, quiet_until = NULL, expires_after = NULL;"
                "INSERT INTO outbox.category (name, max_per_user, cap_period) VALUES ('news', 3, '1 day');"
                "INSERT INTO outbox.template (name, channel, content) "
                "SELECT 't', c, '{\"text\": \"{{a}}\"}' FROM unnest('{ios,android,email,sms}'::text[]) AS c");
    pg_guard_transitions(db);
}

/* ---- One session and the model ---- */

static const char state_sql[] =
    "SELECT coalesce(string_agg(line || E'\\n', '' ORDER BY line COLLATE \"C\"), '') FROM ("
    "SELECT format('message %s %s %s', idempotency_key, recipient, status) FROM outbox.message UNION ALL "
    "SELECT format('notification %s %s%s', idempotency_key, state, (SELECT string_agg(' ' || key, '' ORDER "
    "BY "
    "key = '*', key COLLATE \"C\") FROM jsonb_object_keys(withheld) AS key)) FROM outbox.notification UNION "
    "ALL "
    "SELECT format('device %s %s %s %s', id, token, user_id, CASE WHEN retired_at IS NULL THEN 'live' ELSE "
    "'retired' END) FROM outbox.device UNION ALL "
    "SELECT format('suppression %s %s %s', channel, address, CASE WHEN message_id IS NULL THEN 'by hand' "
    "ELSE "
    "'by answer' END) FROM outbox.suppression) AS l (line)";

static void fail_stream(const struct stream *stream, const char *expected, const char *found)
{
    size_t same = 0, line = 0;
    for (; expected[same] != '\0' && expected[same] == found[same]; same++)
        line = expected[same] == '\n' ? same + 1 : line;
    ck_abort_msg("seed %u, step %d: %s\n  model: %.*s\n  found: %.*s", stream->seed, stream->step,
                 stream->sql, (int)strcspn(expected + line, "\n"), expected + line,
                 (int)strcspn(found + line, "\n"), found + line);
}

static void compare(const struct stream *stream)
{
    struct buf expected;
    buf_init(&expected, 1U << 22);
    model_print(stream->model, &expected);
    char *found = pg_value(stream->db, state_sql);
    if (strcmp(buf_string(&expected), found) != 0)
        fail_stream(stream, buf_string(&expected), found);
    mem_free(found);
    buf_free(&expected);
}

static void do_device(struct stream *stream)
{
    struct model *model = stream->model;
    int user = pick(stream, MODEL_USERS), channel = pick(stream, 2), token = pick(stream, MODEL_ADDRESSES);
    int former = pick(stream, 3) == 0 ? pick(stream, MODEL_ADDRESSES) : -1;
    if (pick(stream, 5) == 0) {
        set_sql(stream, "SELECT outbox.retire_device('u%d', '%s', '%s')", user, model_channels[channel],
                model_address(channel, token));
        pg_exec(stream->db, stream->sql);
        if (model != NULL)
            model_retire(model, user, channel, token);
        return;
    }
    set_sql(stream, "SELECT outbox.register_device('u%d', '%s', '%s', replaces => nullif('%s', ''))", user,
            model_channels[channel], model_address(channel, token),
            former >= 0 ? model_address(channel, former) : "");
    int64_t id = pg_int(stream->db, stream->sql);
    if (model != NULL) {
        struct model_device *device = &model->devices[model_register(model, user, channel, token, former)];
        ck_assert_msg(device->id == 0 || device->id == id, "seed %u, step %d: %s gave another device",
                      stream->seed, stream->step, stream->sql);
        device->id = id;
    }
}

static void do_contact(struct stream *stream)
{
    int user = pick(stream, MODEL_USERS), channel = MODEL_EMAIL + pick(stream, 2);
    int address = pick(stream, MODEL_ADDRESSES + 2);
    address = address < MODEL_ADDRESSES ? address : -1;
    set_sql(stream, "SELECT outbox.set_contact('u%d', %s => '%s')", user,
            channel == MODEL_EMAIL ? "email" : "phone", address >= 0 ? model_address(channel, address) : "");
    pg_exec(stream->db, stream->sql);
    if (stream->model != NULL)
        stream->model->contacts[user][channel] = address;
}

static void do_preference(struct stream *stream)
{
    static const char *const words[] = {"NULL", "true", "false"};
    int user = pick(stream, MODEL_USERS), channel = pick(stream, MODEL_CHANNELS + 1);
    int category = MODEL_SERVICE + pick(stream, MODEL_CATEGORIES - MODEL_SERVICE);
    enum model_choice choice = (enum model_choice)pick(stream, 3);
    set_sql(stream, "SELECT outbox.set_preference('u%d', '%s', %s, nullif('%s', ''), 'form')", user,
            model_categories[category], words[choice],
            channel < MODEL_CHANNELS ? model_channels[channel] : "");
    pg_exec(stream->db, stream->sql);
    model_prefer(stream->model, user, category, channel, choice);
}

static void do_user(struct stream *stream)
{
    int user = pick(stream, MODEL_USERS), which = pick(stream, 5);
    struct model *model = stream->model;
    if (which <= 1) {
        set_sql(stream, "SELECT outbox.%s_user('u%d')", which == 0 ? "stop" : "resume", user);
        model->stopped[user] = which == 0;
    } else if (which <= 3) {
        set_sql(stream,
                which == 2 ? "SELECT outbox.set_quiet_hours('u%d', '00:00', '24:00')"
                           : "SELECT outbox.set_quiet_hours('u%d', NULL, NULL)",
                user);
        model->quiet[user] = which == 2;
    } else {
        set_sql(stream,
                "UPDATE outbox.frequency SET recent = array_fill(now() - interval '25 h', "
                "ARRAY[cardinality(recent)]) WHERE user_id = 'u%d'",
                user);
        model->capped[user] = 0;
    }
    pg_exec(stream->db, stream->sql);
}

static void do_suppression(struct stream *stream)
{
    int channel = pick(stream, MODEL_CHANNELS), address = pick(stream, MODEL_ADDRESSES);
    enum model_suppression *entry = &stream->model->suppressed[channel][address];
    if (*entry != MODEL_USABLE || pick(stream, 2) == 0) {
        set_sql(stream, "DELETE FROM outbox.suppression WHERE channel = '%s' AND address = '%s'",
                model_channels[channel], model_address(channel, address));
        *entry = MODEL_USABLE;
    } else {
        set_sql(stream, "INSERT INTO outbox.suppression (channel, address) VALUES ('%s', '%s')",
                model_channels[channel], model_address(channel, address));
        *entry = MODEL_BY_HAND;
    }
    pg_exec(stream->db, stream->sql);
}

static void list_channels(unsigned channels, char *out, size_t size)
{
    snprintf(out, size, channels == 0 ? "NULL" : "'{");
    for (int i = 0; i < MODEL_CHANNELS; i++)
        if ((channels & (1U << i)) != 0)
            snprintf(out + strlen(out), size - strlen(out), "%s%s", out[strlen(out) - 1] != '{' ? "," : "",
                     model_channels[i]);
    if (channels != 0)
        snprintf(out + strlen(out), size - strlen(out), "}'");
}

static void do_notify(struct stream *stream)
{
    struct model *model = stream->model;
    int user = pick(stream, MODEL_USERS), category = pick(stream, MODEL_CATEGORIES);
    unsigned channels = pick(stream, 2) == 0 ? 0 : 1U + (unsigned)pick(stream, (1 << MODEL_CHANNELS) - 1);
    bool timed = pick(stream, 3) == 0;
    bool repeated = model->notification_count > 0 && pick(stream, 6) == 0;
    int key = repeated ? pick(stream, model->notification_count) : model->notification_count;
    char list[64];
    list_channels(channels, list, sizeof list);
    set_sql(stream,
            pick(stream, 2) == 0
                ? "SELECT outbox.notify('u%d', 't', '{\"a\": 1}', '%s', %s, 'n%d', %s)"
                : "INSERT INTO outbox.notification (user_id, template, variables, category, channels, "
                  "idempotency_key, send_at) VALUES ('u%d', 't', '{\"a\": 1}', '%s', %s, 'n%d', %s) "
                  "ON CONFLICT (idempotency_key) DO NOTHING",
            user, model_categories[category], list, key, timed ? "now() + interval '1 h'" : "NULL");
    pg_exec(stream->db, stream->sql);
    if (!repeated)
        model_notify(model, user, category, channels, timed);
}

static void do_expand(struct stream *stream)
{
    struct model *model = stream->model;
    int odd = pick(stream, 2);
    set_sql(stream,
            "UPDATE outbox.notification SET send_at = now(), due_at = now() WHERE state = 'scheduled' AND "
            "substr(idempotency_key, 2)::integer %% 2 = %d; SELECT outbox.expand_due()",
            odd);
    pg_exec(stream->db, stream->sql);
    for (int i = odd; i < model->notification_count; i += 2)
        if (model->notifications[i].state == MODEL_WAITS)
            model_expand(model, i);
}

static void do_release(struct stream *stream)
{
    set_sql(stream, "UPDATE outbox.message SET next_attempt_at = now() WHERE status = 'scheduled'; "
                    "SELECT outbox.release_due()");
    pg_exec(stream->db, stream->sql);
    model_release(stream->model);
}

static void do_cancel(struct stream *stream)
{
    struct model *model = stream->model;
    if (pick(stream, 2) == 0 && model->notification_count > 0) {
        int notification = pick(stream, model->notification_count);
        set_sql(stream, "SELECT outbox.cancel_notification('n%d')", notification);
        model_cancel_notification(model, notification);
    } else if (model->message_count > 0) {
        int index = pick(stream, model->message_count);
        const struct model_message *message = &model->messages[index];
        char device[32] = "";
        if (message->device >= 0)
            snprintf(device, sizeof device, "/%lld", (long long)model->devices[message->device].id);
        set_sql(stream, "SELECT outbox.cancel('n%d/%s%s')", message->notification,
                model_channels[message->channel], device);
        model_cancel(model, index);
    } else {
        return;
    }
    pg_exec(stream->db, stream->sql);
}

static struct model_message *find_message(struct model *model, const char *key)
{
    char channel[16];
    int notification = 0;
    long long device = 0;
    ck_assert_int_ge(sscanf(key, "n%d/%15[a-z]/%lld", &notification, channel, &device), 2);
    for (int i = 0; i < model->message_count; i++) {
        struct model_message *message = &model->messages[i];
        if (message->notification == notification && strcmp(model_channels[message->channel], channel) == 0 &&
            (message->device >= 0 ? model->devices[message->device].id : 0) == device)
            return message;
    }
    ck_abort_msg("message %s should not exist", key);
    return NULL;
}

/* ---- The dispatcher ---- */

static struct db_result *claim(struct db_session *db, int channel, const char *limit)
{
    const char *const values[] = {model_channels[channel], "0", "0", limit, limit};
    struct error err;
    struct db_result *result = db_query(db, sql_claim.sql, 5, values, &err);
    ck_assert_msg(result != NULL, "claim: %s", err.text);
    return result;
}

static const char *const verdict_names[] = {"sent", "suppressed", "deferred", "moved"};

/* What the claim says of a row. It has the columns of claim.sql. */
static enum model_verdict verdict_of(const struct db_result *claimed, int row)
{
    enum { REFUSAL = 7, WAIT, MOVED };
    if (!db_is_null(claimed, row, REFUSAL))
        return MODEL_MUST_NOT;
    if (!db_is_null(claimed, row, WAIT))
        return MODEL_WAIT;
    return db_bool(claimed, row, MOVED) ? MODEL_MOVED : MODEL_MAY_GO;
}

static void settle(struct stream *stream, int channel, int64_t id, const char *verdict,
                   const char *gone_before)
{
    set_sql(stream,
            "SELECT outbox.settle('%s', 1, '{%lld}', '{%s}', '{p}', '{x}', '{why}', ARRAY[now()], "
            "ARRAY[CASE WHEN '%s' = 'deferred' THEN now() + interval '1 h' END], ARRAY[%s]::timestamptz[])",
            model_channels[channel], (long long)id, verdict, verdict, gone_before);
    ck_assert_msg(pg_int(stream->db, stream->sql) == 1, "seed %u, step %d: %s settled nothing", stream->seed,
                  stream->step, stream->sql);
}

static void settle_answer(struct stream *stream, struct model_message *message, int64_t id, int claimed_at)
{
    static const struct {
        const char *verdict;
        enum model_status status;
    } answers[] = {{"sent", MODEL_SENT},
                   {"sent", MODEL_SENT},
                   {"retry", MODEL_SCHEDULED},
                   {"rejected", MODEL_FAILED},
                   {"address_gone", MODEL_FAILED}};
    int answer = pick(stream, (int)(sizeof answers / sizeof *answers));
    settle(stream, message->channel, id, answers[answer].verdict, "(SELECT at FROM public.claimed)");
    message->status = answers[answer].status;
    if (strcmp(answers[answer].verdict, "address_gone") == 0)
        model_gone(stream->model, message, claimed_at);
}

/* Between the claim and the answers apps may show their tokens, and users sign in and out. */
static void do_dispatch(struct stream *stream)
{
    struct model *model = stream->model;
    int channel = pick(stream, MODEL_CHANNELS), pending = 0;
    for (int i = 0; i < model->message_count; i++)
        pending += model->messages[i].channel == channel && model->messages[i].status == MODEL_PENDING;
    pg_exec(stream->db, "TRUNCATE public.claimed; INSERT INTO public.claimed VALUES (clock_timestamp())");
    int claimed_at = model->clock;
    struct db_result *claimed = claim(stream->db, channel, "20");
    set_sql(stream, "claim of %s", model_channels[channel]);
    ck_assert_msg(db_rows(claimed) == (pending < 20 ? pending : 20), "seed %u, step %d: claimed %d of %d",
                  stream->seed, stream->step, db_rows(claimed), pending);
    enum model_verdict expected[20];
    struct model_message *messages[20];
    for (int row = 0; row < db_rows(claimed); row++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT idempotency_key FROM outbox.message WHERE id = %lld",
                 (long long)db_int(claimed, row, 0));
        char *key = pg_value(stream->db, sql);
        messages[row] = find_message(model, key);
        expected[row] = model_judge(model, messages[row]);
        ck_assert_msg(messages[row]->status == MODEL_PENDING && verdict_of(claimed, row) == expected[row],
                      "seed %u, step %d: claim says %s of %s, the model says %s", stream->seed, stream->step,
                      verdict_names[verdict_of(claimed, row)], key, verdict_names[expected[row]]);
        mem_free(key);
    }
    if (pick(stream, 2) == 0)
        do_device(stream);
    for (int row = 0; row < db_rows(claimed); row++) {
        int64_t id = db_int(claimed, row, 0);
        if (expected[row] == MODEL_MAY_GO) {
            settle_answer(stream, messages[row], id, claimed_at);
            continue;
        }
        settle(stream, channel, id, verdict_names[expected[row]], "NULL");
        messages[row]->status = expected[row] == MODEL_MUST_NOT ? MODEL_SUPPRESSED : MODEL_SCHEDULED;
        if (expected[row] == MODEL_MOVED)
            messages[row]->address = model_current_address(model, messages[row]);
    }
    db_result_free(claimed);
}

typedef void step_fn(struct stream *stream);

static void run_stream(struct db_session *db, unsigned seed)
{
    static step_fn *const steps[] = {
        do_device, do_device,  do_device,  do_contact, do_contact,  do_preference, do_user,
        do_notify, do_notify,  do_notify,  do_notify,  do_notify,   do_notify,     do_suppression,
        do_expand, do_release, do_release, do_cancel,  do_dispatch, do_dispatch,   do_dispatch};
    struct stream stream = {.db = db, .model = mem_alloc(sizeof *stream.model)};
    seed_stream(&stream, seed);
    model_init(stream.model);
    pg_exec(db,
            "TRUNCATE outbox.message, outbox.notification, outbox.device, outbox.contact, outbox.preference, "
            "outbox.suppression, outbox.frequency, outbox.attempt RESTART IDENTITY");
    for (stream.step = 0; stream.step < STEPS; stream.step++) {
        steps[pick(&stream, (int)(sizeof steps / sizeof *steps))](&stream);
        compare(&stream);
    }
    char *figures =
        pg_value(db, "SELECT string_agg(concat_ws(' ', n, status), ', ') FROM (SELECT status, count(*) "
                     "AS n FROM outbox.message GROUP BY 1 ORDER BY 1) AS s");
    printf("seed %u: %d notifications, messages: %s\n", seed, stream.model->notification_count,
           figures != NULL ? figures : "none");
    mem_free(figures);
    mem_free(stream.model);
}

START_TEST(test_model)
{
    struct db_session *db = pg_case_session();
    prepare_database(db);
    pg_exec(db, "CREATE TABLE public.claimed (at timestamptz)");
    const char *only = getenv("PGOUTBOX_TEST_SEED");
    if (only != NULL)
        run_stream(db, (unsigned)strtoul(only, NULL, 10));
    else
        for (unsigned seed = 1; seed <= SEEDS; seed++)
            run_stream(db, seed);
}
END_TEST

/* ---- Several sessions ---- */

static void be_app(struct stream *stream)
{
    if (pick(stream, 3) == 0)
        do_contact(stream);
    else
        do_device(stream);
}

/* What a user decided: `since` is taken after the commit of a refusal, `until` before the next consent
 * begins. */
static void be_user(struct stream *stream)
{
    int user = pick(stream, MODEL_USERS);
    set_sql(stream, "SELECT outbox.set_preference('u%d', 'service', false)", user);
    pg_exec(stream->db, stream->sql);
    set_sql(stream, "INSERT INTO public.refused (user_id, since) VALUES ('u%d', nextval('public.moment'))",
            user);
    pg_exec(stream->db, stream->sql);
    pg_exec(stream->db, "SELECT pg_sleep(0.01)");
    set_sql(stream, "UPDATE public.refused SET until = nextval('public.moment') WHERE until IS NULL");
    pg_exec(stream->db, stream->sql);
    set_sql(stream, "SELECT outbox.set_preference('u%d', 'service', true)", user);
    pg_exec(stream->db, stream->sql);
}

static void be_service(struct stream *stream)
{
    static const char *const categories[] = {"service", "service", "news", "security"};
    char list[64];
    list_channels(1U + (unsigned)pick(stream, (1 << MODEL_CHANNELS) - 1), list, sizeof list);
    set_sql(stream, "SELECT outbox.notify('u%d', 't', '{\"a\": 1}', '%s', %s, 'n%d', %s)",
            pick(stream, MODEL_USERS), categories[pick(stream, 4)], list, pick(stream, SESSION_STEPS * 2),
            pick(stream, 3) == 0 ? "clock_timestamp() + interval '20 ms'" : "NULL");
    pg_exec(stream->db, stream->sql);
    if (pick(stream, 20) == 0) {
        set_sql(stream, "SELECT outbox.cancel_notification('n%d')", pick(stream, SESSION_STEPS * 2));
        pg_exec(stream->db, stream->sql);
    }
}

static void be_scheduler(struct stream *stream)
{
    set_sql(stream, "SELECT outbox.expand_due(), outbox.release_due()");
    pg_exec(stream->db, stream->sql);
    pg_exec(stream->db, "SELECT pg_sleep(0.005)");
}

static void be_dispatcher(struct stream *stream)
{
    int channel = pick(stream, MODEL_CHANNELS);
    int64_t before = pg_int(stream->db, "SELECT nextval('public.moment')");
    pg_exec(stream->db, "BEGIN");
    struct db_result *claimed = claim(stream->db, channel, "50");
    int64_t after = pg_int(stream->db, "SELECT nextval('public.moment')");
    for (int row = 0; row < db_rows(claimed); row++) {
        enum model_verdict verdict = verdict_of(claimed, row);
        int64_t id = db_int(claimed, row, 0);
        const char *name = verdict_names[verdict];
        if (verdict == MODEL_MAY_GO) {
            set_sql(stream, "INSERT INTO public.send VALUES (%lld, %lld, %lld)", (long long)id,
                    (long long)before, (long long)after);
            pg_exec(stream->db, stream->sql);
            name = pick(stream, 10) == 0 ? "address_gone" : "sent";
        }
        settle(stream, channel, id, name, "now()");
    }
    pg_exec(stream->db, "COMMIT");
    db_result_free(claimed);
}

static step_fn *const parts[] = {be_app,       be_user,       be_service,   be_service,
                                 be_scheduler, be_dispatcher, be_dispatcher};
enum { PARTS = sizeof parts / sizeof *parts };

static void wait_for(const pid_t children[PARTS])
{
    for (int i = 0; i < PARTS; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "session %d failed", i);
    }
}

START_TEST(test_sessions)
{
    struct db_session *db = pg_case_session();
    prepare_database(db);
    pg_exec(db, "CREATE SEQUENCE public.moment; CREATE TABLE public.refused (user_id text, since bigint, "
                "until bigint);"
                "CREATE TABLE public.send (id bigint, before bigint, after bigint)");
    pid_t children[PARTS];
    for (int i = 0; i < PARTS; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] != 0)
            continue;
        struct stream stream = {.db = pg_session(pg_case_conninfo())};
        seed_stream(&stream, (unsigned)(100 + i));
        for (stream.step = 0; stream.step < SESSION_STEPS; stream.step++)
            parts[i](&stream);
        db_close(stream.db);
        _exit(0);
    }
    wait_for(children);
    pg_expect(db, "SELECT count(*) > 100 AND count(*) = count(DISTINCT id) FROM public.send", "t");
    pg_expect(db, "SELECT count(*) > 10 FROM outbox.message WHERE status = 'suppressed'", "t");
    /* Refused and committed before the claim began, and not allowed again before it ended. */
    pg_expect(
        db,
        "SELECT string_agg(m.idempotency_key, ' ') FROM public.send AS s JOIN outbox.message AS m USING (id) "
        "JOIN public.refused AS r USING (user_id) WHERE m.category = 'service' AND r.since < s.before "
        "AND (r.until IS NULL OR r.until > s.after)",
        NULL);
    pg_expect(db,
              "SELECT max(n) FROM (SELECT count(DISTINCT notification_id) AS n FROM outbox.message "
              "WHERE category = 'news' GROUP BY user_id) AS c",
              "3");
    pg_expect(
        db,
        "SELECT count(*) FROM outbox.message AS m JOIN outbox.notification AS n ON n.id = m.notification_id "
        "WHERE m.user_id <> n.user_id OR m.idempotency_key NOT LIKE n.idempotency_key || '/%'",
        "0");
    pg_expect(db,
              "SELECT count(*) FROM outbox.notification WHERE state = 'expanded' AND withheld IS NULL AND "
              "NOT EXISTS (SELECT FROM outbox.message AS m WHERE m.notification_id = notification.id)",
              "0");
    char *figures =
        pg_value(db, "SELECT format('%s notifications, %s messages, %s sends, %s refusals', "
                     "(SELECT count(*) FROM outbox.notification), (SELECT count(*) FROM outbox.message), "
                     "(SELECT count(*) FROM public.send), (SELECT count(*) FROM public.refused))");
    printf("%d sessions: %s\n", PARTS, figures);
    mem_free(figures);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notification_model");
    pg_case_add(suite, "model", test_model);
    pg_case_add(suite, "sessions", test_sessions);
    return suite_run(suite);
}
