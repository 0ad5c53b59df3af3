/*
 * Memory. Running out of it ends the process (exit status EXIT_NO_MEMORY): every claim is then rolled back by
 * Postgres, so nothing is lost. No caller checks for NULL.
 */
#ifndef PGOUTBOX_CORE_MEM_H
#define PGOUTBOX_CORE_MEM_H

#include <stddef.h>

#include "core/error.h"

void *mem_alloc(size_t size);                         /* zeroed */
void *mem_array(size_t count, size_t size);           /* zeroed, overflow checked */
void *mem_grow(void *old, size_t count, size_t size); /* realloc; overflow checked; new part not zeroed */
char *mem_strdup(const char *text);                   /* NULL gives NULL */
void mem_free(void *memory);

/* Ends the process as the functions above do; for a library's own failed allocation. */
_Noreturn void mem_exhausted(void);

/* An arena: many small allocations with one lifetime. Everything in it dies at arena_reset or arena_free. */
struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);                /* NULL is allowed */
void arena_reset(struct arena *arena);               /* keeps at most one block for reuse */
void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for any type */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
