/* Time for deadlines. */
#ifndef CARDRIG_CLI_CLOCK_H
#define CARDRIG_CLI_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds on a clock that only goes forward. */
static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
