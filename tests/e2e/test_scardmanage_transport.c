/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage against a real pcscd: responses and commands in parts, the hook, and commands to the reader.
 * Run in a rig: cardrig run --reader reader,level=tpdu --card transport.lua -- test_scardmanage_transport
 */
#include "in_rig.h"
#include "scardmanage.h"
#include "scardmanage_control.h"
#include "scardmanage_hook.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BOTH (SCARDMANAGE_TRANSPORT_GET_RESPONSE | SCARDMANAGE_TRANSPORT_CHAINING)

static scardmanage *m;
static SCARDCONTEXT context;
static SCARDHANDLE other;
static uint8_t response[65538];
static size_t length;

static void begin(void)
{
    DWORD protocol;
    const char *reader = getenv("CARDRIG_READER");
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
                                  &other, &protocol),
                     SCARD_S_SUCCESS);
}

static void end(void)
{
    if (other != 0)
        ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS); /* no lock is left */
    SCardReleaseContext(context);
    scardmanage_free(m);
}

static scardmanage_result send_into(const uint8_t *command, size_t command_length, size_t room)
{
    length = room;
    return scardmanage_transmit(m, command, command_length, response, &length);
}

static scardmanage_result send(const uint8_t *command, size_t command_length)
{
    return send_into(command, command_length, sizeof response);
}

static unsigned sw(void)
{
    ck_assert_uint_ge(length, 2);
    return (unsigned)response[length - 2] << 8 | response[length - 1];
}

static void set(uint32_t transport)
{
    ck_assert_int_eq(scardmanage_set_transport(m, transport), SCARDMANAGE_S_OK);
}

static void assert_pattern(size_t count)
{
    ck_assert_uint_eq(length, count + 2);
    ck_assert_uint_eq(sw(), 0x9000);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(response[i], (i + 1) % 251);
}

/*
 * Parts
 */

START_TEST(a_response_to_a_command_with_data)
{
    static const uint8_t reverse[] = {0x80, 0x10, 0x00, 0x00, 0x03, 'a', 'b', 'c', 0x00};
    ck_assert_int_eq(send(reverse, sizeof reverse), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(sw(), 0x6103); /* by default it is left to the caller */
    set(SCARDMANAGE_TRANSPORT_GET_RESPONSE);
    ck_assert_int_eq(send(reverse, sizeof reverse), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(length, 5);
    ck_assert_uint_eq(sw(), 0x9000);
    ck_assert_mem_eq(response, "cba", 3);
}
END_TEST

START_TEST(a_response_in_many_parts)
{
    static const size_t counts[] = {1, 255, 256, 257, 511, 512, 513, 2000, 65535};
    set(SCARDMANAGE_TRANSPORT_GET_RESPONSE);
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint8_t get[] = {0x80, 0x12, (uint8_t)(counts[i] >> 8), (uint8_t)counts[i], 0x00};
        ck_assert_int_eq(send(get, sizeof get), SCARDMANAGE_S_OK);
        assert_pattern(counts[i]);
    }
}
END_TEST

START_TEST(the_wrong_le)
{
    static const uint8_t get[] = {0x80, 0x12, 0x00, 0x10, 0x20};
    ck_assert_int_eq(send(get, sizeof get), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(sw(), 0x6C10);
    set(SCARDMANAGE_TRANSPORT_GET_RESPONSE);
    ck_assert_int_eq(send(get, sizeof get), SCARDMANAGE_S_OK);
    assert_pattern(16);
}
END_TEST

START_TEST(a_buffer_that_is_too_small)
{
    static const uint8_t get[] = {0x80, 0x12, 0x02, 0x00, 0x00};
    set(SCARDMANAGE_TRANSPORT_GET_RESPONSE);
    for (size_t room = 2; room < 514; room += 64) {
        ck_assert_int_eq(send_into(get, sizeof get, room), SCARDMANAGE_E_INSUFFICIENT_BUFFER);
        ck_assert_uint_eq(length, 0);
    }
    ck_assert_int_eq(send_into(get, sizeof get, 514), SCARDMANAGE_S_OK);
    assert_pattern(512);
}
END_TEST

static size_t make_long_command(uint8_t *command, size_t count, uint8_t p2)
{
    const uint8_t header[] = {0x80, 0xD0, 0x00, p2, 0x00, (uint8_t)(count >> 8), (uint8_t)count};
    memcpy(command, header, sizeof header);
    for (size_t i = 0; i < count; i++)
        command[sizeof header + i] = (uint8_t)((i + 1) % 251);
    memset(command + sizeof header + count, 0, 2); /* Le */
    return sizeof header + count + 2;
}

START_TEST(a_command_in_parts)
{
    static const size_t counts[] = {256, 509, 510, 511, 5000};
    uint8_t command[5100];
    set(BOTH);
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        ck_assert_int_eq(send(command, make_long_command(command, counts[i], 0)), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(length, 9);
        ck_assert_uint_eq(response[0] << 8 | response[1], counts[i]);
        ck_assert_mem_eq(response + 2, "right", 5);
    }
    ck_assert_int_eq(send(command, make_long_command(command, 1000, 1)), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(sw(), 0x6A80); /* the card has refused the first part */
    ck_assert_uint_eq(length, 2);
}
END_TEST

START_TEST(other_clients_do_not_come_between)
{
    static const uint8_t get[] = {0x80, 0x12, 0x10, 0x00, 0x00};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    set(BOTH);
    options.timeout_ms = 200;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(send(get, sizeof get), SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(send(get, sizeof get), SCARDMANAGE_S_OK);
    assert_pattern(4096);
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(send(get, sizeof get), SCARDMANAGE_S_OK);
    assert_pattern(4096);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_S_OK);
}
END_TEST

START_TEST(wrong_arguments)
{
    static const uint8_t command[] = {0x00, 0x20, 0x00, 0x01};
    length = sizeof response;
    ck_assert_int_eq(scardmanage_set_transport(NULL, 0), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_set_transport(m, 4), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_set_hook(NULL, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit_secret(m, command, 4, 0, 0, response, &length),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_transmit_secret(m, command, 4, 3, 2, response, &length),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_transmit_secret(m, command, 4, SIZE_MAX, 2, response, &length),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_transmit_secret(m, command, 4, 0, 4, response, NULL), SCARDMANAGE_E_POINTER);
    set(BOTH);
    ck_assert_int_ne(send(command, 1), SCARDMANAGE_S_OK); /* not an APDU: sent as it is */
}
END_TEST

/*
 * The hook
 */

struct seen {
    scardmanage_event_kind kind;
    scardmanage_step step;
    uint64_t session;
    size_t length, hidden;
    uint8_t bytes[300];
};

static struct seen seen[40];
static unsigned seen_count;

static void see(const scardmanage_event *event, void *argument)
{
    struct seen *now = &seen[seen_count++];
    ck_assert_ptr_eq(argument, &m);
    ck_assert_uint_eq(event->size, sizeof *event);
    ck_assert_uint_lt(seen_count, 40);
    *now = (struct seen){event->kind, event->step, event->session, event->length, event->hidden, {0}};
    ck_assert_uint_le(event->length, sizeof now->bytes);
    if (event->length > 0)
        memcpy(now->bytes, event->bytes, event->length);
}

static void hook(void)
{
    seen_count = 0;
    ck_assert_int_eq(scardmanage_set_hook(m, see, &m), SCARDMANAGE_S_OK);
}

static void assert_seen(unsigned i, scardmanage_event_kind kind, const void *bytes, size_t count,
                        size_t hidden)
{
    ck_assert_uint_lt(i, seen_count);
    ck_assert_int_eq(seen[i].kind, kind);
    ck_assert_uint_eq(seen[i].length, count);
    ck_assert_mem_eq(seen[i].bytes, bytes, count);
    ck_assert_uint_eq(seen[i].hidden, hidden);
}

START_TEST(the_hook_sees_each_apdu)
{
    static const uint8_t reverse[] = {0x80, 0x10, 0x00, 0x00, 0x03, 'a', 'b', 'c', 0x00};
    uint64_t session;
    hook();
    ck_assert_int_eq(scardmanage_get_session(m, &session), SCARDMANAGE_S_OK);
    set(SCARDMANAGE_TRANSPORT_GET_RESPONSE);
    ck_assert_int_eq(send(reverse, sizeof reverse), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(seen_count, 4);
    assert_seen(0, SCARDMANAGE_EVENT_COMMAND, reverse, sizeof reverse, 0);
    assert_seen(1, SCARDMANAGE_EVENT_RESPONSE, "\x61\x03", 2, 0);
    assert_seen(2, SCARDMANAGE_EVENT_COMMAND, "\x00\xC0\x00\x00\x03", 5, 0);
    assert_seen(3, SCARDMANAGE_EVENT_RESPONSE, "cba\x90\x00", 5, 0);
    ck_assert_uint_eq(seen[3].session, session);
    ck_assert_int_eq(scardmanage_set_hook(m, NULL, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(send(reverse, sizeof reverse), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(seen_count, 4);
}
END_TEST

START_TEST(the_hook_sees_no_secret)
{
    static const uint8_t verify[] = {0x00, 0x20, 0x00, 0x01, 0x04, '1', '2', '3', '4'};
    static const uint8_t reverse[] = {0x80, 0x10, 0x00, 0x00, 0x06, 'k', 'e', 'y', '1', '2', '3'};
    uint8_t command[700];
    hook();
    ck_assert_int_eq(send(verify, sizeof verify), SCARDMANAGE_S_OK);
    assert_seen(0, SCARDMANAGE_EVENT_COMMAND, "\x00\x20\x00\x01\x00\x00\x00\x00\x00", 9, 5);
    assert_seen(1, SCARDMANAGE_EVENT_RESPONSE, "\x63\xC2", 2, 0);
    hook();
    set(BOTH);
    length = sizeof response;
    ck_assert_int_eq(scardmanage_transmit_secret(m, reverse, sizeof reverse, 8, 3, response, &length),
                     SCARDMANAGE_S_OK);
    ck_assert_uint_eq(length, 8);
    assert_seen(0, SCARDMANAGE_EVENT_COMMAND, "\x80\x10\x00\x00\x06key\x00\x00\x00", 11, 3);
    assert_seen(seen_count - 1, SCARDMANAGE_EVENT_RESPONSE, "\x90\x00", 2, 6);
    hook();
    length = sizeof response;
    ck_assert_int_eq(scardmanage_transmit_secret(m, command, make_long_command(command, 600, 0), 7, 600,
                                                 response, &length),
                     SCARDMANAGE_S_OK);
    for (unsigned i = 0; i < seen_count; i++)
        for (size_t at = 5; at < seen[i].length && seen[i].length > 5; at++)
            ck_assert_uint_eq(seen[i].bytes[at], 0);
    ck_assert_uint_ge(seen_count, 6);
}
END_TEST

START_TEST(the_hook_sees_each_step)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    hook();
    for (int step = SCARDMANAGE_STEP_LEAVE; step <= SCARDMANAGE_STEP_REOPEN; step++) {
        options.first_step = (scardmanage_step)step;
        seen_count = 0;
        if (step == SCARDMANAGE_STEP_LEAVE)
            ck_assert_int_eq(
                SCardReconnect(other, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, SCARD_RESET_CARD, &(DWORD){0}),
                SCARD_S_SUCCESS);
        ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(seen_count, 1);
        ck_assert_int_eq(seen[0].kind, SCARDMANAGE_EVENT_STEP);
        ck_assert_int_eq(seen[0].step, step);
    }
    SCardReconnect(other, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, SCARD_LEAVE_CARD, &(DWORD){0});
}
END_TEST

/*
 * The reader
 */

static scardmanage_result ask_properties(void)
{
    length = sizeof response;
    return scardmanage_control_feature(m, SCARDMANAGE_FEATURE_GET_TLV_PROPERTIES, NULL, 0, response, &length);
}

START_TEST(a_feature_of_the_reader)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    const char *reader = getenv("CARDRIG_READER");
    ck_assert_int_eq(ask_properties(), SCARDMANAGE_S_OK);
    ck_assert_uint_gt(length, 2);
    options.first_step = SCARDMANAGE_STEP_REOPEN;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(ask_properties(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(
        scardmanage_control_feature(m, SCARDMANAGE_FEATURE_MCT_UNIVERSAL, NULL, 0, response, &length),
        SCARDMANAGE_E_UNSUPPORTED_FEATURE);
    ck_assert_uint_eq(length, 0);
    length = 1;
    ck_assert_int_eq(
        scardmanage_control_feature(m, SCARDMANAGE_FEATURE_GET_TLV_PROPERTIES, NULL, 0, response, &length),
        SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_int_eq(SCardDisconnect(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    other = 0;
    move_card(context, reader, "remove", NULL); /* the reader answers without a card, too */
    ck_assert_int_eq(ask_properties(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    ck_assert_int_eq(ask_properties(), SCARDMANAGE_S_OK);
}
END_TEST

START_TEST(a_control_code)
{
    static const uint8_t input[] = {1, 2, 3};
    length = sizeof response;
    scardmanage_result result =
        scardmanage_control(m, 0x42000000u + 9999, input, sizeof input, response, &length);
    ck_assert_int_ne(result, SCARDMANAGE_S_OK);
    ck_assert_uint_eq(length, 0);
    ck_assert_int_eq(scardmanage_control(NULL, 1, NULL, 0, response, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_control(m, 1, NULL, 1, response, &length), SCARDMANAGE_E_POINTER);
    length = 1;
    ck_assert_int_eq(scardmanage_control(m, 1, NULL, 0, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_control(m, 1, NULL, 0, response, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_control(m, 1, input, SCARDMANAGE_CONTROL_MAX + 1, response, &length),
                     SCARDMANAGE_E_INVALIDARG);
}
END_TEST

START_TEST(a_control_code_waits_for_its_turn)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.timeout_ms = 100;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(ask_properties(), SCARDMANAGE_E_TIMEOUT);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(ask_properties(), SCARDMANAGE_S_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scardmanage_transport");
    TCase *tc = tcase_create("all");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, a_response_to_a_command_with_data);
    tcase_add_test(tc, a_response_in_many_parts);
    tcase_add_test(tc, the_wrong_le);
    tcase_add_test(tc, a_buffer_that_is_too_small);
    tcase_add_test(tc, a_command_in_parts);
    tcase_add_test(tc, other_clients_do_not_come_between);
    tcase_add_test(tc, wrong_arguments);
    tcase_add_test(tc, the_hook_sees_each_apdu);
    tcase_add_test(tc, the_hook_sees_no_secret);
    tcase_add_test(tc, the_hook_sees_each_step);
    tcase_add_test(tc, a_control_code);
    tcase_add_test(tc, a_control_code_waits_for_its_turn);
    tcase_add_test(tc, a_feature_of_the_reader); /* the last: it takes the card out */
    return run_suite_in_rig(suite);
}
