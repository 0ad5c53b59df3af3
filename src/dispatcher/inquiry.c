#include "dispatcher/inquiry.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "dispatcher/claim.h"
#include "dispatcher/control.h"
#include "dispatcher/doubt.h"
#include "dispatcher/question.h"
#include "dispatcher/render.h"
#include "dispatcher/roster.h"

enum {
    LOOK_MS = 2000, /* between looks for messages to ask about */
    NAMES_MAX = 64 * 1024,
    MISSING_MAX = 1024
};

struct inquiry {
    struct inquiry_options options;
    struct timer *timer;
    bool stopping;
    /* Of the message at hand. */
    struct arena *arena;
    struct claimed claimed;
    struct job *job;
    const char *turn;
    const char **suspects; /* names: a provider may go while another one answers */
    size_t suspect_count, next;
    struct question question;
};

static bool may_go_on(const struct inquiry *inquiry)
{
    return !inquiry->stopping && control_is_ready(inquiry->options.control);
}

/* Whoever does not come to an answer leaves the message to the next turn. */
static void end(struct inquiry *inquiry, int next_ms)
{
    claim_free(&inquiry->claimed);
    arena_reset(inquiry->arena);
    inquiry->job = NULL;
    timer_set(inquiry->timer, next_ms);
}

static bool is_ok(const struct inquiry *inquiry, const char *what, enum db_status status,
                  const struct db_result *result)
{
    if (status == DB_FAILED)
        log_event(LOG_ERROR, "inquiry_failed", log_text("channel", inquiry->options.channel),
                  log_text("at", what), log_text("sqlstate", db_sqlstate(result)),
                  log_text("error", db_message(result)));
    return status == DB_OK;
}

/* ---- The answer ---- */

static void on_settled(void *arg, enum db_status status, const struct db_result *result)
{
    struct inquiry *inquiry = arg;
    bool more = is_ok(inquiry, "settle", status, result) && inquiry->job->state == JOB_JUDGED;
    end(inquiry, more ? 0 : LOOK_MS);
}

static void settle(struct inquiry *inquiry, enum job_state state, const struct verdict *verdict)
{
    if (!may_go_on(inquiry)) {
        end(inquiry, LOOK_MS);
        return;
    }
    inquiry->job->state = state;
    inquiry->job->verdict = *verdict;
    struct buf asked;
    buf_init(&asked, NAMES_MAX);
    db_array_start(&asked);
    for (size_t i = 0; i < inquiry->next; i++)
        db_array_text(&asked, inquiry->suspects[i]);
    db_array_finish(&asked);
    doubt_settle(inquiry->options.control, inquiry->job, inquiry->turn, buf_string(&asked), on_settled,
                 inquiry);
    buf_free(&asked);
}

/* ---- The questions ---- */

static void ask_next(struct inquiry *inquiry)
{
    struct verdict verdict;
    if (inquiry->next == inquiry->suspect_count) {
        verdict = verdict_make(VERDICT_UNSENT, "the provider was asked and does not have it");
        settle(inquiry, JOB_JUDGED, &verdict);
        return;
    }
    struct provider *provider = roster_find(inquiry->options.roster, inquiry->suspects[inquiry->next++]);
    if (!provider || !question_ask(&inquiry->question, provider)) {
        verdict = verdict_make(VERDICT_IN_DOUBT, "not asked yet");
        settle(inquiry, JOB_DEFERRED, &verdict);
    }
}

static void on_answered(void *arg, const struct verdict *verdict)
{
    struct inquiry *inquiry = arg;
    if (verdict->kind == VERDICT_UNSENT && may_go_on(inquiry)) {
        ask_next(inquiry);
        return;
    }
    if (verdict->kind == VERDICT_SENT)
        inquiry->job->provider_name = inquiry->suspects[inquiry->next - 1];
    settle(inquiry, JOB_JUDGED, verdict);
}

static void render_and_ask(struct inquiry *inquiry)
{
    render_job(inquiry->job, clock_ms());
    if (inquiry->job->state == JOB_CLAIMED) {
        ask_next(inquiry);
        return;
    }
    struct verdict verdict = verdict_make(VERDICT_IN_DOUBT, "its text cannot be made again");
    settle(inquiry, JOB_JUDGED, &verdict);
}

/* ---- The message ---- */

static bool find_template(struct inquiry *inquiry, struct buf *missing)
{
    buf_init(missing, MISSING_MAX);
    return render_find_templates(&inquiry->claimed, inquiry->options.templates, missing);
}

static void on_template(void *arg, enum db_status status, const struct db_result *result)
{
    struct inquiry *inquiry = arg;
    if (!is_ok(inquiry, "template", status, result) || !may_go_on(inquiry)) {
        end(inquiry, LOOK_MS);
        return;
    }
    render_read_templates(result, inquiry->options.templates);
    struct buf missing;
    (void)find_template(inquiry, &missing); /* rendering says so when there is none */
    buf_free(&missing);
    render_and_ask(inquiry);
}

/* Columns of take_doubt.sql, after those of claim.sql. */
enum doubt_column { PROVIDER = CLAIM_COLUMNS, SENT_FROM, SENT_UPTO, WAITED, TURN };

/* By the clock of this machine, too, the answer was lost before now: what is too early is told by both. */
static struct sent_span read_span(const struct db_result *result)
{
    int64_t upto = db_int(result, 0, SENT_UPTO), lost = clock_ms() - db_int(result, 0, WAITED);
    return (struct sent_span){.from_ms = db_int(result, 0, SENT_FROM), .upto_ms = upto > lost ? upto : lost};
}

/* Where the provider is unknown all of the channel are asked: their rules may have been others then. */
static void find_suspects(struct inquiry *inquiry, const char *provider)
{
    struct provider *const *providers;
    size_t count = roster_providers(inquiry->options.roster, &providers);
    inquiry->suspects = arena_alloc(inquiry->arena, (count + 1) * sizeof *inquiry->suspects);
    inquiry->suspect_count = inquiry->next = 0;
    if (provider)
        inquiry->suspects[inquiry->suspect_count++] = arena_strdup(inquiry->arena, provider);
    for (size_t i = 0; i < count && !provider; i++)
        if (question_is_possible(providers[i]))
            inquiry->suspects[inquiry->suspect_count++] =
                arena_strdup(inquiry->arena, provider_name(providers[i]));
}

static void on_taken(void *arg, enum db_status status, const struct db_result *result)
{
    struct inquiry *inquiry = arg;
    if (!is_ok(inquiry, "take", status, result) || db_rows(result) == 0 || !may_go_on(inquiry)) {
        end(inquiry, LOOK_MS);
        return;
    }
    claim_read(result, NULL, inquiry->arena, &inquiry->claimed);
    inquiry->job = inquiry->claimed.jobs;
    inquiry->job->state = JOB_CLAIMED; /* it was sent, or was not, whether or not it may be sent now */
    inquiry->turn = arena_strdup(inquiry->arena, db_text(result, 0, TURN));
    inquiry->question = (struct question){.message = &inquiry->job->message,
                                          .sent = read_span(result),
                                          .arena = inquiry->arena,
                                          .answered = on_answered,
                                          .arg = inquiry};
    find_suspects(inquiry, db_is_null(result, 0, PROVIDER) ? NULL : db_text(result, 0, PROVIDER));
    struct buf missing;
    if (find_template(inquiry, &missing))
        render_and_ask(inquiry);
    else
        doubt_read_templates(inquiry->options.control, buf_string(&missing), on_template, inquiry);
    buf_free(&missing);
}

/* The names of the providers that have time to answer, and if all have that can be asked, the empty name too.
 * False: none has. */
static bool list_ready(const struct inquiry *inquiry, struct buf *names)
{
    struct provider *const *providers;
    size_t count = roster_providers(inquiry->options.roster, &providers), ready = 0;
    bool all = true;
    db_array_start(names);
    for (size_t i = 0; i < count; i++) {
        if (!question_is_possible(providers[i]))
            continue;
        if (!question_is_timely(providers[i])) {
            all = false;
            continue;
        }
        ready++;
        db_array_text(names, provider_name(providers[i]));
    }
    if (all)
        db_array_text(names, "");
    db_array_finish(names);
    return ready > 0;
}

static void on_timer(void *arg)
{
    struct inquiry *inquiry = arg;
    struct buf ready;
    buf_init(&ready, NAMES_MAX);
    if (may_go_on(inquiry) && list_ready(inquiry, &ready))
        doubt_take(inquiry->options.control, inquiry->options.channel, buf_string(&ready), on_taken, inquiry);
    else
        timer_set(inquiry->timer, LOOK_MS);
    buf_free(&ready);
}

struct inquiry *inquiry_new(const struct inquiry_options *options)
{
    struct inquiry *inquiry = mem_alloc(sizeof *inquiry);
    inquiry->options = *options;
    inquiry->arena = arena_new();
    inquiry->timer = timer_new(options->loop, on_timer, inquiry);
    timer_set(inquiry->timer, LOOK_MS);
    return inquiry;
}

void inquiry_stop(struct inquiry *inquiry)
{
    inquiry->stopping = true;
}

void inquiry_free(struct inquiry *inquiry)
{
    if (!inquiry)
        return;
    claim_free(&inquiry->claimed);
    timer_free(inquiry->timer);
    arena_free(inquiry->arena);
    mem_free(inquiry);
}
