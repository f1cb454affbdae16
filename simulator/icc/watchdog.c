/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/watchdog.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* timer_create(2) documents it, but some C libraries lack it */
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* The watchdog of each thread that calls into Lua. */
static _Thread_local struct {
    /* The handler reads these: the call in progress. */
    volatile sig_atomic_t running;
    volatile sig_atomic_t held;    /* inside watchdog_hold() .. watchdog_release() */
    volatile sig_atomic_t expired; /* the time ran out while held */
    volatile sig_atomic_t limit;   /* in ticks */
    volatile unsigned long call;   /* the number of the call */
    sigjmp_buf leave;

    /* The handler writes these: the call that it saw last, and its ticks since then. */
    volatile unsigned long seen;
    volatile sig_atomic_t ticks;

    /* The timer. */
    bool started; /* false in a child after fork() */
    unsigned tick_ms;
    timer_t timer;
} dog = {.limit = WATCHDOG_TICKS, .tick_ms = WATCHDOG_TICK_MS};

static void on_tick(int signal_number)
{
    (void)signal_number;
    if (!dog.running)
        return;
    if (dog.seen != dog.call) {
        dog.seen = dog.call;
        dog.ticks = 0;
        return;
    }
    dog.ticks++;
    if (dog.ticks < dog.limit)
        return;
    if (dog.held)
        dog.expired = 1;
    else
        siglongjmp(dog.leave, 1);
}

/* What all threads share: the signal handler, and the key whose destructor deletes a thread's timer when the
 * thread ends. */
static struct {
    pthread_once_t once;
    bool ready;
    pthread_key_t timer_owner;
} process = {.once = PTHREAD_ONCE_INIT};

static void after_fork(void)
{
    dog.started = false; /* timers are not inherited */
}

static void end_timer(void *dog_is_started)
{
    (void)dog_is_started;
    if (dog.started)
        timer_delete(dog.timer);
    dog.started = false;
}

static void prepare_process(void)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    process.ready = pthread_atfork(NULL, NULL, after_fork) == 0 &&
                    pthread_key_create(&process.timer_owner, end_timer) == 0 &&
                    sigaction(WATCHDOG_SIGNAL, &action, NULL) == 0;
}

static bool set_period(void)
{
    struct timespec tick = {.tv_sec = (time_t)(dog.tick_ms / 1000),
                            .tv_nsec = (long)(dog.tick_ms % 1000) * 1000000};
    struct itimerspec period = {.it_interval = tick, .it_value = tick};

    return timer_settime(dog.timer, 0, &period, NULL) == 0;
}

static void let_signal_in(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, WATCHDOG_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool start(void)
{
    struct sigevent event;

    pthread_once(&process.once, prepare_process);
    if (!process.ready)
        return false;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = WATCHDOG_SIGNAL;
    event.sigev_notify_thread_id = gettid();
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &dog.timer) != 0)
        return false;
    if (pthread_setspecific(process.timer_owner, &dog) != 0 || !set_period()) {
        timer_delete(dog.timer);
        return false;
    }
    let_signal_in();
    dog.started = true;
    return true;
}

enum watchdog_result watchdog_run(void (*body)(void *arg), void *arg)
{
    if (!dog.started && !start())
        return WATCHDOG_REFUSED;
    /* 0: saving the signal mask would cost a system call each time */
    if (sigsetjmp(dog.leave, 0) != 0) {
        dog.running = 0;
        dog.held = 0;
        dog.expired = 0;
        let_signal_in(); /* the jump has left the signal handler, so the signal is still blocked */
        return WATCHDOG_EXPIRED;
    }
    dog.call++;
    dog.running = 1;
    body(arg);
    dog.running = 0;
    return WATCHDOG_RETURNED;
}

bool watchdog_near(void)
{
    return dog.running && dog.seen == dog.call && 2 * dog.ticks >= dog.limit;
}

void watchdog_hold(void)
{
    dog.held = 1;
    /* the optimiser must not move what the caller does next before this */
    atomic_signal_fence(memory_order_seq_cst);
}

void watchdog_release(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    dog.held = 0;
    if (dog.expired)
        watchdog_escape();
}

void watchdog_restart(void)
{
    dog.call++; /* on_tick() takes it for another call, and counts from 0 */
    dog.expired = 0;
}

void watchdog_escape(void)
{
    if (dog.running)
        siglongjmp(dog.leave, 1);
}

void watchdog_set_limit(unsigned tick_ms, unsigned ticks)
{
    dog.tick_ms = tick_ms;
    dog.limit = (sig_atomic_t)ticks;
    if (dog.started)
        set_period();
}
