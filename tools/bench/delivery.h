/* What the parts that really send share: the ios channel, its end, and proof that each message arrived once.
 */
#ifndef PGOUTBOX_BENCH_DELIVERY_H
#define PGOUTBOX_BENCH_DELIVERY_H

#include <stdint.h>

#include "bench/bench.h"
#include "db/db.h"

/* Begins with an empty queue and a sandbox that has seen nothing. */
void delivery_begin(const struct bench *bench, struct db_session *session);

/* Returns when `rows` have arrived and no batch is in the air, which is when all are settled. */
void delivery_wait(const struct bench *bench, struct db_session *session, int64_t rows);

/* Ends the program unless exactly `rows` messages exist, all are sent, and each arrived once. */
void delivery_verify(const struct bench *bench, struct db_session *session, int64_t rows);

#endif
