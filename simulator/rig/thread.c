#include "rig/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct start {
    struct threads *threads;
    void (*function)(void *arg);
    void *arg;
};

void threads_init(struct threads *threads)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->ended, &attributes);
    pthread_condattr_destroy(&attributes);
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

bool thread_start(struct threads *threads, void (*function)(void *arg), void *arg)
{
    struct start *start = malloc(sizeof *start);
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (!start)
        return false;
    *start = (struct start){threads, function, arg};
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    add(threads, 1);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* which the thread inherits */
    int error = pthread_create(&thread, &attributes, run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error == 0)
        return true;
    add(threads, -1);
    free(start);
    errno = error;
    return false;
}

bool threads_wait(struct threads *threads, int timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long ns = end.tv_nsec + (long)(timeout_ms % 1000) * 1000000;
    end.tv_sec += timeout_ms / 1000 + ns / 1000000000;
    end.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&threads->lock);
    while (threads->count > 0 && pthread_cond_timedwait(&threads->ended, &threads->lock, &end) == 0)
        ;
    bool all = threads->count == 0;
    pthread_mutex_unlock(&threads->lock);
    return all;
}
