#include "dispatcher/inquiry.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "dispatcher/account.h"
#include "dispatcher/claim.h"
#include "dispatcher/control.h"

enum {
    LOOK_MS = 2000,    /* between looks for messages to ask about */
    QUESTIONS_MAX = 8, /* at once: vendors are slow to list, and limit it */
    NAMES_MAX = 64 * 1024,
    MISSING_MAX = 1024
};

/* One message in doubt, and the accounts that may have sent it, which are asked one after the other. */
struct doubt {
    struct inquiry inquiry;
    struct inquiries *inquiries;
    struct job *job;
    const char **suspects; /* names: an account may go while another one answers */
    size_t suspect_count, next;
    bool unknown; /* some provider that may have it cannot be asked */
};

struct inquiries {
    struct channel *channel;
    struct control *control;
    struct arena *arena;
    struct timer *timer;
    struct claimed claimed;
    struct doubt *doubts;
    size_t open; /* questions of this round without an answer */
};

static void end_round(struct inquiries *inquiries, int next_ms)
{
    claim_free(&inquiries->claimed);
    arena_reset(inquiries->arena);
    inquiries->doubts = NULL;
    timer_set(inquiries->timer, next_ms);
}

/* ---- The end of a round ---- */

static void on_settled(void *arg, enum db_status status, const struct db_result *result)
{
    struct inquiries *inquiries = arg;
    if (status == DB_FAILED)
        log_event(LOG_ERROR, "settle_doubts_failed", log_text("channel", channel_name(inquiries->channel)),
                  log_text("sqlstate", db_sqlstate(result)), log_text("error", db_message(result)));
    bool more = status == DB_OK && inquiries->claimed.count == QUESTIONS_MAX;
    end_round(inquiries, more ? 0 : LOOK_MS);
}

static void settle(struct inquiries *inquiries)
{
    if (channel_is_stopping(inquiries->channel) || !control_is_ready(inquiries->control)) {
        end_round(inquiries, LOOK_MS); /* what was taken is asked about again, by anybody */
        return;
    }
    struct settle_arrays arrays;
    const char *parameters[SETTLE_COLUMNS];
    settle_start(&arrays);
    for (size_t i = 0; i < inquiries->claimed.count; i++)
        settle_add(&arrays, &inquiries->claimed.jobs[i]);
    settle_finish(&arrays, parameters);
    control_settle_doubts(inquiries->control, channel_name(inquiries->channel), parameters, on_settled,
                          inquiries);
    settle_free(&arrays);
}

/* ---- One message ---- */

static void conclude(struct doubt *doubt, enum job_state state, const struct verdict *verdict)
{
    struct job *job = doubt->job;
    job->state = state;
    job->verdict = *verdict;
    job->judged_ms = clock_ms();
    if (--doubt->inquiries->open == 0)
        settle(doubt->inquiries);
}

static void ask_next(struct doubt *doubt);

static void on_answered(struct inquiry *inquiry, const struct verdict *verdict)
{
    struct doubt *doubt = (struct doubt *)inquiry; /* its first member */
    if (verdict->kind == VERDICT_UNSENT) {
        ask_next(doubt);
        return;
    }
    if (verdict->kind == VERDICT_SENT)
        doubt->job->provider = doubt->suspects[doubt->next - 1];
    conclude(doubt, JOB_JUDGED, verdict);
}

/* Nobody has it only if all say so. */
static void ask_next(struct doubt *doubt)
{
    struct channel *channel = doubt->inquiries->channel;
    struct verdict verdict;
    if (doubt->next == doubt->suspect_count) {
        verdict = doubt->unknown
                      ? verdict_make(VERDICT_IN_DOUBT, "a provider that may have it cannot be asked")
                      : verdict_make(VERDICT_UNSENT, "the provider was asked and does not have it");
        conclude(doubt, JOB_JUDGED, &verdict);
        return;
    }
    struct account *account = channel_account(channel, doubt->suspects[doubt->next++]);
    if (!account || !account_inquire(account, &doubt->inquiry)) {
        verdict = verdict_make(VERDICT_IN_DOUBT, "not asked yet");
        conclude(doubt, JOB_DEFERRED, &verdict);
    }
}

/* The account is known unless a dispatcher died: then each that serves the message is a suspect. */
static void find_suspects(struct doubt *doubt, const char *provider)
{
    struct account *const *accounts;
    size_t count = channel_accounts(doubt->inquiries->channel, &accounts);
    doubt->suspects = arena_alloc(doubt->inquiries->arena, count * sizeof *doubt->suspects);
    for (size_t i = 0; i < count; i++) {
        const char *name = account_name(accounts[i]);
        if (provider ? strcmp(name, provider) != 0 : !channel_serves(accounts[i], doubt->job))
            continue;
        if (account_can_be_asked(accounts[i]))
            doubt->suspects[doubt->suspect_count++] = arena_strdup(doubt->inquiries->arena, name);
        else
            doubt->unknown = true;
    }
    if (doubt->suspect_count == 0)
        doubt->unknown = true;
}

/* ---- A round ---- */

static void ask_all(struct inquiries *inquiries)
{
    inquiries->open = inquiries->claimed.count + 1; /* one keeps the round from ending while it begins */
    for (size_t i = 0; i < inquiries->claimed.count; i++) {
        struct doubt *doubt = &inquiries->doubts[i];
        claim_render(doubt->job, clock_ms());
        if (doubt->job->state == JOB_CLAIMED) {
            ask_next(doubt);
        } else {
            struct verdict verdict = verdict_make(VERDICT_IN_DOUBT, "its text cannot be made again");
            conclude(doubt, JOB_JUDGED, &verdict);
        }
    }
    if (--inquiries->open == 0)
        settle(inquiries);
}

static void on_templates(void *arg, enum db_status status, const struct db_result *result)
{
    struct inquiries *inquiries = arg;
    if (status != DB_OK) {
        end_round(inquiries, LOOK_MS);
        return;
    }
    struct template_cache *cache = channel_templates(inquiries->channel);
    claim_read_templates(result, cache);
    struct buf missing;
    buf_init(&missing, MISSING_MAX);
    (void)claim_find_templates(&inquiries->claimed, cache, &missing); /* rendering names what is not there */
    buf_free(&missing);
    ask_all(inquiries);
}

static void find_templates(struct inquiries *inquiries)
{
    struct buf missing;
    buf_init(&missing, MISSING_MAX);
    if (claim_find_templates(&inquiries->claimed, channel_templates(inquiries->channel), &missing))
        ask_all(inquiries);
    else
        control_read_templates(inquiries->control, buf_string(&missing), on_templates, inquiries);
    buf_free(&missing);
}

/* Columns of take_doubts.sql, after those of claim.sql. */
enum doubt_column { PROVIDER = CLAIM_COLUMNS, SENT_FROM, SENT_UPTO, OTHERS };

static void read_doubts(struct inquiries *inquiries, const struct db_result *result)
{
    struct claimed *claimed = &inquiries->claimed;
    claim_read(result, NULL, inquiries->arena, claimed);
    inquiries->doubts = arena_alloc(inquiries->arena, claimed->count * sizeof *inquiries->doubts);
    for (size_t i = 0; i < claimed->count; i++) {
        int row = (int)i;
        struct doubt *doubt = &inquiries->doubts[i];
        doubt->inquiries = inquiries;
        doubt->job = &claimed->jobs[i];
        doubt->inquiry = (struct inquiry){
            .message = &doubt->job->message,
            .sent = {.from_ms = db_int(result, row, SENT_FROM), .upto_ms = db_int(result, row, SENT_UPTO)},
            .arena = inquiries->arena,
            .answered = on_answered,
        };
        bool is_known = !db_is_null(result, row, PROVIDER);
        doubt->unknown = !is_known && db_bool(result, row, OTHERS);
        find_suspects(doubt, is_known ? db_text(result, row, PROVIDER) : NULL);
    }
}

static void on_taken(void *arg, enum db_status status, const struct db_result *result)
{
    struct inquiries *inquiries = arg;
    if (status == DB_FAILED)
        log_event(LOG_ERROR, "take_doubts_failed", log_text("channel", channel_name(inquiries->channel)),
                  log_text("sqlstate", db_sqlstate(result)), log_text("error", db_message(result)));
    if (status != DB_OK || db_rows(result) == 0) {
        end_round(inquiries, LOOK_MS);
        return;
    }
    read_doubts(inquiries, result);
    find_templates(inquiries);
}

/* The names of the accounts that can be asked; false: there are none. */
static bool list_askable(const struct inquiries *inquiries, struct buf *names)
{
    struct account *const *accounts;
    size_t count = channel_accounts(inquiries->channel, &accounts), askable = 0;
    db_array_start(names);
    for (size_t i = 0; i < count; i++) {
        if (!account_can_be_asked(accounts[i]))
            continue;
        askable++;
        db_array_text(names, account_name(accounts[i]));
    }
    db_array_finish(names);
    return askable > 0;
}

static void on_timer(void *arg)
{
    struct inquiries *inquiries = arg;
    struct buf names;
    buf_init(&names, NAMES_MAX);
    if (!channel_is_stopping(inquiries->channel) && control_is_ready(inquiries->control) &&
        list_askable(inquiries, &names))
        control_take_doubts(inquiries->control, channel_name(inquiries->channel), buf_string(&names),
                            QUESTIONS_MAX, on_taken, inquiries);
    else
        timer_set(inquiries->timer, LOOK_MS);
    buf_free(&names);
}

struct inquiries *inquiries_new(struct channel *channel)
{
    struct inquiries *inquiries = mem_alloc(sizeof *inquiries);
    inquiries->channel = channel;
    inquiries->control = channel_control(channel);
    inquiries->arena = arena_new();
    inquiries->timer = timer_new(channel_loop(channel), on_timer, inquiries);
    timer_set(inquiries->timer, LOOK_MS);
    return inquiries;
}

void inquiries_free(struct inquiries *inquiries)
{
    if (!inquiries)
        return;
    claim_free(&inquiries->claimed);
    timer_free(inquiries->timer);
    arena_free(inquiries->arena);
    mem_free(inquiries);
}
