#include "dispatcher/config.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "statements.h"

struct config {
    struct control *control;
    struct config_events events;
    size_t channel_count;
    bool configured;
};

static void on_channels(void *arg, enum db_status status, const struct db_result *result)
{
    struct config *config = arg;
    control_report("config_failed", status, result);
    if (status != DB_OK)
        return;
    if ((size_t)db_rows(result) != config->channel_count && config->configured) {
        log_event(LOG_ERROR, "config_failed",
                  log_text("error", "a channel is not in outbox.channel any more"));
    } else if ((size_t)db_rows(result) != config->channel_count) {
        config->events.unusable(config->events.arg,
                                "--channels: not every one of them exists in outbox.channel");
        return;
    }
    for (int row = 0; row < db_rows(result); row++) {
        struct channel_row channel = {.id = (int)db_int(result, row, 1),
                                      .paused = db_bool(result, row, 2),
                                      .batch_size = (int)db_int(result, row, 3),
                                      .batch_deadline_ms = db_int(result, row, 4),
                                      .bulk_share = (int)db_int(result, row, 5)};
        for (int lane = 0; lane < LANES; lane++) {
            int64_t first_open = db_int(result, row, 6 + lane);
            channel.low_water[lane] = first_open > 0 ? first_open - 1 : 0;
        }
        config->events.channel_row(config->events.arg, db_text(result, row, 0), &channel);
    }
}

/* The columns of read_providers.sql. */
enum provider_column {
    CHANNEL,
    NAME,
    ADAPTER,
    APP,
    ENVIRONMENT,
    SETTINGS,
    PRIORITY,
    WEIGHT,
    REGIONS,
    LIMITED,
    GONE_LIMIT,
    MAX_CONNECTIONS,
    MAX_STREAMS,
    CONNECT_TIMEOUT,
    REQUEST_TIMEOUT,
    STOPPED
};

enum { REGIONS_MAX = 256 };

struct regions {
    char *text;
    const char *list[REGIONS_MAX + 1];
};

/* One a line; what is beyond the maximum is left out. */
static void read_regions(const char *lines, struct regions *regions)
{
    size_t count = 0;
    regions->text = mem_strdup(lines);
    char *rest = NULL;
    for (char *line = strtok_r(regions->text, "\n", &rest); line && count < REGIONS_MAX;
         line = strtok_r(NULL, "\n", &rest))
        regions->list[count++] = line;
    regions->list[count] = NULL;
}

static void on_providers(void *arg, enum db_status status, const struct db_result *result)
{
    struct config *config = arg;
    control_report("config_failed", status, result);
    if (status != DB_OK)
        return;
    for (int row = 0; row < db_rows(result); row++) {
        struct regions regions;
        read_regions(db_text(result, row, REGIONS), &regions);
        struct provider_row provider = {
            .name = db_text(result, row, NAME),
            .adapter = db_text(result, row, ADAPTER),
            .rules = {.app = db_is_null(result, row, APP) ? NULL : db_text(result, row, APP),
                      .environment = db_text(result, row, ENVIRONMENT),
                      .regions = regions.list,
                      .priority = (int)db_int(result, row, PRIORITY),
                      .weight = (int)db_int(result, row, WEIGHT)},
            .settings = db_text(result, row, SETTINGS),
            .max_connections = (int)db_int(result, row, MAX_CONNECTIONS),
            .max_streams = (int)db_int(result, row, MAX_STREAMS),
            .connect_timeout_ms = db_int(result, row, CONNECT_TIMEOUT),
            .request_timeout_ms = db_int(result, row, REQUEST_TIMEOUT),
            .stopped_ms = db_int(result, row, STOPPED),
            .limited = db_bool(result, row, LIMITED),
            .gone_limit = (int)db_int(result, row, GONE_LIMIT)};
        config->events.provider_row(config->events.arg, db_text(result, row, CHANNEL), &provider);
        mem_free(regions.text);
    }
    bool first = !config->configured;
    config->configured = true;
    control_configured(config->control);
    config->events.configured(config->events.arg);
    log_event(first ? LOG_INFO : LOG_DEBUG, "configured", log_int("providers", db_rows(result)));
}

void config_read(struct config *config)
{
    struct db *db = control_db(config->control);
    const char *const names[] = {control_channels(config->control)};
    db_send(db, &sql_read_channels, 1, names, on_channels, config);
    db_send(db, &sql_read_providers, 1, names, on_providers, config);
    db_sync(db);
}

struct config *config_new(struct control *control, size_t channel_count, const struct config_events *events)
{
    struct config *config = mem_alloc(sizeof *config);
    config->control = control;
    config->events = *events;
    config->channel_count = channel_count;
    return config;
}

void config_free(struct config *config)
{
    mem_free(config);
}
