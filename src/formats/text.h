/* What makes a text safe inside a header field or a command. */
#ifndef PGOUTBOX_FORMATS_TEXT_H
#define PGOUTBOX_FORMATS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* True when the text holds no control characters (so no CR, LF or NUL). */
bool text_is_one_line(const char *text, size_t size);

#endif
