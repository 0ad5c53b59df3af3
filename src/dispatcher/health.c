#include "dispatcher/health.h"

#include <stdio.h>

#include "core/mem.h"

enum {
    GONE_WINDOW = 100, /* answers that the share of dead addresses is taken from */
    GONE_LEAST = 20    /* fewer are believed whatever their share */
};

void health_init(struct health *health, int gone_limit)
{
    *health = (struct health){.gone_limit = gone_limit};
    breaker_init(&health->breaker);
}

void health_free(struct health *health)
{
    mem_free(health->fault);
    health->fault = NULL;
}

bool health_good(struct health *health)
{
    if (!breaker_good(&health->breaker))
        return false;
    health_free(health);
    return true;
}

bool health_bad(struct health *health, const char *reason, int64_t now_ms, uint64_t random)
{
    if (!breaker_bad(&health->breaker, now_ms, random))
        return false;
    mem_free(health->fault);
    health->fault = mem_strdup(reason);
    return true;
}

/* A share that slides: what is older counts half. */
void health_count(struct health *health, bool gone)
{
    health->judged++;
    health->gone += gone;
    if (health->judged < GONE_WINDOW)
        return;
    health->judged /= 2;
    health->gone /= 2;
}

void health_inherit(struct health *health, const struct health *former)
{
    health->judged = former->judged;
    health->gone = former->gone;
}

bool health_distrusts_gone(const struct health *health, char *reason, size_t size)
{
    if (health->gone < GONE_LEAST || health->gone * 100 <= health->judged * health->gone_limit)
        return false;
    snprintf(reason, size, "%d of %d addresses were reported gone: taken for a fault of the configuration",
             health->gone, health->judged);
    return true;
}

const char *health_state(const struct health *health)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_PROBING] = "probing"};
    return names[breaker_state(&health->breaker)];
}
