/* What the stand-ins of AWS share: checking a request's Signature Version 4 in the Authorization header. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_AWS_H
#define PGOUTBOX_SANDBOX_VENDORS_AWS_H

#include <stdint.h>

#include "sandbox/wire/http.h"

struct aws_fault {
    const char *code; /* AWS's own; a constant, as the message is */
    const char *message;
};

/* Recomputes the signature of a request without a query, whose path needs no escapes. service: "ses"; the key
 * is AWS_KEY, the region AWS_REGION. NULL: it is good; else what AWS would say, with status 403. */
const struct aws_fault *aws_signature_fault(const struct exchange *x, const char *service, const char *secret,
                                            int64_t now_ms);

#endif
