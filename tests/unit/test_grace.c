/* SPDX-License-Identifier: BSD-3-Clause */
/* Which threads have slept: driver/grace.h. */
#include "grace.h"

#include "base/clock.h"

#include "run_suite.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MANY = GRACE_THREADS_MAX + 16 };

static atomic_bool go_on;
static atomic_int awake;

static void *spin(void *unused)
{
    awake++;
    while (go_on)
        continue;
    return unused;
}

static void *spin_and_sleep(void *unused)
{
    awake++;
    while (go_on)
        for (int64_t until = clock_ms() + 2; clock_ms() < until || poll(NULL, 0, 1) != 0;)
            continue;
    return unused;
}

static void *sleep_on(void *unused)
{
    awake++;
    while (go_on)
        poll(NULL, 0, 20);
    return unused;
}

static void begin_threads(pthread_t *threads, int count, void *(*function)(void *))
{
    go_on = true;
    awake = 0;
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, function, NULL), 0);
    while (awake < count)
        poll(NULL, 0, 1);
}

static void end_threads(const pthread_t *threads, int count)
{
    go_on = false;
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void wait_for_its_end(struct grace *grace)
{
    for (int64_t end = clock_ms() + 30000; !grace_is_over(grace); poll(NULL, 0, 1))
        ck_assert_int_lt(clock_ms(), end);
}

START_TEST(without_other_threads)
{
    struct grace grace = {0};
    ck_assert(grace_is_over(&grace)); /* none has begun */
    grace_begin(&grace);
    ck_assert(grace_is_over(&grace));
}
END_TEST

START_TEST(a_thread_that_stays_awake)
{
    pthread_t thread;
    struct grace grace;
    begin_threads(&thread, 1, spin);
    grace_begin(&grace);
    for (int i = 0; i < 100; i++) {
        ck_assert(!grace_is_over(&grace));
        poll(NULL, 0, 1);
    }
    end_threads(&thread, 1);
    wait_for_its_end(&grace); /* the kernel may not be done with it */
}
END_TEST

START_TEST(threads_that_sleep_now_and_then)
{
    pthread_t threads[8];
    struct grace grace;
    begin_threads(threads, 8, spin_and_sleep);
    grace_begin(&grace);
    wait_for_its_end(&grace);
    end_threads(threads, 8);
}
END_TEST

START_TEST(threads_that_sleep)
{
    pthread_t threads[MANY];
    struct grace grace;
    begin_threads(threads, MANY, sleep_on);
    grace_begin(&grace);
    wait_for_its_end(&grace);
    end_threads(threads, MANY);
}
END_TEST

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool holds, waits;

static void *hold(void *unused)
{
    pthread_mutex_lock(&mutex);
    awake++;
    while (holds)
        continue;
    pthread_mutex_unlock(&mutex);
    return sleep_on(unused);
}

/* As a thread that pcscd has let pass, and that waits for the slot. */
static void *wait_and_spin(void *unused)
{
    awake++;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    while (waits)
        continue;
    return unused;
}

START_TEST(a_thread_that_waits_for_another)
{
    pthread_t holder, waiter;
    struct grace grace;
    holds = waits = true;
    begin_threads(&holder, 1, hold);
    begin_threads(&waiter, 1, wait_and_spin);
    for (int i = 0; i < 100; i++) /* until the waiter sleeps */
        poll(NULL, 0, 1);
    grace_begin(&grace);
    ck_assert(!grace_is_over(&grace));
    holds = false;
    for (int i = 0; i < 100; i++) {
        ck_assert(!grace_is_over(&grace));
        poll(NULL, 0, 1);
    }
    waits = false;
    wait_for_its_end(&grace);
    end_threads(&holder, 1);
    ck_assert_int_eq(pthread_join(waiter, NULL), 0);
}
END_TEST

START_TEST(more_threads_than_there_is_room_for)
{
    pthread_t threads[MANY];
    struct grace grace;
    begin_threads(threads, MANY, spin);
    grace_begin(&grace);
    ck_assert_uint_eq(grace.count, GRACE_THREADS_MAX);
    ck_assert(!grace_is_over(&grace));
    end_threads(threads, MANY);
    wait_for_its_end(&grace);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("grace");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, without_other_threads);
    tcase_add_test(tcase, a_thread_that_stays_awake);
    tcase_add_test(tcase, threads_that_sleep_now_and_then);
    tcase_add_test(tcase, threads_that_sleep);
    tcase_add_test(tcase, a_thread_that_waits_for_another);
    tcase_add_test(tcase, more_threads_than_there_is_room_for);
    Suite *suite = suite_create("grace");
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
