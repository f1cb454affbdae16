/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads and the clock. */
#include "platform.h"

#ifdef _WIN32

int platform_mutex_init(platform_mutex *mutex)
{
    InitializeSRWLock(mutex);
    return 0;
}

void platform_mutex_destroy(platform_mutex *mutex)
{
    (void)mutex;
}

void platform_lock(platform_mutex *mutex)
{
    AcquireSRWLockExclusive(mutex);
}

void platform_unlock(platform_mutex *mutex)
{
    ReleaseSRWLockExclusive(mutex);
}

static bool try_lock(platform_mutex *mutex)
{
    return TryAcquireSRWLockExclusive(mutex) != 0;
}

static void yield(void)
{
    SwitchToThread();
}

static int event_init(platform_event *event)
{
    InitializeConditionVariable(event);
    return 0;
}

static void event_destroy(platform_event *event)
{
    (void)event;
}

static void event_wake(platform_event *event)
{
    WakeAllConditionVariable(event);
}

static void event_sleep(platform_event *event, platform_mutex *mutex, uint64_t until_us)
{
    uint64_t now = platform_now_us();
    uint64_t left_ms = until_us > now ? (until_us - now + 999) / 1000 : 0;
    SleepConditionVariableSRW(event, mutex, left_ms < INFINITE ? (DWORD)left_ms : INFINITE, 0);
}

int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument)
{
    *thread = CreateThread(NULL, 0, run, argument, 0, NULL);
    return !*thread;
}

void platform_thread_join(platform_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

/* The thread continues to run code of this library, so the library must not be unloaded. */
void platform_thread_detach(platform_thread thread)
{
    HMODULE self;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       (const char *)(uintptr_t)platform_thread_detach, &self);
    CloseHandle(thread);
}

platform_thread_id platform_thread_self(void)
{
    return GetCurrentThreadId();
}

bool platform_thread_is(platform_thread_id a, platform_thread_id b)
{
    return a == b;
}

uint64_t platform_now_us(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    uint64_t seconds = (uint64_t)(now.QuadPart / per_second.QuadPart);
    uint64_t rest = (uint64_t)(now.QuadPart % per_second.QuadPart);
    return seconds * 1000000u + rest * 1000000u / (uint64_t)per_second.QuadPart;
}

#else

#include <sched.h>
#include <signal.h>
#include <time.h>

int platform_mutex_init(platform_mutex *mutex)
{
    return pthread_mutex_init(mutex, NULL);
}

void platform_mutex_destroy(platform_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

void platform_lock(platform_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

void platform_unlock(platform_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

static bool try_lock(platform_mutex *mutex)
{
    return pthread_mutex_trylock(mutex) == 0;
}

static void yield(void)
{
    sched_yield();
}

#ifdef __APPLE__

static int event_init(platform_event *event)
{
    return pthread_cond_init(event, NULL);
}

static void event_sleep(platform_event *event, platform_mutex *mutex, uint64_t until_us)
{
    uint64_t now = platform_now_us();
    uint64_t left = until_us > now ? until_us - now : 0;
    struct timespec time = {.tv_sec = (time_t)(left / 1000000), .tv_nsec = (long)(left % 1000000 * 1000)};
    if (until_us == UINT64_MAX)
        pthread_cond_wait(event, mutex);
    else
        pthread_cond_timedwait_relative_np(event, mutex, &time);
}

#else

static int event_init(platform_event *event)
{
    pthread_condattr_t monotonic;
    int error = pthread_condattr_init(&monotonic);
    if (error != 0)
        return error;
    error = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(event, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return error;
}

static void event_sleep(platform_event *event, platform_mutex *mutex, uint64_t until_us)
{
    struct timespec time = {.tv_sec = (time_t)(until_us / 1000000),
                            .tv_nsec = (long)(until_us % 1000000 * 1000)};
    if (until_us == UINT64_MAX)
        pthread_cond_wait(event, mutex);
    else
        pthread_cond_timedwait(event, mutex, &time);
}

#endif

static void event_destroy(platform_event *event)
{
    pthread_cond_destroy(event);
}

static void event_wake(platform_event *event)
{
    pthread_cond_broadcast(event);
}

int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

void platform_thread_join(platform_thread thread)
{
    pthread_join(thread, NULL);
}

void platform_thread_detach(platform_thread thread)
{
    pthread_detach(thread);
}

platform_thread_id platform_thread_self(void)
{
    return pthread_self();
}

bool platform_thread_is(platform_thread_id a, platform_thread_id b)
{
    return pthread_equal(a, b) != 0;
}

uint64_t platform_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* macOS: since 10.12 */
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

#endif

/*
 * Condition variables. Waking a thread that sleeps takes longer than a PC/SC call that does not reach the card, above
 * all if its processor sleeps, too. As long as waits are short, a thread therefore does not sleep at once.
 */

/* A thread that yields to one that computes gets the processor back only after that one's turn, while one that is woken
 * gets it at once. So where a yield has taken that long, threads sleep at once for the next 0.1 to 0.2 s. */
#define CROWDED_US 1000u

static atomic_uint crowded_tenth; /* of a second */

static unsigned tenth(uint64_t now_us)
{
    return (unsigned)(now_us / 100000u);
}

static bool is_crowded(uint64_t now_us)
{
    return tenth(now_us) - atomic_load_explicit(&crowded_tenth, memory_order_relaxed) < 2;
}

/* Yields the processor. Returns the time after that. */
static uint64_t yield_and_look(uint64_t now_us)
{
    yield();
    uint64_t after = platform_now_us();
    if (after - now_us > CROWDED_US)
        atomic_store_explicit(&crowded_tenth, tenth(after), memory_order_relaxed);
    return after;
}

#define SPIN_US  120u /* how long it does not: a command of a simulated card takes less */
#define SHORT_US 200u /* more than SPIN_US: a wait of a thread that sleeps includes that it is woken */

int platform_cond_init(platform_cond *cond)
{
    atomic_init(&cond->wakes, 0);
    cond->sleepers = 0;
    cond->usual_us = 0;
    return event_init(&cond->event);
}

void platform_cond_destroy(platform_cond *cond)
{
    event_destroy(&cond->event);
}

void platform_cond_wake(platform_cond *cond)
{
    atomic_fetch_add_explicit(&cond->wakes, 1, memory_order_relaxed);
    if (cond->sleepers > 0)
        event_wake(&cond->event);
}

/* Waits without sleeping, and yields the processor to the threads that it waits for. Returns whether it was woken. */
static bool spin(platform_cond *cond, platform_mutex *mutex, uint64_t until_us)
{
    uint64_t now = platform_now_us();
    unsigned before = atomic_load_explicit(&cond->wakes, memory_order_relaxed);
    bool locked = false;
    if (is_crowded(now))
        return false;
    platform_unlock(mutex);
    do {
        now = yield_and_look(now);
        bool woken = atomic_load_explicit(&cond->wakes, memory_order_relaxed) != before;
        locked = woken && try_lock(mutex); /* to sleep until the mutex is free would take as long */
    } while (!locked && now < until_us && !is_crowded(now));
    if (!locked)
        platform_lock(mutex);
    return atomic_load_explicit(&cond->wakes, memory_order_relaxed) != before;
}

/* A few long waits end the spinning, and some short ones begin it again. */
static void record_wait(platform_cond *cond, uint64_t us)
{
    uint64_t longest = 2 * SHORT_US;
    cond->usual_us = (3 * cond->usual_us + (us < longest ? us : longest)) / 4;
}

void platform_cond_wait_awake(platform_cond *cond, platform_mutex *mutex, uint64_t us)
{
    spin(cond, mutex, platform_now_us() + us);
}

void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us)
{
    uint64_t begun = platform_now_us();
    uint64_t end = begun + SPIN_US < until_us ? begun + SPIN_US : until_us;
    if (cond->usual_us > SHORT_US || !spin(cond, mutex, end)) {
        cond->sleepers++;
        event_sleep(&cond->event, mutex, until_us);
        cond->sleepers--;
    }
    record_wait(cond, platform_now_us() - begun);
}
