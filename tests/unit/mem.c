#include "support/suite.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/mem.h"
#include "core/options.h"

START_TEST(test_zeroed)
{
    unsigned char *memory = mem_array(100, 7);
    for (int i = 0; i < 700; i++)
        ck_assert_uint_eq(memory[i], 0);
    memory = mem_grow(memory, 200, 7);
    mem_free(memory);
    mem_free(NULL);
    ck_assert_ptr_null(mem_strdup(NULL));
    char *copy = mem_strdup("text");
    ck_assert_str_eq(copy, "text");
    mem_free(copy);
}
END_TEST

START_TEST(test_array_overflow_ends_the_process)
{
    volatile size_t count = SIZE_MAX / 2; /* the compiler must not see the fault */
    mem_free(mem_array(count, 4));
}
END_TEST

START_TEST(test_grow_overflow_ends_the_process)
{
    volatile size_t count = SIZE_MAX / 2;
    mem_free(mem_grow(NULL, count, 4));
}
END_TEST

START_TEST(test_arena)
{
    struct arena *arena = arena_new();
    for (int round = 0; round < 3; round++) {
        char *texts[300];
        for (int i = 0; i < 300; i++) {
            size_t size = (size_t)(i * 37 % 5000);
            unsigned char *memory = arena_alloc(arena, size);
            ck_assert_uint_eq((uintptr_t)memory % alignof(max_align_t), 0);
            for (size_t at = 0; at < size; at++)
                ck_assert_uint_eq(memory[at], 0);
            memset(memory, 0xff, size);
            texts[i] = arena_printf(arena, "text %d", i);
        }
        for (int i = 0; i < 300; i++) {
            char *expected = arena_printf(arena, "text %d", i);
            ck_assert_str_eq(texts[i], expected);
        }
        arena_reset(arena);
    }
    arena_free(arena);
    arena_free(NULL);
}
END_TEST

START_TEST(test_arena_texts)
{
    struct arena *arena = arena_new();
    ck_assert_ptr_null(arena_strdup(arena, NULL));
    ck_assert_str_eq(arena_strdup(arena, ""), "");
    ck_assert_str_eq(arena_strndup(arena, "abcdef", 3), "abc");
    char *large = arena_printf(arena, "%20000s|", "x");
    ck_assert_uint_eq(strlen(large), 20001);
    ck_assert_str_eq(large + 19999, "x|");
    char *exact = arena_printf(arena, "%256s", "y");
    ck_assert_uint_eq(strlen(exact), 256);
    arena_reset(arena);
    ck_assert_str_eq(arena_strdup(arena, "again"), "again");
    arena_free(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mem");
    suite_add(suite, test_zeroed);
    suite_add(suite, test_arena);
    suite_add(suite, test_arena_texts);
    TCase *ends = tcase_create("ends");
    tcase_add_exit_test(ends, test_array_overflow_ends_the_process, EXIT_NO_MEMORY);
    tcase_add_exit_test(ends, test_grow_overflow_ends_the_process, EXIT_NO_MEMORY);
    suite_add_tcase(suite, ends);
    return suite_run(suite);
}
