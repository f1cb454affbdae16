/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rig's event loop, which runs for as long as there is something for it to do: what it
 * calls to wait is ours (linked with --wrap).
 */
#ifndef CARDRIG_FUZZ_LOOP_H
#define CARDRIG_FUZZ_LOOP_H

#include "rig.h"

#include "rig/loop.h"

#include <sys/epoll.h>

int __real_epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int room, int timeout_ms);

static struct loop *loop;

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

#endif
