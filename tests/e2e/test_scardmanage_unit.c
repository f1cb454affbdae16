/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage against a real pcscd: units of work, and sessions.
 * Run in a rig: cardrig run -- test_scardmanage_unit
 *
 * Most tests run twice: attached by name and by handle. */
#include "attachment.h"
#include "in_rig.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000

/* What the unit of a test does between its commands, and what it saw. */
struct work {
    unsigned commands;             /* how many it sends */
    void (*between)(void);         /* called before the last command, in the first call; may be null */
    scardmanage_result answer;     /* what it returns after success */
    unsigned calls;                /* how often it was called */
    unsigned numbers[4];           /* what the card has answered in the last call */
    scardmanage_result results[4]; /* of the commands of the last call */
    scardmanage_step step;         /* in the report of the last call */
    uint64_t session;
};

static scardmanage_report report = SCARDMANAGE_REPORT_INIT;
static unsigned rebuilds;

static scardmanage_result unit(scardmanage *object, const scardmanage_report *reported_before, void *argument)
{
    struct work *work = argument;
    scardmanage_result result = work->answer;
    ck_assert_ptr_eq(object, m);
    work->calls++;
    work->step = reported_before->step;
    ck_assert_int_eq(scardmanage_get_session(m, &work->session), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(reported_before->session, work->session);
    memset(work->numbers, 0, sizeof work->numbers);
    for (unsigned i = 0; i < work->commands; i++) {
        if (i == work->commands - 1 && work->between && work->calls == 1)
            work->between();
        work->results[i] = count(&work->numbers[i]);
        if (result == work->answer && work->results[i] != SCARDMANAGE_S_OK)
            result = work->results[i]; /* and it goes on, as a careless one does */
    }
    return result;
}

static scardmanage_result rebuild(scardmanage *object, const scardmanage_report *reported_before,
                                  void *argument)
{
    unsigned number;
    (void)reported_before;
    (void)argument;
    ck_assert_ptr_eq(object, m);
    rebuilds++;
    return count(&number);
}

static scardmanage_options options_with(int accept_unidentified)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.rebuild = rebuild;
    options.wait_ms = WAIT_MS;
    options.accept_unidentified = accept_unidentified;
    rebuilds = 0;
    return options;
}

static scardmanage_result run_with(struct work *work, int repeatable, const scardmanage_options *options)
{
    report = (scardmanage_report)SCARDMANAGE_REPORT_INIT;
    return scardmanage_run(m, unit, work, repeatable, options, &report);
}

static uint64_t session(void)
{
    uint64_t number = 0;
    ck_assert_int_eq(scardmanage_get_session(m, &number), SCARDMANAGE_S_OK);
    return number;
}

static void leave_and_come_back(void)
{
    pull();
    put_back();
}

/*
 * One session
 */

START_TEST(a_unit)
{
    struct work work = {.commands = 3, .between = assert_locked_out};
    other_connects();
    attach(_i);
    uint64_t before = session();
    ck_assert_uint_ne(before, 0);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(run_with(&work, 0, NULL), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(work.calls, i);
        ck_assert_uint_eq(work.numbers[2], 3 * i);
        ck_assert_int_eq(work.step, SCARDMANAGE_STEP_NONE);
        ck_assert_uint_eq(work.session, before);
        ck_assert_uint_eq(report.session, before);
        ck_assert_uint_eq(report.sent, 3);
        ck_assert_int_eq(report.lock, SCARDMANAGE_LOCK_NONE);
        assert_free();
    }
}
END_TEST

START_TEST(a_unit_while_the_caller_has_the_lock)
{
    struct work work = {.commands = 2, .between = assert_locked_out};
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(run_with(&work, 0, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(report.lock, SCARDMANAGE_LOCK_KEPT);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

/* The card was reset before: the unit finds a session that is rebuilt. */
START_TEST(after_a_reset)
{
    struct work work = {.commands = 2};
    scardmanage_options options = options_with(0);
    other_connects();
    attach(_i);
    uint64_t before = session();
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 1);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(work.numbers[0], 2); /* the first command was that of the rebuild function */
    ck_assert_uint_eq(work.numbers[1], 3);
    ck_assert_int_eq(work.step, SCARDMANAGE_STEP_LEAVE);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_RESET);
    ck_assert_uint_eq(report.sent, 2);
    ck_assert_uint_gt(work.session, before);
    ck_assert_uint_eq(session(), work.session);
    assert_free();
}
END_TEST

/* Case C1: without a unit, the caller can tie a command to the session of an earlier one. */
START_TEST(only_in_one_session)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x00};
    uint8_t response[258];
    size_t length = sizeof response;
    struct work work = {.commands = 1};
    scardmanage_options options = options_with(1);
    other_connects();
    attach(_i);
    options.session = session();
    ck_assert_int_eq(
        scardmanage_transmit_ex(m, command, sizeof command, response, &length, 1, &options, &report),
        SCARDMANAGE_S_OK);
    ck_assert_int_eq(run_with(&work, 1, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    for (int i = 0; i < 2; i++) { /* before and after the reset is acknowledged */
        work.calls = 0;
        length = sizeof response;
        ck_assert_int_eq(
            scardmanage_transmit_ex(m, command, sizeof command, response, &length, 1, &options, &report),
            SCARDMANAGE_W_RESET_CARD);
        ck_assert_int_eq(run_with(&work, 1, &options), SCARDMANAGE_W_RESET_CARD);
        ck_assert_uint_eq(work.calls, 0);
        ck_assert_uint_eq(report.sent, 0);
        ck_assert_uint_eq(rebuilds, 0);
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    }
    options.session = session();
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    assert_free();
}
END_TEST

/*
 * A session that is lost in the middle
 */

START_TEST(removed_between_two_commands)
{
    struct work work = {.commands = 3, .between = leave_and_come_back};
    scardmanage_options options = options_with(1);
    other_connects();
    attach(_i);
    ck_assert_int_eq(run_with(&work, 1, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(work.numbers[0], 2); /* it has started over */
    ck_assert_uint_eq(work.numbers[2], 4);
    ck_assert_uint_eq(report.sent, 5);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
    ck_assert_int_eq(work.step, report.step);
    assert_free();
}
END_TEST

START_TEST(a_unit_that_must_not_be_repeated)
{
    struct work work = {.commands = 3, .between = leave_and_come_back};
    scardmanage_options options = options_with(1);
    other_connects();
    attach(_i);
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_uint_eq(work.calls, 1);
    ck_assert_uint_eq(rebuilds, 0);
    ck_assert_uint_eq(report.sent, 2);
    ck_assert_int_eq(report.last_result, SCARDMANAGE_W_REMOVED_CARD);
    assert_free();
    work.calls = 0;
    work.between = NULL;
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK); /* the next one reconnects */
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(work.numbers[0], 2);
}
END_TEST

/* Nothing was sent yet, so it is called again although it must not be repeated. */
START_TEST(removed_before_the_first_command)
{
    struct work work = {.commands = 1, .between = leave_and_come_back};
    scardmanage_options options = options_with(1);
    attach(_i);
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
    ck_assert_uint_eq(work.numbers[0], 2);
    ck_assert_uint_eq(report.sent, 1);
}
END_TEST

/* The caller's function goes on after a command has failed: nothing more is sent. */
START_TEST(nothing_is_sent_after_a_loss)
{
    struct work work = {.commands = 2, .between = leave_and_come_back};
    scardmanage_options options = options_with(1);
    unsigned number;
    attach(_i);
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_W_REMOVED_CARD);
    work = (struct work){.commands = 4, .between = NULL};
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(count(&number), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(number, 1);
}
END_TEST

static void swap_and_reconnect_nothing(void)
{
    leave_and_come_back();
    unsigned number;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(count(&number), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_reconnect(m),
                     SCARDMANAGE_E_FAIL); /* a unit does not get over it by itself */
}

START_TEST(a_unit_does_not_outlive_its_session)
{
    struct work work = {.commands = 2, .between = swap_and_reconnect_nothing};
    scardmanage_options options = options_with(1);
    attach(_i);
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(work.results[1], SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_uint_eq(report.sent, 1);
}
END_TEST

START_TEST(a_card_that_falls_silent)
{
    struct work work = {.commands = 2};
    scardmanage_options options = options_with(1);
    attach(_i);
    assert_lock();
    for (int repeatable = 0; repeatable < 2; repeatable++) {
        work.calls = 0;
        set_fault("mute");
        scardmanage_result result = run_with(&work, repeatable, &options);
        ck_assert_uint_eq(work.calls, repeatable ? 2 : 1);
        if (repeatable)
            ck_assert_int_eq(result, SCARDMANAGE_S_OK);
        else
            ck_assert_int_ne(result, SCARDMANAGE_S_OK);
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    }
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

/* PC/SC does not remember that the card did not answer, and the unit must not be repeated: the next one has it reset. */
START_TEST(a_unit_after_the_card_fell_silent)
{
    struct work work = {.commands = 2};
    scardmanage_options options = options_with(1);
    attach(_i);
    set_fault("mute");
    ck_assert_int_ne(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 1);
    ck_assert_uint_eq(rebuilds, 0);
    uint64_t before = session();
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
    ck_assert_int_eq(work.step, SCARDMANAGE_STEP_WARM);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(report.sent, 2);
    ck_assert_uint_gt(session(), before);
}
END_TEST

/* The reset that made the rebuild function necessary is not over for the caller, but the card has fallen silent since. */
START_TEST(the_card_falls_silent_while_it_is_rebuilt)
{
    struct work work = {.commands = 2};
    scardmanage_options options = options_with(1);
    attach(_i);
    other_connects();
    other_resets();
    set_fault("mute");
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_RESULT(SCARD_E_NOT_TRANSACTED));
    ck_assert_uint_eq(work.calls, 0);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 1);
    ck_assert_int_eq(work.step, SCARDMANAGE_STEP_WARM);
    ck_assert_uint_eq(rebuilds, 2);
}
END_TEST

/*
 * Who the card is
 */

START_TEST(a_unit_for_a_card_that_nobody_has_identified)
{
    struct work work = {.commands = 1};
    scardmanage_options options = options_with(0);
    other_connects();
    attach(_i);
    leave_and_come_back();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(run_with(&work, 1, &options), SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_uint_eq(work.calls + rebuilds, 0);
        ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
        options.rebuild = NULL; /* and without a rebuild function */
        assert_free();
    }
    options.accept_unidentified = 1;
    ck_assert_int_eq(run_with(&work, 1, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 1);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
}
END_TEST

static uint8_t who;

static scardmanage_result identify(scardmanage *object, uint8_t *identity, size_t *length, void *argument)
{
    (void)object;
    (void)argument;
    identity[0] = who;
    *length = 1;
    return SCARDMANAGE_S_OK;
}

START_TEST(a_unit_for_a_card_that_is_identified)
{
    struct work work = {.commands = 1};
    scardmanage_options options = options_with(0);
    options.identify = identify;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    attach(_i);
    leave_and_come_back();
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(work.calls, 1);
    who++; /* a stranger with the same ATR */
    leave_and_come_back();
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(work.calls, 1);
    options.accept_other_card = 1;
    ck_assert_int_eq(run_with(&work, 0, &options), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
}
END_TEST

/*
 * A session that the unit says is lost
 */

static int lost; /* how often lost_unit() still says so */

static scardmanage_result lost_unit(scardmanage *object, const scardmanage_report *reported_before,
                                    void *argument)
{
    scardmanage_result result = unit(object, reported_before, argument);
    return result == SCARDMANAGE_S_OK && lost-- > 0 ? SCARDMANAGE_E_SESSION_LOST : result;
}

START_TEST(the_unit_finds_its_session_lost)
{
    struct work work = {.commands = 1};
    scardmanage_options options = options_with(0);
    other_connects();
    attach(_i);
    uint64_t before = session();
    lost = 1;
    ck_assert_int_eq(scardmanage_run(m, lost_unit, &work, 0, &options, &report), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_uint_eq(work.numbers[0], 3);
    ck_assert_int_eq(report.step, SCARDMANAGE_STEP_NONE);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_UNCHANGED);
    ck_assert_uint_gt(work.session, before);
    ck_assert_uint_eq(report.session, work.session);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* the card was not reset */
    options.first_step = SCARDMANAGE_STEP_WARM;        /* unless that is asked for */
    lost = 1;
    ck_assert_int_eq(scardmanage_run(m, lost_unit, &work, 0, &options, &report), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.numbers[0], 2);
    ck_assert_int_eq(other_status(), (LONG)SCARD_W_RESET_CARD);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_free();
}
END_TEST

START_TEST(the_unit_finds_its_session_lost_again_and_again)
{
    struct work work = {.commands = 1};
    scardmanage_options options = options_with(0);
    attach(_i);
    lost = 100;
    ck_assert_int_eq(scardmanage_run(m, lost_unit, &work, 1, &options, &report), SCARDMANAGE_E_SESSION_LOST);
    ck_assert_uint_eq(work.calls, 4);
    ck_assert_uint_eq(rebuilds, 3);
}
END_TEST

static scardmanage_result always_lost_unit(scardmanage *object, const scardmanage_report *reported_before,
                                           void *argument)
{
    scardmanage_result result = unit(object, reported_before, argument);
    return result == SCARDMANAGE_S_OK ? result : SCARDMANAGE_E_SESSION_LOST;
}

/* It is right, but that does not say that the card is the same. */
START_TEST(the_unit_finds_its_session_lost_with_the_card)
{
    scardmanage_options options = options_with(0);
    other_connects();
    attach(_i);
    for (int i = 0; i < 2; i++) {
        struct work work = {.commands = 2, .between = leave_and_come_back};
        ck_assert_int_eq(scardmanage_run(m, always_lost_unit, &work, 0, &options, &report),
                         SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_uint_eq(work.calls, 1);
        ck_assert_uint_eq(rebuilds, 0);
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
        options.rebuild = NULL;
    }
    assert_free();
}
END_TEST

/*
 * What a unit may do
 */

static scardmanage_result inner_unit(scardmanage *object, const scardmanage_report *reported_before,
                                     void *argument)
{
    (void)reported_before;
    return scardmanage_run(object, unit, argument, 1, NULL, NULL);
}

START_TEST(a_unit_in_a_unit)
{
    struct work work = {.commands = 2, .between = leave_and_come_back};
    scardmanage_options options = options_with(1);
    attach(_i);
    ck_assert_int_eq(scardmanage_run(m, inner_unit, &work, 0, &options, &report), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_uint_eq(work.calls, 1); /* the outer one decides */
    work.calls = 0;
    ck_assert_int_eq(scardmanage_run(m, inner_unit, &work, 1, &options, &report), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
}
END_TEST

static scardmanage_disposition released; /* by locking_unit() */

static scardmanage_result locking_unit(scardmanage *object, const scardmanage_report *reported_before,
                                       void *argument)
{
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_lock();
    assert_lock();
    ck_assert_int_eq(scardmanage_unlock(m, released), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_S_OK);
    assert_locked_out();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    return unit(object, reported_before, argument);
}

START_TEST(locks_in_a_unit)
{
    struct work work = {.commands = 1};
    other_connects();
    attach(_i);
    for (int locked = 0; locked < 2; locked++) {
        released = SCARDMANAGE_DISPOSITION_LEAVE;
        ck_assert_int_eq(scardmanage_run(m, locking_unit, &work, 0, NULL, NULL), SCARDMANAGE_S_OK);
        released = SCARDMANAGE_DISPOSITION_RESET;
        uint64_t before = session();
        ck_assert_int_eq(scardmanage_run(m, locking_unit, &work, 0, NULL, NULL), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(work.numbers[0], 2); /* it takes effect at the end */
        if (locked)
            assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
        ck_assert_uint_gt(session(), before);
        ck_assert_int_eq(other_status(), (LONG)SCARD_W_RESET_CARD);
        ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
        assert_free();
        assert_lock();
    }
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

static scardmanage_result unit_that_keeps_a_lock(scardmanage *object,
                                                 const scardmanage_report *reported_before, void *argument)
{
    assert_lock();
    return unit(object, reported_before, argument);
}

START_TEST(a_lock_that_a_unit_keeps)
{
    struct work work = {.commands = 2, .between = leave_and_come_back};
    scardmanage_options options = options_with(1);
    other_connects();
    attach(_i);
    ck_assert_int_eq(scardmanage_run(m, unit_that_keeps_a_lock, &work, 1, &options, NULL), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(work.calls, 2);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), (LONG)SCARD_E_SHARING_VIOLATION);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE); /* one lock, although it was called twice */
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_free();
}
END_TEST

static scardmanage_result unit_that_fails_locked(scardmanage *object,
                                                 const scardmanage_report *reported_before, void *argument)
{
    (void)object;
    (void)reported_before;
    (void)argument;
    assert_lock();
    assert_lock();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET), SCARDMANAGE_S_OK);
    return SCARDMANAGE_E_FAIL;
}

START_TEST(a_unit_that_fails_keeps_no_lock)
{
    other_connects();
    attach(_i);
    ck_assert_int_eq(scardmanage_run(m, unit_that_fails_locked, NULL, 1, NULL, NULL), SCARDMANAGE_E_FAIL);
    ck_assert_int_eq(other_status(), (LONG)SCARD_W_RESET_CARD); /* the reset that it asked for is done */
    assert_free();
    assert_lock();
    ck_assert_int_eq(scardmanage_run(m, unit_that_fails_locked, NULL, 1, NULL, NULL), SCARDMANAGE_E_FAIL);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE); /* the caller's, which is the only one */
    ck_assert_int_eq(other_status(), (LONG)SCARD_W_RESET_CARD);
    assert_free();
}
END_TEST

static scardmanage_result
unit_that_calls_the_others(scardmanage *object, const scardmanage_report *reported_before, void *argument)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x00};
    uint8_t response[258];
    size_t length = sizeof response;
    (void)reported_before;
    (void)argument;
    ck_assert_int_eq(scardmanage_set_options(object, NULL), SCARDMANAGE_E_FAIL);
    ck_assert_int_eq(scardmanage_reconnect(object), SCARDMANAGE_E_FAIL);
    ck_assert_int_eq(scardmanage_detach(object), SCARDMANAGE_E_FAIL);
    ck_assert_int_eq(scardmanage_attach_by_ifd(object, reader), SCARDMANAGE_E_FAIL);
    ck_assert_int_eq(scardmanage_wait_for_card(object, 0), SCARDMANAGE_E_FAIL);
    ck_assert_int_eq(
        scardmanage_transmit_ex(object, command, sizeof command, response, &length, 1, NULL, NULL),
        SCARDMANAGE_E_FAIL);
    return 1;
}

START_TEST(what_a_unit_may_not_do)
{
    other_connects();
    attach(_i);
    ck_assert_int_eq(scardmanage_run(m, unit_that_calls_the_others, NULL, 0, NULL, NULL), SCARDMANAGE_E_FAIL);
    assert_free();
}
END_TEST

START_TEST(what_a_unit_returns)
{
    static const scardmanage_result codes[] = {SCARDMANAGE_W_WRONG_CHV, SCARDMANAGE_E_FAIL,
                                               SCARDMANAGE_E_POINTER, SCARDMANAGE_W_RESET_CARD,
                                               SCARDMANAGE_E_TIMEOUT};
    other_connects();
    attach(_i);
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct work work = {.commands = 1, .answer = codes[i]};
        ck_assert_int_eq(run_with(&work, 1, NULL), codes[i]);
        ck_assert_uint_eq(work.calls, 1);
        assert_free();
    }
}
END_TEST

START_TEST(wrong_arguments)
{
    struct work work = {.commands = 1};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    uint64_t number;
    report = (scardmanage_report)SCARDMANAGE_REPORT_INIT;
    ck_assert_int_eq(scardmanage_run(m, unit, &work, 0, NULL, NULL), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_get_session(m, &number), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_uint_eq(number, 0);
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_run(NULL, unit, &work, 0, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_run(m, NULL, &work, 0, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_session(NULL, &number), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_session(m, NULL), SCARDMANAGE_E_POINTER);
    options.share = (scardmanage_share)9;
    ck_assert_int_eq(scardmanage_run(m, unit, &work, 0, &options, NULL), SCARDMANAGE_E_INVALIDARG);
    report.size = 1;
    ck_assert_int_eq(scardmanage_run(m, unit, &work, 0, NULL, &report), SCARDMANAGE_E_INVALIDARG);
    ck_assert_uint_eq(work.calls, 0);
}
END_TEST

/*
 * Sessions
 */

START_TEST(each_session_has_a_number)
{
    uint64_t last = 0;
    other_connects();
    attach(_i);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_gt(session(), last);
        last = session();
        assert_count(1);
        ck_assert_uint_eq(session(), last);
        if (i == 0)
            leave_and_come_back();
        else if (i == 1)
            ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
        if (i < 2)
            assert_refuses(i == 0 ? SCARDMANAGE_W_REMOVED_CARD : SCARDMANAGE_W_RESET_CARD);
        ck_assert_uint_eq(session(), last); /* that it has ended shows in the next call only */
        ck_assert_int_eq(
            reconnect_with(OPTIONS(.first_step = i < 2 ? SCARDMANAGE_STEP_LEAVE : SCARDMANAGE_STEP_WARM)),
            SCARDMANAGE_S_OK);
        ck_assert_uint_eq(reported.session, session());
    }
    assert_lock();
    last = session();
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    assert_count(1);
    ck_assert_uint_gt(session(), last);
    last = session();
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(session(), last); /* nothing has happened */
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    ck_assert_uint_gt(session(), last);
}
END_TEST

/*
 * Waiting
 */

START_TEST(a_unit_waits_for_its_turn)
{
    struct work work = {.commands = 1};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    other_connects();
    attach(_i);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    options.timeout_ms = 100;
    ck_assert_int_eq(run_with(&work, 1, &options), SCARDMANAGE_E_TIMEOUT);
    ck_assert_uint_eq(work.calls, 0);
    ck_assert_uint_eq(report.sent, 0);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(run_with(&work, 1, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}
END_TEST

static scardmanage_result cancelled_unit(scardmanage *object, const scardmanage_report *reported_before,
                                         void *argument)
{
    scardmanage_cancel(object);
    return unit(object, reported_before, argument);
}

START_TEST(a_unit_that_cancels_itself)
{
    struct work work = {.commands = 1};
    other_connects();
    attach(_i);
    ck_assert_int_eq(scardmanage_run(m, cancelled_unit, &work, 1, NULL, NULL), SCARDMANAGE_E_CANCELLED);
    ck_assert_uint_eq(work.calls, 1);
    ck_assert_int_eq(run_with(&work, 1, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scardmanage_unit");
    TCase *tc = add_attachment_case(suite, "units", REPORTS_AT_ONCE);
    BOTH_WAYS(tc, a_unit);
    BOTH_WAYS(tc, a_unit_while_the_caller_has_the_lock);
    BOTH_WAYS(tc, after_a_reset);
    BOTH_WAYS(tc, only_in_one_session);
    BOTH_WAYS(tc, removed_between_two_commands);
    BOTH_WAYS(tc, a_unit_that_must_not_be_repeated);
    BOTH_WAYS(tc, removed_before_the_first_command);
    BOTH_WAYS(tc, nothing_is_sent_after_a_loss);
    BOTH_WAYS(tc, a_unit_does_not_outlive_its_session);
    BOTH_WAYS(tc, a_card_that_falls_silent);
    BOTH_WAYS(tc, a_unit_after_the_card_fell_silent);
    BOTH_WAYS(tc, the_card_falls_silent_while_it_is_rebuilt);
    BOTH_WAYS(tc, a_unit_for_a_card_that_nobody_has_identified);
    BOTH_WAYS(tc, a_unit_for_a_card_that_is_identified);
    BOTH_WAYS(tc, the_unit_finds_its_session_lost);
    BOTH_WAYS(tc, the_unit_finds_its_session_lost_again_and_again);
    BOTH_WAYS(tc, the_unit_finds_its_session_lost_with_the_card);
    BOTH_WAYS(tc, a_unit_in_a_unit);
    BOTH_WAYS(tc, locks_in_a_unit);
    BOTH_WAYS(tc, a_lock_that_a_unit_keeps);
    BOTH_WAYS(tc, a_unit_that_fails_keeps_no_lock);
    BOTH_WAYS(tc, what_a_unit_may_not_do);
    BOTH_WAYS(tc, what_a_unit_returns);
    tcase_add_test(tc, wrong_arguments);
    BOTH_WAYS(tc, each_session_has_a_number);

    tc = add_attachment_case(suite, "waiting", WAITS_FOR_OTHERS);
    BOTH_WAYS(tc, a_unit_waits_for_its_turn);
    BOTH_WAYS(tc, a_unit_that_cancels_itself);
    return run_suite_in_rig(suite);
}
