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

bool route_serves(const char *account_app, const char *account_environment, const char *app,
                  const char *environment)
{
    return strcmp(account_environment, environment) == 0 &&
           (!account_app || (app && strcmp(account_app, app) == 0));
}

int route_choose(const struct route_candidate *candidates, size_t count, const char *app,
                 const char *environment)
{
    int chosen = -1;
    for (size_t i = 0; i < count; i++) {
        const struct route_candidate *candidate = &candidates[i];
        if (!candidate->open || !route_serves(candidate->app, candidate->environment, app, environment))
            continue;
        if (chosen < 0 || better(candidate, &candidates[chosen]))
            chosen = (int)i;
    }
    return chosen;
}
