#include "support/vectors.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum { FILE_MAX = 1024 * 1024 };

char *vectors_text(const char *name)
{
    const char *folder = getenv("PGOUTBOX_VECTORS");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "tests/vectors", name);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    char *text = mem_alloc(FILE_MAX);
    size_t size = fread(text, 1, FILE_MAX, file);
    fclose(file);
    ck_assert_uint_lt(size, FILE_MAX);
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
