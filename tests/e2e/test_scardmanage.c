/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage against a real pcscd: attaching, its calls and their arguments, options.
 * Run in a rig: cardrig run -- test_scardmanage
 *
 * Most tests run twice: attached by name and by handle. */
#include "attachment.h"
#include "in_rig.h"

#include <check.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Attaching
 */

START_TEST(null_pointers)
{
    scardmanage_state state;
    uint32_t protocol;
    uint8_t buffer[4];
    size_t length = sizeof buffer;
    SCARDHANDLE card;
    ck_assert_int_eq(scardmanage_create(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_attach_by_handle(NULL, 1), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(NULL, reader), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_detach(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_reconnect(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_lock(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_unlock(NULL, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_set_options(NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_status(NULL, &state, &protocol), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_status(m, NULL, &protocol), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_status(m, &state, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_atr(m, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_atr(m, buffer, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_handle(m, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_handle(NULL, &card), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit(m, NULL, 1, buffer, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit(m, buffer, 1, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit(m, buffer, 1, buffer, NULL), SCARDMANAGE_E_POINTER);
    scardmanage_free(NULL);
}
END_TEST

START_TEST(what_cannot_be_attached)
{
    char long_name[600];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 0), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 0x12345678), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, ""), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, "no such reader 00 00"), SCARDMANAGE_E_UNKNOWN_READER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, long_name), SCARDMANAGE_E_UNKNOWN_READER);
    connect_handle(SCARD_SHARE_SHARED);
    SCARDHANDLE closed = handle;
    handle = 0;
    ck_assert_int_eq(SCardDisconnect(closed, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, closed), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_E_INVALID_HANDLE);
}
END_TEST

static void assert_detached(void)
{
    unsigned number;
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    SCARDHANDLE card;
    ck_assert_int_eq(count(&number), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_INVALID_HANDLE);
    assert_status(SCARDMANAGE_E_INVALID_HANDLE, SCARDMANAGE_STATE_UNKNOWN, 0);
    ck_assert_int_eq(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, &length), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_get_handle(m, &card), SCARDMANAGE_E_INVALID_HANDLE);
}

START_TEST(attaches_and_detaches)
{
    char name[256];
    size_t length = 1;
    SCARDHANDLE card;
    assert_detached();
    attach(_i);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T1);
    assert_atr(two_protocols_atr, sizeof two_protocols_atr);
    assert_count(1);
    ck_assert_int_eq(scardmanage_get_reader(m, name, &length), SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, strlen(reader) + 1);
    ck_assert_int_eq(scardmanage_get_reader(m, name, &length), SCARDMANAGE_S_OK);
    ck_assert_str_eq(name, reader);
    ck_assert_int_eq(scardmanage_get_handle(m, &card), SCARDMANAGE_S_OK);
    if (_i == BY_HANDLE)
        ck_assert_int_eq(card, handle);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_detached();
    if (_i == BY_IFD) /* no handle is left over */
        connect_handle(SCARD_SHARE_EXCLUSIVE);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK); /* still usable */
    assert_count(2);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle),
                     SCARDMANAGE_S_OK); /* again, without detaching */
    assert_count(3);
}
END_TEST

START_TEST(detaching_releases_the_lock)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    assert_locked_out();
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_free();
    if (_i == BY_HANDLE) {
        ck_assert_int_eq(SCardBeginTransaction(handle), SCARD_S_SUCCESS);
        ck_assert_int_eq(SCardEndTransaction(handle, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}
END_TEST

START_TEST(freeing_releases_the_lock)
{
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_free(m);
    m = NULL;
    assert_free();
}
END_TEST

START_TEST(an_empty_reader)
{
    pull();
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_NO_SMARTCARD);
    assert_report(SCARDMANAGE_VERDICT_ABSENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
    put("t0-only.lua");
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_PRESENT, 0);
    assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
    /* opening is the gentlest there is, so it is done even if the options stop at LEAVE */
    assert_reconnects(OPTIONS(.last_step = SCARDMANAGE_STEP_LEAVE), SCARDMANAGE_VERDICT_FIRST,
                      SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.old_atr_len, 0);
    ck_assert_mem_eq(reported.new_atr, t0_only_atr, sizeof t0_only_atr);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
}
END_TEST

START_TEST(a_direct_handle_on_an_empty_reader)
{
    DWORD protocol;
    pull();
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_DIRECT, 0, &handle, &protocol),
                     SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    put_back();
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_S_OK);
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_FIRST);
    assert_count(1);
}
END_TEST

START_TEST(a_reader_in_exclusive_use)
{
    connect_handle(SCARD_SHARE_EXCLUSIVE);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_E_SHARING_VIOLATION);
    assert_detached();
}
END_TEST

START_TEST(a_handle_whose_card_was_reset)
{
    size_t length = 0;
    other_connects();
    connect_handle(SCARD_SHARE_SHARED);
    other_resets();
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_UNKNOWN, 0);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, &length), SCARDMANAGE_W_RESET_CARD);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.old_atr_len, 0);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, &length), SCARDMANAGE_S_OK);
    assert_count(1);
    pull(); /* and it is a full attachment */
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
}
END_TEST

START_TEST(a_handle_whose_card_was_removed)
{
    connect_handle(SCARD_SHARE_SHARED);
    pull();
    put_back();
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_W_REMOVED_CARD); /* never seen: may be any card */
    assert_reconnects(OPTIONS(.accept_other_card = 1), SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(transmit_checks_its_buffers)
{
    uint8_t command[] = {0x00, 0x84, 0x00, 0x00, 0x08};
    uint8_t response[10];
    size_t length = sizeof response;
    attach(_i);
    ck_assert_int_eq(scardmanage_transmit(m, command, 0, response, &length), SCARDMANAGE_E_INVALIDARG);
    length = 1;
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length),
                     SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    length = 9;
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length),
                     SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, 0);
    length = 10;
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(length, 10);
    uint8_t atr[4];
    length = sizeof atr;
    ck_assert_int_eq(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, sizeof two_protocols_atr);
}
END_TEST

START_TEST(words)
{
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_S_OK), "success");
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_W_RESET_CARD), "the card was reset");
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_RESULT(SCARD_W_REMOVED_CARD)), "the card was removed");
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_E_INVALIDARG), "invalid argument");
    ck_assert_str_eq(scardmanage_strerror(-1), "unknown error");
    for (uint32_t code = 0x80100001; code <= 0x80100031; code++)
        ck_assert_str_ne(scardmanage_strerror(SCARDMANAGE_RESULT(code)), "unknown error");
    for (uint32_t code = 0x80100065; code <= 0x8010006F; code++)
        ck_assert_str_ne(scardmanage_strerror(SCARDMANAGE_RESULT(code)), "unknown error");
    ck_assert_str_eq(scardmanage_step_name((scardmanage_step)99), "unknown");
    ck_assert_str_eq(scardmanage_verdict_name((scardmanage_verdict)-1), "unknown");
    ck_assert_str_eq(scardmanage_protocol_name(SCARDMANAGE_PROTOCOL_T1), "T=1");
}
END_TEST

/*
 * Options
 */

START_TEST(options_that_are_refused)
{
    scardmanage_options wrong[] = {
        OPTIONS(.first_step = SCARDMANAGE_STEP_COLD, .last_step = SCARDMANAGE_STEP_WARM),
        OPTIONS(.first_step = SCARDMANAGE_STEP_RESTART, .last_step = SCARDMANAGE_STEP_RESTART),
        OPTIONS(.first_step = (scardmanage_step)77),
        OPTIONS(.last_step = (scardmanage_step)77),
        OPTIONS(.last_step = (scardmanage_step)-1),
        OPTIONS(.protocols = 8),
        OPTIONS(.protocols = SCARDMANAGE_PROTOCOL_RAW | SCARDMANAGE_PROTOCOL_T0),
        OPTIONS(.share = (scardmanage_share)3),
        OPTIONS(.share = (scardmanage_share)-1),
    };
    struct {
        scardmanage_options options;
        int unknown;
    } later = {.options = {.size = sizeof later}, .unknown = 1};
    scardmanage_options small = {.size = offsetof(scardmanage_options, timeout_ms) - 1};
    scardmanage_options huge = {.size = SIZE_MAX};
    attach(_i);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        wrong[i].size = sizeof wrong[i];
        ck_assert_int_eq(scardmanage_set_options(m, &wrong[i]), SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(reconnect_with(wrong[i]), SCARDMANAGE_E_INVALIDARG);
    }
    ck_assert_int_eq(scardmanage_set_options(m, &small), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_set_options(m, &huge), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_set_options(m, &later.options), SCARDMANAGE_E_INVALIDARG);
    later.unknown = 0;
    ck_assert_int_eq(scardmanage_set_options(m, &later.options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    scardmanage_result reopen = _i == BY_HANDLE ? SCARDMANAGE_E_INVALIDARG : SCARDMANAGE_S_OK;
    ck_assert_int_eq(reconnect_with(OPTIONS(.first_step = SCARDMANAGE_STEP_REOPEN)), reopen);
    assert_count(1);
}
END_TEST

/* Programs that were built with an older and with a newer header. */
START_TEST(structs_of_other_versions)
{
    enum { FIRST_REPORT = offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX };
    scardmanage_options older = {.size = offsetof(scardmanage_options, timeout_ms),
                                 .protocols = SCARDMANAGE_PROTOCOL_T0,
                                 .timeout_ms = 77};
    struct {
        scardmanage_report report;
        uint8_t more[8];
    } larger;
    uint8_t *bytes = (uint8_t *)&larger;
    const size_t sizes[] = {FIRST_REPORT, sizeof(scardmanage_report), sizeof larger};
    attach(_i);
    ck_assert_int_eq(scardmanage_set_options(m, &older), SCARDMANAGE_S_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(&larger, 0xA5, sizeof larger);
        larger.report.size = sizes[i];
        ck_assert_int_eq(scardmanage_reconnect_ex(m, &older, &larger.report), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(larger.report.size, sizes[i]);
        ck_assert_uint_eq(larger.report.new_protocol, SCARDMANAGE_PROTOCOL_T0);
        ck_assert_mem_eq(larger.report.new_atr, two_protocols_atr, sizeof two_protocols_atr);
        for (size_t at = sizes[i]; at < sizeof larger; at++)
            ck_assert_uint_eq(bytes[at], 0xA5);
        for (size_t at = sizeof larger.report; at < sizes[i]; at++)
            ck_assert_uint_eq(bytes[at], 0);
    }
    larger.report.size = FIRST_REPORT - 1;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &larger.report), SCARDMANAGE_E_INVALIDARG);
    larger.report.size = SIZE_MAX;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &larger.report), SCARDMANAGE_E_INVALIDARG);
}
END_TEST

START_TEST(options_of_the_object)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = 1;
    options.protocols = SCARDMANAGE_PROTOCOL_T0;
    attach(_i);
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T0);
    put("t0-only.lua");
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_atr(t0_only_atr, sizeof t0_only_atr);
}
END_TEST

START_TEST(options_for_attaching)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    DWORD protocol;
    options.share = SCARDMANAGE_SHARE_EXCLUSIVE;
    options.protocols = SCARDMANAGE_PROTOCOL_T0;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T0);
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &handle, &protocol),
                     SCARD_E_SHARING_VIOLATION);
    handle = 0;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scardmanage");
    TCase *tc = add_attachment_case(suite, "attaching", REPORTS_AT_ONCE);
    tcase_add_test(tc, null_pointers);
    tcase_add_test(tc, what_cannot_be_attached);
    BOTH_WAYS(tc, attaches_and_detaches);
    BOTH_WAYS(tc, detaching_releases_the_lock);
    BOTH_WAYS(tc, freeing_releases_the_lock);
    tcase_add_test(tc, an_empty_reader);
    tcase_add_test(tc, a_direct_handle_on_an_empty_reader);
    tcase_add_test(tc, a_reader_in_exclusive_use);
    tcase_add_test(tc, a_handle_whose_card_was_reset);
    tcase_add_test(tc, a_handle_whose_card_was_removed);
    BOTH_WAYS(tc, transmit_checks_its_buffers);
    tcase_add_test(tc, words);

    tc = add_attachment_case(suite, "options", REPORTS_AT_ONCE);
    BOTH_WAYS(tc, options_that_are_refused);
    BOTH_WAYS(tc, structs_of_other_versions);
    BOTH_WAYS(tc, options_of_the_object);
    tcase_add_test(tc, options_for_attaching);
    return run_suite_in_rig(suite);
}
