/* SPDX-License-Identifier: BSD-3-Clause */
#include "link/busy_poll.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

/* The number of threads of this process that busy-poll now, and of processors (0: not counted yet). */
static atomic_int polling, processors;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Returns how many threads may busy-poll. The process at the other end needs processors, too. */
static int most(void)
{
    cpu_set_t ours;
    int count = atomic_load_explicit(&processors, memory_order_relaxed);
    if (count == 0) {
        count = sched_getaffinity(0, sizeof ours, &ours) == 0 ? CPU_COUNT(&ours) : 1;
        atomic_store_explicit(&processors, count, memory_order_relaxed);
    }
    return count > 2 ? count / 2 : 1;
}

int64_t busy_poll_begin(void)
{
    return now_ns() + BUSY_POLL_US * 1000;
}

bool busy_poll(int64_t end)
{
    bool room = atomic_fetch_add_explicit(&polling, 1, memory_order_relaxed) < most();
    if (room)
        sched_yield();
    atomic_fetch_sub_explicit(&polling, 1, memory_order_relaxed);
    return room && now_ns() < end;
}
