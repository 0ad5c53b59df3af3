/*
 * Vendors whose answers mean what their HTTP status says: in place of the registry of adapters. Settings of a
 * row: {"url": "https://apple"}. The request of message 7 has the path "7", and what the message holds as its
 * body: UUID, recipient, payload, made, expires, lane, attempt.
 *
 *   plain   nothing else
 *   token   fetches a token from https://login, path "token"; the body of a 200 is the token
 *   asked   can be asked whether it took a message, a second after: path "?7"
 *   own     each recipient is a host of its own
 *   files   wants the file in /proc that the recipient is called, unless it is "kim"; the path then ends in
 *           "+file" or "+nothing"
 *
 *   200  sent; the body is its id     403  stopped                     421  not processed, new connections
 *   400  rejected                     409  try again, nobody's fault   429  throttled for 5 s
 *   401  the token is stale           410  the address is gone         500  try again, its own fault
 *
 * Asked, it answers {"took": true}, {"took": false}, or {} when it cannot tell. Of a token, 403 is stopped
 * and any other status but 200 means later. A message to "nowhere" is refused by build.
 */
#ifndef PGOUTBOX_TESTS_FAKES_ADAPTER_H
#define PGOUTBOX_TESTS_FAKES_ADAPTER_H

#include "providers/adapter.h"

enum { FAKE_TOKEN_MS = 3600000, FAKE_THROTTLED_MS = 5000, FAKE_TOO_EARLY_MS = 1000 };

#endif
