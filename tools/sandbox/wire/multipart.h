/* Forms with files: multipart/form-data (RFC 7578, RFC 2046). */
#ifndef PGOUTBOX_SANDBOX_WIRE_MULTIPART_H
#define PGOUTBOX_SANDBOX_WIRE_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

enum { PARTS_MAX = 32, PART_NAME_MAX = 64 };

struct part {
    char name[PART_NAME_MAX + 1];
    bool is_file;     /* it has a file name */
    const char *data; /* within the body */
    size_t size;
};

struct parts {
    struct part list[PARTS_MAX];
    size_t count;
};

/* False: the content type or the body is not such a form, or it has more than PARTS_MAX parts. */
bool multipart_read(struct parts *parts, const char *content_type, const char *body, size_t size);

/* The part, or NULL when it is absent or there more than once. */
const struct part *multipart_find(const struct parts *parts, const char *name);

#endif
