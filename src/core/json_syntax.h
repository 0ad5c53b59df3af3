/* Whether a text is JSON as RFC 8259 says it, and nothing more. What versions of json-c take for it differs.
 */
#ifndef PGOUTBOX_CORE_JSON_SYNTAX_H
#define PGOUTBOX_CORE_JSON_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* One value, white space around it, nested less than JSON_MAX_DEPTH deep. Strings are UTF-8 without bare
 * control characters; a number without fraction and exponent fits int64_t or uint64_t. err names the octet
 * (from 0) where it is not. */
bool json_syntax(const char *text, size_t size, struct error *err) MUST_CHECK;

#endif
