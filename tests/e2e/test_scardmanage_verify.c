/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: cardholder verification, with the card of security.lua. Run in a rig. */
#include "attachment.h"
#include "count.h"
#include "in_rig.h"
#include "scardmanage_verify.h"
#include "security_card.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

#define GLOBAL      SCARDMANAGE_CHV_GLOBAL
#define LOCAL       SCARDMANAGE_CHV_LOCAL
#define UNKNOWN     SCARDMANAGE_TRIES_UNKNOWN
#define BYTES(s)    (const uint8_t *)(s), strlen(s)
#define NOTHING     NULL, 0
#define OPTION(...) ((scardmanage_verify_options){.size = sizeof(scardmanage_verify_options), __VA_ARGS__})
#define NO_OPTIONS  OPTION(.cla = 0)
#define AT_LEAST(n) OPTION(.minimum_tries = (n))

static scardmanage_verify *verify;
static int tries, is_verified;

static void begin_with(const char *style, scardmanage_verify_options options)
{
    put_security_card(CARD, style);
    identify_cards();
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_create_verify(m, &options, &verify), SCARDMANAGE_S_OK);
}

static void begin(void)
{
    begin_with(NULL, NO_OPTIONS);
}

static scardmanage_result present(const char *code)
{
    tries = 99;
    return scardmanage_verify_code(verify, BYTES(code), GLOBAL, 1, &tries);
}

static scardmanage_result ask(void)
{
    tries = is_verified = 99;
    return scardmanage_verify_get_tries(verify, GLOBAL, 1, &is_verified, &tries);
}

static unsigned status_word(void)
{
    uint16_t word;
    ck_assert_int_eq(scardmanage_verify_get_status_word(verify, &word), SCARDMANAGE_S_OK);
    return word;
}

static void assert_state(int verified, int left)
{
    ck_assert_int_eq(ask(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(is_verified, verified);
    ck_assert_int_eq(tries, left);
}

static void assert_presents(const char *code, scardmanage_result result, int left)
{
    ck_assert_int_eq(present(code), result);
    ck_assert_int_eq(tries, left);
}

/*
 * What each function does
 */

START_TEST(right_and_wrong_codes)
{
    begin();
    ck_assert_uint_eq(status_word(), 0);
    assert_state(0, 3);
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_uint_eq(status_word(), 0x9000);
    assert_state(1, UNKNOWN);
    assert_presents("1235", SCARDMANAGE_W_WRONG_CHV, 2);
    ck_assert_uint_eq(status_word(), 0x63C2);
    assert_state(0, 2);
    assert_presents("12345678901234567", SCARDMANAGE_E_INVALID_CHV, UNKNOWN);
    assert_presents("1", SCARDMANAGE_W_WRONG_CHV, 1);
    assert_presents("4321", SCARDMANAGE_W_CHV_BLOCKED, 0);
    ck_assert_uint_eq(status_word(), 0x6983);
    assert_presents("1234", SCARDMANAGE_W_CHV_BLOCKED, 0);
    assert_state(0, 0);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("1234"), GLOBAL, 2, &tries),
                     SCARDMANAGE_E_FILE_NOT_FOUND);
    ck_assert_int_eq(scardmanage_verify_get_tries(verify, GLOBAL, 2, NULL, &tries),
                     SCARDMANAGE_E_FILE_NOT_FOUND);
    ck_assert_uint_eq(status_word(), 0x6A88);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("1234"), GLOBAL, 1, NULL),
                     SCARDMANAGE_W_CHV_BLOCKED);
}
END_TEST

START_TEST(references_and_padding)
{
    begin_with(NULL, OPTION(.padded_length = 8, .padding_byte = 0xFF));
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("5678"), LOCAL, 1, &tries), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("5678\xFF\xFF\xFF\xFF"), 0, 0x81, &tries),
                     SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("567856789"), LOCAL, 1, &tries),
                     SCARDMANAGE_E_INVALID_CHV);
    ck_assert_int_eq(tries, UNKNOWN);
    ck_assert_uint_eq(get_tally().presented, 2);
    ck_assert_int_eq(scardmanage_verify_unblock(verify, BYTES("0000"), BYTES("9999"), LOCAL, 1, &tries),
                     SCARDMANAGE_S_OK);
    ck_assert_int_eq(
        scardmanage_verify_change_code(verify, BYTES("9999"), BYTES("12345678"), LOCAL, 1, &tries),
        SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("12345678"), LOCAL, 1, &tries), SCARDMANAGE_S_OK);
    assert_state(0, 3); /* the global code */
}
END_TEST

START_TEST(class_byte)
{
    begin_with(NULL, OPTION(.cla = 0xA0));
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_int_eq(scardmanage_verify_change_code(verify, BYTES("1234"), BYTES("9999"), GLOBAL, 1, &tries),
                     SCARDMANAGE_E_UNSUPPORTED_FEATURE);
    ck_assert_uint_eq(status_word(), 0x6D00);
}
END_TEST

START_TEST(cards_that_cannot_be_asked)
{
    begin_with("old", NO_OPTIONS);
    ck_assert_int_eq(ask(), SCARDMANAGE_E_UNSUPPORTED_FEATURE);
    ck_assert_int_eq(tries, UNKNOWN);
    ck_assert_uint_eq(status_word(), 0x6700);
    assert_presents("1235", SCARDMANAGE_W_WRONG_CHV, 2);
}
END_TEST

/* What scardmanage_verify_get_tries() warns of. */
START_TEST(cards_that_count_the_question)
{
    begin_with("counts", NO_OPTIONS);
    ck_assert_uint_eq(get_tally().left, 3);
    assert_state(0, 2);
    ck_assert_uint_eq(get_tally().left, 2);
}
END_TEST

START_TEST(minimum_tries)
{
    begin_with(NULL, AT_LEAST(2));
    assert_presents("1235", SCARDMANAGE_W_WRONG_CHV, 2);
    assert_presents("1235", SCARDMANAGE_W_WRONG_CHV, 1);
    for (int i = 0; i < 3; i++)
        assert_presents("1234", SCARDMANAGE_E_TOO_FEW_TRIES, 1);
    ck_assert_int_eq(scardmanage_verify_change_code(verify, BYTES("1234"), BYTES("9999"), GLOBAL, 1, &tries),
                     SCARDMANAGE_E_TOO_FEW_TRIES);
    ck_assert_int_eq(scardmanage_verify_change_code(verify, BYTES("1234"), NOTHING,
                                                    GLOBAL | SCARDMANAGE_CHV_DISABLE, 1, &tries),
                     SCARDMANAGE_E_TOO_FEW_TRIES);
    ck_assert_uint_eq(get_tally().presented, 2);
    ck_assert_int_eq(scardmanage_verify_unblock(verify, BYTES("87654321"), NOTHING, GLOBAL, 1, &tries),
                     SCARDMANAGE_S_OK);
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN); /* a verified code has all its tries */
    ck_assert_uint_eq(get_tally().presented, 5);
}
END_TEST

START_TEST(minimum_tries_of_a_card_that_cannot_be_asked)
{
    begin_with("old", AT_LEAST(1));
    assert_presents("1234", SCARDMANAGE_E_UNSUPPORTED_FEATURE, UNKNOWN);
    ck_assert_uint_eq(get_tally().presented, 0);
}
END_TEST

START_TEST(minimum_tries_of_a_blocked_code)
{
    begin_with(NULL, AT_LEAST(1));
    for (int left = 2; left >= 0; left--)
        assert_presents("1235", left > 0 ? SCARDMANAGE_W_WRONG_CHV : SCARDMANAGE_W_CHV_BLOCKED, left);
    assert_presents("1234", SCARDMANAGE_W_CHV_BLOCKED, 0);
    ck_assert_uint_eq(get_tally().presented, 3);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("1234"), GLOBAL, 7, &tries),
                     SCARDMANAGE_E_FILE_NOT_FOUND);
}
END_TEST

static scardmanage_result change(const char *from, const char *to, uint32_t flags)
{
    tries = 99;
    return scardmanage_verify_change_code(verify, BYTES(from), BYTES(to), GLOBAL | flags, 1, &tries);
}

START_TEST(changing)
{
    begin();
    ck_assert_int_eq(change("1235", "9999", 0), SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_eq(tries, 2);
    ck_assert_int_eq(change("1234", "9999", 0), SCARDMANAGE_S_OK);
    ck_assert_int_eq(tries, UNKNOWN);
    assert_presents("1234", SCARDMANAGE_W_WRONG_CHV, 2);
    assert_presents("9999", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_int_eq(change("", "1111", 0), SCARDMANAGE_E_NO_ACCESS);
    ck_assert_uint_eq(status_word(), 0x6985);
    ck_assert_int_eq(change("9999", "1", 0), SCARDMANAGE_E_INVALID_CHV);
}
END_TEST

START_TEST(requirement)
{
    begin();
    ck_assert_int_eq(change("1235", "", SCARDMANAGE_CHV_DISABLE), SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_eq(tries, 2);
    ck_assert_int_eq(change("1234", "", SCARDMANAGE_CHV_DISABLE), SCARDMANAGE_S_OK);
    assert_state(1, UNKNOWN);
    ck_assert_int_eq(change("", "", SCARDMANAGE_CHV_ENABLE), SCARDMANAGE_W_CARD_NOT_AUTHENTICATED);
    ck_assert_int_eq(change("1234", "", SCARDMANAGE_CHV_ENABLE), SCARDMANAGE_S_OK);
    assert_state(0, 3);
}
END_TEST

static scardmanage_result unblock(const char *resetting_code, const char *to)
{
    tries = 99;
    return scardmanage_verify_unblock(verify, BYTES(resetting_code), BYTES(to), GLOBAL, 1, &tries);
}

static void block(void)
{
    while (present("1235") == SCARDMANAGE_W_WRONG_CHV)
        ;
    assert_state(0, 0);
}

START_TEST(unblocking)
{
    begin();
    block();
    ck_assert_int_eq(unblock("87654320", "9999"), SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_eq(tries, 2);
    assert_state(0, 0);
    ck_assert_int_eq(unblock("87654321", "9999"), SCARDMANAGE_S_OK);
    ck_assert_int_eq(tries, UNKNOWN);
    assert_presents("9999", SCARDMANAGE_S_OK, UNKNOWN);
    block();
    ck_assert_int_eq(unblock("87654321", ""), SCARDMANAGE_S_OK); /* the code stays */
    assert_presents("9999", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_int_eq(unblock("", "1111"), SCARDMANAGE_W_CARD_NOT_AUTHENTICATED);
    ck_assert_int_eq(unblock("", ""), SCARDMANAGE_W_CARD_NOT_AUTHENTICATED);
    for (int left = 2; left > 0; left--) {
        ck_assert_int_eq(unblock("11111111", "9999"), SCARDMANAGE_W_WRONG_CHV);
        ck_assert_int_eq(tries, left);
    }
    ck_assert_int_eq(unblock("11111111", ""), SCARDMANAGE_W_CHV_BLOCKED);
    ck_assert_int_eq(tries, 0);
}
END_TEST

/* The forms without a resetting code, after the administrator's key was used. */
START_TEST(unblocking_without_a_code)
{
    static const uint8_t get_challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};
    uint8_t proof[] = {0x00, 0x82, 0x00, 0x01, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}, response[258];
    size_t length = sizeof response;
    begin();
    block();
    assert_lock();
    ck_assert_int_eq(scardmanage_transmit(m, get_challenge, sizeof get_challenge, response, &length),
                     SCARDMANAGE_S_OK);
    for (int i = 0; i < 8; i++)
        proof[5 + i] = response[7 - i];
    length = sizeof response;
    ck_assert_int_eq(scardmanage_transmit(m, proof, sizeof proof, response, &length), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(response[0], 0x90);
    ck_assert_int_eq(unblock("", "1111"), SCARDMANAGE_S_OK);
    assert_presents("1111", SCARDMANAGE_S_OK, UNKNOWN);
    block();
    ck_assert_int_eq(unblock("", ""), SCARDMANAGE_S_OK);
    assert_presents("1111", SCARDMANAGE_S_OK, UNKNOWN);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

static scardmanage_result reset_state(void)
{
    tries = UNKNOWN;
    return scardmanage_verify_reset_security_state(verify, GLOBAL, 1);
}

START_TEST(resetting_the_state_by_a_command)
{
    begin();
    other_connects();
    ck_assert_int_eq(reset_state(), SCARDMANAGE_S_OK); /* nothing is verified */
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_int_eq(scardmanage_verify_code(verify, BYTES("5678\xFF\xFF\xFF\xFF"), LOCAL, 1, &tries),
                     SCARDMANAGE_S_OK);
    ck_assert_int_eq(reset_state(), SCARDMANAGE_S_OK);
    assert_state(0, 3);
    ck_assert_int_eq(scardmanage_verify_get_tries(verify, LOCAL, 1, &is_verified, &tries), SCARDMANAGE_S_OK);
    ck_assert_int_eq(is_verified, 1);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* not reset */
    ck_assert_int_eq(scardmanage_verify_reset_security_state(verify, GLOBAL, 2),
                     SCARDMANAGE_E_FILE_NOT_FOUND);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
}
END_TEST

/* Cards that do not know the command, or take it for something else. */
START_TEST(resetting_the_state_by_a_reset)
{
    static const char *const styles[] = {"old", "naive"};
    begin_with(styles[_i], NO_OPTIONS);
    other_connects();
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_int_eq(reset_state(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T1);
    assert_free();
    if (_i == 1)
        assert_state(0, 3);
    assert_presents("1235", SCARDMANAGE_W_WRONG_CHV, 2); /* the tries are not reset */
}
END_TEST

START_TEST(resetting_the_state_under_a_lock)
{
    begin_with("naive", NO_OPTIONS);
    other_connects();
    assert_lock();
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_int_eq(reset_state(), SCARDMANAGE_S_OK);
    assert_state(1, UNKNOWN); /* so far */
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD);
    assert_state(0, 3);
}
END_TEST

/*
 * Events
 */

static scardmanage_result present_right_code(void)
{
    return present("1234");
}

static scardmanage_result present_wrong_code(void)
{
    return present("1235");
}

static scardmanage_result change_code(void)
{
    return change("1234", "9999", 0);
}

static scardmanage_result disable_code(void)
{
    return change("1234", "", SCARDMANAGE_CHV_DISABLE);
}

static scardmanage_result unblock_code(void)
{
    return unblock("87654321", "9999");
}

static const struct method {
    const char *name;
    scardmanage_result (*call)(void);
    scardmanage_result regular;
    unsigned commands;  /* with minimum_tries */
    unsigned presented; /* codes */
} methods[] = {
    {"Verify", present_right_code, SCARDMANAGE_S_OK, 2, 1},
    {"Verify, wrong", present_wrong_code, SCARDMANAGE_W_WRONG_CHV, 2, 1},
    {"ChangeCode", change_code, SCARDMANAGE_S_OK, 2, 1},
    {"ChangeCode, disable", disable_code, SCARDMANAGE_S_OK, 2, 1},
    {"Unblock", unblock_code, SCARDMANAGE_S_OK, 1, 1},
    {"ResetSecurityState", reset_state, SCARDMANAGE_S_OK, 2, 0},
    {"tries", ask, SCARDMANAGE_S_OK, 1, 0},
};

#define METHODS COUNT(methods)

START_TEST(regular)
{
    const struct method *method = &methods[_i];
    begin_with(NULL, AT_LEAST(1));
    before_command(0, NULL);
    ck_assert_int_eq(method->call(), method->regular);
    ck_assert_uint_eq(commands_sent(), method->commands);
    ck_assert_uint_eq(get_tally().presented, method->presented);
}
END_TEST

/* Before each command, including the first. */
static void happens_before_each_command(const struct method *method, void (*event)(void),
                                        scardmanage_result result, unsigned presented)
{
    for (unsigned n = 1; n <= method->commands; n++) {
        before_command(n, event);
        scardmanage_result returned = method->call();
        ck_assert_msg(returned == result, "%s, command %u: %s", method->name, n,
                      scardmanage_strerror(returned));
        ck_assert_uint_ge(commands_sent(), n);
        if (result != method->regular)
            ck_assert_int_eq(tries, UNKNOWN);
        if (event == remove_card)
            put_security_card(CARD, NULL);
        struct tally tally = get_tally();
        ck_assert_uint_eq(tally.presented, presented);
        if (presented == 0) {
            ck_assert_uint_eq(tally.left, 3);
            ck_assert_uint_eq(tally.resetting_left, 3);
        }
        put_security_card(CARD, NULL);
        ck_assert_int_eq(reconnect_with(identifying_options()), SCARDMANAGE_S_OK);
    }
}

START_TEST(reinserted)
{
    begin_with(NULL, AT_LEAST(1));
    happens_before_each_command(&methods[_i], reinsert_card, methods[_i].regular, methods[_i].presented);
}
END_TEST

START_TEST(swapped_for_a_stranger)
{
    begin_with(NULL, AT_LEAST(1));
    happens_before_each_command(&methods[_i], swap_for_stranger, SCARDMANAGE_W_REMOVED_CARD, 0);
}
END_TEST

START_TEST(removed)
{
    begin_with(NULL, AT_LEAST(1));
    happens_before_each_command(&methods[_i], remove_card, SCARDMANAGE_E_NO_SMARTCARD, 0);
}
END_TEST

/* Without an identify function, a card that was out may be a stranger. */
START_TEST(reinserted_without_identification)
{
    static void (*const events[])(void) = {reinsert_card, swap_for_stranger};
    begin_with(NULL, AT_LEAST(1));
    ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    for (int i = 0; i < COUNT(events); i++)
        happens_before_each_command(&methods[_i], events[i], SCARDMANAGE_W_REMOVED_CARD, 0);
}
END_TEST

/* The program that tries again and again. */
START_TEST(persistent_program)
{
    begin();
    if (_i == 1)
        ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    swap_for_stranger();
    for (int i = 0; i < 10; i++)
        assert_presents("1234", SCARDMANAGE_W_REMOVED_CARD, UNKNOWN);
    ck_assert_uint_eq(get_tally().presented, 0);
}
END_TEST

/* A reconnect without an identify function does not say whose card it is. */
START_TEST(persistent_program_that_reconnects)
{
    scardmanage_options accepting = SCARDMANAGE_OPTIONS_INIT;
    begin();
    ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    swap_for_stranger();
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
        assert_state(0, 3);
        assert_presents("1234", SCARDMANAGE_W_REMOVED_CARD, UNKNOWN);
    }
    ck_assert_uint_eq(get_tally().presented, 0);
    ck_assert_int_eq(reconnect_with(identifying_options()), SCARDMANAGE_W_REMOVED_CARD);
    accepting.accept_unidentified = 1;
    ck_assert_int_eq(scardmanage_set_options(m, &accepting), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
    ck_assert_uint_eq(get_tally().presented, 1);
}
END_TEST

static unsigned rebuilds;

static scardmanage_result rebuild(scardmanage *object, const scardmanage_report *report, void *result)
{
    (void)object;
    (void)report;
    (void)result;
    rebuilds++;
    return SCARDMANAGE_S_OK;
}

START_TEST(reset_by_another_client_before)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    begin_with(NULL, AT_LEAST(1));
    options.rebuild = rebuild;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    other_connects();
    other_resets();
    ck_assert_int_eq(methods[_i].call(), methods[_i].regular);
    ck_assert_uint_eq(rebuilds, 1);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_uint_eq(get_tally().presented, methods[_i].presented);
}
END_TEST

/* The card counts the code, and falls silent: nothing is presented again. */
START_TEST(lost_answer)
{
    begin_with(NULL, AT_LEAST((uint32_t)_i));
    scardmanage_result result = present("MUTE");
    ck_assert_int_lt(result, 0);
    ck_assert_int_ne(result, SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_ne(result, SCARDMANAGE_E_SESSION_LOST);
    ck_assert_int_eq(tries, UNKNOWN);
    assert_state(0, 2); /* gets back to the card */
    ck_assert_uint_eq(get_tally().presented, 1);
}
END_TEST

/*
 * Units of the caller
 */

static unsigned units;

static scardmanage_result present_in_unit(scardmanage *object, const scardmanage_report *report, void *result)
{
    (void)object;
    (void)report;
    units++;
    *(scardmanage_result *)result = present("1234");
    return *(scardmanage_result *)result;
}

START_TEST(in_a_unit)
{
    scardmanage_result inner;
    begin_with(NULL, AT_LEAST(1));
    ck_assert_int_eq(scardmanage_run(m, present_in_unit, &inner, 0, NULL, NULL), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(get_tally().presented, 1);
    for (unsigned n = 1; n <= 2; n++) {
        units = 0;
        before_command(n, swap_for_stranger);
        ck_assert_int_eq(scardmanage_run(m, present_in_unit, &inner, 0, NULL, NULL),
                         SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_int_eq(inner, SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_uint_eq(units, 1);
        ck_assert_uint_eq(get_tally().presented, 0);
        put_security_card(CARD, NULL);
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    }
}
END_TEST

static scardmanage_result verify_again(scardmanage *object, const scardmanage_report *report, void *nothing)
{
    (void)object;
    (void)report;
    (void)nothing;
    return present("1234");
}

START_TEST(in_a_rebuild_function)
{
    static const uint8_t command[] = {0x80, 0xF2, 0x00, 0x00, 0x01};
    static void (*const events[])(void) = {reinsert_card, swap_for_stranger};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    uint8_t response[3];
    begin_with(NULL, AT_LEAST(2));
    if (_i == 0)
        options = identifying_options();
    options.rebuild = verify_again;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    for (int i = 0; i < COUNT(events); i++) {
        size_t length = sizeof response;
        bool same = _i == 0 && events[i] == reinsert_card;
        events[i]();
        ck_assert_int_eq(
            scardmanage_transmit_ex(m, command, sizeof command, response, &length, 1, NULL, NULL),
            same ? SCARDMANAGE_S_OK : SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_uint_eq(get_tally().presented, same);
    }
}
END_TEST

/*
 * Lifetime and arguments
 */

static void assert_all(scardmanage_result result)
{
    for (int i = 0; i < METHODS; i++)
        ck_assert_int_eq(methods[i].call(), result);
}

START_TEST(lifetime)
{
    begin();
    assert_presents("1235", SCARDMANAGE_W_WRONG_CHV, 2);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    attach(BY_IFD);
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    scardmanage_verify *first = verify;
    ck_assert_int_eq(scardmanage_create_verify(m, NULL, &verify), SCARDMANAGE_S_OK);
    assert_state(0, 2);
    scardmanage_verify *second = verify;
    verify = first;
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_uint_eq(status_word(), 0x63C2);
    scardmanage_free(m);
    verify = second;
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_uint_eq(status_word(), 0x63C2);
    scardmanage_verify_free(first);
    scardmanage_verify_free(second);
    scardmanage_verify_free(NULL);
    m = NULL;
}
END_TEST

START_TEST(without_a_card)
{
    pull();
    ck_assert_int_eq(scardmanage_create_verify(m, NULL, &verify), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_ptr_null(verify);
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_create_verify(m, NULL, &verify), SCARDMANAGE_S_OK);
    assert_all(SCARDMANAGE_E_NO_SMARTCARD);
    put_security_card(CARD, NULL);
    assert_presents("1234", SCARDMANAGE_S_OK, UNKNOWN);
}
END_TEST

START_TEST(options)
{
    struct {
        scardmanage_verify_options options;
        size_t unknown;
    } later = {SCARDMANAGE_VERIFY_OPTIONS_INIT, 0};
    scardmanage_verify_options wrong[] = {OPTION(.cla = 0xFF),
                                          OPTION(.padded_length = 128),
                                          OPTION(.padding_byte = 256),
                                          AT_LEAST(16),
                                          OPTION(.cla = 0),
                                          OPTION(.cla = 0),
                                          OPTION(.cla = 0)};
    wrong[4].size = 0;
    wrong[5].size--;
    wrong[6].size = SIZE_MAX;
    begin();
    for (int i = 0; i < COUNT(wrong); i++) {
        scardmanage_verify *created = verify;
        ck_assert_int_eq(scardmanage_create_verify(m, &wrong[i], &created), SCARDMANAGE_E_INVALIDARG);
        ck_assert_ptr_null(created);
    }
    later.options.size = sizeof later;
    scardmanage_verify_free(verify);
    ck_assert_int_eq(scardmanage_create_verify(m, &later.options, &verify), SCARDMANAGE_S_OK);
    later.unknown = 1;
    scardmanage_verify_free(verify);
    ck_assert_int_eq(scardmanage_create_verify(m, &later.options, &verify), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_create_verify(NULL, NULL, &verify), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_create_verify(m, NULL, NULL), SCARDMANAGE_E_POINTER);
}
END_TEST

START_TEST(wrong_arguments)
{
    static const uint8_t code[SCARDMANAGE_CODE_MAX + 1];
    static const struct {
        uint32_t flags, reference;
    } wrong[] = {{0, 256}, {GLOBAL, 32},  {LOCAL, 32}, {GLOBAL | LOCAL, 1},
                 {1, 1},   {GLOBAL, ~0u}, {~0u, 1},    {SCARDMANAGE_CHV_ENABLE | SCARDMANAGE_CHV_DISABLE, 1}};
    uint16_t word;
    begin();
    before_command(0, NULL);
    for (int i = 0; i < COUNT(wrong); i++) {
        uint32_t flags = wrong[i].flags, reference = wrong[i].reference;
        ck_assert_int_eq(scardmanage_verify_code(verify, code, 4, flags, reference, &tries),
                         SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(tries, UNKNOWN);
        ck_assert_int_eq(scardmanage_verify_get_tries(verify, flags, reference, NULL, &tries),
                         SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(scardmanage_verify_change_code(verify, code, 4, code, 4, flags, reference, NULL),
                         SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(scardmanage_verify_unblock(verify, code, 4, code, 4, flags, reference, NULL),
                         SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(scardmanage_verify_reset_security_state(verify, flags, reference),
                         SCARDMANAGE_E_INVALIDARG);
    }
    ck_assert_int_eq(scardmanage_verify_code(verify, code, 0, GLOBAL, 1, NULL), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_verify_code(verify, code, sizeof code, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_verify_code(verify, code, SIZE_MAX, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_verify_code(verify, NULL, 0, GLOBAL, 1, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_code(NULL, code, 4, GLOBAL, 1, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_change_code(verify, code, 4, NULL, 4, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_change_code(verify, code, 4, code, 0, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(
        scardmanage_verify_change_code(verify, code, 4, code, 4, GLOBAL | SCARDMANAGE_CHV_ENABLE, 1, NULL),
        SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_verify_change_code(NULL, code, 4, code, 4, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_unblock(verify, NULL, 4, code, 4, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_unblock(NULL, code, 4, code, 4, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_get_tries(verify, GLOBAL, 1, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_get_tries(NULL, GLOBAL, 1, NULL, &tries), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_reset_security_state(NULL, GLOBAL, 1), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_get_status_word(verify, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_verify_get_status_word(NULL, &word), SCARDMANAGE_E_POINTER);
    ck_assert_uint_eq(commands_sent(), 0);
    ck_assert_int_eq(scardmanage_verify_code(verify, code, SCARDMANAGE_CODE_MAX, GLOBAL, 1, NULL),
                     SCARDMANAGE_E_INVALID_CHV); /* says the card */
}
END_TEST

/*
 * Memory
 */

static void begin_watched(void)
{
    scardmanage_free(m);
    ck_assert_int_eq(scardmanage_create_with_allocator(&watching_allocator, &m), SCARDMANAGE_S_OK);
    begin_with(NULL, AT_LEAST(1));
}

static void assert_no_blocks(void)
{
    scardmanage_free(m);
    scardmanage_verify_free(verify);
    m = NULL;
    ck_assert_int_eq(watched_blocks, 0);
}

START_TEST(each_allocation_fails)
{
    const struct method *method = &methods[_i];
    unsigned n = 1, presented = 0;
    begin_watched();
    for (;; n++) {
        fail_allocation(n);
        scardmanage_result result = method->call();
        bool failed = allocations() >= n;
        ck_assert_int_eq(result, failed ? SCARDMANAGE_E_OUTOFMEMORY : method->regular);
        presented += get_tally().presented;
        if (!failed)
            break;
    }
    ck_assert_uint_gt(n, method->commands);
    ck_assert_uint_eq(presented, method->presented);
    assert_no_blocks();
}
END_TEST

START_TEST(creation_fails)
{
    scardmanage_verify *another = (scardmanage_verify *)&tries;
    begin_watched();
    fail_allocation(1);
    ck_assert_int_eq(scardmanage_create_verify(m, NULL, &another), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert_uint_eq(allocations(), 1);
    ck_assert_ptr_null(another);
    assert_no_blocks();
}
END_TEST

START_TEST(codes_are_overwritten)
{
    begin_watched();
    watch_for("1234");
    for (int i = 0; i < METHODS; i++)
        methods[i].call();
    assert_no_blocks();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: cardholder verification");
    TCase *tc = add_attachment_case(suite, "functions", WAITS_FOR_OTHERS);
    tcase_add_test(tc, right_and_wrong_codes);
    tcase_add_test(tc, references_and_padding);
    tcase_add_test(tc, class_byte);
    tcase_add_test(tc, cards_that_cannot_be_asked);
    tcase_add_test(tc, cards_that_count_the_question);
    tcase_add_test(tc, minimum_tries);
    tcase_add_test(tc, minimum_tries_of_a_card_that_cannot_be_asked);
    tcase_add_test(tc, minimum_tries_of_a_blocked_code);
    tcase_add_test(tc, changing);
    tcase_add_test(tc, requirement);
    tcase_add_test(tc, unblocking);
    tcase_add_test(tc, unblocking_without_a_code);
    tc = add_attachment_case(suite, "resetting the state", REPORTS_AT_ONCE);
    tcase_add_test(tc, resetting_the_state_by_a_command);
    tcase_add_loop_test(tc, resetting_the_state_by_a_reset, 0, 2);
    tcase_add_test(tc, resetting_the_state_under_a_lock);
    tc = add_attachment_case(suite, "events", WAITS_FOR_OTHERS);
    tcase_add_loop_test(tc, regular, 0, METHODS);
    tcase_add_loop_test(tc, reinserted, 0, METHODS);
    tcase_add_loop_test(tc, swapped_for_a_stranger, 0, METHODS);
    tcase_add_loop_test(tc, removed, 0, METHODS);
    tcase_add_loop_test(tc, reinserted_without_identification, 0, METHODS);
    tcase_add_loop_test(tc, persistent_program, 0, 2);
    tcase_add_test(tc, persistent_program_that_reconnects);
    tcase_add_loop_test(tc, reset_by_another_client_before, 0, METHODS);
    tcase_add_loop_test(tc, lost_answer, 0, 2);
    tcase_add_test(tc, in_a_unit);
    tcase_add_loop_test(tc, in_a_rebuild_function, 0, 2);
    tc = add_attachment_case(suite, "lifetime and arguments", WAITS_FOR_OTHERS);
    tcase_add_test(tc, lifetime);
    tcase_add_test(tc, without_a_card);
    tcase_add_test(tc, options);
    tcase_add_test(tc, wrong_arguments);
    tc = add_attachment_case(suite, "memory", WAITS_FOR_OTHERS);
    tcase_add_loop_test(tc, each_allocation_fails, 0, METHODS);
    tcase_add_test(tc, creation_fails);
    tcase_add_test(tc, codes_are_overwritten);
    return run_suite_in_rig(suite);
}
