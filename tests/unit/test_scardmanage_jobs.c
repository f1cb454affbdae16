/* SPDX-License-Identifier: BSD-3-Clause */
/* The order in which the thread of an attachment does what is left for it when calls give up. */
#include "internal.h"

#include "run_suite.h"

#include <check.h>

/* As when the call of a unit has given up before the thread began to end the unit, and an unlock before it began. */
static void leave_to_the_thread(struct attachment *at, attachment_job job, unsigned late_unlocks)
{
    platform_lock(&at->m->mutex);
    at->worker.job = job;
    at->worker.abandoned = true;
    at->worker.late_unlocks = late_unlocks;
    at->worker.in_call = false;
    platform_cond_wake(&at->worker.wake);
    while (at->worker.job || worker_has_late_unlocks(at))
        platform_cond_wait(&at->m->changed, &at->m->mutex, UINT64_MAX);
    platform_unlock(&at->m->mutex);
}

/* An attachment without PC/SC, in which a unit runs that began with so many locks. */
static void begin_unit(struct call *c, scardmanage **m, unsigned locks)
{
    ck_assert_int_eq(scardmanage_create(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(call_begin_to_attach(c, *m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(call_attach(c), SCARDMANAGE_S_OK);
    c->at->transaction.lock_count = locks;
    unit_keep_locked(c->at);
}

START_TEST(late_unlocks_come_after_the_end_of_a_unit)
{
    scardmanage *m;
    struct call c;
    begin_unit(&c, &m, 3);
    c.at->transaction.lock_count = 5; /* the unit has locked twice, too */
    leave_to_the_thread(c.at, _i ? lock_end_failed_unit_job : lock_end_unit_job, 2);
    ck_assert(!c.at->transaction.unit_lock);
    ck_assert_uint_eq(c.at->transaction.lock_count, _i ? 1 : 3);
    ck_assert_uint_eq(c.at->worker.late_unlocks, 0);
    call_end(&c);
    scardmanage_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: jobs");
    TCase *tc = tcase_create("jobs");
    tcase_add_loop_test(tc, late_unlocks_come_after_the_end_of_a_unit, 0, 2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
