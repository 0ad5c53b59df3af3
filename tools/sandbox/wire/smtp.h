/* A submission server: SMTP (RFC 5321) with STARTTLS (RFC 3207) or TLS from the start, and AUTH (RFC 4954).
 */
#ifndef PGOUTBOX_SANDBOX_WIRE_SMTP_H
#define PGOUTBOX_SANDBOX_WIRE_SMTP_H

#include <openssl/ssl.h>

#include "core/loop.h"
#include "sandbox/files.h"
#include "sandbox/store/store.h"
#include "sandbox/wire/wire.h"

#define SMTP_USER "sandbox"

struct smtp_server {
    struct loop *loop;
    struct store *store;
    SSL_CTX *tls;                      /* for STARTTLS */
    const char *password;              /* of SMTP_USER */
    const struct directory *directory; /* whose DKIM records verify mails; see dkim_check.h */
    uint64_t next_message;
};

/* The `accepted` of a listener; arg is the struct smtp_server. */
void smtp_accepted(void *server, struct wire *wire);

#endif
