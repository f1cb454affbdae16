/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A grace period: it is over when every thread of this process that was awake at its beginning has finished
 * what it was doing then.
 *
 * pcscd's threads sleep between two requests of their clients, so a thread that sleeps now, or has slept since
 * the beginning, has finished. One exception: it may have slept while it waited for a mutex. The grace period
 * therefore has two rounds. If nobody who holds that mutex comes to us in between, which the caller has to
 * watch, the second round sees the thread awake, and waits for it.
 */
#ifndef CARDRIG_DRIVER_GRACE_H
#define CARDRIG_DRIVER_GRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define GRACE_THREADS_MAX 64

struct grace {
    unsigned rounds; /* to go, with the present one */
    size_t count;    /* threads that were awake at the beginning of the round, and have not slept since */
    bool more;       /* there were more of them than there is room for */
    struct {
        pid_t id;
        unsigned long slept; /* how often it had slept */
    } threads[GRACE_THREADS_MAX];
};

/* Begins a grace period. The calling thread does not count. */
void grace_begin(struct grace *grace);

/* Whether it is over. Never waits. Where /proc says nothing of threads, it is over at once. */
bool grace_is_over(struct grace *grace);

#endif
