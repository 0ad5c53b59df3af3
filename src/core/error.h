/*
 * Errors as values. A function that can fail returns bool (or NULL) and fills a struct error that its caller
 * owns; it does not log. The caller that handles the error logs it, once.
 */
#ifndef PGOUTBOX_CORE_ERROR_H
#define PGOUTBOX_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

struct error {
    char text[512]; /* one line, no trailing newline; names the field, file or step at fault */
};

/* Fills err (which may be NULL) and returns false, so that callers can write `return error_set(err, ...)`. */
bool error_set(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "prefix: " before the text of err; returns false. */
bool error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
