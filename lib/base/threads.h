/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts threads that end by themselves, so that their end can be awaited. These threads block all signals:
 * signals for the process go to its other threads.
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

/* Calls function(arg) in a new thread. Returns false with errno on failure. */
bool threads_start(struct threads *threads, void (*function)(void *arg), void *arg);

/* Waits until all threads have ended, for at most timeout_ms. Returns false if some have not. */
bool threads_wait(struct threads *threads, int timeout_ms);

#endif
