/* Workers that work when a test says so, one after the other: in place of core/worker.c. */
#ifndef PGOUTBOX_TESTS_FAKES_WORKER_H
#define PGOUTBOX_TESTS_FAKES_WORKER_H

#include <stddef.h>

size_t fake_workers(void); /* how many have something to do */

/* The one that has been waiting longest does its work and says so. */
void fake_worker_works(void);

#endif
