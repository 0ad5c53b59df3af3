/* What the SMS vendors of the sandbox share. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_SMS_H
#define PGOUTBOX_SANDBOX_VENDORS_SMS_H

#include "core/json.h"
#include "core/mem.h"
#include "sandbox/store/sms_log.h"
#include "sandbox/vendors/vendor.h"

enum {
    SMS_ID_SIZE = 33,
    SMS_NUMBER_SIZE = 24,
    SMS_LIST_FULL = 48 * 1024 /* octets of an answer after which a list goes on at the next page */
};

/* A vendor's answer to a request that it does not take. A vendor's table of them begins with an empty row,
 * which stands for no fault; its last row answers magic that no row names. */
struct sms_fault {
    int magic; /* the status that asks for it, or 0 */
    int http;
    const char *code;
    const char *reason; /* counted: "twilio: wrong credentials" */
    const char *text;
};

/* The row that this magic status asks for. */
size_t sms_fault_of(const struct sms_fault *faults, size_t count, int magic);

/* Counts the fault and sends x->answer, with retry-after when the status wants it. */
void sms_refuse(struct vendors *vendors, struct exchange *x, const struct sms_fault *fault, const char *type);

/* 32 digits that no other message of this or an earlier run has. */
void sms_id(struct vendors *vendors, char id[SMS_ID_SIZE]);

/* vendor_take for a text message, whose body is the request's; what arrived is logged. */
int sms_take(struct vendors *vendors, struct exchange *x, const struct sms_taken *sms, int status,
             const char *type);

/* What a list asks for; NULL stands for any. */
struct sms_query {
    const char *vendor; /* never NULL */
    const char *type;
    const char *to;       /* +E.164 */
    const char *national; /* the same number as it is written at home */
    const char *key;
    int64_t start_ms, end_ms; /* both included */
};

/* The next message that the vendor took, from the newest on; *back begins with 0 and is moved behind it. Its
 * texts live until the next message is taken. False: there is no further one. */
bool sms_find(const struct vendors *vendors, const struct sms_query *query, uint64_t *back,
              struct sms_taken *sms);

/* The decoded value in a form or query; NULL when it is absent, malformed or has a zero octet. */
const char *sms_form_text(struct arena *arena, const char *form, const char *name);
/* The request's query, "" without one. */
const char *sms_query_of(const struct exchange *x);
/* The request's JSON object, whose type must say so. NULL: it is none. json_object_put. */
struct json_object *sms_json(const struct exchange *x);

/* A member of a JSON object, with the comma between two. */
void sms_member(struct buf *out, const char *name, const char *text);

/* "+" country national, without the leading 0 that Korean numbers have at home. False: not E.164. */
bool sms_number(const char *country, const char *national, char number[SMS_NUMBER_SIZE]);
size_t sms_characters(const char *text); /* of UTF-8 */
/* E.164 with its '+', at least 7 digits. */
bool sms_is_number(const char *text);
/* Such a number, a short code of 3 digits or more, or a name: at most 11 letters, digits and " &+-_.", one of
 * them a letter. */
bool sms_is_sender(const char *text);
bool sms_is_digits(const char *text, size_t least, size_t most);
/* A whole number of at most 15 digits; fallback for NULL, -1 for another text. */
int64_t sms_whole(const char *text, int64_t fallback);

/* Reads a time by a strptime format that has all of date and time; what it says is UTC. */
bool sms_time(const char *text, const char *format, int64_t *ms);

#endif
