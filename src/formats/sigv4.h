/* AWS Signature Version 4 in the Authorization header. */
#ifndef PGOUTBOX_FORMATS_SIGV4_H
#define PGOUTBOX_FORMATS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"

struct sigv4 {
    const char *url; /* the endpoint's, "https://host[:port]": its host is signed */
    const char *region, *service;
    const char *access_key_id, *secret_access_key;
    const char *session_token; /* of temporary keys; NULL = none */
    bool path_as_is;           /* keep ".", ".." and empty segments of the path, as S3 wants it */
};

struct sigv4_header {
    const char *name; /* lower case */
    const char *value;
};

/* What is signed: all of it, and the host. */
struct sigv4_request {
    const char *method;
    const char *path;                   /* with query */
    const struct sigv4_header *headers; /* without host */
    size_t header_count;
    const void *body; /* NULL = none */
    size_t body_size;
};

enum { SIGV4_ADDED = 3 };

/* Fills `added` with the headers that the request must be given too: x-amz-date, x-amz-security-token (for
 * temporary keys) and authorization. Their memory comes from arena. Returns how many, or 0 when the request
 * without its body is larger than 64 KiB. The signature is good for five minutes: sign each attempt anew. */
size_t sigv4_sign(const struct sigv4 *sigv4, const struct sigv4_request *request, int64_t now_ms,
                  struct arena *arena, struct sigv4_header added[SIGV4_ADDED]);

#endif
