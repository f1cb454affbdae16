/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that end by themselves, and are counted, so that one can wait for their end. No signal that is
 * meant for the process is delivered to them.
 */
#ifndef CARDRIG_BASE_THREADS_H
#define CARDRIG_BASE_THREADS_H

#include <pthread.h>
#include <stdbool.h>

struct threads {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned count;
};

void threads_init(struct threads *threads);

/* Has function(arg) run in a thread of its own. False with errno. */
bool threads_start(struct threads *threads, void (*function)(void *arg), void *arg);

/* Waits until there are none, for timeout_ms at the most. False: some have not ended. */
bool threads_wait(struct threads *threads, int timeout_ms);

#endif
