/* SPDX-License-Identifier: BSD-3-Clause */
#include "thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct thread {
    pthread_t thread;
    void (*run)(void *);
    void *argument;
};

static void *run(void *argument)
{
    struct thread *thread = argument;
    thread->run(thread->argument);
    return NULL;
}

struct thread *thread_start(void (*function)(void *), void *argument)
{
    struct thread *thread = malloc(sizeof *thread);
    if (!thread)
        return NULL;
    *thread = (struct thread){.run = function, .argument = argument};
    if (pthread_create(&thread->thread, NULL, run, thread) == 0)
        return thread;
    free(thread);
    return NULL;
}

void thread_join(struct thread *thread)
{
    pthread_join(thread->thread, NULL);
    free(thread);
}

void thread_sleep_us(long us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&time, NULL);
}
