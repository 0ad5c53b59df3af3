#include "sandbox/store/store.h"

#include <string.h>
#include <time.h>

#include "core/mem.h"

/* The texts of a kept arrival stand in one buffer, each with a zero octet behind it: id, recipient, name and
 * value of each note, body. */
struct kept_slot {
    enum channel channel;
    int64_t at_us;
    uint32_t count;
    int status;
    int note_count;
    bool body_cut;
    size_t body_size;
    struct buf text;
};

struct store {
    struct channel_stats stats[CHANNEL_COUNT];
    struct ledger *ids[CHANNEL_COUNT];
    struct ledger *recipients[CHANNEL_COUNT];
    uint64_t newest;
    struct kept_slot slots[STORE_KEPT];
};

static const char *const channel_names[CHANNEL_COUNT] = {"apns", "fcm",  "smtp",   "web",
                                                         "sms",  "mail", "webhook"};

const char *store_channel_name(enum channel channel)
{
    return channel_names[channel];
}

bool store_channel_parse(const char *name, enum channel *channel)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        if (strcmp(channel_names[i], name) == 0) {
            *channel = (enum channel)i;
            return true;
        }
    }
    return false;
}

struct store *store_new(void)
{
    struct store *store = mem_alloc(sizeof(*store));
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        store->ids[i] = ledger_new(STORE_MAX_IDS);
        store->recipients[i] = ledger_new(STORE_MAX_RECIPIENTS);
    }
    for (size_t i = 0; i < STORE_KEPT; i++)
        buf_init(&store->slots[i].text, STORE_MAX_TEXT);
    return store;
}

void store_free(struct store *store)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        ledger_free(store->ids[i]);
        ledger_free(store->recipients[i]);
    }
    for (size_t i = 0; i < STORE_KEPT; i++)
        buf_free(&store->slots[i].text);
    mem_free(store);
}

void store_reset(struct store *store)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        ledger_reset(store->ids[i]);
        ledger_reset(store->recipients[i]);
        store->stats[i] = (struct channel_stats){.connections.now = store->stats[i].connections.now};
    }
    store->newest = 0;
}

static void append_text(struct kept_slot *slot, const char *text)
{
    (void)buf_append(&slot->text, text, strlen(text) + 1);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void store_record(struct store *store, const struct arrival *arrival)
{
    struct channel_stats *stats = &store->stats[arrival->channel];
    size_t id_size = strlen(arrival->id);
    uint32_t count = id_size > 0 ? ledger_add(store->ids[arrival->channel], arrival->id, id_size) : 0;
    stats->arrived++;
    stats->repeats += count > 1;
    stats->untracked += count == 0;

    struct kept_slot *slot = &store->slots[store->newest++ % STORE_KEPT];
    slot->channel = arrival->channel;
    slot->at_us = now_us();
    slot->count = count;
    slot->status = arrival->status;
    slot->note_count = 0;
    buf_reset(&slot->text);
    append_text(slot, arrival->id);
    append_text(slot, arrival->recipient);
    for (int i = 0; i < STORE_MAX_NOTES && arrival->notes[i].name; i++) {
        if (!arrival->notes[i].value)
            continue;
        append_text(slot, arrival->notes[i].name);
        append_text(slot, arrival->notes[i].value);
        slot->note_count++;
    }
    size_t room = slot->text.overflowed ? 0 : slot->text.max - slot->text.size;
    slot->body_cut = arrival->body_size > room;
    slot->body_size = slot->body_cut ? room : arrival->body_size;
    (void)buf_append(&slot->text, arrival->body, slot->body_size);
}

void store_reject(struct store *store, enum channel channel, const char *reason)
{
    struct reason_count *rejected = store->stats[channel].rejected;
    for (int i = 0; i < STORE_MAX_REASONS; i++) {
        if (rejected[i].reason && strcmp(rejected[i].reason, reason) != 0)
            continue;
        rejected[i].reason = reason;
        rejected[i].count++;
        return;
    }
}

uint32_t store_count_recipient(struct store *store, enum channel channel, const char *recipient)
{
    return ledger_add(store->recipients[channel], recipient, strlen(recipient));
}

struct channel_stats *store_stats(struct store *store, enum channel channel)
{
    return &store->stats[channel];
}

const struct ledger *store_ids(const struct store *store, enum channel channel)
{
    return store->ids[channel];
}

uint64_t store_newest(const struct store *store)
{
    return store->newest;
}

bool store_kept(const struct store *store, uint64_t number, struct kept *kept)
{
    if (number >= store->newest || store->newest - number > STORE_KEPT)
        return false;
    const struct kept_slot *slot = &store->slots[number % STORE_KEPT];
    *kept = (struct kept){.channel = slot->channel,
                          .at_us = slot->at_us,
                          .count = slot->count,
                          .status = slot->status,
                          .body_size = slot->body_size,
                          .body_cut = slot->body_cut};
    if (slot->text.overflowed) {
        kept->id = kept->recipient = kept->body = "";
        return true;
    }
    const char *text = slot->text.data;
    kept->id = text;
    text += strlen(text) + 1;
    kept->recipient = text;
    text += strlen(text) + 1;
    for (int i = 0; i < slot->note_count; i++) {
        kept->notes[i].name = text;
        text += strlen(text) + 1;
        kept->notes[i].value = text;
        text += strlen(text) + 1;
    }
    kept->body = text;
    return true;
}
