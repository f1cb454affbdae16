/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/timer.h"

#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int timer_new(void)
{
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void timer_set(int timer, unsigned ms)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000}};
    timerfd_settime(timer, 0, &when, NULL);
}

bool timer_went_off(int timer)
{
    uint64_t times;
    return read(timer, &times, sizeof times) == sizeof times;
}
