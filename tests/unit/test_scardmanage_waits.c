/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits and watches that see the reader at the wrong moment, a card that is exchanged while its handle is attached, and a
 * connection that is lost during a response. The PC/SC calls below are this file's own: all of that takes luck to hit.
 */
#include "internal.h"
#include "watch.h"

#include "run_suite.h"

#include <check.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>
#include <winscard.h>

static const char secret[] = "secret";
static const uint8_t atr[] = {0x3B, 0x00};

static struct {
    bool present;
    DWORD counter_of_card,
        counter_of_reader; /* event counters that SCardStatus() and SCardGetStatusChange() return */
    LONG attribute;        /* what SCardGetAttrib() returns */
    LONG look;             /* what SCardGetStatusChange() returns */
    LONG connect;          /* what SCardConnect() returns if it fails; 0: that there is no card */
    bool lacks_atr;
    SCARDCONTEXT contexts;    /* opened so far */
    SCARDCONTEXT ends_before; /* when this one is opened, the service restarts; 0: never */
    unsigned connects;        /* calls of SCardConnect() */
    unsigned usable_connects; /* so many of them succeed; then the card is removed when a transaction ends */
    unsigned connects_to_end; /* after so many of them, the card is removed when it has been seen once more */
    unsigned seen;            /* since the last of them */
    scardmanage *cancelled; /* not null: the next look at the reader cancels its calls, and ends after them */
    sem_t calls_have_ended;
} pcscd;

LONG SCardStatus(SCARDHANDLE handle, LPSTR reader, LPDWORD reader_length, LPDWORD state, LPDWORD protocol,
                 LPBYTE bytes, LPDWORD length)
{
    (void)handle;
    strcpy(reader, "reader");
    *reader_length = sizeof "reader";
    *state = SCARD_PRESENT | SCARD_POWERED | SCARD_SPECIFIC | pcscd.counter_of_card << 16;
    *protocol = SCARD_PROTOCOL_T0;
    memcpy(bytes, atr, sizeof atr);
    *length = sizeof atr;
    return SCARD_S_SUCCESS;
}

LONG SCardGetStatusChange(SCARDCONTEXT context, DWORD timeout, SCARD_READERSTATE *states, DWORD count)
{
    if (context < pcscd.ends_before && pcscd.contexts >= pcscd.ends_before)
        return SCARD_E_NO_SERVICE;
    if (timeout > 0) { /* a watch waits: nothing happens */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        return SCARD_E_TIMEOUT;
    }
    if (pcscd.cancelled) {
        scardmanage_cancel(pcscd.cancelled);
        pcscd.cancelled = NULL;
        while (sem_wait(&pcscd.calls_have_ended) != 0)
            ;
    }
    if (pcscd.look != SCARD_S_SUCCESS)
        return pcscd.look;
    bool is_gone = pcscd.connects_to_end > 0 && pcscd.connects == pcscd.connects_to_end && pcscd.seen++ > 0;
    for (DWORD i = 0; i < count; i++) {
        bool present = pcscd.present && !is_gone;
        states[i].dwEventState = SCARD_STATE_CHANGED | (present ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY) |
                                 pcscd.counter_of_reader << 16;
        states[i].cbAtr = present && !pcscd.lacks_atr ? sizeof atr : 0;
        memcpy(states[i].rgbAtr, atr, states[i].cbAtr);
    }
    return SCARD_S_SUCCESS;
}

LONG SCardListReaders(SCARDCONTEXT context, LPCSTR groups, LPSTR readers, LPDWORD length)
{
    (void)context, (void)groups;
    *length = sizeof "reader" + 1;
    if (readers)
        memcpy(readers, "reader\0", *length);
    return SCARD_S_SUCCESS;
}

LONG SCardConnect(SCARDCONTEXT context, LPCSTR reader, DWORD share, DWORD protocols, LPSCARDHANDLE handle,
                  LPDWORD active)
{
    (void)context, (void)reader, (void)share, (void)protocols;
    pcscd.connects++;
    *handle = 5;
    *active = SCARD_PROTOCOL_T0;
    if (pcscd.connects <= pcscd.usable_connects)
        return SCARD_S_SUCCESS;
    return pcscd.connect != SCARD_S_SUCCESS ? pcscd.connect : SCARD_E_NO_SMARTCARD;
}

LONG SCardBeginTransaction(SCARDHANDLE handle)
{
    (void)handle;
    return SCARD_S_SUCCESS;
}

LONG SCardEndTransaction(SCARDHANDLE handle, DWORD disposition)
{
    (void)handle, (void)disposition;
    pcscd.present = false;
    return SCARD_W_REMOVED_CARD;
}

LONG SCardDisconnect(SCARDHANDLE handle, DWORD disposition)
{
    (void)handle, (void)disposition;
    return SCARD_S_SUCCESS;
}

LONG SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, LPBYTE value, LPDWORD length)
{
    (void)handle, (void)attribute, (void)value, (void)length;
    return pcscd.attribute;
}

/* The connection to the service is lost while the response comes in. */
LONG SCardTransmit(SCARDHANDLE handle, const SCARD_IO_REQUEST *pci, LPCBYTE command, DWORD length,
                   SCARD_IO_REQUEST *received_pci, LPBYTE response, LPDWORD response_length)
{
    (void)handle, (void)pci, (void)command, (void)length, (void)received_pci, (void)response_length;
    memcpy(response, secret, sizeof secret);
    return SCARD_F_COMM_ERROR;
}

LONG SCardEstablishContext(DWORD scope, LPCVOID reserved1, LPCVOID reserved2, LPSCARDCONTEXT context)
{
    (void)scope, (void)reserved1, (void)reserved2;
    *context = ++pcscd.contexts;
    return SCARD_S_SUCCESS;
}

LONG SCardReleaseContext(SCARDCONTEXT context)
{
    (void)context;
    return SCARD_S_SUCCESS;
}

/* Attaches to a card with the first event counter, in a reader that soon has the second. */
static scardmanage_result wait_for_change(DWORD counter_of_card, DWORD counter_soon)
{
    scardmanage *m;
    memset(&pcscd, 0, sizeof pcscd);
    pcscd.present = true;
    pcscd.counter_of_card = counter_of_card;
    pcscd.counter_of_reader = counter_soon;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 5), SCARDMANAGE_S_OK);
    scardmanage_result result = scardmanage_wait(m, SCARDMANAGE_WAIT_CHANGE, 0);
    scardmanage_free(m);
    return result;
}

START_TEST(a_change_while_attaching_is_one)
{
    ck_assert_int_eq(wait_for_change(4, 4), SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(wait_for_change(4, 6), SCARDMANAGE_S_OK);
}
END_TEST

static scardmanage_result wait_after_replugging(scardmanage_wait_for what, LONG attribute, uint32_t ms)
{
    scardmanage *m;
    memset(&pcscd, 0, sizeof pcscd);
    pcscd.present = true;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 5), SCARDMANAGE_S_OK);
    pcscd.attribute = attribute;
    scardmanage_result result = scardmanage_wait(m, what, ms);
    scardmanage_free(m);
    return result;
}

START_TEST(a_reader_that_was_away_and_counts_the_same)
{
    const scardmanage_wait_for waits[] = {SCARDMANAGE_WAIT_REMOVAL, SCARDMANAGE_WAIT_CHANGE};
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(wait_after_replugging(waits[i], SCARD_S_SUCCESS, 10), SCARDMANAGE_E_TIMEOUT);
        ck_assert_int_eq(wait_after_replugging(waits[i], SCARD_E_INVALID_HANDLE, 60000), SCARDMANAGE_S_OK);
        /* without time, it does not ask for the handle, which may have to wait for another client's command */
        ck_assert_int_eq(wait_after_replugging(waits[i], SCARD_E_INVALID_HANDLE, 0), SCARDMANAGE_E_TIMEOUT);
    }
}
END_TEST

START_TEST(a_change_that_a_cancelled_wait_has_seen)
{
    scardmanage *m;
    memset(&pcscd, 0, sizeof pcscd);
    sem_init(&pcscd.calls_have_ended, 0, 0);
    pcscd.present = true;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 5), SCARDMANAGE_S_OK);
    pcscd.present = false;
    pcscd.cancelled = m;
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_CHANGE, 10000), SCARDMANAGE_E_CANCELLED);
    sem_post(&pcscd.calls_have_ended);
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_CHANGE, 0), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_wait(m, SCARDMANAGE_WAIT_CHANGE, 0), SCARDMANAGE_E_TIMEOUT);
    scardmanage_free(m);
    sem_destroy(&pcscd.calls_have_ended);
}
END_TEST

static scardmanage *attach_before_the_card_is_there(void)
{
    scardmanage *m;
    memset(&pcscd, 0, sizeof pcscd);
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, "reader"), SCARDMANAGE_S_OK);
    pcscd.present = true;
    return m;
}

START_TEST(refusals_before_a_removal_do_not_end_a_wait)
{
    scardmanage *m = attach_before_the_card_is_there();
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    pcscd.connects_to_end = 3;
    options.wait_ms = 500;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_uint_eq(pcscd.connects, 3);
    ck_assert_uint_ge(report.elapsed_us, 500000);

    /* four in a row do */
    pcscd.connects = pcscd.connects_to_end = 0;
    options.wait_ms = 10000;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_uint_eq(pcscd.connects, 4);
    scardmanage_free(m);
}
END_TEST

START_TEST(a_first_card_that_is_gone_before_the_wait_is_over)
{
    scardmanage *m = attach_before_the_card_is_there();
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    pcscd.usable_connects = 1;
    options.wait_ms = 10;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_uint_eq(pcscd.connects, 1);
    ck_assert_uint_ge(report.waited_us, 1);
    /* the caller has been told of no card */
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &report), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_uint_eq(report.old_atr_len, 0);
    scardmanage_free(m);
}
END_TEST

START_TEST(a_first_handle_that_is_dead)
{
    scardmanage *m = attach_before_the_card_is_there();
    scardmanage_state state;
    uint32_t protocol;
    pcscd.usable_connects = 1;
    pcscd.attribute = SCARD_E_INVALID_HANDLE; /* the reader was replugged since */
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_uint_gt(pcscd.connects, 1);
    ck_assert_int_eq(scardmanage_status(m, &state, &protocol), SCARDMANAGE_S_OK);
    ck_assert_int_eq(state, SCARDMANAGE_STATE_PRESENT);
    scardmanage_free(m);
}
END_TEST

/* No protocol fits a card without an ATR. */
START_TEST(a_card_without_an_atr_does_not_answer)
{
    scardmanage *m = attach_before_the_card_is_there();
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.last_step = SCARDMANAGE_STEP_LEAVE;
    pcscd.connect = SCARD_E_PROTO_MISMATCH;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_E_PROTO_MISMATCH);
    pcscd.lacks_atr = true;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    scardmanage_free(m);
}
END_TEST

/* The handle may have exclusive use, which the next reconnect must not give up. */
START_TEST(a_handle_whose_use_cannot_be_read)
{
    scardmanage *m;
    memset(&pcscd, 0, sizeof pcscd);
    pcscd.present = true;
    pcscd.look = SCARD_E_NO_MEMORY;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 5), SCARDMANAGE_E_OUTOFMEMORY);
    pcscd.look = SCARD_S_SUCCESS;
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 5), SCARDMANAGE_S_OK);
    scardmanage_free(m);
}
END_TEST

/* The watch of the wait has the second context. */
START_TEST(a_service_that_restarts_during_a_wait)
{
    scardmanage *m = attach_before_the_card_is_there();
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    pcscd.present = false;
    pcscd.ends_before = 2;
    options.wait_ms = 60000;
    options.last_step = SCARDMANAGE_STEP_REOPEN;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_NO_SERVICE);
    ck_assert_int_eq(report.step, SCARDMANAGE_STEP_NONE);
    ck_assert_uint_eq(pcscd.contexts, 2);

    options.wait_ms = 10;
    options.last_step = SCARDMANAGE_STEP_RESTART;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, &report), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(report.step, SCARDMANAGE_STEP_RESTART);
    scardmanage_free(m);
}
END_TEST

START_TEST(a_response_that_was_lost_is_overwritten)
{
    struct attachment at = {.transaction.is_open = true, .buffer_size = 64};
    uint8_t buffer[64] = {0x80};
    ck_assert_int_eq(scardmanage_create(&at.m), SCARDMANAGE_S_OK);
    at.buffer = buffer;
    at.io.command_length = 4;
    at.io.response_capacity = sizeof buffer - 4;
    at.card.protocol = SCARDMANAGE_PROTOCOL_T0;
    ck_assert_int_ne(exchange_run(&at), SCARDMANAGE_S_OK);
    ck_assert_mem_eq(buffer + 4, secret, sizeof secret);
    transmit_wipe_buffer(&at);
    for (unsigned i = 0; i < sizeof buffer; i++)
        ck_assert_uint_eq(buffer[i], 0);
    scardmanage_free(at.m);
}
END_TEST

/* Shows a reader in this state to a watch. Returns the changes that the watch reports. */
static uint32_t show(struct watch_events *events, bool present, uint32_t counter)
{
    scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
    struct pcsc_reader reader = {.name = "reader", .state = {.present = present, .counter = counter}};
    uint32_t changes = 0;
    watch_events_update(events, SCARDMANAGE_S_OK, &reader, 1);
    while (watch_events_take(events, &event))
        if (strcmp(event.reader, "reader") == 0)
            changes += event.changes;
    return changes;
}

START_TEST(a_watch_counts_each_event_once)
{
    static struct watch_events events;
    watch_events_init(&events);
    show(&events, true, 7);
    ck_assert_uint_eq(show(&events, true, 8), 2); /* out and in, and only the first is counted yet */
    ck_assert_uint_eq(show(&events, true, 9), 0);
    ck_assert_uint_eq(show(&events, false, 9), 1); /* out, and not counted yet */
    ck_assert_uint_eq(show(&events, false, 10), 0);
    ck_assert_uint_eq(show(&events, true, 11), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: waits");
    TCase *tc = tcase_create("waits");
    tcase_add_test(tc, a_change_while_attaching_is_one);
    tcase_add_test(tc, a_reader_that_was_away_and_counts_the_same);
    tcase_add_test(tc, a_change_that_a_cancelled_wait_has_seen);
    tcase_add_test(tc, refusals_before_a_removal_do_not_end_a_wait);
    tcase_add_test(tc, a_first_card_that_is_gone_before_the_wait_is_over);
    tcase_add_test(tc, a_first_handle_that_is_dead);
    tcase_add_test(tc, a_card_without_an_atr_does_not_answer);
    tcase_add_test(tc, a_handle_whose_use_cannot_be_read);
    tcase_add_test(tc, a_service_that_restarts_during_a_wait);
    tcase_add_test(tc, a_response_that_was_lost_is_overwritten);
    tcase_add_test(tc, a_watch_counts_each_event_once);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
