/*
 * What is in the air: each batch's list of ids, committed on the control connection before its first request,
 * and the verdicts noted in it. Flights of dispatchers that died are recovered.
 *
 * A flight's row may go in three ways only: its batch has landed; nothing was ever sent from it, which only
 * its own dispatcher can know, by its number; or recovery has settled each of its messages, as noted or as in
 * doubt. So a row of ours that we know nothing of is left to recovery: it has landed in a database that has
 * lost this since.
 */
#ifndef PGOUTBOX_DISPATCHER_FLIGHTS_H
#define PGOUTBOX_DISPATCHER_FLIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dispatcher/control.h"

struct flights;
struct job;

struct flights *flights_new(struct control *control); /* which must outlive its use, not its end */
void flights_free(struct flights *flights);           /* after the control connection; NULL is allowed */

/* Commits a flight for these ids. `opened` is called once: ok tells whether it is committed; taken lists ids
 * that stand in other open flights and must not be sent. Returns the number of the flight. */
typedef void flights_opened_fn(void *arg, bool ok, const int64_t *taken, size_t taken_count);
int64_t flights_open(struct flights *flights, const char *channel, const int64_t *ids, size_t count,
                     int64_t deadline_ms, flights_opened_fn *opened, void *arg);
/* Removes a flight from which nothing was sent; tried until it is done. */
void flights_drop(struct flights *flights, int64_t number);
/* The flight's row is gone (landed). */
void flights_ended(struct flights *flights, int64_t number);

/* Notes the verdicts of these jobs in the flight. note: 1, 2, … within the flight. `noted` is called once,
 * from the loop: ok tells that the note is committed, else it may be or not. */
typedef void flights_noted_fn(void *arg, bool ok);
void flights_note(struct flights *flights, int64_t number, int note, struct job *const *jobs, size_t count,
                  flights_noted_fn *noted, void *arg);

/* Attached. again: under the same id; removes flights whose opening was never confirmed, and the like. Else
 * recovery has settled what was left under the former one. What was learnt of open flights is learnt anew. */
void flights_attached(struct flights *flights, bool again);
/* Learns up to where the dispatchers have no open flight, so that looks for open ones need not begin at the
 * beginning. From time to time. */
void flights_read_marks(struct flights *flights);
/* Says that we live, and settles what dispatchers that are gone have left. From time to time. */
void flights_recover(struct flights *flights);

#endif
