/* The batch of the stage, and its messages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "fakes/stage.h"

enum { TEXT_MAX = 1024 * 1024, TEMPLATES_MAX = 100 };

/* ---- Its events ---- */

static void on_up(void *arg)
{
    (void)arg;
    journal_add("up");
}

static void on_scanned(void *arg, const struct batch_scan *scan)
{
    (void)arg;
    if (scan->failed)
        journal_add("scan-failed");
    else
        journal_add("scanned(%d,%d%s%s)", scan->rows[LANE_TRANSACTIONAL], scan->rows[LANE_BULK],
                    scan->full[LANE_TRANSACTIONAL] ? " T" : "", scan->full[LANE_BULK] ? " B" : "");
}

static void on_looked(void *arg, const struct batch_look *look)
{
    (void)arg;
    if (look->failed)
        journal_add("look-failed");
    else
        journal_add("looked(%d,%" PRIu64 ": %" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ")", look->lane,
                    look->range, look->pending, look->lowest, look->highest, look->stopped);
}

static void on_unwell(void *arg)
{
    (void)arg;
    journal_add("unwell");
}

static void on_ended(void *arg, bool released)
{
    (void)arg;
    journal_add(released ? "released" : "ended");
}

void stage_make_batch(void)
{
    stage_make_roster();
    stage_read((const struct provider_row[]){stage_row("apple", "plain")}, 1);
    stage.templates = template_cache_new(TEMPLATES_MAX);
    stage.batch = batch_new(
        &(struct batch_options){.loop = stage.loop,
                                .control = stage.control,
                                .flights = stage.flights,
                                .roster = stage.roster,
                                .templates = stage.templates,
                                .channel = "ios",
                                .row = &stage.row,
                                .conninfo = "",
                                .application_name = "test"},
        &(struct batch_events){
            .up = on_up, .scanned = on_scanned, .looked = on_looked, .unwell = on_unwell, .ended = on_ended});
    stage.claims = fake_db(1);
    fake_db_up(stage.claims);
    journal_read();
}

/* ---- Its way ---- */

void stage_claim(void)
{
    batch_claim(stage.batch, (const int64_t[]){100, 50}, 8, 10);
}

void stage_claim_gives(const char *rows)
{
    stage_claim();
    fake_db_answer(stage.claims, &sql_claim, rows);
}

void stage_board(const char *taken)
{
    fake_db_answer(stage.db, &sql_open_flight, taken);
    fake_db_answer(stage.claims, &sql_hold, "1");
}

void stage_fly(const char *rows)
{
    stage_claim_gives(rows);
    stage_board(NULL);
    journal_read();
}

void stage_land(void)
{
    fake_db_answer(stage.claims, &sql_settle, "1");
    fake_db_answer(stage.claims, &sql_commit, NULL);
}

/* ---- Texts ---- */

static const char *keep(struct buf *text)
{
    const char *kept = arena_strdup(stage.arena, buf_string(text));
    buf_free(text);
    return kept;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

const char *stage_messages(const struct stage_message *messages)
{
    struct buf out;
    buf_init(&out, TEXT_MAX);
    for (const struct stage_message *m = messages; m->id != 0; m++) {
        buf_printf(&out, "%s%d|%d|%s|0|%" PRId64 "||%s|%s|", m == messages ? "" : "\n", m->id, 100 + m->id,
                   m->bulk ? "t" : "f", FAKE_TIME_MS, m->expired ? "t" : "f", text_or(m->refusal, ""));
        if (m->wait_ms > 0)
            buf_printf(&out, "%" PRId64, m->wait_ms);
        buf_printf(&out, "|%s|uuid-%d|%s||%s|", m->moved ? "t" : "f", m->id, text_or(m->app, ""),
                   text_or(m->recipient, "kim"));
        if (m->template > 0)
            buf_printf(&out, "%d", m->template);
        buf_printf(&out, "|%s", text_or(m->payload, "{}"));
    }
    return keep(&out);
}

const char *stage_rows(const char *ids)
{
    struct stage_message messages[64] = {0};
    size_t count = 0;
    for (char *end; ids && *ids != '\0' && count < 63; ids = end) {
        messages[count++].id = (int)strtol(ids, &end, 10);
        end += *end == ' ';
    }
    return count > 0 ? stage_messages(messages) : NULL;
}

/* Elements of an array literal whose texts need no escapes, with quotes off. */
static size_t next_element(const char **array, char *out, size_t size)
{
    *array += strspn(*array, "{,");
    size_t length = strcspn(*array, ",}");
    size_t quotes = **array == '"';
    if (length > 0)
        snprintf(out, size, "%.*s", (int)(length - 2 * quotes), *array + quotes);
    *array += length;
    return length;
}

const char *stage_verdicts(const struct db *db, const struct db_statement *statement)
{
    const char *ids = fake_db_value(db, statement, 4), *verdicts = fake_db_value(db, statement, 5);
    char id[32], verdict[32];
    struct buf out;
    buf_init(&out, TEXT_MAX);
    while (next_element(&ids, id, sizeof id) > 0 && next_element(&verdicts, verdict, sizeof verdict) > 0)
        buf_printf(&out, "%s%s=%s", out.size > 0 ? " " : "", id, verdict);
    return keep(&out);
}
