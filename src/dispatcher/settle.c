#include "dispatcher/settle.h"

#include "db/db.h"
#include "dispatcher/account.h"

enum { ARRAY_MAX = 64 * 1024 * 1024 };

static struct buf *const *each(struct settle_arrays *a, struct buf *list[8])
{
    struct buf *all[] = {&a->ids,     &a->verdicts, &a->providers,   &a->provider_ids,
                         &a->reasons, &a->ats,      &a->not_befores, NULL};
    for (size_t i = 0; i < 8; i++)
        list[i] = all[i];
    return list;
}

void settle_start(struct settle_arrays *arrays)
{
    struct buf *list[8];
    for (struct buf *const *buf = each(arrays, list); *buf; buf++) {
        buf_init(*buf, ARRAY_MAX);
        db_array_start(*buf);
    }
}

static const char *verdict_word(const struct job *job)
{
    switch (job->state) {
    case JOB_EXPIRED:
        return "expired";
    case JOB_SUPPRESSED:
        return "suppressed";
    default:
        return verdict_name(job->verdict.kind);
    }
}

static const char *or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

void settle_add(struct settle_arrays *arrays, const struct job *job)
{
    if (job->state == JOB_HANDED_BACK)
        return;
    db_array_int(&arrays->ids, job->message.id);
    db_array_text(&arrays->verdicts, verdict_word(job));
    db_array_text(&arrays->providers, job->account ? account_name(job->account) : NULL);
    db_array_text(&arrays->provider_ids, or_null(job->verdict.provider_id));
    db_array_text(&arrays->reasons, or_null(job->verdict.reason));
    db_array_int(&arrays->ats, job->judged_ms);
    if (job->verdict.not_before_ms > 0)
        db_array_int(&arrays->not_befores, job->verdict.not_before_ms);
    else
        db_array_text(&arrays->not_befores, NULL);
}

void settle_finish(struct settle_arrays *arrays)
{
    struct buf *list[8];
    for (struct buf *const *buf = each(arrays, list); *buf; buf++)
        db_array_finish(*buf);
}

void settle_free(struct settle_arrays *arrays)
{
    struct buf *list[8];
    for (struct buf *const *buf = each(arrays, list); *buf; buf++)
        buf_free(*buf);
}
