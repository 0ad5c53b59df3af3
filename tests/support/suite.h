/*
 * Runs a Check suite and prints its summary line. Check itself reads CK_FORK=no (for debuggers and valgrind),
 * CK_TIMEOUT_MULTIPLIER (for sanitizers and slow machines) and CK_RUN_CASE.
 */
#ifndef PGOUTBOX_TESTS_SUITE_H
#define PGOUTBOX_TESTS_SUITE_H

#include <check.h>

/* Takes the suite over. Returns main's exit status: 0 when all tests passed and there was at least one. */
int suite_run(Suite *suite);

/* Adds one test case named after the test: suite_add(suite, test_foo). */
#define suite_add(suite, test)                                                                               \
    do {                                                                                                     \
        TCase *case_ = tcase_create(#test);                                                                  \
        tcase_add_test(case_, test);                                                                         \
        suite_add_tcase((suite), case_);                                                                     \
    } while (0)

#endif
