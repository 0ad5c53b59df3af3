/*
 * Adapters: for each vendor's protocol a description and pure functions. No socket, no clock, no global, no
 * log; time is an argument. Nobody outside an adapter's file knows what a status code means: it becomes a
 * verdict here.
 */
#ifndef PGOUTBOX_PROVIDERS_ADAPTER_H
#define PGOUTBOX_PROVIDERS_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/json.h"
#include "core/mem.h"
#include "providers/verdict.h"
#include "transport/transport.h"

/* Files that a message wants: below a directory, and no more octets together than that. */
enum { FILES_MAX = 20 };
struct file_list {
    const char *directory;
    const char *names[FILES_MAX]; /* relative; NULL = none in this place */
    size_t count;                 /* 0 = it wants none */
    size_t octets_max;
};

/* What was read, each file in its place. The first that could not be read is the last that was tried. */
struct files {
    const char *fault; /* why the directory could not be opened; NULL */
    struct file {
        const char *data; /* NULL = it was not read */
        size_t size;
        const char *fault; /* and why; NULL = it was not tried */
    } list[FILES_MAX];
};

/* The message as an adapter sees it. */
struct message {
    int64_t id;
    const char
        *uuid; /* lower-case 8-4-4-4-12, the same at each attempt: apns-id, Message-ID, de-duplication ids */
    const char *recipient;
    struct json_object *payload; /* an object */
    int64_t created_ms;          /* Unix ms */
    int64_t expires_ms;          /* Unix ms; 0 = never */
    bool bulk;                   /* lane: false = transactional */
    int attempt;                 /* 1 = first */
    const struct files *files;   /* those that the adapter asked for; NULL = none */
};

/* When a request may have reached the provider, Unix ms: both the same when it is known. */
struct sent_span {
    int64_t from_ms, upto_ms;
};

/* The effect of sending the same message twice; with the channel's policy it decides about doubt. */
enum repeat_effect {
    REPEAT_IDEMPOTENT, /* the provider drops the second one */
    REPEAT_COLLAPSES,  /* the second replaces the first where it is shown */
    REPEAT_DOUBLES     /* the recipient gets two */
};

/* A credential that an adapter needs fetched over the network (FCM's access token). */
struct credential {
    char *token;        /* mem_alloc'd; the holder frees */
    int64_t expires_ms; /* Unix ms: refresh before then */
};

enum { ADAPTER_MAX_SECRETS = 3 };

struct adapter {
    const char *name;    /* "apns": the adapter's name in outbox.provider.adapter */
    const char *channel; /* the channel it serves; NULL = any */
    enum repeat_effect repeat;
    const char *secrets[ADAPTER_MAX_SECRETS]; /* names for secret_read; a leading '?' marks an optional one */

    /* Checks the settings and keys of a provider row and makes what build and judge need. `secrets` has one
     * value per name above (NULL for an absent optional one) and is not kept. err names the setting and the
     * rule. */
    void *(*settings_new)(struct json_object *json, const char *const *secrets, struct error *err);
    void (*settings_free)(void *settings);

    /* Fills the parts of the endpoint that the settings decide (url, http2, username, …; strings live as long
     * as the settings). The caller has set connections, streams and timeouts to the row's values or to
     * defaults. */
    void (*endpoint)(const void *settings, struct endpoint_options *options);

    /* Which files `build` needs of a message: `list` is zeroed. NULL: it never needs any. The names are
     * borrowed from the settings and the payload. Whoever calls build has read them before; it judges what
     * was not. */
    void (*files)(const void *settings, const struct message *message, struct file_list *list);

    /* Makes the request; its memory comes from arena. token: the fetched credential or NULL. false: the
     * content or the address is at fault; the verdict is then filled (REJECTED or ADDRESS_GONE). */
    bool (*build)(const void *settings, const struct message *message, const char *token, int64_t now_ms,
                  struct arena *arena, struct request *request, struct verdict *verdict);

    /* What an answer means. It says whose fault it is (verdict.blame) only if adapter_judge would be wrong.
     */
    struct verdict (*judge)(const void *settings, const struct message *message,
                            const struct response *response, int64_t now_ms);

    /* What it means that there was none. NULL: what verdict_of_failure says. */
    struct verdict (*judge_failure)(const void *settings, const struct message *message,
                                    const struct response *response);

    /* Both NULL when the provider cannot be asked whether it took a message whose answer was lost.
     * inquiry_build, false: it is too early after sent->upto_ms, ask later; or such a message can never be
     * asked for (its address is no address), and it stays false. inquiry_judge is given the JSON of an answer
     * with a status of 2xx. SENT: the provider took the message; UNSENT: it surely did not; IN_DOUBT: it
     * cannot tell (yet). */
    bool (*inquiry_build)(const void *settings, const struct message *message, const struct sent_span *sent,
                          int64_t now_ms, struct arena *arena, struct request *request);
    struct verdict (*inquiry_judge)(const void *settings, const struct message *message,
                                    struct json_object *body, const struct sent_span *sent);

    /* Both NULL when no credential is fetched. */
    bool (*credential_build)(const void *settings, int64_t now_ms, struct arena *arena,
                             struct endpoint_options *options, struct request *request, struct error *err);
    /* SENT: *credential is filled. Anything else: RETRY, THROTTLED or STOPPED. */
    struct verdict (*credential_judge)(const void *settings, const struct response *response, int64_t now_ms,
                                       struct credential *credential);
};

/* What an answer, or its absence, means, by the adapter's judges; and where these do not say whose fault it
 * is: the provider's, when nothing was answered (but a stream that was refused is no news) or an HTTP status
 * of 500 or more, whatever the kind. */
struct verdict adapter_judge(const struct adapter *adapter, const void *settings,
                             const struct message *message, const struct response *response, int64_t now_ms);

/* What the answer to an inquiry means, by inquiry_judge; IN_DOUBT when there is none that can be read. */
struct verdict adapter_judge_inquiry(const struct adapter *adapter, const void *settings,
                                     const struct message *message, const struct response *response,
                                     const struct sent_span *sent);

/* The registry. */
extern const struct adapter *const adapter_list[];    /* ends with NULL */
const struct adapter *adapter_find(const char *name); /* NULL: no such adapter */

#endif
