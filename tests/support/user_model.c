#include "support/user_model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

const char *const model_channels[MODEL_CHANNELS] = {"ios", "android", "email", "sms"};
const char *const model_categories[MODEL_CATEGORIES] = {"security", "service", "news", "marketing"};

static const struct {
    bool mandatory, needs_consent, bulk, capped;
} rules[MODEL_CATEGORIES] = {
    [MODEL_SECURITY] = {.mandatory = true},
    [MODEL_NEWS] = {.capped = true},
    [MODEL_MARKETING] = {.needs_consent = true, .bulk = true},
};

void model_init(struct model *model)
{
    memset(model, 0, sizeof *model);
    for (int user = 0; user < MODEL_USERS; user++)
        for (int channel = 0; channel < MODEL_CHANNELS; channel++)
            model->contacts[user][channel] = -1;
}

const char *model_address(int channel, int address)
{
    static char texts[8][64];
    static unsigned next;
    char *text = texts[next++ % 8];
    switch (channel) {
    case MODEL_IOS:
        snprintf(text, sizeof texts[0], "%032d", address);
        break;
    case MODEL_ANDROID:
        snprintf(text, sizeof texts[0], "android-registration-token-%d", address);
        break;
    case MODEL_EMAIL:
        snprintf(text, sizeof texts[0], "e%d@example.com", address);
        break;
    default:
        snprintf(text, sizeof texts[0], "+82100000000%d", address);
    }
    return text;
}

static struct model_device *find_device(struct model *model, int channel, int token)
{
    for (int i = 0; i < model->device_count; i++)
        if (model->devices[i].channel == channel && model->devices[i].token == token)
            return &model->devices[i];
    return NULL;
}

int model_register(struct model *model, int user, int channel, int token, int former)
{
    struct model_device *device = find_device(model, channel, token);
    struct model_device *old = former >= 0 && former != token ? find_device(model, channel, former) : NULL;
    if (old != NULL && old->user == user) {
        if (device == NULL)
            device = old;
        else
            old->live = false;
    }
    if (device == NULL) {
        ck_assert_int_lt(model->device_count, MODEL_DEVICES);
        device = &model->devices[model->device_count++];
    }
    device->channel = channel;
    device->token = token;
    device->user = user;
    device->live = true;
    device->seen = ++model->clock;
    if (model->suppressed[channel][token] == MODEL_BY_ANSWER)
        model->suppressed[channel][token] = MODEL_USABLE;
    return (int)(device - model->devices);
}

void model_retire(struct model *model, int user, int channel, int token)
{
    struct model_device *device = find_device(model, channel, token);
    if (device != NULL && device->user == user)
        device->live = false;
}

void model_prefer(struct model *model, int user, int category, int channel, enum model_choice choice)
{
    enum model_choice *choices = model->choices[user][category];
    if (channel == MODEL_CHANNELS)
        for (int i = 0; i < MODEL_CHANNELS; i++)
            choices[i] = MODEL_UNDECIDED;
    choices[channel] = choice;
}

static bool is_allowed(const struct model *model, int user, int category, int channel)
{
    const enum model_choice *choices = model->choices[user][category];
    enum model_choice choice =
        choices[channel] != MODEL_UNDECIDED ? choices[channel] : choices[MODEL_CHANNELS];
    return choice == MODEL_ALLOWED || (choice == MODEL_UNDECIDED && !rules[category].needs_consent);
}

int model_current_address(const struct model *model, const struct model_message *message)
{
    int user = model->notifications[message->notification].user;
    int address = message->device >= 0 ? model->devices[message->device].token
                                       : model->contacts[user][message->channel];
    return address >= 0 ? address : message->address;
}

enum model_verdict model_judge(const struct model *model, const struct model_message *message)
{
    const struct model_notification *told = &model->notifications[message->notification];
    int address = model_current_address(model, message);
    if (model->suppressed[message->channel][address] != MODEL_USABLE)
        return MODEL_MUST_NOT;
    if (message->device >= 0) {
        const struct model_device *device = &model->devices[message->device];
        if (!device->live || device->user != told->user)
            return MODEL_MUST_NOT;
    } else if (model->contacts[told->user][message->channel] < 0) {
        return MODEL_MUST_NOT;
    }
    if (!rules[told->category].mandatory) {
        if (model->stopped[told->user] || !is_allowed(model, told->user, told->category, message->channel))
            return MODEL_MUST_NOT;
        if (rules[told->category].bulk && model->quiet[told->user])
            return MODEL_WAIT;
    }
    return address != message->address ? MODEL_MOVED : MODEL_MAY_GO;
}

static int list_candidates(const struct model *model, int notification, struct model_message *out)
{
    const struct model_notification *told = &model->notifications[notification];
    int count = 0;
    for (int channel = 0; channel < MODEL_CHANNELS; channel++) {
        if (told->channels != 0 && (told->channels & (1U << channel)) == 0)
            continue;
        if (model->contacts[told->user][channel] >= 0)
            out[count++] = (struct model_message){.notification = notification,
                                                  .channel = channel,
                                                  .address = model->contacts[told->user][channel],
                                                  .device = -1};
        for (int i = 0; i < model->device_count; i++) {
            const struct model_device *device = &model->devices[i];
            if (device->channel == channel && device->user == told->user && device->live)
                out[count++] = (struct model_message){
                    .notification = notification, .channel = channel, .address = device->token, .device = i};
        }
    }
    return count;
}

void model_expand(struct model *model, int notification)
{
    struct model_notification *told = &model->notifications[notification];
    struct model_message candidates[MODEL_DEVICES + MODEL_CHANNELS];
    int count = list_candidates(model, notification, candidates);
    bool any = false;
    for (int i = 0; i < count; i++)
        any |= model_judge(model, &candidates[i]) != MODEL_MUST_NOT;
    bool over_cap = any && rules[told->category].capped && model->capped[told->user] >= MODEL_CAP;
    if (any && rules[told->category].capped && !over_cap)
        model->capped[told->user]++;
    told->state = MODEL_EXPANDED;
    told->withheld = count == 0 ? MODEL_NOWHERE : 0;
    for (int i = 0; i < count; i++) {
        enum model_verdict verdict = model_judge(model, &candidates[i]);
        if (over_cap || verdict == MODEL_MUST_NOT) {
            told->withheld |= 1U << candidates[i].channel;
        } else {
            ck_assert_int_lt(model->message_count, MODEL_MESSAGES);
            candidates[i].status = verdict == MODEL_WAIT ? MODEL_SCHEDULED : MODEL_PENDING;
            model->messages[model->message_count++] = candidates[i];
        }
    }
}

int model_notify(struct model *model, int user, int category, unsigned channels, bool timed)
{
    ck_assert_int_lt(model->notification_count, MODEL_NOTIFICATIONS);
    int notification = model->notification_count++;
    model->notifications[notification] = (struct model_notification){
        .user = user, .category = category, .channels = channels, .state = MODEL_WAITS};
    if (!timed)
        model_expand(model, notification);
    return notification;
}

void model_release(struct model *model)
{
    for (int i = 0; i < model->message_count; i++) {
        struct model_message *message = &model->messages[i];
        if (message->status != MODEL_SCHEDULED)
            continue;
        enum model_verdict verdict = model_judge(model, message);
        message->status = verdict == MODEL_MUST_NOT ? MODEL_SUPPRESSED
                          : verdict == MODEL_WAIT   ? MODEL_SCHEDULED
                                                    : MODEL_PENDING;
    }
}

void model_cancel(struct model *model, int message)
{
    enum model_status *status = &model->messages[message].status;
    if (*status == MODEL_SCHEDULED || *status == MODEL_PENDING)
        *status = MODEL_CANCELLED;
}

void model_cancel_notification(struct model *model, int notification)
{
    if (model->notifications[notification].state == MODEL_WAITS)
        model->notifications[notification].state = MODEL_WITHDRAWN;
    for (int i = 0; i < model->message_count; i++)
        if (model->messages[i].notification == notification)
            model_cancel(model, i);
}

void model_gone(struct model *model, const struct model_message *message, int gone_before)
{
    if (message->device >= 0) {
        struct model_device *device = &model->devices[message->device];
        if (device->token == message->address && device->seen <= gone_before)
            device->live = false;
    }
    if (find_device(model, message->channel, message->address) == NULL &&
        model->suppressed[message->channel][message->address] == MODEL_USABLE)
        model->suppressed[message->channel][message->address] = MODEL_BY_ANSWER;
}

/* ---- Printing ---- */

struct lines {
    char **line;
    size_t count, room;
};

static void add_line(struct lines *lines, const char *format, ...) PRINTF_LIKE(2, 3);
static void add_line(struct lines *lines, const char *format, ...)
{
    if (lines->count == lines->room) {
        lines->room = lines->room * 2 + 64;
        lines->line = mem_grow(lines->line, lines->room, sizeof *lines->line);
    }
    va_list args;
    va_start(args, format);
    ck_assert_int_ge(vasprintf(&lines->line[lines->count++], format, args), 0);
    va_end(args);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_messages(const struct model *model, struct lines *lines)
{
    static const char *const statuses[] = {"scheduled", "pending",   "sent",
                                           "failed",    "cancelled", "suppressed"};
    for (int i = 0; i < model->message_count; i++) {
        const struct model_message *message = &model->messages[i];
        char device[32] = "";
        if (message->device >= 0)
            snprintf(device, sizeof device, "/%lld", (long long)model->devices[message->device].id);
        add_line(lines, "message n%d/%s%s %s %s", message->notification, model_channels[message->channel],
                 device, model_address(message->channel, message->address), statuses[message->status]);
    }
}

static void print_notifications(const struct model *model, struct lines *lines)
{
    static const char *const states[] = {"scheduled", "expanded", "cancelled"};
    static const int sorted[] = {MODEL_ANDROID, MODEL_EMAIL, MODEL_IOS, MODEL_SMS};
    for (int i = 0; i < model->notification_count; i++) {
        const struct model_notification *told = &model->notifications[i];
        char withheld[64] = "";
        for (size_t c = 0; c < sizeof sorted / sizeof *sorted; c++)
            if ((told->withheld & (1U << sorted[c])) != 0)
                snprintf(withheld + strlen(withheld), sizeof withheld - strlen(withheld), " %s",
                         model_channels[sorted[c]]);
        add_line(lines, "notification n%d %s%s%s", i, states[told->state], withheld,
                 (told->withheld & MODEL_NOWHERE) != 0 ? " *" : "");
    }
}

void model_print(const struct model *model, struct buf *out)
{
    struct lines lines = {0};
    print_messages(model, &lines);
    print_notifications(model, &lines);
    for (int i = 0; i < model->device_count; i++) {
        const struct model_device *device = &model->devices[i];
        add_line(&lines, "device %lld %s u%d %s", (long long)device->id,
                 model_address(device->channel, device->token), device->user,
                 device->live ? "live" : "retired");
    }
    for (int channel = 0; channel < MODEL_CHANNELS; channel++)
        for (int address = 0; address < MODEL_ADDRESSES; address++)
            if (model->suppressed[channel][address] != MODEL_USABLE)
                add_line(&lines, "suppression %s %s %s", model_channels[channel],
                         model_address(channel, address),
                         model->suppressed[channel][address] == MODEL_BY_HAND ? "by hand" : "by answer");
    if (lines.count > 0)
        qsort(lines.line, lines.count, sizeof *lines.line, compare_lines);
    for (size_t i = 0; i < lines.count; i++) {
        buf_printf(out, "%s\n", lines.line[i]);
        free(lines.line[i]);
    }
    mem_free(lines.line);
}
