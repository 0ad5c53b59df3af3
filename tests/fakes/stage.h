/*
 * What a channel stands on: a control connection, registered and configured, and its flights; on demand the
 * providers of a channel and one batch. What these report are words in the journal: of the control connection
 * "attached", "attached-again", "lost", "rang(ios)", "config"; of the providers "capacity"; of the batch
 * "up", "scanned(2,1)" with the rows of each lane and T or B where that lane was full, "looked(lane,range:
 * pending,lowest,highest,stopped)", "scan-failed", "look-failed", "unwell", "ended", and "released" when rows
 * that it had locked are still pending.
 */
#ifndef PGOUTBOX_TESTS_FAKES_STAGE_H
#define PGOUTBOX_TESTS_FAKES_STAGE_H

#include "core/mem.h"
#include "dispatcher/batch.h"
#include "dispatcher/control.h"
#include "dispatcher/flights.h"
#include "dispatcher/roster.h"
#include "dispatcher/template_cache.h"
#include "fakes/adapter.h"
#include "fakes/db.h"
#include "fakes/endpoint.h"
#include "fakes/journal.h"
#include "fakes/time.h"

enum { STAGE_DISPATCHER = 5, STAGE_DEADLINE_MS = 30000, STAGE_STREAMS = 10 };

struct stage {
    struct loop *loop;
    struct transport *transport;
    struct control *control;
    struct db *db; /* the control connection */
    struct flights *flights;
    struct arena *arena; /* of texts that this file makes */
    struct roster *roster;
    struct template_cache *templates;
    struct channel_row row; /* of the channel: ten rows at a time */
    struct batch *batch;
    struct db *claims; /* the batch's connection */
};

extern struct stage stage;

void stage_setup(void);
/* The connection is there, but nobody has answered yet. */
void stage_setup_unregistered(void);
/* Both connections break, and all goes. */
void stage_teardown(void);

/* The control connection breaks; comes back, with its lock under the same id. */
void stage_lose_control(void);
void stage_regain_control(void);

/* Makes the roster, without providers. */
void stage_make_roster(void);
/* A row: its server is https://NAME, STAGE_STREAMS requests at once, 10 s each; it serves everything. */
struct provider_row stage_row(const char *name, const char *adapter);
/* The roster has read just these rows. */
void stage_read(const struct provider_row *rows, size_t count);

/* Makes a roster with a plain provider "apple", and the batch. */
void stage_make_batch(void);
/* A claim of ten rows, beyond 100 and 50; and what it gives. */
void stage_claim(void);
void stage_claim_gives(const char *rows);
/* The flight is committed, the claim was held. taken: ids of other flights, NULL: none. */
void stage_board(const char *taken);
/* All this: messages are claimed and may be sent. The journal begins after it. */
void stage_fly(const char *rows);
/* They are settled, and that is committed. */
void stage_land(void);

/* A row of claim.sql. Position, recipient and the like follow from the id. */
struct stage_message {
    int id;
    bool bulk, expired, moved;
    const char *refusal;
    int64_t wait_ms;
    const char *app;
    const char *recipient;
    int template;
    const char *payload;
};
/* Rows as text; the last one has the id 0. position: of message 1 is 101, of message 2 102 … */
const char *stage_messages(const struct stage_message *messages);
/* Plain ones: "1 2 3". NULL: none. */
const char *stage_rows(const char *ids);

/* What a statement that notes or settles says, and has not been answered: "1=sent 2=retry". */
const char *stage_verdicts(const struct db *db, const struct db_statement *statement);

#endif
