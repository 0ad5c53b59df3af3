#include "providers/request.h"

void request_post(struct request *request, const char *path, const char *type, const struct buf *body,
                  struct arena *arena)
{
    *request = (struct request){.method = "POST",
                                .path = path,
                                .body = arena_strndup(arena, buf_string(body), body->size),
                                .body_size = body->size};
    request_add_header(request, "content-type", type);
}

void request_add_header(struct request *request, const char *name, const char *value)
{
    request->headers[request->header_count++] = (struct header){name, value};
}
