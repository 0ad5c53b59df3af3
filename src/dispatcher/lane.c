#include "dispatcher/lane.h"

const char *lane_name(enum lane lane)
{
    static const char *const names[LANES] = {"transactional", "bulk"};
    return names[lane];
}
