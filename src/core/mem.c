#include "core/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/options.h"

enum { ARENA_BLOCK = 8192 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    alignas(max_align_t) char data[];
};

struct arena {
    struct arena_block *blocks; /* the first one is being filled */
    size_t used;                /* octets of the first block */
};

_Noreturn void mem_exhausted(void)
{
    log_write(LOG_ERROR, "out_of_memory", NULL);
    /* Not exit(): handlers may allocate. */
    _Exit(EXIT_NO_MEMORY);
}

void *mem_alloc(size_t size)
{
    return mem_array(1, size);
}

void *mem_array(size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        mem_exhausted();
    void *memory = calloc(1, total > 0 ? total : 1);
    if (memory == NULL)
        mem_exhausted();
    return memory;
}

void *mem_grow(void *old, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        mem_exhausted();
    void *memory = realloc(old, total > 0 ? total : 1);
    if (memory == NULL)
        mem_exhausted();
    return memory;
}

char *mem_strdup(const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = strdup(text);
    if (copy == NULL)
        mem_exhausted();
    return copy;
}

void mem_free(void *memory)
{
    free(memory);
}

struct arena *arena_new(void)
{
    return mem_alloc(sizeof(struct arena));
}

static void arena_drop(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_drop(arena->blocks);
    mem_free(arena);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->blocks;
    arena->used = 0;
    if (first == NULL)
        return;
    arena_drop(first->next);
    first->next = NULL;
    /* An outsized block would stay for the arena's life. */
    if (first->size > ARENA_BLOCK) {
        mem_free(first);
        arena->blocks = NULL;
    }
}

static struct arena_block *arena_block_new(size_t size)
{
    size_t total = 0;
    if (__builtin_add_overflow(sizeof(struct arena_block), size, &total))
        mem_exhausted();
    struct arena_block *block = mem_grow(NULL, 1, total);
    block->size = size;
    block->next = NULL;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    size_t rounded = 0;
    if (__builtin_add_overflow(size, alignof(max_align_t) - 1, &rounded))
        mem_exhausted();
    rounded &= ~(alignof(max_align_t) - 1);

    struct arena_block *block = arena->blocks;
    if (block == NULL || rounded > block->size - arena->used) {
        struct arena_block *fresh = arena_block_new(rounded > ARENA_BLOCK ? rounded : ARENA_BLOCK);
        if (block != NULL && rounded > ARENA_BLOCK / 4) {
            /* A large piece gets a block of its own, behind the one being filled. */
            fresh->next = block->next;
            block->next = fresh;
            return memset(fresh->data, 0, size);
        }
        fresh->next = block;
        arena->blocks = block = fresh;
        arena->used = 0;
    }
    void *memory = block->data + arena->used;
    arena->used += rounded;
    return memset(memory, 0, size);
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text != NULL ? arena_strndup(arena, text, strlen(text)) : NULL;
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    char first[256];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(first, sizeof first, format, args);
    va_end(args);
    if (size < 0)
        mem_exhausted();
    char *text = NULL;
    if ((size_t)size < sizeof first) {
        text = arena_strndup(arena, first, (size_t)size);
    } else {
        text = arena_alloc(arena, (size_t)size + 1);
        vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    return text;
}
