/* The parts of the Twilio adapter (Programmable Messaging, API of 2010-04-01). */
#ifndef PGOUTBOX_PROVIDERS_SMS_TWILIO_H
#define PGOUTBOX_PROVIDERS_SMS_TWILIO_H

#include "providers/adapter.h"
#include "providers/sms/sms.h"

extern const struct adapter twilio_adapter;

struct twilio_settings {
    struct sms_settings sms;
    char *path;              /* "/2010-04-01/Accounts/AC…/Messages.json" */
    char *authorization;     /* "Basic …" */
    char *messaging_service; /* "MG…", or NULL */
    char *status_callback;   /* URL for receipts, or NULL */
};

struct verdict twilio_judge(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms);

/* Twilio knows no id of ours: a message is recognised by its recipient, its text and the time it was taken.
 */
bool twilio_inquiry_build(const void *settings, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request);
struct verdict twilio_inquiry_judge(const void *settings, const struct message *message,
                                    struct json_object *body, const struct sent_span *sent);

/* The verdict for a message that Twilio holds. */
struct verdict twilio_taken(struct json_object *body);

#endif
