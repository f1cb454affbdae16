/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attaching to a handle while the card is exchanged. The PC/SC calls below are this file's own: the exchange comes between
 * two of them, which takes luck to hit.
 */
#include "scardmanage.h"

#include "run_suite.h"

#include <check.h>
#include <string.h>
#include <winscard.h>

static const uint8_t atr[] = {0x3B, 0x00};
static DWORD counter_of_status, counter_of_reader;

LONG SCardStatus(SCARDHANDLE handle, LPSTR reader, LPDWORD reader_length, LPDWORD state, LPDWORD protocol,
                 LPBYTE bytes, LPDWORD length)
{
    (void)handle;
    strcpy(reader, "reader");
    *reader_length = sizeof "reader";
    *state = SCARD_PRESENT | SCARD_POWERED | SCARD_SPECIFIC | counter_of_status << 16;
    *protocol = SCARD_PROTOCOL_T0;
    memcpy(bytes, atr, sizeof atr);
    *length = sizeof atr;
    return SCARD_S_SUCCESS;
}

LONG SCardGetStatusChange(SCARDCONTEXT context, DWORD timeout, SCARD_READERSTATE *states, DWORD count)
{
    (void)context, (void)timeout;
    for (DWORD i = 0; i < count; i++) {
        states[i].dwEventState = SCARD_STATE_CHANGED | SCARD_STATE_PRESENT | counter_of_reader << 16;
        memcpy(states[i].rgbAtr, atr, sizeof atr);
        states[i].cbAtr = sizeof atr;
    }
    return SCARD_S_SUCCESS;
}

LONG SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, LPBYTE value, LPDWORD length)
{
    (void)handle, (void)attribute, (void)value, (void)length;
    return SCARD_S_SUCCESS;
}

LONG SCardEstablishContext(DWORD scope, LPCVOID reserved1, LPCVOID reserved2, LPSCARDCONTEXT context)
{
    (void)scope, (void)reserved1, (void)reserved2;
    *context = 1;
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
    counter_of_status = counter_of_card;
    counter_of_reader = counter_soon;
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

int main(void)
{
    Suite *suite = suite_create("libscardmanage: attaching");
    TCase *tc = tcase_create("attach");
    tcase_add_test(tc, a_change_while_attaching_is_one);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
