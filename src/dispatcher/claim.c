#include "dispatcher/claim.h"

#include <stdio.h>

#include "core/json.h"
#include "dispatcher/template.h"

enum column {
    ID,
    QUEUE_POS,
    BULK,
    ATTEMPTS,
    CREATED,
    EXPIRES,
    EXPIRED,
    REFUSAL,
    WAIT,
    MOVED,
    UUID,
    APP,
    ENVIRONMENT,
    RECIPIENT,
    TEMPLATE,
    PAYLOAD
};
_Static_assert(PAYLOAD + 1 == CLAIM_COLUMNS, "others count on from here");
enum look_column { PENDING = CLAIM_COLUMNS, LOWEST, HIGHEST, STOPPED };

static char *copy(const struct db_result *result, struct arena *arena, int row, int column)
{
    return arena_strndup(arena, db_text(result, row, column), db_size(result, row, column));
}

static void say(struct job *job, const char *reason)
{
    snprintf(job->verdict.reason, sizeof job->verdict.reason, "%s", reason);
}

/* Whether it may be sent at all, and now. */
static void read_standing(const struct db_result *result, int row, struct job *job)
{
    if (db_bool(result, row, EXPIRED)) {
        job->state = JOB_EXPIRED;
        say(job, "expired before it was sent");
    } else if (!db_is_null(result, row, REFUSAL)) {
        job->state = JOB_SUPPRESSED;
        say(job, db_text(result, row, REFUSAL));
    } else if (!db_is_null(result, row, WAIT)) {
        job->state = JOB_DEFERRED;
        job->verdict.not_before_ms = db_int(result, row, WAIT);
        say(job, "quiet hours");
    } else if (db_bool(result, row, MOVED)) {
        job->state = JOB_MOVED;
        say(job, "the address changed");
    }
}

void claim_read(const struct db_result *result, struct batch *batch, struct arena *arena,
                struct claimed *claimed)
{
    int rows = db_rows(result);
    *claimed = (struct claimed){0};
    if (rows == 0 || db_is_null(result, 0, ID))
        return;
    claimed->count = (size_t)rows;
    claimed->jobs = arena_alloc(arena, claimed->count * sizeof *claimed->jobs);
    for (int row = 0; row < rows; row++) {
        struct job *job = &claimed->jobs[row];
        enum lane lane = db_bool(result, row, BULK) ? LANE_BULK : LANE_TRANSACTIONAL;
        job->batch = batch;
        job->queue_pos = db_int(result, row, QUEUE_POS);
        job->app = db_is_null(result, row, APP) ? NULL : copy(result, arena, row, APP);
        job->environment =
            db_is_null(result, row, ENVIRONMENT) ? "production" : copy(result, arena, row, ENVIRONMENT);
        job->template_id = db_int(result, row, TEMPLATE);
        read_standing(result, row, job);
        job->message = (struct message){
            .id = db_int(result, row, ID),
            .uuid = copy(result, arena, row, UUID),
            .recipient = copy(result, arena, row, RECIPIENT),
            .created_ms = db_int(result, row, CREATED),
            .expires_ms = db_int(result, row, EXPIRES),
            .bulk = lane == LANE_BULK,
            .attempt = (int)db_int(result, row, ATTEMPTS) + 1,
        };
        job->payload = copy(result, arena, row, PAYLOAD);
        job->payload_size = db_size(result, row, PAYLOAD);
        claimed->rows[lane]++;
        if (job->queue_pos > claimed->last[lane])
            claimed->last[lane] = job->queue_pos;
    }
}

void claim_read_look(const struct db_result *result, int64_t *pending, int64_t *lowest, int64_t *highest,
                     int64_t *stopped)
{
    *pending = db_int(result, 0, (int)PENDING);
    *lowest = db_int(result, 0, (int)LOWEST);
    *highest = db_int(result, 0, (int)HIGHEST);
    *stopped = db_int(result, 0, (int)STOPPED);
}

static void reject(struct job *job, const char *format, const char *text)
{
    job->state = JOB_JUDGED;
    job->verdict = verdict_make(VERDICT_REJECTED, format, text);
}

static void render(struct job *job, struct json_object *variables)
{
    struct error err = {.text = "it does not exist"};
    if (job->template)
        job->message.payload = template_render(job->template, variables, &err);
    if (!job->message.payload)
        reject(job, "template: %s", err.text);
    json_object_put(variables);
}

void claim_render(struct job *job, int64_t now_ms)
{
    job->judged_ms = now_ms;
    if (job->state != JOB_CLAIMED)
        return;
    struct error err;
    struct json_object *payload = json_parse(job->payload, job->payload_size, &err);
    if (!payload)
        reject(job, "payload: %s", err.text);
    else if (job->template_id == 0)
        job->message.payload = payload;
    else
        render(job, payload);
}

bool claim_find_templates(struct claimed *claimed, struct template_cache *cache, struct buf *missing)
{
    bool found = true;
    db_array_start(missing);
    for (size_t i = 0; i < claimed->count; i++) {
        struct job *job = &claimed->jobs[i];
        if (job->state != JOB_CLAIMED || job->template_id == 0 || job->template)
            continue;
        job->template = template_cache_get(cache, job->template_id);
        if (job->template)
            continue;
        found = false;
        db_array_int(missing, job->template_id);
    }
    db_array_finish(missing);
    return found;
}

void claim_read_templates(const struct db_result *result, struct template_cache *cache)
{
    for (int row = 0; row < db_rows(result); row++) {
        struct template *template =
            template_new(db_int(result, row, 0), db_text(result, row, 1), db_size(result, row, 1),
                         db_text(result, row, 2), db_size(result, row, 2), db_bool(result, row, 3));
        template_cache_put(cache, template);
        template_release(template);
    }
}

void claim_free(struct claimed *claimed)
{
    for (size_t i = 0; i < claimed->count; i++) {
        json_object_put(claimed->jobs[i].message.payload);
        template_release(claimed->jobs[i].template);
    }
    *claimed = (struct claimed){0};
}
