/* Writing application/x-www-form-urlencoded bodies and queries. */
#ifndef PGOUTBOX_FORMATS_FORM_H
#define PGOUTBOX_FORMATS_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/* Appends "name=value", after '&' unless out is empty. Both are percent-encoded. */
bool form_field(struct buf *out, const char *name, const char *value);

/* Appends text with every octet but the unreserved ones as %XX (RFC 3986, 2.1 and 2.3). */
bool form_escape(struct buf *out, const char *text, size_t size);

#endif
