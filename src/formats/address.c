#include "formats/address.h"

#include <ctype.h>
#include <string.h>

#include "formats/text.h"

static bool is_atext(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool has_eighth_bit(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return true;
    }
    return false;
}

static bool check_local(const char *local, size_t size, const char *field, struct error *err)
{
    if (size == 0)
        return error_set(err, "%s: has nothing before the '@'", field);
    if (size > ADDRESS_LOCAL_MAX)
        return error_set(err, "%s: has more than %d octets before the '@'", field, ADDRESS_LOCAL_MAX);
    if (has_eighth_bit(local, size))
        return error_set(err, "%s: must be ASCII before the '@' (SMTPUTF8 is not supported)", field);
    for (size_t i = 0; i < size; i++) {
        bool dot = local[i] == '.';
        if (!dot && !is_atext(local[i]))
            return error_set(err, "%s: has a character before the '@' that is not allowed", field);
        if (dot && (i == 0 || i + 1 == size || local[i + 1] == '.'))
            return error_set(err, "%s: has a dot before the '@' with nothing beside it", field);
    }
    return true;
}

static bool check_domain(const char *domain, size_t size, const char *field, struct error *err)
{
    if (has_eighth_bit(domain, size))
        return error_set(err, "%s: the domain must be written in punycode (xn--...)", field);
    size_t label = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i == size || domain[i] == '.') {
            if (label == 0 || label > ADDRESS_LABEL_MAX || domain[i - label] == '-' || domain[i - 1] == '-')
                return error_set(err, "%s: is not an address at a domain name", field);
            label = 0;
        } else if (isalnum((unsigned char)domain[i]) || domain[i] == '-') {
            label++;
        } else {
            return error_set(err, "%s: the domain has a character that is not allowed", field);
        }
    }
    return true;
}

bool address_check(const char *text, size_t size, const char *field, struct error *err)
{
    if (!text_is_one_line(text, size))
        return error_set(err, "%s: must not contain control characters", field);
    if (size > ADDRESS_MAX)
        return error_set(err, "%s: is longer than %d octets", field, ADDRESS_MAX);
    const char *at = memrchr(text, '@', size);
    if (at == NULL)
        return error_set(err, "%s: is not a mail address", field);
    size_t local = (size_t)(at - text);
    return check_local(text, local, field, err) && check_domain(at + 1, size - local - 1, field, err);
}

bool address_check_domain(const char *domain, const char *field, struct error *err)
{
    size_t size = strlen(domain);
    if (size > ADDRESS_DOMAIN_MAX)
        return error_set(err, "%s: is longer than %d octets", field, ADDRESS_DOMAIN_MAX);
    return check_domain(domain, size, field, err);
}

const char *address_domain(const char *address)
{
    return strrchr(address, '@') + 1;
}

/* The display name: what stands before '<', without quotes and their escapes. */
static bool read_name(const char *text, size_t size, const char *field, struct mailbox *mailbox,
                      struct error *err)
{
    while (size > 0 && text[0] == ' ') {
        text++;
        size--;
    }
    while (size > 0 && text[size - 1] == ' ')
        size--;
    bool quoted = size >= 2 && text[0] == '"' && text[size - 1] == '"';
    if (quoted) {
        text++;
        size -= 2;
    }
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        if (quoted && text[i] == '\\' && i + 1 < size)
            i++;
        else if (text[i] == '"')
            return error_set(err, "%s: has a quote inside the name", field);
        if (used == MAILBOX_NAME_MAX)
            return error_set(err, "%s: the name is longer than %d octets", field, MAILBOX_NAME_MAX);
        mailbox->name[used++] = text[i];
    }
    mailbox->name[used] = '\0';
    return true;
}

bool mailbox_parse(const char *text, size_t size, const char *field, struct mailbox *mailbox,
                   struct error *err)
{
    *mailbox = (struct mailbox){0};
    if (!text_is_one_line(text, size))
        return error_set(err, "%s: must not contain control characters", field);
    const char *address = text;
    size_t address_size = size;
    const char *open = memrchr(text, '<', size);
    if (open != NULL) {
        address = open + 1;
        address_size = size - (size_t)(address - text);
        if (address_size == 0 || address[address_size - 1] != '>')
            return error_set(err, "%s: must be \"Name <local@domain>\" or \"local@domain\"", field);
        address_size--;
        if (!read_name(text, (size_t)(open - text), field, mailbox, err))
            return false;
    }
    if (!address_check(address, address_size, field, err))
        return false;
    memcpy(mailbox->address, address, address_size);
    return true;
}
