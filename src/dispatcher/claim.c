#include "dispatcher/claim.h"

#include <stdio.h>

#include "core/json.h"

enum column {
    ID,
    QUEUE_POS,
    BULK,
    ATTEMPTS,
    CREATED,
    EXPIRES,
    EXPIRED,
    SUPPRESSED,
    UUID,
    APP,
    RECIPIENT,
    PAYLOAD
};
enum look_column { PENDING = PAYLOAD + 1, LOWEST, HIGHEST, STOPPED };

static char *copy(const struct db_result *result, struct arena *arena, int row, int column)
{
    return arena_strndup(arena, db_text(result, row, column), db_size(result, row, column));
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
        if (db_bool(result, row, EXPIRED))
            job->state = JOB_EXPIRED;
        else if (db_bool(result, row, SUPPRESSED))
            job->state = JOB_SUPPRESSED;
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

void claim_render(struct job *job, int64_t now_ms)
{
    job->judged_ms = now_ms;
    if (job->state == JOB_EXPIRED)
        snprintf(job->verdict.reason, sizeof job->verdict.reason, "expired before it was sent");
    if (job->state == JOB_SUPPRESSED)
        snprintf(job->verdict.reason, sizeof job->verdict.reason, "the address is suppressed");
    if (job->state != JOB_CLAIMED)
        return;
    struct error err;
    job->message.payload = json_parse(job->payload, job->payload_size, &err);
    if (!job->message.payload) {
        job->state = JOB_JUDGED;
        job->verdict = verdict_make(VERDICT_REJECTED, "payload: %s", err.text);
    }
}

void claim_free(struct claimed *claimed)
{
    for (size_t i = 0; i < claimed->count; i++)
        json_object_put(claimed->jobs[i].message.payload);
    *claimed = (struct claimed){0};
}
