#include "sandbox/store/ledger.h"

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "sandbox/store/uuid.h"

/* A UUID's text is kept as its 16 octets: that halves the memory of a run with many millions of messages. */
enum { FIRST_SLOTS = 1024 };

struct entry {
    uint64_t place; /* of the key in `keys` */
    uint32_t count;
    uint16_t size; /* of the key's text */
    bool packed;
};

struct slot {
    uint32_t hash;
    uint32_t number; /* of the entry, from 1; 0 = free */
};

struct ledger {
    size_t max_keys;
    struct slot *slots;
    size_t slot_count; /* a power of two */
    struct entry *entries;
    size_t entry_count, entry_room;
    unsigned char *keys;
    size_t key_size, key_room;
};

struct packed_key {
    const unsigned char *octets;
    size_t size;
    uint16_t text_size;
    bool packed;
    unsigned char uuid[UUID_OCTETS];
};

static uint32_t hash_of(const unsigned char *octets, size_t size)
{
    uint64_t hash = 0x9e3779b97f4a7c15u ^ size;
    while (size > 0) {
        uint64_t word = 0;
        size_t part = size < sizeof(word) ? size : sizeof(word);
        memcpy(&word, octets, part);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
        octets += part;
        size -= part;
    }
    hash *= 0xc4ceb9fe1a85ec53u;
    return (uint32_t)(hash >> 32);
}

static struct packed_key pack(const char *key, size_t size)
{
    struct packed_key packed = {.size = size < LEDGER_KEY_MAX ? size : LEDGER_KEY_MAX};
    packed.text_size = (uint16_t)packed.size;
    packed.packed = uuid_read(key, size, packed.uuid);
    packed.octets = (const unsigned char *)key;
    if (packed.packed)
        packed.size = UUID_OCTETS;
    return packed;
}

struct ledger *ledger_new(size_t max_keys)
{
    struct ledger *ledger = mem_alloc(sizeof(*ledger));
    ledger->max_keys = max_keys;
    ledger_reset(ledger);
    return ledger;
}

void ledger_reset(struct ledger *ledger)
{
    mem_free(ledger->slots);
    mem_free(ledger->entries);
    mem_free(ledger->keys);
    *ledger = (struct ledger){.max_keys = ledger->max_keys, .slot_count = FIRST_SLOTS};
    ledger->slots = mem_array(FIRST_SLOTS, sizeof(*ledger->slots));
}

void ledger_free(struct ledger *ledger)
{
    mem_free(ledger->slots);
    mem_free(ledger->entries);
    mem_free(ledger->keys);
    mem_free(ledger);
}

static void double_slots(struct ledger *ledger)
{
    size_t count = ledger->slot_count * 2;
    struct slot *slots = mem_array(count, sizeof(*slots));
    for (size_t i = 0; i < ledger->slot_count; i++) {
        if (ledger->slots[i].number == 0)
            continue;
        size_t place = ledger->slots[i].hash & (count - 1);
        while (slots[place].number != 0)
            place = (place + 1) & (count - 1);
        slots[place] = ledger->slots[i];
    }
    mem_free(ledger->slots);
    ledger->slots = slots;
    ledger->slot_count = count;
}

static void append_entry(struct ledger *ledger, const struct packed_key *key, const unsigned char *octets)
{
    if (ledger->entry_count == ledger->entry_room) {
        ledger->entry_room = ledger->entry_room ? ledger->entry_room * 2 : FIRST_SLOTS;
        ledger->entries = mem_grow(ledger->entries, ledger->entry_room, sizeof(*ledger->entries));
    }
    if (ledger->key_room - ledger->key_size < key->size) {
        ledger->key_room = ledger->key_room * 2 + LEDGER_KEY_MAX;
        ledger->keys = mem_grow(ledger->keys, ledger->key_room, 1);
    }
    memcpy(ledger->keys + ledger->key_size, octets, key->size);
    ledger->entries[ledger->entry_count++] =
        (struct entry){.place = ledger->key_size, .count = 1, .size = key->text_size, .packed = key->packed};
    ledger->key_size += key->size;
}

uint32_t ledger_add(struct ledger *ledger, const char *text, size_t size)
{
    struct packed_key key = pack(text, size);
    const unsigned char *octets = key.packed ? key.uuid : key.octets;
    uint32_t hash = hash_of(octets, key.size);
    size_t place = hash & (ledger->slot_count - 1);
    for (; ledger->slots[place].number != 0; place = (place + 1) & (ledger->slot_count - 1)) {
        struct entry *entry = &ledger->entries[ledger->slots[place].number - 1];
        if (ledger->slots[place].hash == hash && entry->packed == key.packed &&
            entry->size == key.text_size && memcmp(ledger->keys + entry->place, octets, key.size) == 0)
            return ++entry->count;
    }
    if (ledger->entry_count == ledger->max_keys)
        return 0;
    append_entry(ledger, &key, octets);
    ledger->slots[place] = (struct slot){hash, (uint32_t)ledger->entry_count};
    if (ledger->entry_count * 4 > ledger->slot_count * 3)
        double_slots(ledger);
    return 1;
}

size_t ledger_size(const struct ledger *ledger)
{
    return ledger->entry_count;
}

uint32_t ledger_entry(const struct ledger *ledger, size_t index, char key[LEDGER_KEY_MAX + 1])
{
    const struct entry *entry = &ledger->entries[index];
    const unsigned char *octets = ledger->keys + entry->place;
    if (entry->packed) {
        uuid_write(octets, key);
    } else {
        memcpy(key, octets, entry->size);
        key[entry->size] = '\0';
    }
    return entry->count;
}
