#include "dispatcher/render.h"

#include "core/json.h"

static void reject(struct job *job, const char *format, const char *text)
{
    job->state = JOB_JUDGED;
    job->verdict = verdict_make(VERDICT_REJECTED, format, text);
}

static void render_template(struct job *job, struct json_object *variables)
{
    struct error err = {.text = "it does not exist"};
    if (job->template)
        job->message.payload = template_render(job->template, variables, &err);
    if (!job->message.payload)
        reject(job, "template: %s", err.text);
    json_object_put(variables);
}

void render_job(struct job *job, int64_t now_ms)
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
        render_template(job, payload);
}

bool render_find_templates(struct claimed *claimed, struct template_cache *cache, struct buf *missing)
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

void render_read_templates(const struct db_result *result, struct template_cache *cache)
{
    for (int row = 0; row < db_rows(result); row++) {
        struct template *template =
            template_new(db_int(result, row, 0), db_text(result, row, 1), db_size(result, row, 1),
                         db_text(result, row, 2), db_size(result, row, 2), db_bool(result, row, 3));
        template_cache_put(cache, template);
        template_release(template);
    }
}
