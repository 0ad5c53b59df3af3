#include "outboxctl/adapters.h"

#include <stdio.h>

#include "providers/provider.h"

static const char *const repeat_words[] = {
    [REPEAT_IDEMPOTENT] = "the provider drops a repeat",
    [REPEAT_COLLAPSES] = "a repeat replaces the first where it is shown",
    [REPEAT_DOUBLES] = "a repeat is delivered twice",
};

void adapters_print(void)
{
    for (size_t i = 0; provider_list[i] != NULL; i++)
        printf("%-9s %-8s %s\n", provider_list[i]->name,
               provider_list[i]->channel ? provider_list[i]->channel : "any",
               repeat_words[provider_list[i]->repeat]);
}
