/* AWS Signature Version 4 in the Authorization header. */
#ifndef PGOUTBOX_FORMATS_SIGV4_H
#define PGOUTBOX_FORMATS_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "core/mem.h"
#include "transport/transport.h"

struct sigv4 {
    const char *url; /* the endpoint's, "https://host[:port]": its host is signed */
    const char *region, *service;
    const char *access_key_id, *secret_access_key;
    const char *session_token; /* of temporary keys; NULL = none */
    bool path_as_is;           /* keep ".", ".." and empty segments of the path, as S3 wants it */
};

/* Signs method, path, query, body, the host and every header the request has, and adds the headers
 * x-amz-date, x-amz-security-token (for temporary keys) and authorization, whose memory comes from arena. The
 * signature is good for five minutes: sign each attempt anew. False: the request has no room for the headers,
 * or is larger than 64 KiB without its body. */
bool sigv4_sign(const struct sigv4 *sigv4, int64_t now_ms, struct arena *arena, struct request *request);

#endif
