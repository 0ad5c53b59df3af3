/* Counts how often each of many keys was seen: compact, insert only. */
#ifndef PGOUTBOX_SANDBOX_STORE_LEDGER_H
#define PGOUTBOX_SANDBOX_STORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEDGER_KEY_MAX = 512 };

struct ledger;

struct ledger *ledger_new(size_t max_keys);
void ledger_free(struct ledger *ledger);
void ledger_reset(struct ledger *ledger);

/* Counts the key, cut at LEDGER_KEY_MAX octets, once more. Returns its count; 0 when it is new and the ledger
 * is full. */
uint32_t ledger_add(struct ledger *ledger, const char *key, size_t size);

size_t ledger_size(const struct ledger *ledger); /* number of keys */
/* The key at index (in order of first arrival), terminated, and its count. */
uint32_t ledger_entry(const struct ledger *ledger, size_t index, char key[LEDGER_KEY_MAX + 1]);

#endif
