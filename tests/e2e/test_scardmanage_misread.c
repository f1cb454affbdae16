/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage over a SCardGetStatusChange() that says what is not so, as that of pcsc-lite 2.5 does. Run
 * in a rig: cardrig run -- test_scardmanage_misread
 *
 * PC/SC functions of this program stand before libpcsclite's. While this program itself looks, they do not
 * interfere. */
#include "in_rig.h"
#include "scardmanage.h"

#include <check.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANY     (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define FOREVER UINT32_MAX
#define WAIT_MS 5000 /* nothing here takes so long unless something is wrong */

enum { BY_IFD, BY_HANDLE, WAYS };

static const char *reader;
static SCARDCONTEXT context;
static SCARDHANDLE handle, other;
static scardmanage *m;

/*
 * What SCardGetStatusChange() says
 */

static atomic_uint misreads; /* so many calls to come say it */
static LONG misread;
static atomic_uint said;
static bool older_service; /* it says that there is no service until SCardListReaders() was called */
static atomic_bool listed;
static atomic_uint lists_without_memory; /* so many SCardListReaders() to come have none */
static atomic_uint refusals;             /* so many SCardConnect() to come say that there is no service */

#pragma GCC visibility push(default)

#define THE_REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

LONG SCardListReaders(SCARDCONTEXT in, LPCSTR groups, LPSTR readers, LPDWORD length)
{
    listed = true;
    if (lists_without_memory > 0) {
        lists_without_memory--;
        return SCARD_E_NO_MEMORY;
    }
    return THE_REAL(SCardListReaders)(in, groups, readers, length);
}

LONG SCardGetStatusChange(SCARDCONTEXT in, DWORD timeout, SCARD_READERSTATE *states, DWORD count)
{
    if (older_service && !listed)
        return SCARD_E_NO_SERVICE;
    if (misreads > 0) {
        misreads -= misreads != FOREVER;
        said++;
        return misread;
    }
    return THE_REAL(SCardGetStatusChange)(in, timeout, states, count);
}

LONG SCardConnect(SCARDCONTEXT in, LPCSTR name, DWORD share, DWORD protocols, SCARDHANDLE *card,
                  DWORD *active)
{
    if (refusals == 0)
        return THE_REAL(SCardConnect)(in, name, share, protocols, card, active);
    refusals -= refusals != FOREVER;
    return SCARD_E_NO_SERVICE;
}

#pragma GCC visibility pop

static void misread_next(LONG code, unsigned times)
{
    misread = code;
    said = 0;
    misreads = times;
}

/*
 * Fixture
 */

static SCARD_READERSTATE true_state(void)
{
    unsigned misreads_to_come = misreads;
    bool was_listed = listed;
    misreads = 0;
    SCARD_READERSTATE state = reader_state(context, reader);
    misreads = misreads_to_come;
    listed = was_listed;
    return state;
}

/* Waits until PC/SC has heard of it. */
static void change_card(const char *verb)
{
    DWORD before = true_state().dwEventState >> 16;
    move_card_unnoticed(verb, NULL);
    while (true_state().dwEventState >> 16 == before)
        ;
}

static void attach(int way)
{
    if (way == BY_HANDLE)
        ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    else
        ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
}

static void connect_to(SCARDHANDLE *to)
{
    DWORD active;
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, to, &active), SCARD_S_SUCCESS);
}

static void setup(void)
{
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    if (!(true_state().dwEventState & SCARD_STATE_PRESENT)) /* a test has failed */
        change_card("insert");
    connect_to(&handle);
    connect_to(&other);
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.timeout_ms = WAIT_MS;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
}

static void teardown(void)
{
    misreads = refusals = lists_without_memory = 0;
    older_service = false;
    scardmanage_free(m);
    SCardDisconnect(handle, SCARD_LEAVE_CARD);
    SCardDisconnect(other, SCARD_LEAVE_CARD);
    SCardReleaseContext(context);
}

/*
 * An event is taken for an answer
 */

static const LONG codes[] = {SCARD_E_UNSUPPORTED_FEATURE, SCARD_E_INSUFFICIENT_BUFFER,
                             SCARD_E_UNKNOWN_READER};
#define CASES (WAYS * (int)(sizeof codes / sizeof codes[0]))

static scardmanage_report reconnect_and_report(void)
{
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &report), SCARDMANAGE_S_OK);
    return report;
}

START_TEST(attaching_and_a_reconnect_are_not_misled)
{
    misread_next(codes[_i / WAYS], 1);
    attach(_i % WAYS);
    ck_assert_uint_eq(said, 1);
    misread_next(codes[_i / WAYS], 3);
    scardmanage_report report = reconnect_and_report();
    ck_assert_uint_eq(said, 3);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_UNCHANGED);
    ck_assert_int_eq(report.step, SCARDMANAGE_STEP_NONE);
}
END_TEST

START_TEST(what_happened_to_the_card_is_found_out)
{
    DWORD active;
    attach(_i % WAYS);
    ck_assert_int_eq(SCardReconnect(other, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &active),
                     SCARD_S_SUCCESS);
    misread_next(codes[_i / WAYS], 1);
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_W_RESET_CARD);
    ck_assert_int_eq(reconnect_and_report().verdict, SCARDMANAGE_VERDICT_RESET);
    change_card("remove");
    change_card("insert");
    /* the handle reports the latest event only; the removal is reported by the reader */
    ck_assert_int_eq(SCardReconnect(other, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &active),
                     SCARD_S_SUCCESS);
    misread_next(codes[_i / WAYS], 1);
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_uint_eq(said, 1);
    misread_next(codes[_i / WAYS], 1);
    ck_assert_int_eq(reconnect_and_report().verdict, SCARDMANAGE_VERDICT_REINSERTED);
    ck_assert_uint_eq(said, 1);
}
END_TEST

START_TEST(waiting_goes_on)
{
    attach(_i % WAYS);
    change_card("remove");
    misread_next(codes[_i / WAYS], 5);
    ck_assert_int_eq(scardmanage_wait_for_card(m, 20), SCARDMANAGE_E_TIMEOUT);
    misreads = 0;
    change_card("insert");
    misread_next(codes[_i / WAYS], 1);
    ck_assert_int_eq(scardmanage_wait_for_card(m, 20), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(said, 1);
}
END_TEST

START_TEST(a_reader_that_is_not_there_is_not_there)
{
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, "nobody's 00 00"), SCARDMANAGE_E_UNKNOWN_READER);
    misread_next(codes[_i], 1);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, "nobody's 00 00"), SCARDMANAGE_E_UNKNOWN_READER);
}
END_TEST

/* The handle would be taken for a dead one otherwise. */
START_TEST(a_reader_is_there_if_nobody_can_list_it)
{
    attach(_i);
    misread_next(SCARD_E_UNKNOWN_READER, 1);
    lists_without_memory = 1;
    ck_assert_int_eq(reconnect_and_report().verdict, SCARDMANAGE_VERDICT_UNCHANGED);
    ck_assert_uint_eq(said, 1);
    ck_assert_uint_eq(lists_without_memory, 0);
}
END_TEST

/* Then there is something else wrong. */
START_TEST(what_is_said_again_and_again_is_said)
{
    attach(_i);
    misread_next(SCARD_E_UNSUPPORTED_FEATURE, FOREVER);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE));
    ck_assert_int_eq(scardmanage_wait_for_card(m, WAIT_MS), SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE));
    misreads = 0;
    ck_assert_int_eq(reconnect_and_report().verdict, SCARDMANAGE_VERDICT_UNCHANGED);
}
END_TEST

/*
 * libpcsclite 2.5 with an older service
 */

START_TEST(a_service_that_is_older_is_there)
{
    older_service = true;
    listed = false;
    attach(_i);
    ck_assert_int_eq(reconnect_and_report().verdict, SCARDMANAGE_VERDICT_UNCHANGED);
}
END_TEST

/*
 * A service that goes again and again, always after it was seen
 */

START_TEST(a_service_that_goes_is_waited_for)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    attach(BY_IFD);
    options.first_step = SCARDMANAGE_STEP_REOPEN;
    options.wait_ms = options.timeout_ms = WAIT_MS;
    refusals = 20;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(refusals, 0);
}
END_TEST

START_TEST(a_service_that_went_is_noticed_without_time_to_wait)
{
    attach(_i);
    misread_next(SCARD_E_NO_SERVICE, 1);
    ck_assert_int_eq(scardmanage_wait_for_card(m, 0), SCARDMANAGE_E_TIMEOUT);
    ck_assert_uint_eq(said, 1);
    ck_assert_int_eq(scardmanage_lock(m),
                     _i == BY_IFD ? SCARDMANAGE_E_NO_SMARTCARD : SCARDMANAGE_W_REMOVED_CARD);
    if (_i == BY_IFD)
        ck_assert_int_eq(reconnect_and_report().verdict, SCARDMANAGE_VERDICT_REINSERTED);
    else
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_INVALID_HANDLE);
}
END_TEST

START_TEST(but_not_for_longer_than_was_asked_for)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    attach(BY_IFD);
    options.first_step = SCARDMANAGE_STEP_REOPEN;
    options.timeout_ms = WAIT_MS;
    refusals = FOREVER;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_E_NO_SERVICE);
    options.wait_ms = 100;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_E_NO_SERVICE);
    refusals = 0;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_S_OK);
}
END_TEST

int main(void)
{
    reader = getenv("CARDRIG_READER");
    Suite *suite = suite_create("scardmanage, misled");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, attaching_and_a_reconnect_are_not_misled, 0, CASES);
    tcase_add_loop_test(tcase, what_happened_to_the_card_is_found_out, 0, CASES);
    tcase_add_loop_test(tcase, waiting_goes_on, 0, CASES);
    tcase_add_loop_test(tcase, a_reader_that_is_not_there_is_not_there, 0, CASES / WAYS);
    tcase_add_loop_test(tcase, a_reader_is_there_if_nobody_can_list_it, 0, WAYS);
    tcase_add_loop_test(tcase, what_is_said_again_and_again_is_said, 0, WAYS);
    tcase_add_loop_test(tcase, a_service_that_is_older_is_there, 0, WAYS);
    tcase_add_test(tcase, a_service_that_goes_is_waited_for);
    tcase_add_loop_test(tcase, a_service_that_went_is_noticed_without_time_to_wait, 0, WAYS);
    tcase_add_test(tcase, but_not_for_longer_than_was_asked_for);
    suite_add_tcase(suite, tcase);
    return run_suite_in_rig(suite);
}
