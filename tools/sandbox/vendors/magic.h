/*
 * Magic recipients: "fa17" CCCC NN, as the beginning of a device token, an address or a name; "+999" CCCC NN
 * as that of a phone number. CCCC says what shall happen, NN to how many first arrivals for exactly that
 * recipient (00 = to all).
 */
#ifndef PGOUTBOX_SANDBOX_VENDORS_MAGIC_H
#define PGOUTBOX_SANDBOX_VENDORS_MAGIC_H

#include "sandbox/store/store.h"
#include "sandbox/wire/http.h"

enum magic {
    MAGIC_NONE = 0,
    MAGIC_SLOW = 1,         /* answered after MAGIC_DELAY_MS */
    MAGIC_SILENT = 2,       /* recorded, never answered */
    MAGIC_RESET = 3,        /* recorded, the stream is reset */
    MAGIC_GOAWAY = 4,       /* not processed, GOAWAY below it */
    MAGIC_CUT = 5,          /* recorded, the connection ends without an answer */
    MAGIC_GARBAGE = 6,      /* recorded, an answer that means nothing */
    MAGIC_REFUSED = 7,      /* not processed, the stream is refused */
    MAGIC_GOAWAY_AFTER = 8, /* recorded, GOAWAY that includes it, the connection ends without an answer */
    MAGIC_CUT_BEFORE = 9    /* the connection ends before the request was read */
    /* From 100 on: the code is a status or reply of the channel's own. */
};

enum { MAGIC_DELAY_MS = 2000 };

/* The magic that this arrival gets; counts it. Any number from 0 to 9999. */
int magic_take(struct store *store, enum channel channel, const char *recipient);
/* The number without counting or regard to NN. */
int magic_code(const char *recipient);

bool magic_is_unprocessed(int magic); /* the request counts as never arrived, and gets no answer */
bool magic_is_unanswered(int magic);  /* it arrives, but gets no answer */
/* Ends the exchange as one of these two kinds demands. */
void magic_abort(struct exchange *exchange, int magic);

#endif
