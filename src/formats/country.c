#include "formats/country.h"

#include <string.h>

#include "formats/phone.h"

/* The last prefix that is not above the first `size` digits, NULL when all are. */
static const struct country_prefix *last_upto(const char *digits, size_t size)
{
    size_t low = 0, high = country_prefix_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *prefix = country_prefixes[middle].digits;
        int order = strncmp(prefix, digits, size);
        if (order > 0 || (order == 0 && prefix[size] != '\0'))
            high = middle;
        else
            low = middle + 1;
    }
    return low > 0 ? &country_prefixes[low - 1] : NULL;
}

/* Whatever lies between a prefix of a number and the number begins with that prefix too. So the longest one
 * is no longer than what the number has in common with the entry before it, and that is where to look next.
 */
const char *country_of_phone(const char *number)
{
    if (!phone_ok(number))
        return NULL;
    const char *digits = number + 1;
    const struct country_prefix *entry;
    for (size_t size = strlen(digits); (entry = last_upto(digits, size)) != NULL;) {
        size = 0;
        while (entry->digits[size] != '\0' && entry->digits[size] == digits[size])
            size++;
        if (entry->digits[size] == '\0')
            return entry->code;
    }
    return NULL;
}
