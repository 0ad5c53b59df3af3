/* Filling in requests. */
#ifndef PGOUTBOX_PROVIDERS_REQUEST_H
#define PGOUTBOX_PROVIDERS_REQUEST_H

#include "core/buf.h"
#include "core/mem.h"
#include "transport/transport.h"

/* A POST of a body, which is copied into arena, with the header content-type. path and type are borrowed. */
void request_post(struct request *request, const char *path, const char *type, const struct buf *body,
                  struct arena *arena);

/* There must be room for it. Both texts are borrowed. */
void request_add_header(struct request *request, const char *name, const char *value);

#endif
