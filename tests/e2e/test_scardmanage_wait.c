/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting with libscardmanage, and cancelling, against a real pcscd. Run in a rig:
 * cardrig run -- test_scardmanage_wait
 *
 * Most tests run twice: attached by name and by handle. */
#include "attachment.h"
#include "in_rig.h"
#include "process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 30000u /* what takes so long has failed */

/*
 * A call in another thread
 */

struct waiter {
    pthread_t thread;
    scardmanage_result (*call)(struct waiter *w);
    scardmanage_wait_for what;
    scardmanage_options options;
    scardmanage_report report;
    scardmanage_result result;
    unsigned threads_before;
    atomic_bool done;
};

static unsigned count_threads(void)
{
    struct process self = {.pid = getpid()};
    ck_assert(process_look(&self));
    return self.threads;
}

static void *run_waiter(void *argument)
{
    struct waiter *w = argument;
    w->result = w->call(w);
    w->done = true;
    return NULL;
}

static void start(struct waiter *w)
{
    w->threads_before = count_threads();
    ck_assert_int_eq(pthread_create(&w->thread, NULL, run_waiter, w), 0);
}

/* The first wait of an attachment begins a thread, besides the waiting one. */
static void await_first_wait(const struct waiter *w)
{
    while (count_threads() < w->threads_before + 2)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    ck_assert(!w->done);
}

static scardmanage_result finish(struct waiter *w)
{
    ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
    return w->result;
}

static scardmanage_result call_wait(struct waiter *w)
{
    return scardmanage_wait(m, w->what, LONG_MS);
}

static scardmanage_result call_reconnect(struct waiter *w)
{
    w->report = (scardmanage_report)SCARDMANAGE_REPORT_INIT;
    return scardmanage_reconnect_ex(m, &w->options, &w->report);
}

#define WAITER(condition) ((struct waiter){.call = call_wait, .what = SCARDMANAGE_WAIT_##condition})
#define RECONNECTER(...)                                                                                     \
    ((struct waiter){.call = call_reconnect,                                                                 \
                     .options = {.size = sizeof(scardmanage_options), .wait_ms = LONG_MS, __VA_ARGS__}})

/*
 * Waiting
 */

START_TEST(a_removal)
{
    struct waiter w = WAITER(REMOVAL);
    attach(_i);
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 0), SCARDMANAGE_E_TIMEOUT);
    start(&w);
    await_first_wait(&w);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T1);
    assert_count(1); /* the card can be used meanwhile */
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    pull();
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    put_back(); /* that is still another card than the attachment knows */
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 0), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 0), SCARDMANAGE_E_TIMEOUT);
}
END_TEST

START_TEST(a_removal_of_an_unknown_card)
{
    struct waiter w = WAITER(REMOVAL);
    pull();
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 0), SCARDMANAGE_S_OK);
    put_back();
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 0), SCARDMANAGE_E_TIMEOUT);
    start(&w);
    pull();
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
}
END_TEST

static void assert_change(scardmanage_result expected)
{
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_CHANGE, 0), expected);
}

START_TEST(any_change)
{
    struct waiter w = WAITER(CHANGE);
    attach(_i);
    assert_change(SCARDMANAGE_E_TIMEOUT);
    pull(); /* also one that came before the wait */
    assert_change(SCARDMANAGE_S_OK);
    assert_change(SCARDMANAGE_E_TIMEOUT);
    start(&w);
    put_back();
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    assert_change(SCARDMANAGE_E_TIMEOUT);
    put("t0-only.lua");
    assert_change(SCARDMANAGE_S_OK);
    assert_change(SCARDMANAGE_E_TIMEOUT);
}
END_TEST

START_TEST(several_wait_at_once)
{
    struct waiter w[] = {WAITER(CARD), WAITER(CHANGE), RECONNECTER(0)};
    attach(_i);
    pull();
    assert_change(SCARDMANAGE_S_OK);
    for (int i = 0; i < 3; i++)
        start(&w[i]);
    await_first_wait(&w[0]);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    put_back();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(finish(&w[i]), SCARDMANAGE_S_OK);
    assert_count(1);
}
END_TEST

START_TEST(arguments)
{
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_wait(NULL, SCARDMANAGE_WAIT_CARD, 0), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_wait(m, (scardmanage_wait_for)0, 0), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_wait(m, (scardmanage_wait_for)4, 0), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 0), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_set_timeout(NULL, 1), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_set_cancelled(NULL, 1), SCARDMANAGE_E_POINTER);
}
END_TEST

START_TEST(the_state_while_a_reconnect_waits)
{
    struct waiter w = RECONNECTER(0);
    char name[256];
    size_t length = sizeof name;
    attach(_i);
    assert_lock();
    pull();
    start(&w);
    await_first_wait(&w);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    ck_assert_int_eq(scardmanage_get_reader(m, name, &length), SCARDMANAGE_S_OK);
    ck_assert_str_eq(name, reader);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    put_back();
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    ck_assert_int_eq(w.report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
    ck_assert_int_eq(w.report.lock, SCARDMANAGE_LOCK_REACQUIRED);
    ck_assert_uint_gt(w.report.waited_us, 0);
    ck_assert_uint_le(w.report.waited_us, w.report.elapsed_us);
    assert_count(1);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

static scardmanage_result unit(scardmanage *object, const scardmanage_report *report, void *nothing)
{
    unsigned number;
    (void)object, (void)report, (void)nothing;
    return count(&number);
}

static scardmanage_result call_run(struct waiter *w)
{
    w->report = (scardmanage_report)SCARDMANAGE_REPORT_INIT;
    return scardmanage_run(m, unit, NULL, 1, &w->options, &w->report);
}

/* Others can use the object meanwhile. */
START_TEST(the_state_while_a_unit_waits)
{
    struct waiter w = RECONNECTER(.accept_unidentified = 1);
    w.call = call_run;
    other_connects();
    attach(_i);
    pull();
    start(&w);
    await_first_wait(&w);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    put_back();
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(w.report.sent, 1);
    assert_count(2);
    assert_free();
}
END_TEST

START_TEST(a_unit_that_waits_is_cancelled)
{
    attach(_i);
    other_connects();
    pull();
    for (int i = 0; i < 20; i++) {
        struct waiter w = RECONNECTER(.accept_unidentified = 1);
        scardmanage_state state;
        uint32_t protocol;
        w.call = call_run;
        start(&w);
        for (int j = 0; j < i; j++) /* so that they may come together */
            scardmanage_status(m, &state, &protocol);
        ck_assert_int_eq(scardmanage_set_cancelled(m, 1), SCARDMANAGE_S_OK);
        ck_assert_int_eq(finish(&w), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(scardmanage_set_cancelled(m, 0), SCARDMANAGE_S_OK);
        ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    }
    put_back();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_free();
    assert_lock();
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

/*
 * My card, while another one is in the reader
 */

START_TEST(another_card_is_waited_out)
{
    struct waiter w = RECONNECTER(.wait_for_my_card = 1);
    attach(_i);
    put("t0-only.lua");
    start(&w);
    await_first_wait(&w);
    put("warm-differs.lua");
    pull();
    ck_assert(!w.done);
    put("two-protocols.lua");
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    ck_assert_int_eq(w.report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
    ck_assert_uint_eq(w.report.new_atr_len, sizeof two_protocols_atr);
    ck_assert_mem_eq(w.report.new_atr, two_protocols_atr, sizeof two_protocols_atr);
    assert_count(1);
}
END_TEST

START_TEST(another_card_stays)
{
    attach(_i);
    put("t0-only.lua");
    for (int waits = 0; waits < 2; waits++) {
        ck_assert_int_eq(reconnect_with(OPTIONS(.size = sizeof(scardmanage_options),
                                                .wait_for_my_card = waits, .wait_ms = 100)),
                         SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
        ck_assert_mem_eq(reported.new_atr, t0_only_atr, sizeof t0_only_atr);
        ck_assert(waits ? reported.elapsed_us >= 100000 : reported.waited_us == 0);
    }
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(reconnect_with(OPTIONS(.size = sizeof(scardmanage_options), .wait_for_my_card = 1,
                                            .wait_ms = LONG_MS, .accept_other_card = 1)),
                     SCARDMANAGE_S_OK);
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
}
END_TEST

static atomic_int who, asked;

static scardmanage_result identify(scardmanage *object, uint8_t *identity, size_t *length, void *nothing)
{
    unsigned number;
    (void)object, (void)nothing;
    scardmanage_result result = count(&number);
    *identity = (uint8_t)who;
    *length = 1;
    asked++;
    return result;
}

START_TEST(another_card_with_the_same_atr_is_waited_out)
{
    struct waiter w = RECONNECTER(.wait_for_my_card = 1, .identify = identify);
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.identify = identify;
    who = 1;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    attach(_i);
    pull();
    who = 2;
    put_back();
    asked = 0;
    start(&w);
    await_first_wait(&w);
    ck_assert_int_eq(asked, 1);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    pull();
    who = 1;
    put_back();
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    ck_assert_int_eq(w.report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
}
END_TEST

/* As a program does that knows its card from before. */
static scardmanage_result know(scardmanage *object, uint8_t *identity, size_t *length, void *nothing)
{
    (void)object, (void)nothing;
    *identity = (uint8_t)who;
    *length = 1;
    asked++;
    return who == 1 ? SCARDMANAGE_S_OK : SCARDMANAGE_W_REMOVED_CARD;
}

START_TEST(a_card_that_identify_refuses_is_waited_out)
{
    struct waiter w = RECONNECTER(.wait_for_my_card = 1, .identify = know);
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    bool is_first = _i == WAYS; /* which needs no handle */
    options.identify = know;
    who = 1;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    if (is_first)
        pull();
    attach(is_first ? BY_IFD : _i);
    if (!is_first)
        pull();
    who = 2;
    if (is_first)
        put("t0-only.lua"); /* which must not become the card that was there before */
    else
        put_back();
    ck_assert_int_eq(reconnect_with(OPTIONS(.size = sizeof(scardmanage_options), .identify = know)),
                     SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
    asked = 0;
    start(&w);
    await_first_wait(&w);
    ck_assert_int_eq(asked, 1);
    pull();
    who = 1;
    put("two-protocols.lua");
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    ck_assert_int_eq(w.report.verdict, is_first ? SCARDMANAGE_VERDICT_FIRST : SCARDMANAGE_VERDICT_REINSERTED);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
}
END_TEST

/* The other card must not stay locked. */
START_TEST(a_unit_leaves_another_card_to_others)
{
    struct waiter w = RECONNECTER(.wait_for_my_card = 1, .identify = identify);
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.identify = identify;
    w.call = call_run;
    who = 1;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    attach(_i);
    pull();
    who = 2;
    put_back();
    other_connects();
    start(&w);
    await_first_wait(&w);
    assert_free();
    ck_assert_int_eq(scardmanage_cancel(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(finish(&w), SCARDMANAGE_E_CANCELLED);
    assert_free();
}
END_TEST

/*
 * Timeouts and cancelling
 */

START_TEST(a_timeout_by_itself)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = 1;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    other_connects();
    attach(_i);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_set_timeout(m, 50), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(scardmanage_set_timeout(m, 0), SCARDMANAGE_S_OK);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    put("t0-only.lua"); /* the other options are as they were */
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
}
END_TEST

START_TEST(cancelled_before_the_call)
{
    scardmanage_state state;
    uint32_t protocol;
    attach(_i);
    assert_lock();
    pull();
    ck_assert_int_eq(scardmanage_set_cancelled(m, 1), SCARDMANAGE_S_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(scardmanage_wait_for_card(m, SCARDMANAGE_FOREVER), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(scardmanage_status(m, &state, &protocol), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT); /* as far as the last call knew */
    }
    ck_assert_int_eq(scardmanage_set_cancelled(m, 0), SCARDMANAGE_S_OK);
    put_back();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_count(1);
    ck_assert_int_eq(scardmanage_set_cancelled(m, 1), SCARDMANAGE_S_OK);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    other_connects();
    assert_free();
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
}
END_TEST

/* However the two threads come together. */
START_TEST(cancelled_during_the_call)
{
    attach(_i);
    pull();
    for (int i = 0; i < 20; i++) {
        struct waiter w = i % 2 ? WAITER(CARD) : RECONNECTER(0);
        start(&w);
        nanosleep(&(struct timespec){.tv_nsec = i * 200000}, NULL);
        ck_assert_int_eq(scardmanage_set_cancelled(m, 1), SCARDMANAGE_S_OK);
        ck_assert_int_eq(finish(&w), SCARDMANAGE_E_CANCELLED);
        ck_assert_int_eq(scardmanage_set_cancelled(m, 0), SCARDMANAGE_S_OK);
    }
    put_back();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
}
END_TEST

START_TEST(detaching_waits_for_who_waits)
{
    struct waiter w = WAITER(REMOVAL);
    attach(_i);
    start(&w);
    await_first_wait(&w);
    ck_assert_int_eq(scardmanage_set_timeout(m, 50), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_E_TIMEOUT);
    assert_count(1);
    ck_assert_int_eq(scardmanage_cancel(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(finish(&w), SCARDMANAGE_E_CANCELLED);
    ck_assert_int_eq(scardmanage_set_timeout(m, 0), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
}
END_TEST

/*
 * Reports of reconnects that did not come to an end
 */

START_TEST(a_cancelled_wait_is_in_the_report)
{
    struct waiter w = RECONNECTER(0);
    attach(_i);
    assert_lock();
    pull();
    start(&w);
    await_first_wait(&w);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    ck_assert_int_eq(scardmanage_cancel(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(finish(&w), SCARDMANAGE_E_CANCELLED);
    ck_assert_uint_gt(w.report.waited_us, 10000);
    ck_assert_uint_le(w.report.waited_us, w.report.elapsed_us);
    ck_assert_int_eq(w.report.verdict, SCARDMANAGE_VERDICT_ABSENT);
    ck_assert_int_eq(w.report.lock, SCARDMANAGE_LOCK_LOST);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_W_REMOVED_CARD);
}
END_TEST

/* Another client's transaction keeps the first call; the second one does not even begin. */
START_TEST(the_lock_of_a_reconnect_without_a_turn)
{
    struct waiter w = RECONNECTER(.first_step = SCARDMANAGE_STEP_WARM);
    other_connects();
    attach(_i);
    assert_lock();
    put("two-protocols.lua"); /* the removal ends our transaction */
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(reconnect_with(OPTIONS(.size = sizeof(scardmanage_options), .timeout_ms = 50)),
                     SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_LOST);
    start(&w);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(reconnect_with(OPTIONS(.size = sizeof(scardmanage_options), .timeout_ms = 1)),
                         SCARDMANAGE_E_TIMEOUT);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_LOST);
    }
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(finish(&w), SCARDMANAGE_S_OK);
    ck_assert_int_eq(w.report.lock, SCARDMANAGE_LOCK_REACQUIRED);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

/* The library has finished it when the other client's transaction ended, but the caller does not know. */
START_TEST(the_old_atr_after_a_reconnect_that_was_finished_late)
{
    attach(_i);
    put("t1-only.lua");
    other_connects();
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    scardmanage_options options = OPTIONS(.size = sizeof options, .accept_other_card = 1, .timeout_ms = 100);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(reconnect_with(options), i == 0 ? SCARDMANAGE_E_TIMEOUT : SCARDMANAGE_S_OK);
        ck_assert_uint_eq(reported.old_atr_len, sizeof two_protocols_atr);
        ck_assert_mem_eq(reported.old_atr, two_protocols_atr, sizeof two_protocols_atr);
        if (i > 0)
            break;
        ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
        options.timeout_ms = LONG_MS;
    }
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
}
END_TEST

START_TEST(acknowledging_is_not_enough_for_an_unresponsive_card)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    ck_assert_int_ne(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(
        reconnect_with(OPTIONS(.size = sizeof(scardmanage_options), .last_step = SCARDMANAGE_STEP_LEAVE)),
        SCARDMANAGE_W_UNRESPONSIVE_CARD);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("scardmanage, waiting");
    TCase *wait = add_attachment_case(s, "waiting", REPORTS_AT_ONCE);
    BOTH_WAYS(wait, a_removal);
    tcase_add_test(wait, a_removal_of_an_unknown_card);
    BOTH_WAYS(wait, any_change);
    BOTH_WAYS(wait, several_wait_at_once);
    tcase_add_test(wait, arguments);
    BOTH_WAYS(wait, the_state_while_a_reconnect_waits);
    BOTH_WAYS(wait, the_state_while_a_unit_waits);
    BOTH_WAYS(wait, a_unit_that_waits_is_cancelled);
    TCase *mine = add_attachment_case(s, "my card", REPORTS_AT_ONCE);
    BOTH_WAYS(mine, another_card_is_waited_out);
    BOTH_WAYS(mine, another_card_stays);
    BOTH_WAYS(mine, another_card_with_the_same_atr_is_waited_out);
    tcase_add_loop_test(mine, a_card_that_identify_refuses_is_waited_out, 0, WAYS + 1);
    BOTH_WAYS(mine, a_unit_leaves_another_card_to_others);
    TCase *cancel = add_attachment_case(s, "timeouts and cancelling", REPORTS_AT_ONCE);
    BOTH_WAYS(cancel, a_timeout_by_itself);
    BOTH_WAYS(cancel, cancelled_before_the_call);
    BOTH_WAYS(cancel, cancelled_during_the_call);
    BOTH_WAYS(cancel, detaching_waits_for_who_waits);
    TCase *reports = add_attachment_case(s, "reports", REPORTS_AT_ONCE);
    BOTH_WAYS(reports, a_cancelled_wait_is_in_the_report);
    BOTH_WAYS(reports, the_lock_of_a_reconnect_without_a_turn);
    BOTH_WAYS(reports, the_old_atr_after_a_reconnect_that_was_finished_late);
    BOTH_WAYS(reports, acknowledging_is_not_enough_for_an_unresponsive_card);
    return s;
}

int main(void)
{
    return run_suite_in_rig(suite());
}
