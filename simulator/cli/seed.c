#include "cli/seed.h"

#include "rig/log.h"

#include <errno.h>
#include <stdlib.h>

bool seed_parse(const char *text, uint64_t *seed)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (*text < '0' || *text > '9' || *end || errno || value > INT64_MAX) {
        rig_log("--seed %s: expected a number from 0 to %lld", text, (long long)INT64_MAX);
        return false;
    }
    *seed = value;
    return true;
}
