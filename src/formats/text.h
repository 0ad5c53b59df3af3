/* What a text is made of: whether it is safe inside a header field or a command, or is a number. */
#ifndef PGOUTBOX_FORMATS_TEXT_H
#define PGOUTBOX_FORMATS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* True when the text holds no control characters (so no CR, LF or NUL). */
bool text_is_one_line(const char *text, size_t size);

/* ASCII without control characters; visible: one character or more, and no spaces. */
bool text_is_printable(const char *text, size_t size);
bool text_is_visible(const char *text, size_t size);

/* Digits, perhaps with a point between two of them. */
bool text_is_decimal(const char *text);

#endif
