/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage while PC/SC does not let go of a call, and what the calls after it find. Run in a rig:
 * cardrig run -- test_scardmanage_left
 *
 * PC/SC functions of this program stand before libpcsclite's, and stop at a gate that a test has shut. */
#include "in_rig.h"
#include "scardmanage.h"

#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANY      (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define SHORT_MS 50
#define LONG_MS  5000 /* nothing here takes so long unless something is wrong */

static const uint8_t challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};

static const char *reader;
static SCARDCONTEXT context;
static SCARDHANDLE other;
static scardmanage *m;

/*
 * The gate
 */

enum { NOTHING, CONNECT, RECONNECT, TRANSMIT };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int shut;    /* which function stops */
static bool inside; /* one is at the gate */
static LONG answer; /* not SCARD_S_SUCCESS: what SCardConnect() says instead of doing it */
static unsigned connects;

static void shut_gate(int which)
{
    pthread_mutex_lock(&mutex);
    shut = which;
    inside = false;
    pthread_mutex_unlock(&mutex);
}

static void open_gate(void)
{
    pthread_mutex_lock(&mutex);
    shut = NOTHING;
    pthread_cond_broadcast(&changed);
    while (inside)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* Only the library's threads: this one has to open it again. */
static void pass(int which)
{
    pthread_mutex_lock(&mutex);
    bool stops = shut == which;
    inside |= stops;
    while (stops && shut == which)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void leave(void)
{
    pthread_mutex_lock(&mutex);
    inside = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

#pragma GCC visibility push(default)

#define THE_REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

LONG SCardConnect(SCARDCONTEXT in, LPCSTR name, DWORD share, DWORD protocols, LPSCARDHANDLE out,
                  LPDWORD active)
{
    connects++;
    pass(CONNECT);
    LONG rv =
        answer != SCARD_S_SUCCESS ? answer : THE_REAL(SCardConnect)(in, name, share, protocols, out, active);
    leave();
    return rv;
}

LONG SCardReconnect(SCARDHANDLE which, DWORD share, DWORD protocols, DWORD initialization, LPDWORD active)
{
    pass(RECONNECT);
    LONG rv = THE_REAL(SCardReconnect)(which, share, protocols, initialization, active);
    leave();
    return rv;
}

LONG SCardTransmit(SCARDHANDLE which, const SCARD_IO_REQUEST *pci, LPCBYTE command, DWORD command_length,
                   SCARD_IO_REQUEST *received, LPBYTE response, LPDWORD response_length)
{
    pass(TRANSMIT);
    LONG rv =
        THE_REAL(SCardTransmit)(which, pci, command, command_length, received, response, response_length);
    leave();
    return rv;
}

#pragma GCC visibility pop

/*
 * Fixture
 */

static scardmanage_options options_with(uint32_t timeout_ms)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.timeout_ms = timeout_ms;
    return options;
}

static void set_timeout(uint32_t timeout_ms)
{
    scardmanage_options options = options_with(timeout_ms);
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
}

static scardmanage_result send_challenge(scardmanage *object)
{
    uint8_t response[16];
    size_t length = sizeof response;
    return scardmanage_transmit(object, challenge, sizeof challenge, response, &length);
}

static void other_connects(void)
{
    DWORD active;
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &other, &active),
                     SCARD_S_SUCCESS);
}

static void other_resets(void)
{
    DWORD active;
    ck_assert_int_eq(SCardReconnect(other, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &active),
                     SCARD_S_SUCCESS);
}

static void reinsert(void)
{
    move_card(context, reader, "remove", NULL);
    move_card(context, reader, "insert", NULL);
}

static void setup(void)
{
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    other_connects();
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    set_timeout(LONG_MS);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
}

static void teardown(void)
{
    answer = SCARD_S_SUCCESS;
    open_gate();
    scardmanage_free(m);
    SCardDisconnect(other, SCARD_LEAVE_CARD);
    SCardReleaseContext(context);
}

/*
 * Cancelling
 */

static void *cancels(void *object)
{
    scardmanage_cancel(*(scardmanage **)object);
    return NULL;
}

/* Called for the buffer of a command, when the call has begun and its first job has not. */
static scardmanage *to_cancel;

static void *allocate_and_cancel(void *unused, size_t size)
{
    pthread_t thread;
    (void)unused;
    if (to_cancel != NULL) {
        ck_assert_int_eq(pthread_create(&thread, NULL, cancels, &to_cancel), 0);
        pthread_join(thread, NULL);
        to_cancel = NULL;
    }
    return malloc(size);
}

static void *reallocate(void *unused, void *memory, size_t size)
{
    (void)unused;
    return realloc(memory, size);
}

static void release(void *unused, void *memory)
{
    (void)unused;
    free(memory);
}

START_TEST(cancelled_between_two_jobs)
{
    scardmanage_allocator allocator = {sizeof allocator, NULL, allocate_and_cancel, reallocate, release};
    scardmanage_free(m);
    ck_assert_int_eq(scardmanage_create_with_allocator(&allocator, &m), SCARDMANAGE_S_OK);
    set_timeout(SCARDMANAGE_FOREVER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    shut_gate(TRANSMIT);
    to_cancel = m;
    ck_assert_int_eq(send_challenge(m), SCARDMANAGE_E_CANCELLED);
    open_gate();
    ck_assert_int_eq(send_challenge(m), SCARDMANAGE_S_OK);
}
END_TEST

static atomic_bool cancelling, over;

static void *cancels_again_and_again(void *nothing)
{
    while (!over)
        if (cancelling)
            scardmanage_cancel(m);
    return nothing;
}

/* Not that of the one before. */
START_TEST(report_of_a_reconnect_that_was_not_begun)
{
    pthread_t thread;
    scardmanage_options options = options_with(LONG_MS);
    options.first_step = SCARDMANAGE_STEP_WARM;
    cancelling = over = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancels_again_and_again, NULL), 0);
    for (int cancelled = 0; cancelled < 100;) {
        scardmanage_report report = SCARDMANAGE_REPORT_INIT;
        while (scardmanage_reconnect_ex(m, &options, NULL) != SCARDMANAGE_S_OK)
            continue; /* one that cancels may have been on its way */
        cancelling = true;
        cancelled += scardmanage_reconnect_ex(m, NULL, &report) == SCARDMANAGE_E_CANCELLED;
        cancelling = false;
        ck_assert_int_ne(report.step, SCARDMANAGE_STEP_WARM);
    }
    over = true;
    pthread_join(thread, NULL);
}
END_TEST

/*
 * A call that is left in the rebuild function
 */

static int rebuilds;
static scardmanage_result rebuilt; /* what it returns the first time */

static scardmanage_result rebuild(scardmanage *object, const scardmanage_report *report, void *unused)
{
    (void)report;
    (void)unused;
    if (rebuilds++ > 0)
        return send_challenge(object);
    shut_gate(TRANSMIT);
    ck_assert_int_eq(send_challenge(object), SCARDMANAGE_E_TIMEOUT);
    return rebuilt;
}

static const scardmanage_result rebuild_results[] = {SCARDMANAGE_E_TIMEOUT, SCARDMANAGE_W_RESET_CARD,
                                                     SCARDMANAGE_S_OK};

START_TEST(a_call_left_in_the_rebuild_function)
{
    scardmanage_options options = options_with(10 * SHORT_MS);
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    uint8_t response[16];
    size_t length = sizeof response;
    bool transmits = _i % 2;
    rebuilds = 0;
    rebuilt = rebuild_results[_i / 2];
    options.rebuild = rebuild;
    other_resets();
    set_timeout(SHORT_MS);
    scardmanage_result result = transmits ? scardmanage_transmit_ex(m, challenge, sizeof challenge, response,
                                                                    &length, 1, &options, &report)
                                          : scardmanage_reconnect_ex(m, &options, &report);
    ck_assert_int_eq(result, SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(rebuilds, 1);
    open_gate();
    set_timeout(LONG_MS);
    ck_assert_int_eq(send_challenge(m), SCARDMANAGE_W_RESET_CARD);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}
END_TEST

/*
 */

START_TEST(a_reader_that_is_there_but_cannot_be_connected_to)
{
    scardmanage_options options = options_with(LONG_MS);
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    options.wait_ms = 500;
    options.first_step = SCARDMANAGE_STEP_REOPEN;
    answer = (LONG)SCARD_E_READER_UNAVAILABLE;
    connects = 0;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_READER_UNAVAILABLE);
    ck_assert_uint_lt(connects, 100);
}
END_TEST

/* The card was out, and the reconnect that found that went on with nobody waiting for it. The next one says
 * so. */
START_TEST(what_a_reconnect_that_was_left_has_found)
{
    scardmanage_options options = options_with(SHORT_MS);
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    reinsert();
    shut_gate(RECONNECT);
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
    open_gate();
    ck_assert_int_eq(send_challenge(m), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &report), SCARDMANAGE_S_OK);
    ck_assert_int_eq(report.verdict, SCARDMANAGE_VERDICT_REINSERTED);
}
END_TEST

static Suite *suite_of_all(void)
{
    Suite *suite = suite_create("scardmanage left");
    TCase *tcase = tcase_create("left");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, cancelled_between_two_jobs);
    tcase_add_test(tcase, report_of_a_reconnect_that_was_not_begun);
    tcase_add_loop_test(tcase, a_call_left_in_the_rebuild_function, 0,
                        2 * (int)(sizeof rebuild_results / sizeof rebuild_results[0]));
    tcase_add_test(tcase, a_reader_that_is_there_but_cannot_be_connected_to);
    tcase_add_test(tcase, what_a_reconnect_that_was_left_has_found);
    return suite;
}

int main(void)
{
    reader = getenv("CARDRIG_READER");
    return run_suite_in_rig(suite_of_all());
}
