#include "dispatcher/route.h"

#include <string.h>

enum { NOWHERE = -1, ANYWHERE, COUNTRY }; /* further up: a prefix, by its octets */

static bool is_country(const char *region)
{
    return region[0] >= 'A' && region[0] <= 'Z' && region[1] >= 'A' && region[1] <= 'Z' && region[2] == '\0';
}

static int region_fit(const char *region, const struct route_message *message)
{
    if (is_country(region))
        return message->country && strcmp(region, message->country) == 0 ? COUNTRY : NOWHERE;
    size_t size = strlen(region);
    return strncmp(message->recipient, region, size) == 0 ? COUNTRY + (int)size : NOWHERE;
}

/* How closely the regions fit the message: that of the one that fits best. */
static int regions_fit(const struct route_rules *rules, const struct route_message *message)
{
    if (!rules->regions || !rules->regions[0])
        return ANYWHERE;
    int best = NOWHERE;
    for (size_t i = 0; rules->regions[i]; i++) {
        int fit = region_fit(rules->regions[i], message);
        best = fit > best ? fit : best;
    }
    return best;
}

bool route_serves(const struct route_rules *rules, const struct route_message *message)
{
    return strcmp(rules->environment, message->environment) == 0 &&
           (!rules->app || (message->app && strcmp(rules->app, message->app) == 0)) &&
           regions_fit(rules, message) != NOWHERE;
}

/* Above 0: a goes before b. */
static int compare(const struct route_candidate *a, const struct route_candidate *b,
                   const struct route_message *message)
{
    int bound = (a->rules->app != NULL) - (b->rules->app != NULL);
    int region = regions_fit(a->rules, message) - regions_fit(b->rules, message);
    int priority = (b->rules->priority > a->rules->priority) - (b->rules->priority < a->rules->priority);
    int room = (a->room > 0) - (b->room > 0);
    return bound ? bound : region ? region : priority ? priority : room;
}

int route_choose(const struct route_candidate *candidates, size_t count, const struct route_message *message,
                 uint64_t random)
{
    int best = -1;
    uint64_t weights = 0; /* of all that equal the best */
    for (size_t i = 0; i < count; i++) {
        if (!candidates[i].open || !route_serves(candidates[i].rules, message))
            continue;
        int order = best < 0 ? 1 : compare(&candidates[i], &candidates[best], message);
        if (order > 0) {
            best = (int)i;
            weights = 0;
        }
        if (order >= 0)
            weights += (uint64_t)candidates[i].rules->weight;
    }
    if (best < 0)
        return -1;
    uint64_t ticket = random % weights;
    for (size_t i = (size_t)best; i < count; i++) {
        if (!candidates[i].open || !route_serves(candidates[i].rules, message) ||
            compare(&candidates[i], &candidates[best], message) != 0)
            continue;
        if (ticket < (uint64_t)candidates[i].rules->weight)
            return (int)i;
        ticket -= (uint64_t)candidates[i].rules->weight;
    }
    return best;
}
