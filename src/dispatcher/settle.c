#include "dispatcher/settle.h"

#include <string.h>

#include "core/utf8.h"
#include "db/db.h"

enum { ARRAY_MAX = 64 * 1024 * 1024, DAY_MS = 24 * 60 * 60 * 1000 };
enum { BLOCK_SHIFT = 18 }; /* as outbox.change has it */

void settle_start(struct settle_arrays *arrays)
{
    arrays->charged = false;
    arrays->group_count = 0;
    for (int column = 0; column < SETTLE_COLUMNS; column++) {
        buf_init(&arrays->columns[column], ARRAY_MAX);
        db_array_start(&arrays->columns[column]);
    }
}

const char *settle_word(const struct job *job)
{
    switch (job->state) {
    case JOB_EXPIRED:
        return "expired";
    case JOB_SUPPRESSED:
        return "suppressed";
    case JOB_DEFERRED:
        return "deferred";
    case JOB_MOVED:
        return "moved";
    default:
        return verdict_name(job->verdict.kind);
    }
}

void settle_clean(const char *text, char clean[SETTLE_TEXT_SIZE])
{
    size_t size = utf8_clean(text, strlen(text), clean, SETTLE_TEXT_SIZE - 1);
    clean[size] = '\0';
}

static void add_peer_text(struct buf *out, const char *text)
{
    char clean[SETTLE_TEXT_SIZE];
    settle_clean(text, clean);
    db_array_text(out, clean[0] != '\0' ? clean : NULL);
}

static void add_time(struct buf *out, int64_t ms)
{
    if (ms > 0)
        db_array_int(out, ms);
    else
        db_array_text(out, NULL);
}

/* The moment that the verdict speaks of, where it matters: the provider's own time of an address's end, else
 * when the request left. */
static int64_t as_of(const struct job *job)
{
    bool is_gone = job->verdict.kind == VERDICT_ADDRESS_GONE;
    if (job->state != JOB_JUDGED || (!is_gone && job->verdict.kind != VERDICT_IN_DOUBT))
        return 0;
    return is_gone && job->verdict.gone_since_ms > 0 ? job->verdict.gone_since_ms : job->sent_ms;
}

void settle_count(struct settle_arrays *arrays, int64_t id, bool bulk, int64_t created_ms)
{
    struct settle_group new = {
        .id = id, .day = created_ms / DAY_MS, .block = id >> BLOCK_SHIFT, .bulk = bulk, .size = 1};
    if (arrays->group_count > SETTLE_GROUPS_MAX)
        return;
    for (int i = 0; i < arrays->group_count; i++) {
        struct settle_group *group = &arrays->groups[i];
        if (group->day == new.day && group->block == new.block && group->bulk == new.bulk) {
            group->size++;
            return;
        }
    }
    if (arrays->group_count < SETTLE_GROUPS_MAX)
        arrays->groups[arrays->group_count] = new;
    arrays->group_count++;
}

void settle_add(struct settle_arrays *arrays, const struct job *job)
{
    if (job->state == JOB_HANDED_BACK)
        return;
    struct buf *columns = arrays->columns;
    db_array_int(&columns[SETTLE_IDS], job->message.id);
    db_array_text(&columns[SETTLE_VERDICTS], settle_word(job));
    bool sent = job->state == JOB_JUDGED && job->verdict.kind == VERDICT_SENT;
    if (sent)
        settle_count(arrays, job->message.id, job->message.bulk, job->message.created_ms);
    db_array_text(&columns[SETTLE_PROVIDERS], job->provider_name);
    add_peer_text(&columns[SETTLE_PROVIDER_IDS], job->verdict.provider_id);
    add_peer_text(&columns[SETTLE_REASONS], job->verdict.reason);
    db_array_int(&columns[SETTLE_ATS], job->judged_ms);
    add_time(&columns[SETTLE_NOT_BEFORES], job->verdict.not_before_ms);
    add_time(&columns[SETTLE_AS_OFS], as_of(job));
    bool charged = sent && job->verdict.cost[0] != '\0';
    db_array_text(&columns[SETTLE_COSTS], charged ? job->verdict.cost : NULL);
    db_array_text(&columns[SETTLE_CURRENCIES],
                  charged && job->verdict.currency[0] ? job->verdict.currency : NULL);
    arrays->charged = arrays->charged || charged;
}

void settle_add_uuid(struct buf *uuids, const struct job *job)
{
    if (job->state != JOB_HANDED_BACK)
        db_array_text(uuids, job->message.uuid);
}

void settle_finish(struct settle_arrays *arrays, const char *parameters[SETTLE_COLUMNS])
{
    bool grouped = arrays->group_count <= SETTLE_GROUPS_MAX;
    for (int i = 0; grouped && i < arrays->group_count; i++) {
        db_array_int(&arrays->columns[SETTLE_GROUP_IDS], arrays->groups[i].id);
        db_array_int(&arrays->columns[SETTLE_GROUP_SIZES], arrays->groups[i].size);
    }
    for (int column = 0; column < SETTLE_COLUMNS; column++) {
        db_array_finish(&arrays->columns[column]);
        parameters[column] = buf_string(&arrays->columns[column]);
    }
    if (!arrays->charged)
        parameters[SETTLE_COSTS] = parameters[SETTLE_CURRENCIES] = NULL;
    if (!grouped)
        parameters[SETTLE_GROUP_IDS] = parameters[SETTLE_GROUP_SIZES] = NULL;
}

void settle_free(struct settle_arrays *arrays)
{
    for (int column = 0; column < SETTLE_COLUMNS; column++)
        buf_free(&arrays->columns[column]);
}
