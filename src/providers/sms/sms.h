/* What the adapters of international SMS vendors share: settings, the message, requests, prices. */
#ifndef PGOUTBOX_PROVIDERS_SMS_SMS_H
#define PGOUTBOX_PROVIDERS_SMS_SMS_H

#include "formats/sms_text.h"
#include "providers/adapter.h"
#include "providers/settings.h"

enum { SMS_BODY_MAX = 65536 };

/* The settings url, ca_file, from and max_segments. */
struct sms_settings {
    struct server server;
    char *from; /* NULL when it is not set */
    int max_segments;
};

/* settings are zeroed; free them whatever this returns. */
bool sms_settings_read(struct sms_settings *settings, struct json_object *json, const char *default_url,
                       struct error *err);
void sms_settings_free(struct sms_settings *settings);

/* An optional setting with an http or https URL for receipts; *value is NULL when it is absent. */
bool sms_callback_read(struct json_object *json, const char *name, char **value, struct error *err);

/* The message, checked. Everything is borrowed. */
struct sms {
    const char *text;
    const char *from; /* the payload's, else that of the settings; may be NULL */
    struct sms_size size;
};

/* False: the verdict is REJECTED. */
bool sms_read(const struct sms_settings *settings, const struct message *message, struct sms *sms,
              struct verdict *verdict);

/* True when the payload brings its own sender: a fault of it is the message's and not the provider's. */
bool sms_has_own_sender(const struct message *message);

/* A POST of a form; the body moves from `form`, which is freed, into the arena. False: the form is too large,
 * the verdict is REJECTED. */
bool sms_post_form(struct request *request, const char *path, struct buf *form, struct arena *arena,
                   struct verdict *verdict);

/* The vendor's text for people, without the recipient and other numbers. text may be NULL. */
void sms_reason(char *out, size_t size, const char *text, const struct message *message);

/* Sets cost and currency when price is a decimal number and currency a code of three letters; the sign is
 * dropped. Either may be NULL. */
void sms_cost(struct verdict *verdict, const char *price, const char *currency);

#endif
