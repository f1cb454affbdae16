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

/* A thread that yields to one that computes gets the processor back only after that one's turn, while one that is woken
 * gets it at once. So where a yield has taken that long, no thread busy-polls for the next 0.1 to 0.2 s. */
#define CROWDED_NS 1000000

static atomic_uint crowded_tenth; /* of a second */

static unsigned tenth(int64_t ns)
{
    return (unsigned)(ns / 100000000);
}

static bool is_crowded(int64_t ns)
{
    return tenth(ns) - atomic_load_explicit(&crowded_tenth, memory_order_relaxed) < 2;
}

static void yield(void)
{
    int64_t before = now_ns();
    sched_yield();
    int64_t after = now_ns();
    if (after - before > CROWDED_NS)
        atomic_store_explicit(&crowded_tenth, tenth(after), memory_order_relaxed);
}

int64_t busy_poll_begin(void)
{
    return now_ns() + BUSY_POLL_US * 1000;
}

bool busy_poll(int64_t end)
{
    if (is_crowded(now_ns()))
        return false;
    bool room = atomic_fetch_add_explicit(&polling, 1, memory_order_relaxed) < most();
    if (room)
        yield();
    atomic_fetch_sub_explicit(&polling, 1, memory_order_relaxed);
    return room && now_ns() < end;
}
