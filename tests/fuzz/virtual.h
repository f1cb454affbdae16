/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual time, for targets with waits and one thread: what the tested code calls to wait is ours (linked
 * with --wrap). While it waits, the other side acts as the input says, until what is waited for is there or
 * the time is over. Nothing takes real time, and the same input always does the same.
 */
#ifndef CARDRIG_FUZZ_VIRTUAL_H
#define CARDRIG_FUZZ_VIRTUAL_H

#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_poll(struct pollfd *ready, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *ready, nfds_t count, int timeout_ms);

static bool virtual_time; /* else it is the real one, which libFuzzer may use */
static int64_t virtual_us;

/* The target's: the other side does something. Returns how many milliseconds pass then; -1: it does nothing
 * any more. */
static int act(void);

static inline int64_t virtual_ms(void)
{
    return virtual_us / 1000;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!virtual_time)
        return __real_clock_gettime(clock, now);
    virtual_us += 10; /* so that who waits awake does not for ever */
    now->tv_sec = (time_t)(virtual_us / 1000000);
    now->tv_nsec = (long)(virtual_us % 1000000) * 1000;
    return 0;
}

/* The other side acts once, before the time end_us. False: it is too late for that. */
static bool act_before(int64_t end_us)
{
    int ms = virtual_us < end_us ? act() : -1;
    int64_t then_us = ms < 0 ? end_us : virtual_us + (int64_t)ms * 1000;
    if (then_us > end_us)
        then_us = end_us;
    if (then_us > virtual_us)
        virtual_us = then_us;
    return virtual_us < end_us;
}

int __wrap_poll(struct pollfd *ready, nfds_t count, int timeout_ms)
{
    if (!virtual_time)
        return __real_poll(ready, count, timeout_ms);
    CHECK(timeout_ms >= 0);
    int64_t end_us = virtual_us + (int64_t)timeout_ms * 1000;
    bool more = true;
    int found;
    while ((found = __real_poll(ready, count, 0)) == 0 && more)
        more = act_before(end_us);
    return found;
}

/* What is left of the input. */
struct input {
    const uint8_t *at, *end;
};

static struct input input;

static unsigned next(void)
{
    return input.at < input.end ? *input.at++ : 0;
}

#endif
