#include "support/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

char *vectors_text(const char *name)
{
    const char *folder = getenv("PGOUTBOX_VECTORS");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "tests/vectors", name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    ck_assert_int_ge(size, 0);
    rewind(file);
    char *text = mem_alloc((size_t)size + 1);
    ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    return text;
}

struct json_object *vectors_load(const char *name)
{
    struct error err;
    char *text = vectors_text(name);
    struct json_object *value = json_parse(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s: %s", name, err.text);
    mem_free(text);
    return value;
}
