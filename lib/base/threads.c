/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/threads.h"

#include "base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct start {
    struct threads *threads;
    void (*function)(void *arg);
    void *arg;
};

void threads_init(struct threads *threads)
{
    pthread_mutex_init(&threads->lock, NULL);
    thread_condition_init(&threads->ended);
    threads->count = 0;
}

static void add(struct threads *threads, int count)
{
    pthread_mutex_lock(&threads->lock);
    threads->count += (unsigned)count;
    pthread_cond_broadcast(&threads->ended);
    pthread_mutex_unlock(&threads->lock);
}

static void *run(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    start.function(start.arg);
    add(start.threads, -1);
    return NULL;
}

/* Starts a detached thread that blocks all signals. Returns false with errno on failure. */
static bool begin(void *(*function)(void *arg), void *arg)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits this mask */
    int failed = pthread_create(&thread, &attributes, function, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    errno = failed;
    return !failed;
}

bool threads_start(struct threads *threads, void (*function)(void *arg), void *arg)
{
    struct start *start = malloc(sizeof *start);
    if (!start)
        return false;
    *start = (struct start){threads, function, arg};
    add(threads, 1);
    if (begin(run, start))
        return true;
    int reason = errno;
    add(threads, -1);
    free(start);
    errno = reason;
    return false;
}

bool threads_wait(struct threads *threads, int timeout_ms)
{
    struct timespec end = thread_deadline(timeout_ms);
    pthread_mutex_lock(&threads->lock);
    while (threads->count > 0 && pthread_cond_timedwait(&threads->ended, &threads->lock, &end) == 0)
        ;
    bool all = threads->count == 0;
    pthread_mutex_unlock(&threads->lock);
    return all;
}
