/* Published or recorded examples, files of $PGOUTBOX_VECTORS or tests/vectors. A failure here ends the test.
 */
#ifndef PGOUTBOX_TESTS_VECTORS_H
#define PGOUTBOX_TESTS_VECTORS_H

#include "core/json.h"

/* The file's text. Caller frees with mem_free. */
char *vectors_text(const char *name);
/* The same as JSON. Free with json_object_put. */
struct json_object *vectors_load(const char *name);

#endif
