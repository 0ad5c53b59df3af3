/*
 * Mail addresses (RFC 5321, 4.1.2; RFC 5322, 3.4). What is accepted here is safe inside SMTP commands and
 * header fields: no spaces, control characters, quotes or angle brackets.
 */
#ifndef PGOUTBOX_FORMATS_ADDRESS_H
#define PGOUTBOX_FORMATS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

/* Octets. */
enum {
    ADDRESS_MAX = 254,
    ADDRESS_LOCAL_MAX = 64,
    ADDRESS_DOMAIN_MAX = ADDRESS_MAX - 2, /* one character and the '@' before it */
    ADDRESS_LABEL_MAX = 63,
    MAILBOX_NAME_MAX = 255
};

struct mailbox {
    char name[MAILBOX_NAME_MAX + 1]; /* UTF-8 without control characters; "" = none */
    char address[ADDRESS_MAX + 1];
};

/* Checks an addr-spec: a dot-atom local part in ASCII and a domain of letters, digits, hyphens and dots,
 * which includes punycode. field names the value in err. */
bool address_check(const char *text, size_t size, const char *field, struct error *err);

/* Checks what stands behind the '@' by itself. */
bool address_check_domain(const char *domain, const char *field, struct error *err);

/* Reads `a@b`, `<a@b>`, `Name <a@b>` or `"Name" <a@b>`. */
bool mailbox_parse(const char *text, size_t size, const char *field, struct mailbox *mailbox,
                   struct error *err);

/* The part of a checked address behind the '@'. */
const char *address_domain(const char *address);

#endif
