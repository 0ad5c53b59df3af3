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

void claim_read(const struct db_result *result, struct flight *flight, struct arena *arena,
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
        job->flight = flight;
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

void claim_free(struct claimed *claimed)
{
    for (size_t i = 0; i < claimed->count; i++) {
        json_object_put(claimed->jobs[i].message.payload);
        template_release(claimed->jobs[i].template);
    }
    *claimed = (struct claimed){0};
}
