/*
 * What users, devices, refusals and notifications ought to do, in plain C and without a database: the tests
 * compare Postgres with it. Addresses, tokens, users and keys are small numbers; the model turns them into
 * texts.
 */
#ifndef PGOUTBOX_TESTS_USER_MODEL_H
#define PGOUTBOX_TESTS_USER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

enum {
    MODEL_USERS = 5,
    MODEL_ADDRESSES = 8, /* of each channel: tokens, mail addresses, numbers */
    MODEL_DEVICES = 2 * MODEL_ADDRESSES,
    MODEL_NOTIFICATIONS = 400,
    MODEL_MESSAGES = 4000,
    MODEL_CAP = 3 /* notifications of MODEL_NEWS that a user gets until the period is over */
};

enum model_channel { MODEL_IOS, MODEL_ANDROID, MODEL_EMAIL, MODEL_SMS, MODEL_CHANNELS };
enum model_category { MODEL_SECURITY, MODEL_SERVICE, MODEL_NEWS, MODEL_MARKETING, MODEL_CATEGORIES };
enum model_choice { MODEL_UNDECIDED, MODEL_ALLOWED, MODEL_REFUSED };
enum model_suppression { MODEL_USABLE, MODEL_BY_HAND, MODEL_BY_ANSWER };
enum model_status {
    MODEL_SCHEDULED,
    MODEL_PENDING,
    MODEL_SENT,
    MODEL_FAILED,
    MODEL_CANCELLED,
    MODEL_SUPPRESSED
};
enum model_state { MODEL_WAITS, MODEL_EXPANDED, MODEL_WITHDRAWN };

struct model_device {
    int64_t id; /* in the database; learnt from it */
    int channel, token, user;
    bool live;
    int seen; /* model.clock when the app last showed the token */
};

struct model_message {
    int notification, channel, address;
    int device; /* -1 = none */
    enum model_status status;
};

struct model_notification {
    int user, category;
    unsigned channels; /* bits; 0 = all */
    enum model_state state;
    unsigned withheld; /* bits; MODEL_NOWHERE when there was no address at all */
};

#define MODEL_NOWHERE (1U << MODEL_CHANNELS)

struct model {
    int clock;
    int contacts[MODEL_USERS][MODEL_CHANNELS]; /* of mail and SMS; -1 = none */
    bool stopped[MODEL_USERS], quiet[MODEL_USERS];
    int capped[MODEL_USERS];
    enum model_choice choices[MODEL_USERS][MODEL_CATEGORIES][MODEL_CHANNELS + 1]; /* the last is for all */
    enum model_suppression suppressed[MODEL_CHANNELS][MODEL_ADDRESSES];
    int device_count, notification_count, message_count;
    struct model_device devices[MODEL_DEVICES];
    struct model_notification notifications[MODEL_NOTIFICATIONS];
    struct model_message messages[MODEL_MESSAGES];
};

extern const char *const model_channels[MODEL_CHANNELS];
extern const char *const model_categories[MODEL_CATEGORIES];

void model_init(struct model *model);
/* The text of an address; lives in one of a few static buffers, so use it soon. */
const char *model_address(int channel, int address);

/* Both return the index of the device. former: the token that is replaced; -1 = none. */
int model_register(struct model *model, int user, int channel, int token, int former);
void model_retire(struct model *model, int user, int channel, int token);
/* channel MODEL_CHANNELS = all. */
void model_prefer(struct model *model, int user, int category, int channel, enum model_choice choice);
/* Returns the number of the new notification. */
int model_notify(struct model *model, int user, int category, unsigned channels, bool timed);
void model_expand(struct model *model, int notification);
void model_release(struct model *model); /* everything scheduled is due */
void model_cancel(struct model *model, int message);
void model_cancel_notification(struct model *model, int notification);

/* What the rules say about a message that a dispatcher has in its hands. */
enum model_verdict { MODEL_MAY_GO, MODEL_MUST_NOT, MODEL_WAIT, MODEL_MOVED };
enum model_verdict model_judge(const struct model *model, const struct model_message *message);
/* The address that the message's device or user has now; the message's own when that is not known. */
int model_current_address(const struct model *model, const struct model_message *message);
/* The provider says that its address was gone at that time. */
void model_gone(struct model *model, const struct model_message *message, int gone_before);

/* All of it as sorted lines. */
void model_print(const struct model *model, struct buf *out);

#endif
