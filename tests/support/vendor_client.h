/* A client of the sandbox's vendors. A failure here ends the test (ck_abort). */
#ifndef PGOUTBOX_TESTS_VENDOR_CLIENT_H
#define PGOUTBOX_TESTS_VENDOR_CLIENT_H

#include "support/sandbox.h"
#include "transport/transport.h"

struct vendor_client;

struct vendor_client *vendor_client_new(const struct sandbox *sandbox, bool http2);
void vendor_client_free(struct vendor_client *client); /* NULL is allowed */

/* Sends a request, as a provider built it or altered, whatever its origin says, and waits for what becomes of
 * it. The response lives until the next send. */
const struct response *vendor_client_send(struct vendor_client *client, const struct request *request);

/* The newest arrival of the channel as /arrivals shows it; NULL when there is none. Free with
 * json_object_put. */
struct json_object *vendor_arrival(const struct sandbox *sandbox, const char *channel);
/* How often the reason was counted. */
int64_t vendor_rejected(const struct sandbox *sandbox, const char *channel, const char *reason);

#endif
