#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/mem.h"
#include "core/utf8.h"
#include "sandbox/view/view.h"
#include "sandbox/wire/form.h"

enum { ARRIVALS_DEFAULT = 50, REPEATS_MAX = 1000, IDS_PER_STEP = 512, ID_MAX = LEDGER_KEY_MAX };

/* Where an answer stands that is made while it is sent. New arrivals meanwhile do not disturb it. */
struct cursor {
    struct http_pull pull;
    struct store *store;
    uint64_t at; /* arrivals: one above the next number to look at; else: the next index of the ledger */
    size_t left; /* elements still wanted */
    bool begun;  /* the array is open */
    bool first;  /* no element was written yet */
    bool all;    /* of every channel */
    enum channel channel;
    char id[ID_MAX + 1]; /* empty: any */
};

static struct cursor *cursor_new(struct store *store, bool (*next)(struct http_pull *, struct buf *))
{
    struct cursor *cursor = mem_alloc(sizeof(*cursor));
    cursor->pull.next = next;
    cursor->store = store;
    cursor->first = cursor->all = true;
    return cursor;
}

static void open_element(struct cursor *cursor, struct buf *out)
{
    if (!cursor->first)
        buf_text(out, ",\n");
    cursor->first = false;
}

/* A mail may carry any octets; JSON may not: what is no UTF-8 becomes '?'. */
static void append_string(struct buf *out, const char *text, size_t size)
{
    char *clean = mem_alloc(size + 1);
    json_append_string(out, clean, utf8_clean(text, size, clean, size));
    mem_free(clean);
}

static void append_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    append_string(out, text, strlen(text));
}

static void append_body(struct buf *out, const struct kept *kept)
{
    struct json_object *body = NULL;
    if (kept->channel != CHANNEL_SMTP && !kept->body_cut)
        body = json_parse(kept->body, kept->body_size, NULL);
    buf_text(out, ",\"body\":");
    if (json_object_is_type(body, json_type_object)) /* a text that happens to be a number is a text */
        json_append_value(out, body);
    else
        append_string(out, kept->body, kept->body_size);
    json_object_put(body);
}

static void append_arrival(struct buf *out, const struct kept *kept)
{
    buf_printf(out, "{\"channel\":\"%s\"", store_channel_name(kept->channel));
    append_text(out, "id", kept->id);
    append_text(out, "recipient", kept->recipient);
    buf_printf(out, ",\"at\":%lld.%03lld,\"status\":%d,\"count\":%u,\"headers\":{",
               (long long)(kept->at_us / 1000), (long long)(kept->at_us % 1000), kept->status, kept->count);
    for (int i = 0; i < STORE_MAX_NOTES && kept->notes[i].name; i++) {
        buf_printf(out, "%s\"%s\":", i > 0 ? "," : "", kept->notes[i].name);
        append_string(out, kept->notes[i].value, strlen(kept->notes[i].value));
    }
    buf_char(out, '}');
    append_body(out, kept);
    buf_text(out, kept->body_cut ? ",\"body_cut\":true}" : "}");
}

static bool next_arrival(struct http_pull *pull, struct buf *out)
{
    struct cursor *cursor = (struct cursor *)pull;
    struct kept kept;
    if (!cursor->begun)
        buf_char(out, '[');
    cursor->begun = true;
    while (cursor->left > 0 && cursor->at > 0 && store_kept(cursor->store, --cursor->at, &kept)) {
        if ((!cursor->all && kept.channel != cursor->channel) ||
            (*cursor->id != '\0' && strcmp(kept.id, cursor->id) != 0))
            continue;
        cursor->left--;
        open_element(cursor, out);
        append_arrival(out, &kept);
        return true;
    }
    buf_text(out, "]\n");
    return false;
}

/* The channel named in the query; false: it is not one. */
static bool read_channel(struct cursor *cursor, const char *query)
{
    struct buf name;
    buf_init(&name, 16);
    bool given = form_value(query, "channel", &name) || name.overflowed;
    bool good = !given || store_channel_parse(buf_string(&name), &cursor->channel);
    cursor->all = !given;
    buf_free(&name);
    return good;
}

struct http_pull *view_json_arrivals(struct store *store, const char *query)
{
    struct cursor *cursor = cursor_new(store, next_arrival);
    cursor->at = store_newest(store);
    struct buf limit, id;
    buf_init(&limit, 16);
    buf_init(&id, ID_MAX);
    cursor->left =
        form_value(query, "limit", &limit) ? strtoul(buf_string(&limit), NULL, 10) : ARRIVALS_DEFAULT;
    if (form_value(query, "id", &id))
        memcpy(cursor->id, buf_string(&id), id.size + 1);
    bool good = read_channel(cursor, query) && !limit.overflowed && !id.overflowed;
    buf_free(&limit);
    buf_free(&id);
    if (good)
        return &cursor->pull;
    mem_free(cursor);
    return NULL;
}

/* The next entry of the ledgers, going through the channels when all are wanted; 0 at the end. */
static uint32_t next_entry(struct cursor *cursor, char id[ID_MAX + 1])
{
    while (cursor->at >= ledger_size(store_ids(cursor->store, cursor->channel))) {
        if (!cursor->all || cursor->channel == CHANNEL_COUNT - 1)
            return 0;
        cursor->channel = (enum channel)(cursor->channel + 1);
        cursor->at = 0;
    }
    return ledger_entry(store_ids(cursor->store, cursor->channel), cursor->at++, id);
}

static bool next_ids(struct http_pull *pull, struct buf *out)
{
    struct cursor *cursor = (struct cursor *)pull;
    char id[ID_MAX + 1];
    for (int i = 0; i < IDS_PER_STEP; i++) {
        uint32_t count = next_entry(cursor, id);
        if (count == 0)
            return false;
        buf_printf(out, "%s %u\n", id, count);
    }
    return true;
}

struct http_pull *view_json_ids(struct store *store, const char *query)
{
    struct cursor *cursor = cursor_new(store, next_ids);
    if (read_channel(cursor, query))
        return &cursor->pull;
    mem_free(cursor);
    return NULL;
}

static bool next_repeats(struct http_pull *pull, struct buf *out)
{
    struct cursor *cursor = (struct cursor *)pull;
    char id[ID_MAX + 1];
    if (!cursor->begun)
        buf_char(out, '[');
    cursor->begun = true;
    while (cursor->left > 0) {
        uint32_t count = next_entry(cursor, id);
        if (count == 0)
            break;
        if (count == 1)
            continue;
        cursor->left--;
        open_element(cursor, out);
        buf_printf(out, "{\"channel\":\"%s\"", store_channel_name(cursor->channel));
        append_text(out, "id", id);
        buf_printf(out, ",\"count\":%u}", count);
        return true;
    }
    buf_text(out, "]\n");
    return false;
}

struct http_pull *view_json_repeats(struct store *store)
{
    struct cursor *cursor = cursor_new(store, next_repeats);
    cursor->left = REPEATS_MAX;
    return &cursor->pull;
}

static void append_channel(struct buf *out, struct store *store, enum channel channel)
{
    const struct channel_stats *stats = store_stats(store, channel);
    buf_printf(out,
               "\"%s\":{\"arrived\":%lld,\"distinct\":%zu,\"repeats\":%lld,\"untracked\":%lld,"
               "\"connections_opened\":%lld,\"connections_now\":%lld,\"tokens_seen\":%lld,\"rejected\":{",
               store_channel_name(channel), (long long)stats->arrived, ledger_size(store_ids(store, channel)),
               (long long)stats->repeats, (long long)stats->untracked, (long long)stats->connections.opened,
               (long long)stats->connections.now, (long long)stats->tokens);
    for (int i = 0; i < STORE_MAX_REASONS && stats->rejected[i].reason; i++)
        buf_printf(out, "%s\"%s\":%lld", i > 0 ? "," : "", stats->rejected[i].reason,
                   (long long)stats->rejected[i].count);
    buf_text(out, "}}");
}

void view_json_stats(struct store *store, struct buf *out)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        buf_char(out, i == 0 ? '{' : ',');
        append_channel(out, store, (enum channel)i);
    }
    buf_text(out, "}\n");
}
