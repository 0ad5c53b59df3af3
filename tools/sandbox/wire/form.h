/* Values of a form or a query (application/x-www-form-urlencoded). */
#ifndef PGOUTBOX_SANDBOX_WIRE_FORM_H
#define PGOUTBOX_SANDBOX_WIRE_FORM_H

#include <stdbool.h>

#include "core/buf.h"

/* Appends the decoded value of `name`; false when it is absent, malformed or longer than out's maximum. */
bool form_value(const char *form, const char *name, struct buf *out);

#endif
