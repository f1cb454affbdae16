/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of platform.h that need threads and a clock. */
#include "failures.h"
#include "platform.h"

#include <stdlib.h>

int platform_mutex_init(platform_mutex *mutex)
{
    *mutex = (platform_mutex)PLATFORM_MUTEX;
    return failures_happen();
}

void platform_mutex_destroy(platform_mutex *mutex)
{
    if (mutex->owner != 0)
        abort();
}

static bool is_free(const platform_mutex *mutex)
{
    /* the library has a static mutex, and a run that has failed may have ended with it locked */
    return mutex->owner == 0 || fiber_has_ended(mutex->owner);
}

void platform_lock(platform_mutex *mutex)
{
    fiber_point();
    while (!is_free(mutex))
        fiber_wait(mutex, FIBER_FOREVER);
    mutex->owner = fiber_self();
}

static void release(platform_mutex *mutex)
{
    if (mutex->owner != fiber_self())
        abort();
    mutex->owner = 0;
    fiber_wake(mutex);
}

void platform_unlock(platform_mutex *mutex)
{
    release(mutex);
    fiber_point();
}

int platform_cond_init(platform_cond *cond)
{
    cond->address = 0;
    return failures_happen();
}

void platform_cond_destroy(platform_cond *cond)
{
    (void)cond;
}

void platform_cond_wake(platform_cond *cond)
{
    fiber_wake(cond);
}

/* Threads that are awake and threads that sleep are the same here. */
void platform_cond_wait_awake(platform_cond *cond, platform_mutex *mutex, uint64_t us)
{
    (void)cond;
    (void)mutex;
    (void)us;
}

/* Sometimes wakes up early, as threads may. */
void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us)
{
    release(mutex);
    if (!scheduler_once_in(64))
        fiber_wait(cond, until_us);
    platform_lock(mutex);
}

int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument)
{
    /* the result of a thread function is not used, and ABIs ignore it then */
    *thread = failures_happen() ? 0 : fiber_start(THREADS_NAME, (fiber_function *)(uintptr_t)run, argument);
    return *thread == 0;
}

void platform_thread_join(platform_thread thread)
{
    fiber_join(thread);
}

void platform_thread_detach(platform_thread thread)
{
    (void)thread;
}

platform_thread_id platform_thread_self(void)
{
    return fiber_self();
}

bool platform_thread_is(platform_thread_id a, platform_thread_id b)
{
    return a == b;
}

uint64_t platform_now_us(void)
{
    return scheduler_now_us();
}

bool platform_service_refuses_us(void)
{
    return false;
}

int platform_signal_init(platform_signal *signal)
{
    signal->is_set = false;
    return failures_happen();
}

void platform_signal_destroy(platform_signal *signal)
{
    (void)signal;
}

void platform_signal_set(platform_signal *signal)
{
    signal->is_set = true;
}

void platform_signal_clear(platform_signal *signal)
{
    signal->is_set = false;
}

intptr_t platform_signal_descriptor(const platform_signal *signal)
{
    return (intptr_t)signal; /* for a test that looks whether it is set */
}
