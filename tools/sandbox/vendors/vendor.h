/*
 * What the vendors with an HTTP interface of their own share. Each has a file NAME.c with a table of routes.
 * They check strictly what the real one checks and answer as it does.
 *
 * One secret serves as every vendor's password, key or token. The names that go with it are below.
 */
#ifndef PGOUTBOX_SANDBOX_VENDORS_VENDOR_H
#define PGOUTBOX_SANDBOX_VENDORS_VENDOR_H

#include "core/json.h"
#include "sandbox/store/store.h"
#include "sandbox/wire/http.h"

#define TWILIO_ACCOUNT "AC00000000000000000000000000000001"
#define VONAGE_KEY     "sandbox"
#define AWS_KEY        "AKIASANDBOX00000000" /* of SNS and SES */
#define AWS_REGION     "eu-central-1"
#define SOLAPI_KEY     "sandbox"
#define SENS_KEY       "sandbox"
#define SENS_SERVICE   "ncp:sms:kr:1:sandbox"
#define NHN_KEY        "sandbox"
#define MAILGUN_DOMAIN "mg.example.com"

enum { VENDOR_BODY_MAX = 40 * 1024 * 1024, VENDOR_NOTES = STORE_MAX_NOTES - 1, VENDOR_NAME_MAX = 256 };

struct sms_log;   /* sms_log.h */
struct web_vapid; /* web.h */

struct vendors {
    struct store *store;
    const char *secret; /* not owned */
    char origin[64];    /* "https://127.0.0.1:PORT", set once it listens */
    uint64_t next_id;   /* what vendors number their messages with */
    struct web_vapid *web;
    struct sms_log *sms;
};

struct vendor_route {
    const char *method; /* NULL ends a table */
    const char *path;   /* the whole path without the query; a segment "*" stands for any one segment */
    void (*request)(struct vendors *vendors, struct exchange *x);
};

/* Each in NAME.c; vendors.c lists those there are. */
extern const struct vendor_route web_routes[], webhook_routes[], twilio_routes[], vonage_routes[],
    sns_routes[], solapi_routes[], sens_routes[], nhn_routes[], ses_routes[], sendgrid_routes[],
    mailgun_routes[];

/* All borrowed. */
struct vendor_arrival {
    enum channel channel;
    const char *vendor;    /* a constant: "twilio"; noted as "vendor" */
    const char *id;        /* our message's uuid; NULL: a digest of recipient and text stands for it */
    const char *recipient; /* +E.164, mail address or name: where magic is looked for */
    const char *text;      /* for the digest; NULL = body */
    struct note notes[VENDOR_NOTES];
    const char *body; /* as shown */
    size_t body_size;
};

/*
 * Ends a good request whose success answer already stands in x->answer (with headers set): applies the
 * recipient's magic, records the arrival, sends status and answer. Returns 0: the exchange is dealt with.
 * Returns an HTTP status from 400 on: magic wants that status; nothing was recorded or sent, x->answer and
 * its headers are empty again, and the vendor must answer with its own form of that error.
 */
int vendor_take(struct vendors *vendors, struct exchange *x, const struct vendor_arrival *arrival, int status,
                const char *type);

/* Counts the constant reason ("twilio: bad signature") and sends x->answer with the status. type as in
 * http_answer. */
void vendor_refuse(struct vendors *vendors, struct exchange *x, enum channel channel, const char *reason,
                   int status, const char *type);

/* The segment of the path with this index (from 0), as it was sent: "/a/b?c" has "a" and "b". False: there is
 * none, it is empty or longer than VENDOR_NAME_MAX. */
bool vendor_segment(const struct exchange *x, int index, char segment[VENDOR_NAME_MAX + 1]);

/* Whether the authorization header is Basic (RFC 7617) with this user and password. */
bool vendor_has_basic(const struct exchange *x, const char *user, const char *password);

/* Whether the content type is this one, whatever its parameters and letters. */
bool vendor_has_type(const struct exchange *x, const char *type);

#endif
