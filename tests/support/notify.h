/* What the tests of notifications share: users, templates, and short names for what they ask again and again.
 */
#ifndef PGOUTBOX_TESTS_NOTIFY_H
#define PGOUTBOX_TESTS_NOTIFY_H

#include "support/pg.h"

/* Fills the database of pg_case_add. Users: u has two phones, a browser and two addresses; m only mail;
 * nobody has nothing. Template t has texts for all channels, in English by default and in Korean for push.
 * Time stands outside everybody's quiet hours. */
struct db_session *notify_start(void);

#define VARIABLES          "'{\"a\": 1, \"b\": {\"c\": 2}, \"s\": 3}'"
#define NOTIFY(user, more) "SELECT outbox.notify('" user "', 't', " VARIABLES more ")"

#define FALLBACK ", channels => '{ios,android}', fallback => '{email,sms}', fallback_after => '10 min'"

#define STATUSES "SELECT string_agg(channel || ' ' || status, ', ' ORDER BY id) FROM outbox.message"
#define WITHHELD "SELECT withheld FROM outbox.notification ORDER BY id DESC LIMIT 1"
/* A dispatcher's answer about every waiting message of a channel. */
#define ANSWER(channel, verdict)                                                                             \
    "SELECT outbox.settle('" channel "', 1, array_agg(id), array_agg('" verdict "'::text), "                 \
    "array_agg('p'::text), array_agg(NULL::text), array_agg('why'::text), array_agg(now()), "                \
    "array_agg(NULL::timestamptz)) FROM outbox.message WHERE status = 'pending' AND channel = '" channel "'"

#endif
