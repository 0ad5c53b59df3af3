#include "bench/delivery.h"

#include <inttypes.h>

#include "bench/session.h"
#include "bench/view.h"
#include "core/clock.h"

enum { STALLED_MS = 20000, LOOK_EVERY_MS = 2 };

void delivery_begin(const struct bench *bench, struct db_session *session)
{
    session_truncate(session, "outbox.message, outbox.attempt, outbox.suppression");
    view_reset(bench->sandbox_url);
}

void delivery_wait(const struct bench *bench, struct db_session *session, int64_t rows)
{
    int64_t seen = 0, changed = clock_mono();
    for (;;) {
        int64_t arrived = view_count(bench->sandbox_url, "arrived");
        /* All have arrived, so all were claimed in flights that had been committed. */
        if (arrived >= rows && session_int(session, "SELECT count(*) FROM outbox.flight") == 0)
            return;
        if (arrived != seen)
            changed = clock_mono();
        seen = arrived;
        if (clock_mono() - changed > STALLED_MS)
            bench_die("nothing moved for %d s: %" PRId64 " of %" PRId64 " messages arrived, %" PRId64
                      " are settled",
                      STALLED_MS / 1000, arrived, rows,
                      session_int(session, "SELECT count(*) FROM outbox.message WHERE status = 'sent'"));
        bench_pause_ms(LOOK_EVERY_MS);
    }
}

void delivery_verify(const struct bench *bench, struct db_session *session, int64_t rows)
{
    int64_t there = session_int(session, "SELECT count(*) FROM outbox.message");
    int64_t sent =
        session_int(session, "SELECT count(*) FROM outbox.message WHERE status = 'sent' AND attempts = 1");
    int64_t distinct = view_count(bench->sandbox_url, "distinct");
    int64_t repeats = view_count(bench->sandbox_url, "repeats");
    if (there != rows || sent != rows || distinct != rows || repeats != 0)
        bench_die("of %" PRId64 " messages %" PRId64 " exist, %" PRId64 " are sent at the first attempt, "
                  "%" PRId64 " arrived, with %" PRId64 " repeats",
                  rows, there, sent, distinct, repeats);
}
