/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A grace period ends when every thread of this process that was awake at its beginning has finished what
 * it was doing then. The driver cannot see what pcscd's threads do, but they sleep between two requests of
 * their clients: a thread that sleeps, or has slept since the beginning, has finished.
 *
 * There are exceptions: a mutex also makes a thread sleep in the middle of a request, above all the slot's
 * own in pcscd (ifdwrapper.c). The grace period therefore has several rounds, each of which ends when all
 * threads that were awake at its beginning have slept. In each round the thread that holds the mutex releases
 * it, and wakes the next one, which the next round waits for; the rounds are enough for some threads behind
 * each other. When a request comes or goes, the caller begins again. What the rounds cannot see is a thread
 * that sleeps because it writes to a log that takes no more: pcscd logs between its check and the driver only
 * if it was told to log debugging messages or APDUs.
 */
#ifndef CARDRIG_DRIVER_GRACE_H
#define CARDRIG_DRIVER_GRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define GRACE_THREADS_MAX 64

struct grace {
    unsigned rounds; /* that are not over */
    size_t count;    /* threads that were awake at the beginning of the round, and have not slept since */
    bool more;       /* there may be others for which there was no room */
    struct {
        pid_t id;
        unsigned long slept; /* how often it had slept */
    } threads[GRACE_THREADS_MAX];
};

/* Begins a grace period. The calling thread does not count. */
void grace_begin(struct grace *grace);

/* Returns whether the grace period is over. Never waits. Without /proc it is over at once. */
bool grace_is_over(struct grace *grace);

#endif
