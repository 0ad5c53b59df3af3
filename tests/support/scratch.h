/* Names for files of a test's own: in $TMPDIR, which tests/run puts into the build folder and clears. */
#ifndef PGOUTBOX_TESTS_SCRATCH_H
#define PGOUTBOX_TESTS_SCRATCH_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCRATCH_PATH = 512 };

/* Fills path with a template for mkstemp or mkdtemp. */
static inline void scratch_template(char path[SCRATCH_PATH], const char *name)
{
    const char *parent = getenv("TMPDIR");
    int size = snprintf(path, SCRATCH_PATH, "%s/%s.XXXXXX", parent ? parent : "/tmp", name);
    ck_assert(size > 0 && size < SCRATCH_PATH);
}

#endif
