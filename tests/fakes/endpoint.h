/*
 * Providers' servers that say what a test lets them say: in place of src/transport. Each request is a word in
 * the journal, host and path: "apple:7". It ends in doubt when its time is over.
 */
#ifndef PGOUTBOX_TESTS_FAKES_ENDPOINT_H
#define PGOUTBOX_TESTS_FAKES_ENDPOINT_H

#include <stddef.h>

#include "transport/transport.h"

/* The request under this path that is in the air longest is answered, or fails. */
void fake_endpoint_answer(const char *path, int status, const char *body);
void fake_endpoint_fail(const char *path, enum send_state state, enum send_fault fault);

/* What becomes of requests whose endpoint is freed; SEND_IN_DOUBT until it is said. */
void fake_endpoints_end_as(enum send_state state);

/* So many requests at once does each endpoint take, as a server's settings may say; without limit at first.
 */
void fake_endpoints_take(size_t requests);

/* What is in the air under this path; it must be. */
const struct request *fake_endpoint_request(const char *path);
size_t fake_endpoints_requests(void); /* how many are in the air */
size_t fake_endpoints(void);          /* how many endpoints there are */

#endif
