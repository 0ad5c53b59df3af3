/* The country that a phone number belongs to: country codes of ITU-T E.164, and where countries share one,
 * the national numbering plans. Pure. */
#ifndef PGOUTBOX_FORMATS_COUNTRY_H
#define PGOUTBOX_FORMATS_COUNTRY_H

#include <stddef.h>

struct country_prefix {
    const char *digits; /* what the numbers begin with, without '+' */
    char code[3];       /* ISO 3166-1 alpha-2, and AC, TA and XK, which have numbers but no entry there */
};

/* In the order of their digits. The longest that fits decides. outbox.countries() has the same codes. */
extern const struct country_prefix country_prefixes[];
extern const size_t country_prefix_count;

/* Code of the country that the number (as phone_ok takes it) belongs to; NULL when it is no number, or of no
 * country: satellite and other networks. Numbers that countries share count as those of the larger one:
 * mobile ones of Guadeloupe and Saint Martin as GP, +1 800 as US. Lives for ever. */
const char *country_of_phone(const char *number);

#endif
