/* SPDX-License-Identifier: BSD-3-Clause */
#include "attachment.h"

#include "in_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const uint8_t two_protocols_atr[] = {0x3B, 0x93, 0x96, 0x80, 0x01, 0x74, 0x77, 0x6F, 0xE8};
const uint8_t t0_only_atr[] = {0x3B, 0x06, 0x74, 0x30, 0x6F, 0x6E, 0x6C, 0x79};
const uint8_t cold_atr[] = {0x3B, 0x84, 0x80, 0x01, 0x63, 0x6F, 0x6C, 0x64, 0x01};
const uint8_t warm_atr[] = {0x3B, 0x04, 0x77, 0x61, 0x72, 0x6D};

char reader[256];
SCARDCONTEXT context;
SCARDHANDLE handle;
SCARDCONTEXT other_context;
SCARDHANDLE other;
scardmanage *m;
scardmanage_report reported;

static char card_file[64]; /* a card created for one test */

/*
 * The card
 */

void put(const char *file)
{
    move_card(other_context, reader, "swap", file);
}

void put_card_that_falls_silent(const char *when)
{
    strcpy(card_file, "/tmp/test_scardmanage-XXXXXX.lua");
    int fd = mkstemps(card_file, 4);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd,
                             "local hits = 0\n"
                             "return {\n"
                             "  atr = \"3B 93 96 80 01 74 77 6F E8\",\n"
                             "  on_power = function(how)\n"
                             "    hits = 0\n"
                             "    if how == \"%s\" then fault(\"mute*1000\") end\n"
                             "  end,\n"
                             "  commands = { { \"80 10\", function()\n"
                             "    hits = hits + 1\n"
                             "    return string.pack(\">I2\", hits), 0x9000\n"
                             "  end } },\n"
                             "}\n",
                             when),
                     0);
    close(fd);
    put(card_file);
}

void pull(void)
{
    move_card(other_context, reader, "remove", NULL);
}

void put_back(void)
{
    move_card(other_context, reader, "insert", NULL);
}

/*
 * The other client
 */

void other_connects(void)
{
    DWORD protocol;
    ck_assert_int_eq(SCardConnect(other_context, reader, SCARD_SHARE_SHARED, ANY, &other, &protocol),
                     SCARD_S_SUCCESS);
}

void other_leaves(void)
{
    ck_assert_int_eq(SCardDisconnect(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    other = 0;
}

LONG other_reconnects(DWORD initialization)
{
    DWORD protocol;
    return SCardReconnect(other, SCARD_SHARE_SHARED, ANY, initialization, &protocol);
}

LONG other_status(void)
{
    DWORD reader_length = 0, state, protocol, atr_length = 0;
    return SCardStatus(other, NULL, &reader_length, &state, &protocol, NULL, &atr_length);
}

void other_resets(void)
{
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
}

void assert_locked_out(void)
{
    ck_assert_int_eq(other_status(), SCARD_E_SHARING_VIOLATION);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_E_SHARING_VIOLATION);
}

/* If the other client can begin a transaction, there is no other one: no transaction count has
 * leaked. */
void assert_free(void)
{
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/*
 * The caller
 */

void connect_handle(DWORD share)
{
    DWORD protocol;
    ck_assert_int_eq(SCardConnect(context, reader, share, ANY, &handle, &protocol), SCARD_S_SUCCESS);
}

void attach(int way)
{
    if (way == BY_IFD) {
        ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
        return;
    }
    connect_handle(SCARD_SHARE_SHARED);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
}

scardmanage_result count(unsigned *number)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x02};
    uint8_t response[258];
    size_t length = sizeof response;
    scardmanage_result result = scardmanage_transmit(m, command, sizeof command, response, &length);
    *number = 0;
    if (result != SCARDMANAGE_S_OK) {
        ck_assert_uint_eq(length, 0);
        return result;
    }
    ck_assert_uint_eq(length, 4);
    ck_assert_uint_eq((unsigned)(response[2] << 8 | response[3]), 0x9000);
    *number = (unsigned)(response[0] << 8 | response[1]);
    return result;
}

void assert_count(unsigned wanted)
{
    unsigned number;
    ck_assert_int_eq(count(&number), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(number, wanted);
}

void assert_refuses(scardmanage_result code)
{
    unsigned number;
    ck_assert_int_eq(count(&number), code);
    ck_assert_int_eq(scardmanage_lock(m), code);
}

void assert_status(scardmanage_result result, scardmanage_state state, uint32_t protocol)
{
    scardmanage_state got_state;
    uint32_t got_protocol;
    ck_assert_int_eq(scardmanage_status(m, &got_state, &got_protocol), result);
    ck_assert_int_eq(got_state, state);
    ck_assert_uint_eq(got_protocol, protocol);
}

void assert_atr(const uint8_t *atr, size_t length)
{
    uint8_t got[SCARDMANAGE_ATR_MAX];
    size_t got_length = sizeof got;
    ck_assert_int_eq(scardmanage_get_atr(m, got, &got_length), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(got_length, length);
    ck_assert_mem_eq(got, atr, length);
}

scardmanage_result reconnect_with(scardmanage_options options)
{
    scardmanage_report empty = SCARDMANAGE_REPORT_INIT;
    reported = empty;
    options.size = sizeof options;
    return scardmanage_reconnect_ex(m, &options, &reported);
}

void assert_report(scardmanage_verdict verdict, scardmanage_step step, scardmanage_lock_state lock)
{
    ck_assert_str_eq(scardmanage_verdict_name(reported.verdict), scardmanage_verdict_name(verdict));
    ck_assert_str_eq(scardmanage_step_name(reported.step), scardmanage_step_name(step));
    ck_assert_str_eq(scardmanage_lock_name(reported.lock), scardmanage_lock_name(lock));
}

void assert_reconnects(scardmanage_options options, scardmanage_verdict verdict, scardmanage_step step,
                       scardmanage_lock_state lock)
{
    ck_assert_int_eq(reconnect_with(options), SCARDMANAGE_S_OK);
    assert_report(verdict, step, lock);
    ck_assert_uint_gt(reported.elapsed_us, 0);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, reported.new_protocol);
    assert_atr(reported.new_atr, reported.new_atr_len);
}

void assert_lock(void)
{
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_S_OK);
}

void assert_unlock(scardmanage_disposition disposition)
{
    ck_assert_int_eq(scardmanage_unlock(m, disposition), SCARDMANAGE_S_OK);
}

/* Each test runs in its own process (the default of check), so libpcsclite reads this variable
 * again. */
static void prepare(const char *no_blocking)
{
    if (no_blocking)
        setenv("PCSCLITE_NO_BLOCKING", no_blocking, 1);
    else
        unsetenv("PCSCLITE_NO_BLOCKING");
    snprintf(reader, sizeof reader, "%s", getenv("CARDRIG_READER"));
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other_context), SCARD_S_SUCCESS);
    put("two-protocols.lua");
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
}

static void setup(void)
{
    prepare("1");
}

static void setup_waiting(void)
{
    prepare(NULL);
}

static void teardown(void)
{
    if (card_file[0] != '\0')
        unlink(card_file);
    scardmanage_free(m);
    if (handle != 0)
        SCardDisconnect(handle, SCARD_LEAVE_CARD);
    if (other != 0)
        SCardDisconnect(other, SCARD_LEAVE_CARD);
    SCardReleaseContext(context);
    SCardReleaseContext(other_context);
}

TCase *add_attachment_case(Suite *suite, const char *name, enum waiting waiting)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, waiting == WAITS_FOR_OTHERS ? setup_waiting : setup, teardown);
    tcase_set_timeout(tc, 200);
    suite_add_tcase(suite, tc);
    return tc;
}
