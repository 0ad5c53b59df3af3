#include "support/engine.h"

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"
#include "support/pg.h"
#include "support/scratch.h"
#include "support/wait.h"

enum { READY_MS = 20000, PROGRAMS = 16 };

static void login_role(struct engine *engine, const char *role, const char *group)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "DO $$ BEGIN CREATE ROLE %s LOGIN IN ROLE %s; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
             role, group);
    pg_exec(engine->sql, sql);
}

static void add_provider(struct engine *engine, const char *name, const char *channel, const char *adapter,
                         const char *settings)
{
    struct error err;
    struct db_result *result = db_query(
        engine->sql, "INSERT INTO outbox.provider (name, channel, adapter, settings) VALUES ($1, $2, $3, $4)",
        4, (const char *const[]){name, channel, adapter, settings}, &err);
    ck_assert_msg(result != NULL, "%s", err.text);
    db_result_free(result);
}

static void add_providers(struct engine *engine)
{
    const struct sandbox *sandbox = engine->sandbox;
    const char *dir = sandbox_dir(sandbox), *ca = sandbox_ca(sandbox);
    struct buf settings;
    buf_init(&settings, 65536);
    buf_printf(
        &settings,
        "{\"url\":\"%s\",\"team_id\":\"TEAM123456\",\"key_id\":\"KEY1234567\",\"topic\":\"com.example.app\","
        "\"key_file\":\"%s/apns.p8\",\"ca_file\":\"%s\"}",
        sandbox_url(sandbox, "APNS"), dir, ca);
    add_provider(engine, "apns", "ios", "apns", buf_string(&settings));
    buf_reset(&settings);
    buf_printf(&settings,
               "{\"url\":\"%s\",\"service_account_file\":\"%s/service-account.json\",\"ca_file\":\"%s\"}",
               sandbox_url(sandbox, "FCM"), dir, ca);
    add_provider(engine, "fcm", "android", "fcm", buf_string(&settings));
    buf_reset(&settings);
    buf_printf(&settings,
               "{\"url\":\"%s\",\"from\":\"Example <no-reply@example.com>\",\"helo\":\"client.example.com\","
               "\"username\":\"sandbox\",\"password_file\":\"%s/smtp.password\",\"ca_file\":\"%s\","
               "\"require_unsubscribe\":false}",
               sandbox_url(sandbox, "SMTP"), dir, ca);
    add_provider(engine, "smtp", "email", "smtp", buf_string(&settings));
    buf_free(&settings);
}

struct engine *engine_start(const char *name)
{
    struct engine *engine = mem_alloc(sizeof *engine);
    engine->conninfo = pg_fresh_database(name);
    engine->sql = pg_session(engine->conninfo);
    engine->sandbox = sandbox_start(NULL);
    char directory[SCRATCH_PATH];
    scratch_template(directory, "engine");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    engine->log_directory = mem_strdup(directory);
    login_role(engine, "test_dispatcher", "outbox_dispatcher");
    login_role(engine, "test_scheduler", "outbox_scheduler");
    login_role(engine, "test_producer", "outbox_producer");
    pg_exec(engine->sql, "UPDATE outbox.channel SET backoff_base = '50 ms', backoff_cap = '200 ms'");
    add_providers(engine);
    return engine;
}

static size_t slot_of(const struct engine *engine, const struct process *program)
{
    for (size_t i = 0; i < PROGRAMS; i++)
        if (engine->programs[i] == program)
            return i;
    ck_abort_msg("no free program slot, or no such program");
    return 0;
}

static void log_path(const struct engine *engine, const struct process *program, char *path, size_t size)
{
    snprintf(path, size, "%s/%d.log", engine->log_directory, (int)process_pid(program));
}

static struct process *start(struct engine *engine, const char *program_name, const char *role,
                             const char *const options[])
{
    size_t slot = slot_of(engine, NULL);
    char *program = process_program(program_name);
    struct buf database, path;
    buf_init(&database, 4096);
    buf_printf(&database, "--database=%s user=%s", engine->conninfo, role);
    buf_init(&path, 4096);
    buf_printf(&path, "%s/start-%zu.log", engine->log_directory, slot);
    const char *argv[16] = {program, buf_string(&database)};
    for (size_t i = 0; options[i]; i++) {
        ck_assert(i + 3 < 16);
        argv[i + 2] = options[i];
    }
    engine->programs[slot] = process_start(argv, NULL, buf_string(&path));
    char named[4096];
    log_path(engine, engine->programs[slot], named, sizeof named);
    ck_assert_int_eq(rename(buf_string(&path), named), 0);
    buf_free(&database);
    buf_free(&path);
    mem_free(program);
    return engine->programs[slot];
}

struct process *engine_dispatcher_with(struct engine *engine, const char *channels,
                                       const char *const options[])
{
    char list[256];
    snprintf(list, sizeof list, "--channels=%s", channels);
    const char *argv[12] = {list};
    for (size_t i = 0; options && options[i]; i++) {
        ck_assert(i + 2 < 12);
        argv[i + 1] = options[i];
    }
    return start(engine, "outbox-dispatcher", "test_dispatcher", argv);
}

struct log_wait {
    char path[4096];
    const char *text;
};

static bool log_has(void *arg)
{
    const struct log_wait *wait = arg;
    FILE *file = fopen(wait->path, "r");
    if (!file)
        return false;
    char line[4096];
    bool found = false;
    while (!found && fgets(line, sizeof line, file))
        found = strstr(line, wait->text) != NULL;
    fclose(file);
    return found;
}

static void show_log(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    fprintf(stderr, "--- %s\n", path);
    char line[4096];
    while (fgets(line, sizeof line, file))
        fputs(line, stderr);
    fclose(file);
}

void engine_wait_ready(struct engine *engine, const struct process *dispatcher)
{
    struct log_wait wait = {.text = "event=ready"};
    log_path(engine, dispatcher, wait.path, sizeof wait.path);
    if (wait_until(log_has, &wait, READY_MS))
        return;
    show_log(wait.path);
    ck_abort_msg("a program is not ready in time");
}

struct process *engine_dispatcher(struct engine *engine, const char *channels)
{
    struct process *dispatcher = engine_dispatcher_with(engine, channels, NULL);
    engine_wait_ready(engine, dispatcher);
    return dispatcher;
}

struct process *engine_scheduler(struct engine *engine)
{
    const char *const options[] = {"--interval=50", NULL};
    struct process *scheduler = start(engine, "outbox-scheduler", "test_scheduler", options);
    engine_wait_ready(engine, scheduler);
    return scheduler;
}

void engine_kill(struct engine *engine, struct process *program)
{
    engine->programs[slot_of(engine, program)] = NULL;
    process_kill(program);
}

int engine_end(struct engine *engine, struct process *program)
{
    engine->programs[slot_of(engine, program)] = NULL;
    return process_stop(program);
}

static void remove_logs(struct engine *engine)
{
    const char *const argv[] = {"/bin/rm", "-rf", engine->log_directory, NULL};
    struct process *program = process_start(argv, NULL, NULL);
    ck_assert(process_wait(program, READY_MS, NULL));
    process_stop(program);
}

void engine_stop(struct engine *engine)
{
    for (size_t i = 0; i < PROGRAMS; i++)
        if (engine->programs[i])
            ck_assert_int_eq(process_stop(engine->programs[i]), 0);
    sandbox_stop(engine->sandbox);
    db_close(engine->sql);
    pg_drop_database(engine->conninfo);
    remove_logs(engine);
    mem_free(engine->log_directory);
    mem_free(engine);
}

void engine_insert(struct engine *engine, const char *channel, const char *prefix, int count)
{
    const char *recipient = strcmp(channel, "ios") == 0       ? "encode(sha256(i::text::bytea), 'hex')"
                            : strcmp(channel, "android") == 0 ? "'device-' || i"
                                                              : "'user' || i || '@example.com'";
    const char *payload = strcmp(channel, "email") == 0 ? "{\"subject\":\"Hello\",\"text\":\"Hello\"}"
                                                        : "{\"title\":\"Hello\",\"body\":\"Hello\"}";
    char sql[1024];
    snprintf(sql, sizeof sql,
             "INSERT INTO outbox.message (channel, recipient, payload, idempotency_key) "
             "SELECT '%s', %s, '%s', '%s-' || i FROM generate_series(1, %d) AS i",
             channel, recipient, payload, prefix, count);
    pg_exec(engine->sql, sql);
}

struct query_wait {
    struct engine *engine;
    const char *query, *expected;
    char *last;
};

static bool query_gives(void *arg)
{
    struct query_wait *wait = arg;
    mem_free(wait->last);
    wait->last = pg_value(wait->engine->sql, wait->query);
    return wait->last && strcmp(wait->last, wait->expected) == 0;
}

void engine_wait(struct engine *engine, const char *query, const char *expected, int64_t deadline_ms)
{
    struct query_wait wait = {.engine = engine, .query = query, .expected = expected};
    if (!wait_until(query_gives, &wait, deadline_ms)) {
        char path[4096];
        for (size_t i = 0; i < PROGRAMS; i++)
            if (engine->programs[i]) {
                log_path(engine, engine->programs[i], path, sizeof path);
                show_log(path);
            }
        ck_abort_msg("%s\ngives %s, not %s", query, wait.last ? wait.last : "null", expected);
    }
    mem_free(wait.last);
}

void engine_check_all_sent(struct engine *engine, const char *sandbox_channel, int count)
{
    char expected[16];
    snprintf(expected, sizeof expected, "%d", count);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message", expected);
    pg_expect(engine->sql, "SELECT count(*) FROM outbox.message WHERE status <> 'sent'", "0");
    ck_assert_int_eq(sandbox_count(engine->sandbox, sandbox_channel, "distinct"), count);
}
