/* SPDX-License-Identifier: BSD-3-Clause */
/* Real time, also where board_now() is virtual. */
#ifndef CARDRIG_MODEL_WALL_CLOCK_H
#define CARDRIG_MODEL_WALL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t wall_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void wall_clock_sleep(int64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)};
    nanosleep(&time, NULL);
}

#endif
