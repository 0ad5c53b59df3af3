#include "dispatcher/control_internal.h"

#include <string.h>

#include "core/mem.h"
#include "dispatcher/roster.h"
#include "statements.h"

struct channel *control_channel(const struct control *control, const char *name)
{
    for (size_t i = 0; i < control->channel_count; i++)
        if (strcmp(channel_name(control->channels[i]), name) == 0)
            return control->channels[i];
    return NULL;
}

static void on_channels(void *arg, enum db_status status, const struct db_result *result)
{
    struct control *control = arg;
    control_report("config_failed", status, result);
    if (status != DB_OK)
        return;
    if ((size_t)db_rows(result) != control->channel_count && control->configured) {
        log_event(LOG_ERROR, "config_failed",
                  log_text("error", "a channel is not in outbox.channel any more"));
    } else if ((size_t)db_rows(result) != control->channel_count) {
        control->options.unusable(control->options.arg,
                                  "--channels: not every one of them exists in outbox.channel");
        return;
    }
    for (int row = 0; row < db_rows(result); row++) {
        struct channel *channel = control_channel(control, db_text(result, row, 0));
        struct channel_row settings = {.id = (int)db_int(result, row, 1),
                                       .paused = db_bool(result, row, 2),
                                       .batch_size = (int)db_int(result, row, 3),
                                       .batch_deadline_ms = db_int(result, row, 4),
                                       .bulk_share = (int)db_int(result, row, 5)};
        for (int lane = 0; lane < LANES; lane++) {
            int64_t first_open = db_int(result, row, 6 + lane);
            settings.low_water[lane] = first_open > 0 ? first_open - 1 : 0;
        }
        channel_configure(channel, &settings);
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
    struct control *control = arg;
    control_report("config_failed", status, result);
    if (status != DB_OK)
        return;
    for (size_t i = 0; i < control->channel_count; i++)
        roster_reload(channel_roster(control->channels[i]));
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
        roster_read(channel_roster(control_channel(control, db_text(result, row, CHANNEL))), &provider);
        mem_free(regions.text);
    }
    bool first = !control->configured;
    control->configured = true;
    for (size_t i = 0; i < control->channel_count; i++) {
        roster_reloaded(channel_roster(control->channels[i]));
        channel_configured(control->channels[i]);
    }
    log_event(first ? LOG_INFO : LOG_DEBUG, "configured", log_int("providers", db_rows(result)));
}

void control_read_config(struct control *control)
{
    const char *const names[] = {buf_string(&control->channel_names)};
    db_send(control->db, &sql_read_channels, 1, names, on_channels, control);
    db_send(control->db, &sql_read_providers, 1, names, on_providers, control);
    db_sync(control->db);
}
