#include "dispatcher/settle.h"

#include "db/db.h"

enum { ARRAY_MAX = 64 * 1024 * 1024 };

void settle_start(struct settle_arrays *arrays)
{
    arrays->charged = false;
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

/* Octets of the UTF-8 character at text; 0 = it is none that Postgres takes. */
static size_t character(const unsigned char *text)
{
    static const struct {
        unsigned char low, high; /* first octet */
        unsigned char from, to;  /* second octet */
        size_t size;
    } rows[] = {{0x01, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
                {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
                {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (text[0] < rows[i].low || text[0] > rows[i].high)
            continue;
        bool good = rows[i].size < 2 || (text[1] >= rows[i].from && text[1] <= rows[i].to);
        for (size_t j = 2; good && j < rows[i].size; j++)
            good = (text[j] & 0xC0) == 0x80;
        return good ? rows[i].size : 0;
    }
    return 0;
}

void settle_clean(const char *text, char clean[SETTLE_TEXT_SIZE])
{
    size_t used = 0;
    for (const char *p = text; *p != '\0' && used + 4 < SETTLE_TEXT_SIZE;) {
        size_t size = character((const unsigned char *)p);
        for (size_t i = 0; i < (size ? size : 1); i++)
            clean[used++] = size ? p[i] : '?';
        p += size ? size : 1;
    }
    clean[used] = '\0';
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

void settle_add(struct settle_arrays *arrays, const struct job *job)
{
    if (job->state == JOB_HANDED_BACK)
        return;
    struct buf *columns = arrays->columns;
    db_array_int(&columns[SETTLE_IDS], job->message.id);
    db_array_text(&columns[SETTLE_VERDICTS], settle_word(job));
    db_array_text(&columns[SETTLE_PROVIDERS], job->provider);
    add_peer_text(&columns[SETTLE_PROVIDER_IDS], job->verdict.provider_id);
    add_peer_text(&columns[SETTLE_REASONS], job->verdict.reason);
    db_array_int(&columns[SETTLE_ATS], job->judged_ms);
    add_time(&columns[SETTLE_NOT_BEFORES], job->verdict.not_before_ms);
    add_time(&columns[SETTLE_AS_OFS], as_of(job));
    bool charged =
        job->state == JOB_JUDGED && job->verdict.kind == VERDICT_SENT && job->verdict.cost[0] != '\0';
    db_array_text(&columns[SETTLE_COSTS], charged ? job->verdict.cost : NULL);
    db_array_text(&columns[SETTLE_CURRENCIES],
                  charged && job->verdict.currency[0] ? job->verdict.currency : NULL);
    arrays->charged = arrays->charged || charged;
}

void settle_finish(struct settle_arrays *arrays, const char *parameters[SETTLE_COLUMNS])
{
    for (int column = 0; column < SETTLE_COLUMNS; column++) {
        db_array_finish(&arrays->columns[column]);
        parameters[column] = buf_string(&arrays->columns[column]);
    }
    if (!arrays->charged)
        parameters[SETTLE_COSTS] = parameters[SETTLE_CURRENCIES] = NULL;
}

void settle_free(struct settle_arrays *arrays)
{
    for (int column = 0; column < SETTLE_COLUMNS; column++)
        buf_free(&arrays->columns[column]);
}
