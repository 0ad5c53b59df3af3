/* Time. `_ms` is milliseconds of the Unix epoch (wall clock); `_mono` is milliseconds of a clock that never
 * jumps. */
#ifndef PGOUTBOX_CORE_CLOCK_H
#define PGOUTBOX_CORE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int64_t clock_ms(void);
int64_t clock_mono(void);

/* A time in UTC in strftime's format. False: it does not fit; out is then "". */
bool clock_utc(int64_t ms, const char *format, char *out, size_t size);

/* Parses Retry-After (RFC 9110, 10.2.3): delta-seconds or an HTTP-date. Returns the milliseconds to wait from
 * now_ms, clamped to 1 s .. 1 day, or fallback_ms when text is NULL or neither form. */
int64_t clock_retry_after(const char *text, int64_t now_ms, int64_t fallback_ms);

#endif
