#include "dispatcher/route.h"

#include <string.h>

/* Octets of the longest region that the recipient begins with; 0 = it has no regions; -1 = it is in none. */
static int region_match(const struct route_rules *rules, const char *recipient)
{
    if (!rules->regions || !rules->regions[0])
        return 0;
    int longest = -1;
    for (size_t i = 0; rules->regions[i]; i++) {
        size_t size = strlen(rules->regions[i]);
        if (strncmp(recipient, rules->regions[i], size) == 0 && (int)size > longest)
            longest = (int)size;
    }
    return longest;
}

bool route_serves(const struct route_rules *rules, const struct route_message *message)
{
    return strcmp(rules->environment, message->environment) == 0 &&
           (!rules->app || (message->app && strcmp(rules->app, message->app) == 0)) &&
           region_match(rules, message->recipient) >= 0;
}

/* Above 0: a goes before b. */
static int compare(const struct route_candidate *a, const struct route_candidate *b,
                   const struct route_message *message)
{
    int bound = (a->rules->app != NULL) - (b->rules->app != NULL);
    int region = region_match(a->rules, message->recipient) - region_match(b->rules, message->recipient);
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
