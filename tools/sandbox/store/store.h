/*
 * What arrived: counters and the number of arrivals of each message id for ever, the newest arrivals in full.
 * Refused requests are only counted, by reason: they are no arrivals.
 */
#ifndef PGOUTBOX_SANDBOX_STORE_STORE_H
#define PGOUTBOX_SANDBOX_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "sandbox/store/ledger.h"
#include "sandbox/wire/listener.h"

enum channel {
    CHANNEL_APNS,
    CHANNEL_FCM,
    CHANNEL_SMTP,
    CHANNEL_WEB,  /* Web Push */
    CHANNEL_SMS,  /* over any vendor */
    CHANNEL_MAIL, /* over vendors' interfaces */
    CHANNEL_WEBHOOK,
    CHANNEL_COUNT
};

enum {
    STORE_KEPT = 10000,             /* arrivals kept in full */
    STORE_MAX_TEXT = 40960,         /* octets kept of one arrival; a longer body is cut */
    STORE_MAX_IDS = 1 << 25,        /* further ids are not told apart: counted as untracked */
    STORE_MAX_RECIPIENTS = 1 << 20, /* recipients with magic, counted for their NN */
    STORE_MAX_REASONS = 48,
    STORE_MAX_NOTES = 8
};

const char *store_channel_name(enum channel channel); /* "apns" */
bool store_channel_parse(const char *name, enum channel *channel);

struct note {
    const char *name;
    const char *value; /* NULL: left out */
};

/* All borrowed. */
struct arrival {
    enum channel channel;
    const char *id;
    const char *recipient;
    int status; /* answered; 0 = no answer was given */
    struct note notes[STORE_MAX_NOTES];
    const char *body;
    size_t body_size;
};

/* An arrival as kept. Texts live until the next store_record. */
struct kept {
    enum channel channel;
    int64_t at_us;  /* Unix time, microseconds */
    uint32_t count; /* which arrival of this id it was: 1 = the first */
    int status;
    const char *id, *recipient;
    struct note notes[STORE_MAX_NOTES]; /* ends with a NULL name, or is full */
    const char *body;
    size_t body_size;
    bool body_cut;
};

struct reason_count {
    const char *reason;
    int64_t count;
};

struct channel_stats {
    int64_t arrived;
    int64_t repeats;   /* arrivals of an id that was there already */
    int64_t untracked; /* arrivals without an id, or with a new one when there are too many */
    int64_t tokens;    /* distinct valid credentials seen (APNs, Web Push) or given out (FCM) */
    struct connection_count connections;             /* none for those that share the vendors' port */
    struct reason_count rejected[STORE_MAX_REASONS]; /* ends with a NULL reason, or is full */
};

struct store;

struct store *store_new(void);
void store_free(struct store *store);
void store_reset(struct store *store); /* all but the connections that are open */

void store_record(struct store *store, const struct arrival *arrival);
void store_reject(struct store *store, enum channel channel, const char *reason); /* reason: a constant */
/* How often this recipient, which has magic, was seen, this time included. */
uint32_t store_count_recipient(struct store *store, enum channel channel, const char *recipient);

struct channel_stats *store_stats(struct store *store, enum channel channel);
const struct ledger *store_ids(const struct store *store, enum channel channel);

/* Arrivals are numbered from 0; the numbers below `newest` and not below `newest - STORE_KEPT` are kept. */
uint64_t store_newest(const struct store *store); /* one above the newest arrival */
bool store_kept(const struct store *store, uint64_t number, struct kept *kept);

#endif
