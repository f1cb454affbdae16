/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A grace period ends when every thread of this process that was awake at its beginning has finished what it
 * was doing then. The driver cannot see what pcscd's threads do, but they sleep between two requests of their
 * clients: a thread that sleeps, or has slept since the beginning, has finished.
 *
 * There is one exception. The slot's mutex in pcscd (prothandler.c, ifdwrapper.c) also makes a thread sleep,
 * in the middle of a request. The grace period therefore has two rounds, each of which ends when all threads
 * that were awake at its beginning have slept. In the first round the thread that holds the mutex releases
 * it, and wakes the next one; the second round waits until that thread has come to the driver with its request,
 * or has finished. When a request comes or goes, the caller begins again.
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
