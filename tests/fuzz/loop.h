/*
 * The rig's event loop, which runs for as long as there is something for it to do: what it
 * calls to wait is ours (linked with --wrap).
 */
#ifndef CARDRIG_FUZZ_LOOP_H
#define CARDRIG_FUZZ_LOOP_H

#include "fuzz.h"

#include "rig/loop.h"

#include <stdarg.h>
#include <sys/epoll.h>
#include <unistd.h>

int __real_epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms);

int __wrap_sched_yield(void);

void __wrap_rig_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct loop *loop;

/* What is said is put together, and goes nowhere. */
void __wrap_rig_log(const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    CHECK(vsnprintf(text, sizeof text, format, arguments) > 0);
    va_end(arguments);
}

/* Before each wait: on a busy machine others would have their turn all the time. */
int __wrap_sched_yield(void)
{
    return 0;
}

int __wrap_epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms)
{
    (void)timeout_ms;
    int count = __real_epoll_wait(fd, events, room, 0);
    if (count == 0)
        loop_stop(loop);
    return count;
}

static void run_loop(void)
{
    CHECK(loop_run(loop));
}

/* The number that the next descriptor will have: the same as before if none was left open. */
static int next_descriptor(void)
{
    int fd = dup(0);
    CHECK(fd >= 0);
    close(fd);
    return fd;
}

#endif
