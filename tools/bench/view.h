/* What arrived at the sandbox, over its plain HTTP view. A failure ends the program. */
#ifndef PGOUTBOX_BENCH_VIEW_H
#define PGOUTBOX_BENCH_VIEW_H

#include <stdint.h>

#include "core/json.h"

/* The document at path. The caller frees it with json_object_put. */
struct json_object *view_get(const char *url, const char *path);
void view_reset(const char *url); /* forgets all arrivals */
/* A counter of the apns channel: "arrived", "distinct", "repeats". */
int64_t view_count(const char *url, const char *counter);

#endif
