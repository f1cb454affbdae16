#include "link/linger.h"

#include <sched.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t linger_begin(void)
{
    return now_ns() + LINGER_US * 1000;
}

bool linger(int64_t end)
{
    sched_yield();
    return now_ns() < end;
}
