#include "dispatcher/route.h"

#include <string.h>

static bool better(const struct route_candidate *a, const struct route_candidate *b)
{
    if ((a->app != NULL) != (b->app != NULL))
        return a->app != NULL;
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->room > b->room;
}

int route_choose(const struct route_candidate *candidates, size_t count, const char *app)
{
    int chosen = -1;
    for (size_t i = 0; i < count; i++) {
        const struct route_candidate *candidate = &candidates[i];
        if (!candidate->open || (candidate->app && (!app || strcmp(candidate->app, app) != 0)))
            continue;
        if (chosen < 0 || better(candidate, &candidates[chosen]))
            chosen = (int)i;
    }
    return chosen;
}
