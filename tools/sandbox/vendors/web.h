/*
 * A Web Push service and the browsers behind it (RFC 8030, 8188, 8291, 8292). A subscription has a name; its
 * keys are derived from the sandbox's secret and the name, so that none is stored and all outlive a restart.
 */
#ifndef PGOUTBOX_SANDBOX_VENDORS_WEB_H
#define PGOUTBOX_SANDBOX_VENDORS_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "sandbox/vendors/vendor.h"

enum { WEB_SECRET = 32, WEB_POINT = 65, WEB_AUTH = 16, WEB_BODY_MAX = 4096 };

/* What the service has seen: VAPID tokens, and the key that each subscription was used with. */
struct web_vapid *web_vapid_new(void);
void web_vapid_free(struct web_vapid *web);
void web_vapid_reset(struct web_vapid *web); /* forgets both */

/* Appends a subscription as PushSubscription.toJSON() gives it. False: the name is not one (letters, digits,
 * '-', '_' and '.', at most VENDOR_NAME_MAX). */
bool web_subscription(const struct vendors *vendors, const char *name, struct buf *out);

/* ---- web_open.c: the browser ---- */

struct web_receiver {
    unsigned char secret[WEB_SECRET];
    unsigned char point[WEB_POINT]; /* p256dh */
    unsigned char auth[WEB_AUTH];
};

/* False only when OpenSSL fails. */
bool web_open_receiver(const char *secret, const char *name, struct web_receiver *receiver);

/* Appends the clear text of a body (RFC 8291, 3.4; RFC 8188, 2). Returns NULL, or what is wrong: a constant.
 */
const char *web_open(const struct web_receiver *receiver, const void *body, size_t size, struct buf *text);

/* ---- web_vapid.c: the application server's identity ---- */

/* Checks the authorization header (NULL = absent; RFC 8292) and copies its public key. A token is verified
 * once and then known by its exact text; *is_new tells the first time. Returns NULL, or what is wrong: a
 * constant. */
const char *web_vapid_check(struct web_vapid *web, const char *authorization, const char *origin,
                            int64_t now_s, unsigned char key[WEB_POINT], bool *is_new);

/* Whether the subscription was not used with another key before. Old names may be forgotten. */
bool web_vapid_key_fits(struct web_vapid *web, const char *name, const unsigned char key[WEB_POINT]);

#endif
