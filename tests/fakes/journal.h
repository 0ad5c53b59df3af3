/* What the code under test has done to the world around it: a word for each thing, in order. A test reads it
 * after every step, so what is done twice, too early or not at all is seen. */
#ifndef PGOUTBOX_TESTS_FAKES_JOURNAL_H
#define PGOUTBOX_TESTS_FAKES_JOURNAL_H

#include <check.h>
#include <stdbool.h>

#include "core/error.h"

void journal_add(const char *format, ...) PRINTF_LIKE(1, 2);
/* Words with blanks between, as written since the last call. */
const char *journal_read(void);

/* Just this has been done since the last call. */
#define journal_expect(words) ck_assert_str_eq(journal_read(), (words))

#endif
