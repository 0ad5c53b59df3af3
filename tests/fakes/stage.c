#include "fakes/stage.h"

struct stage stage;

/* ---- Control ---- */

static void on_attached(void *arg, bool again)
{
    (void)arg;
    journal_add(again ? "attached-again" : "attached");
}

static void on_lost(void *arg)
{
    (void)arg;
    journal_add("lost");
}

static void on_notified(void *arg, const char *channel)
{
    (void)arg;
    journal_add("rang(%s)", channel);
}

static void on_config_changed(void *arg)
{
    (void)arg;
    journal_add("config");
}

void stage_setup_unregistered(void)
{
    static const char *const channels[] = {"ios"};
    stage = (struct stage){
        .loop = loop_new(),
        .arena = arena_new(),
        .row = {.id = 3, .batch_size = 10, .batch_deadline_ms = STAGE_DEADLINE_MS, .bulk_share = 20}};
    struct error err;
    stage.transport = transport_new(stage.loop, &(struct transport_options){0}, &err);
    stage.control = control_new(
        stage.loop,
        &(struct control_options){.conninfo = "", .name = "test", .channels = channels, .channel_count = 1},
        &(struct control_events){.attached = on_attached,
                                 .lost = on_lost,
                                 .notified = on_notified,
                                 .config_changed = on_config_changed});
    stage.flights = flights_new(stage.control);
    stage.db = fake_db(0);
    journal_read();
    fake_db_up(stage.db);
}

void stage_setup(void)
{
    stage_setup_unregistered();
    fake_db_answer(stage.db, &sql_register_dispatcher, "5");
    control_configured(stage.control);
    fake_db_quiet(&sql_note_verdicts);
    fake_db_quiet(&sql_stop_provider);
    fake_db_quiet(&sql_report_provider);
    fake_db_quiet(&sql_drop_flight);
    journal_read();
}

static void lose(struct db *db)
{
    if (db && db_is_up(db))
        fake_db_lose(db);
}

/* What is freed must not be waited for any more, as at the end of a dispatcher that has stopped. */
void stage_teardown(void)
{
    lose(stage.claims);
    lose(stage.db);
    fake_time_pass(0);
    roster_free(stage.roster);
    batch_free(stage.batch);
    control_free(stage.control);
    flights_free(stage.flights);
    template_cache_free(stage.templates);
    transport_free(stage.transport);
    loop_free(stage.loop);
    arena_free(stage.arena);
}

void stage_lose_control(void)
{
    fake_db_lose(stage.db);
}

void stage_regain_control(void)
{
    fake_time_pass(0);
    fake_db_up(stage.db);
    fake_db_answer(stage.db, &sql_reattach_dispatcher, "t");
}

/* ---- Providers ---- */

static void on_capacity(void *arg)
{
    (void)arg;
    journal_add("capacity");
}

void stage_make_roster(void)
{
    stage.roster = roster_new(&(struct roster_options){.loop = stage.loop,
                                                       .transport = stage.transport,
                                                       .control = stage.control,
                                                       .channel = "ios",
                                                       .capacity = on_capacity});
}

struct provider_row stage_row(const char *name, const char *adapter)
{
    return (struct provider_row){.name = name,
                                 .adapter = adapter,
                                 .rules = {.environment = "production", .priority = 1, .weight = 1},
                                 .settings = arena_printf(stage.arena, "{\"url\": \"https://%s\"}", name),
                                 .max_connections = 1,
                                 .max_streams = STAGE_STREAMS,
                                 .connect_timeout_ms = 5000,
                                 .request_timeout_ms = 10000,
                                 .gone_limit = 30};
}

void stage_read(const struct provider_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        roster_read(stage.roster, &rows[i]);
    roster_read_all(stage.roster);
}
