/*
 * What the Korean SMS vendors share: the settings of their rows, the payload of channel "sms" and the reading
 * of their answers. Settings: url, from, ca_file, replace_unknown, advertising, abroad, inquire_after.
 */
#ifndef PGOUTBOX_PROVIDERS_SMS_KR_SMS_H
#define PGOUTBOX_PROVIDERS_SMS_KR_SMS_H

#include "formats/kr_text.h"
#include "providers/adapter.h"
#include "providers/settings.h"

enum { KR_BODY_MAX = 32768 };
#define KR_BODY_TYPE "application/json; charset=utf-8"

struct kr_sms {
    struct server server;
    char from[16];        /* national digits */
    bool replace_unknown; /* '?' for a character outside EUC-KR; false: the message is refused */
    bool advertising;     /* messages of lane bulk are advertising and are checked as such */
    bool abroad;          /* numbers outside Korea are allowed */
    /* A message in doubt can be asked for this long after it was sent: by then the vendor's list has it. */
    int64_t inquire_after_ms;
};

/* False: err names the setting. kr_sms_free is allowed in any case. */
bool kr_sms_read_settings(struct kr_sms *sms, struct json_object *json, const char *url, struct error *err);
void kr_sms_free(struct kr_sms *sms);

/* A copy of a secret that is safe in a header: visible ASCII. NULL: err names it. secret_free. */
char *kr_sms_secret(const char *name, const char *value, struct error *err);

/* A message ready for a vendor. The strings live in the arena, the payload or the settings. */
struct kr_sms_message {
    struct kr_number to;
    char from[16];
    const char *text, *subject; /* subject: of an LMS; NULL = none */
    bool lms;                   /* else SMS */
    bool advertising;
};

/* False: *verdict is REJECTED and names the payload's key or the recipient. */
bool kr_sms_read(const struct kr_sms *sms, const struct message *message, struct arena *arena,
                 struct kr_sms_message *out, struct verdict *verdict);

/* The span in which the vendor is asked for a message sent then: it covers clocks that are apart as far as
 * the vendors' signatures allow, and slow requests. False: it is too early to ask. */
bool kr_sms_search_span(const struct kr_sms *sms, const struct sent_span *sent, int64_t now_ms,
                        struct sent_span *search);

/* "2023-11-15 07:13:20" in Korean time, with %20 and %3A for a query. */
void kr_sms_query_time(int64_t ms, char out[32]);

/* What a vendor's code means. */
enum kr_meaning {
    KR_UNKNOWN,
    KR_TAKEN,
    KR_REJECT,
    KR_GONE,    /* the number is dead or opted out */
    KR_STOP,    /* account or configuration */
    KR_SENDER,  /* the sender number: that of the settings, unless the payload brought its own */
    KR_COUNTRY, /* the recipient's country: the message's fault, unless it is Korea */
    KR_RETRY,   /* not taken, again later */
    KR_FEW,     /* the same a few times, then for good */
    KR_DAYLIGHT /* not at this hour: from 08:00 Korean time */
};

struct kr_codes {
    enum kr_meaning meaning;
    const char *codes; /* separated by single spaces */
};

enum kr_meaning kr_codes_find(const struct kr_codes *rows, size_t count, const char *code);

/* A text or whole number member as text; "" when it is absent, of another type or longer than out. */
void kr_sms_code(struct json_object *object, const char *name, char *out, size_t size);

/* SENT with the vendor's id from a member of an answer, if it is there. */
struct verdict kr_sms_taken(struct json_object *object, const char *name);

/* The verdict of a meaning; SENT comes without a provider id. text: the vendor's own words, may be NULL. */
struct verdict kr_sms_verdict(enum kr_meaning meaning, const struct message *message, const char *code,
                              const char *text, int64_t now_ms);

/* The verdict that the HTTP status alone allows. No vendor says what a 5xx means for a request without an
 * idempotency key, so it is in doubt. */
struct verdict kr_sms_judge_status(const struct response *response, const struct message *message,
                                   const char *text, int64_t now_ms);

#endif
