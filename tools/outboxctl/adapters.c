#include "outboxctl/adapters.h"

#include <stdio.h>

#include "providers/adapter.h"

static const char *const repeat_words[] = {
    [REPEAT_IDEMPOTENT] = "the provider drops a repeat",
    [REPEAT_COLLAPSES] = "a repeat replaces the first where it is shown",
    [REPEAT_DOUBLES] = "a repeat is delivered twice",
};

void adapters_print(void)
{
    for (size_t i = 0; adapter_list[i] != NULL; i++)
        printf("%-9s %-8s %s\n", adapter_list[i]->name,
               adapter_list[i]->channel ? adapter_list[i]->channel : "any",
               repeat_words[adapter_list[i]->repeat]);
}
