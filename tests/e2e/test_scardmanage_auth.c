/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: authentication with keys, with the card of security.lua. Run in a rig.
 *
 * The card accepts its challenge in reverse from the application, and reverses the data that it gets. */
#include "attachment.h"
#include "count.h"
#include "in_rig.h"
#include "scardmanage_auth.h"
#include "scardmanage_verify.h"
#include "security_card.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

#define UNKNOWN  SCARDMANAGE_TRIES_UNKNOWN
#define KEY      1 /* of the application */
#define CARD_KEY 2

static scardmanage_auth *auth;
static int tries;

static void begin(void)
{
    put_security_card(CARD, NULL);
    identify_cards();
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_create_auth(m, NULL, &auth), SCARDMANAGE_S_OK);
}

static unsigned status_word(void)
{
    uint16_t word;
    ck_assert_int_eq(scardmanage_auth_get_status_word(auth, &word), SCARDMANAGE_S_OK);
    return word;
}

static void reverse(const uint8_t *from, size_t length, uint8_t *to)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[length - 1 - i];
}

static uint8_t proof[8]; /* for the last challenge */

static scardmanage_result get_challenge(void)
{
    uint8_t challenge[8];
    size_t length = sizeof challenge;
    scardmanage_result result = scardmanage_auth_get_challenge(auth, 0, challenge, &length);
    ck_assert_uint_eq(length, result == SCARDMANAGE_S_OK ? 8 : 0);
    if (result == SCARDMANAGE_S_OK)
        reverse(challenge, sizeof challenge, proof);
    return result;
}

static scardmanage_result prove(void)
{
    tries = 99;
    return scardmanage_auth_application(auth, 0, KEY, proof, sizeof proof, &tries);
}

static scardmanage_result prove_wrongly(void)
{
    proof[0] ^= 1;
    return prove();
}

/*
 * The application to the card, step by step
 */

START_TEST(right_and_wrong_proofs)
{
    begin();
    ck_assert_uint_eq(status_word(), 0);
    assert_lock();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(prove(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(tries, UNKNOWN);
    ck_assert_uint_eq(status_word(), 0x9000);
    for (int left = 2; left >= 0; left--) {
        ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
        ck_assert_int_eq(prove_wrongly(), left > 0 ? SCARDMANAGE_W_WRONG_CHV : SCARDMANAGE_W_CHV_BLOCKED);
        ck_assert_int_eq(tries, left);
        ck_assert_uint_eq(status_word(), left > 0 ? 0x63C0 + (unsigned)left : 0x6983);
    }
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_auth_application(auth, 0, 7, proof, sizeof proof, NULL),
                     SCARDMANAGE_E_FILE_NOT_FOUND);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_uint_eq(get_tally().proofs, 5);
}
END_TEST

START_TEST(a_challenge_is_for_one_use)
{
    begin();
    ck_assert_int_eq(prove(), SCARDMANAGE_E_ICC_CREATEORDER);
    assert_lock();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(prove(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(prove(), SCARDMANAGE_E_ICC_CREATEORDER);
    ck_assert_int_eq(tries, UNKNOWN);
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(prove_wrongly(), SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_eq(prove_wrongly(), SCARDMANAGE_E_ICC_CREATEORDER);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_uint_eq(get_tally().proofs, 2);
    ck_assert_uint_eq(get_tally().key_left, 2);
}
END_TEST

/* The challenge before is forgotten by the card, too. */
START_TEST(a_challenge_that_is_refused)
{
    uint8_t challenge[8];
    size_t length = 6;
    begin();
    assert_lock();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_auth_get_challenge(auth, 0, challenge, &length), SCARDMANAGE_E_UNEXPECTED);
    ck_assert_int_eq(prove(), SCARDMANAGE_E_ICC_CREATEORDER);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

START_TEST(own_commands_in_between)
{
    static const uint8_t command[] = {0x80, 0xF0, 0x00, 0x00, 0x08};
    uint8_t response[10];
    size_t length = sizeof response;
    begin();
    assert_lock();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length), SCARDMANAGE_S_OK);
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_int_eq(prove(), SCARDMANAGE_S_OK);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
}
END_TEST

START_TEST(without_the_lock)
{
    begin();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(prove(), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_lock(); /* too late */
    ck_assert_int_eq(prove(), SCARDMANAGE_E_NOT_TRANSACTED);
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_lock();
    ck_assert_int_eq(prove(), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_uint_eq(get_tally().proofs, 0);
}
END_TEST

/* Events between the two commands, with the lock held before and after as far as that is possible. */

static void reset_by_the_other(void)
{
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    other_resets();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_lock();
}

static void reset_by_us(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.first_step = SCARDMANAGE_STEP_WARM;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_E_SHARING_VIOLATION);
}

static void unlocked_with_a_reset(void)
{
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    assert_lock();
}

static void reinserted(void)
{
    reinsert_card();
}

static void reinserted_and_reconnected(void)
{
    reinsert_card();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
}

static const struct loss {
    void (*event)(void);
    scardmanage_result result;
} losses[] = {
    {reset_by_the_other, SCARDMANAGE_W_RESET_CARD},
    {reset_by_us, SCARDMANAGE_W_RESET_CARD},
    {unlocked_with_a_reset, SCARDMANAGE_W_RESET_CARD},
    {reinserted, SCARDMANAGE_W_RESET_CARD},
    {reinserted_and_reconnected, SCARDMANAGE_W_RESET_CARD},
    {swap_for_stranger, SCARDMANAGE_W_REMOVED_CARD},
    {remove_card, SCARDMANAGE_E_NO_SMARTCARD},
};

START_TEST(events_between_the_commands)
{
    begin();
    other_connects();
    assert_lock();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    losses[_i].event();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(prove(), losses[_i].result);
        ck_assert_int_eq(tries, UNKNOWN);
    }
    if (losses[_i].event == remove_card)
        put_security_card(CARD, NULL);
    if (losses[_i].result == SCARDMANAGE_W_RESET_CARD) {
        ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
        ck_assert_int_eq(prove(), SCARDMANAGE_S_OK);
        assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
        other_reconnects(SCARD_LEAVE_CARD);
        ck_assert_uint_eq(get_tally().proofs, 1);
        return;
    }
    scardmanage_detach(m);
    ck_assert_uint_eq(get_tally().proofs, 0);
}
END_TEST

START_TEST(events_before_the_command_itself)
{
    static const struct loss before[] = {
        {reinsert_card, SCARDMANAGE_W_RESET_CARD},
        {swap_for_stranger, SCARDMANAGE_W_REMOVED_CARD},
        {remove_card, SCARDMANAGE_E_NO_SMARTCARD},
    };
    begin();
    assert_lock();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    before_command(1, before[_i].event);
    ck_assert_int_eq(prove(), before[_i].result);
    ck_assert_uint_eq(commands_sent(), 1);
    if (before[_i].event == remove_card)
        put_security_card(CARD, NULL);
    scardmanage_detach(m);
    ck_assert_uint_eq(get_tally().proofs, 0);
}
END_TEST

static scardmanage_result step_by_step(scardmanage *object, const scardmanage_report *report, void *nothing)
{
    (void)object;
    (void)report;
    (void)nothing;
    scardmanage_result result = get_challenge();
    return result == SCARDMANAGE_S_OK ? prove() : result;
}

START_TEST(in_a_unit)
{
    begin();
    ck_assert_int_eq(scardmanage_run(m, step_by_step, NULL, 0, NULL, NULL), SCARDMANAGE_S_OK);
    for (unsigned n = 1; n <= 2; n++) {
        before_command(n, reinsert_card);
        ck_assert_int_eq(scardmanage_run(m, step_by_step, NULL, 1, NULL, NULL), SCARDMANAGE_S_OK);
        ck_assert_uint_gt(commands_sent(), n);
        ck_assert_uint_eq(get_tally().proofs, 1);
        before_command(n, swap_for_stranger);
        ck_assert_int_eq(scardmanage_run(m, step_by_step, NULL, 1, NULL, NULL), SCARDMANAGE_W_REMOVED_CARD);
        ck_assert_uint_eq(get_tally().proofs, 0);
        put_security_card(CARD, NULL);
    }
}
END_TEST

/*
 * The application to the card, in one unit
 */

static unsigned computed;
static size_t computed_length; /* 0: what is right */
static scardmanage_result computed_result;
static void (*while_computing)(void);

static scardmanage_result compute(const uint8_t *challenge, size_t length, uint8_t *cryptogram,
                                  size_t *cryptogram_length, void *argument)
{
    computed++;
    ck_assert_uint_eq(length, 8);
    ck_assert_uint_eq(*cryptogram_length, SCARDMANAGE_CRYPTOGRAM_MAX);
    reverse(challenge, length, cryptogram);
    if (argument)
        memcpy(cryptogram, argument, strlen(argument) + 1);
    *cryptogram_length = computed_length != 0 ? computed_length : argument ? strlen(argument) : length;
    if (computed_length == SIZE_MAX)
        *cryptogram_length = 0;
    if (while_computing && computed == 1)
        while_computing();
    return computed_result;
}

static scardmanage_result prove_at_once(const char *wrong)
{
    tries = 99;
    computed = 0;
    return scardmanage_auth_application_ex(auth, 0, KEY, 8, compute, (void *)wrong, &tries);
}

START_TEST(at_once)
{
    begin();
    ck_assert_int_eq(prove_at_once(NULL), SCARDMANAGE_S_OK);
    ck_assert_int_eq(tries, UNKNOWN);
    ck_assert_int_eq(prove(), SCARDMANAGE_E_ICC_CREATEORDER);
    ck_assert_int_eq(prove_at_once("wrong"), SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_eq(tries, 2);
    ck_assert_uint_eq(computed, 1);
    assert_lock();
    ck_assert_int_eq(prove_at_once(NULL), SCARDMANAGE_S_OK);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_int_eq(scardmanage_auth_application_ex(auth, 0, 7, 8, compute, NULL, NULL),
                     SCARDMANAGE_E_FILE_NOT_FOUND);
    ck_assert_uint_eq(get_tally().proofs, 4);
}
END_TEST

START_TEST(the_function_fails)
{
    static const struct {
        scardmanage_result returned, result;
        size_t length;
    } failures[] = {
        {SCARDMANAGE_E_CANCELLED, SCARDMANAGE_E_CANCELLED, 8},
        {SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_W_RESET_CARD, 8},
        {1, SCARDMANAGE_E_FAIL, 8},
        {SCARDMANAGE_S_OK, SCARDMANAGE_E_FAIL, SIZE_MAX},
        {SCARDMANAGE_S_OK, SCARDMANAGE_E_FAIL, SCARDMANAGE_CRYPTOGRAM_MAX + 1},
    };
    begin();
    for (int i = 0; i < COUNT(failures); i++) {
        computed_result = failures[i].returned;
        computed_length = failures[i].length;
        ck_assert_int_eq(prove_at_once(NULL), failures[i].result);
        ck_assert_uint_eq(computed, 1);
        ck_assert_int_eq(tries, UNKNOWN);
    }
    ck_assert_uint_eq(get_tally().proofs, 0);
}
END_TEST

static const struct {
    void (*event)(void);
    scardmanage_result result;
} events[] = {
    {reinsert_card, SCARDMANAGE_S_OK},
    {swap_for_stranger, SCARDMANAGE_W_REMOVED_CARD},
    {remove_card, SCARDMANAGE_E_NO_SMARTCARD},
};

/* n = 3: while the function computes. */
START_TEST(events_in_the_unit)
{
    for (unsigned n = 1; n <= 3; n++) {
        if (n == 1)
            begin();
        while_computing = n == 3 ? events[_i].event : NULL;
        before_command(n == 3 ? 0 : n, events[_i].event);
        ck_assert_int_eq(prove_at_once(NULL), events[_i].result);
        commands_sent();
        if (events[_i].event == remove_card)
            put_security_card(CARD, NULL);
        ck_assert_uint_eq(get_tally().proofs, events[_i].result == SCARDMANAGE_S_OK);
        ck_assert_uint_eq(get_tally().key_left, 3);
        put_security_card(CARD, NULL);
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    }
}
END_TEST

START_TEST(events_without_identification)
{
    begin();
    ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    for (unsigned n = 1; n <= 2; n++) {
        before_command(n, events[_i].event);
        ck_assert_int_eq(prove_at_once(NULL), SCARDMANAGE_W_REMOVED_CARD);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(get_challenge(), SCARDMANAGE_W_REMOVED_CARD);
        commands_sent();
        ck_assert_uint_eq(get_tally().proofs, 0);
        put_security_card(CARD, NULL);
        ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    }
}
END_TEST

/* The card counts the cryptogram, and falls silent. */
START_TEST(lost_answer)
{
    begin();
    scardmanage_result result;
    if (_i == 0) {
        result = prove_at_once("MUTE");
    } else {
        assert_lock();
        ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
        result = scardmanage_auth_application(auth, 0, KEY, (const uint8_t *)"MUTE", 4, &tries);
    }
    ck_assert_int_lt(result, 0);
    ck_assert_int_ne(result, SCARDMANAGE_W_WRONG_CHV);
    ck_assert_int_ne(result, SCARDMANAGE_E_SESSION_LOST);
    ck_assert_int_eq(tries, UNKNOWN);
    ck_assert_int_eq(prove(), SCARDMANAGE_E_ICC_CREATEORDER);
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK); /* gets back to the card */
    if (_i == 1)
        assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_uint_eq(get_tally().proofs, 1);
    ck_assert_uint_eq(get_tally().key_left, 2);
}
END_TEST

/*
 * The card to the application
 */

static void verify_code(void)
{
    scardmanage_verify *verify;
    ck_assert_int_eq(scardmanage_create_verify(m, NULL, &verify), SCARDMANAGE_S_OK);
    ck_assert_int_eq(
        scardmanage_verify_code(verify, (const uint8_t *)"1234", 4, SCARDMANAGE_CHV_GLOBAL, 1, NULL),
        SCARDMANAGE_S_OK);
    scardmanage_verify_free(verify);
}

typedef scardmanage_result compute_function(scardmanage_auth *object, uint8_t algorithm, uint8_t key,
                                            const uint8_t *data, size_t data_length, uint8_t *cryptogram,
                                            size_t *cryptogram_length);

static compute_function *const compute_functions[] = {scardmanage_auth_card, scardmanage_auth_user};

START_TEST(the_card_computes)
{
    static const size_t lengths[] = {1, 8, 255, 256, 257, 4000};
    uint8_t data[4000], expected[4000], result[4000];
    compute_function *function = compute_functions[_i];
    size_t length = sizeof result;
    begin();
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    ck_assert_int_eq(function(auth, 0, CARD_KEY, data, 8, result, &length),
                     SCARDMANAGE_W_CARD_NOT_AUTHENTICATED);
    ck_assert_uint_eq(length, 0);
    verify_code();
    for (int i = 0; i < COUNT(lengths); i++) {
        length = lengths[i];
        reverse(data, length, expected);
        ck_assert_int_eq(function(auth, 0, CARD_KEY, data, length, result, &length), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(length, lengths[i]);
        ck_assert_mem_eq(result, expected, length);
    }
    length = 8;
    ck_assert_int_eq(function(auth, 0, CARD_KEY, data, 8, data, &length), SCARDMANAGE_S_OK); /* in place */
    length = 8;
    ck_assert_int_eq(function(auth, 0, CARD_KEY, data, 9, result, &length),
                     SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, 0);
    ck_assert_uint_eq(status_word(), 0x6101);
    length = 8;
    ck_assert_int_eq(function(auth, 0, 7, data, 8, result, &length), SCARDMANAGE_E_FILE_NOT_FOUND);
}
END_TEST

START_TEST(lengths_of_challenges)
{
    static const struct {
        size_t wanted, got;
        scardmanage_result result;
    } lengths[] = {
        {8, 8, SCARDMANAGE_S_OK}, {256, 8, SCARDMANAGE_S_OK},       {300, 8, SCARDMANAGE_S_OK},
        {5, 3, SCARDMANAGE_S_OK}, {6, 0, SCARDMANAGE_E_UNEXPECTED}, {4, 0, SCARDMANAGE_E_INSUFFICIENT_BUFFER},
    };
    uint8_t challenge[300];
    begin();
    for (int i = 0; i < COUNT(lengths); i++) {
        size_t length = lengths[i].wanted;
        ck_assert_int_eq(scardmanage_auth_get_challenge(auth, 0, challenge, &length), lengths[i].result);
        ck_assert_uint_eq(length, lengths[i].got);
    }
}
END_TEST

/*
 * Lifetime, arguments and memory
 */

static scardmanage_result prove_rightly_at_once(void)
{
    return prove_at_once(NULL);
}

static scardmanage_result have_card_compute(void)
{
    uint8_t data[8] = {1};
    size_t length = sizeof data;
    return scardmanage_auth_card(auth, 0, CARD_KEY, data, sizeof data, data, &length);
}

static const struct {
    scardmanage_result (*call)(void);
    scardmanage_result regular;
} methods[] = {
    {get_challenge, SCARDMANAGE_S_OK},
    {prove, SCARDMANAGE_E_NOT_TRANSACTED},
    {prove_rightly_at_once, SCARDMANAGE_S_OK},
    {have_card_compute, SCARDMANAGE_W_CARD_NOT_AUTHENTICATED},
};

#define METHODS COUNT(methods)

static void assert_all(scardmanage_result result)
{
    for (int i = 0; i < METHODS; i++)
        ck_assert_int_eq(methods[i].call(), result);
}

START_TEST(lifetime)
{
    begin();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    attach(BY_IFD);
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    scardmanage_free(m);
    m = NULL;
    assert_all(SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_uint_eq(status_word(), 0x9000);
    scardmanage_auth_free(auth);
    scardmanage_auth_free(NULL);
}
END_TEST

START_TEST(without_a_card)
{
    pull();
    ck_assert_int_eq(scardmanage_create_auth(m, NULL, &auth), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_ptr_null(auth);
    attach(BY_IFD);
    ck_assert_int_eq(scardmanage_create_auth(m, NULL, &auth), SCARDMANAGE_S_OK);
    assert_all(SCARDMANAGE_E_NO_SMARTCARD);
    put_security_card(CARD, NULL);
    ck_assert_int_eq(prove_at_once(NULL), SCARDMANAGE_S_OK);
}
END_TEST

START_TEST(options)
{
    scardmanage_auth_options wrong[] = {SCARDMANAGE_AUTH_OPTIONS_INIT, SCARDMANAGE_AUTH_OPTIONS_INIT,
                                        SCARDMANAGE_AUTH_OPTIONS_INIT};
    scardmanage_auth_options proprietary = SCARDMANAGE_AUTH_OPTIONS_INIT;
    begin();
    wrong[0].cla = 0xFF;
    wrong[1].size--;
    wrong[2].size = SIZE_MAX;
    for (int i = 0; i < COUNT(wrong); i++) {
        scardmanage_auth *created = auth;
        ck_assert_int_eq(scardmanage_create_auth(m, &wrong[i], &created), SCARDMANAGE_E_INVALIDARG);
        ck_assert_ptr_null(created);
    }
    ck_assert_int_eq(scardmanage_create_auth(NULL, NULL, &auth), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_create_auth(m, NULL, NULL), SCARDMANAGE_E_POINTER);
    scardmanage_auth_free(auth);
    proprietary.cla = 0xA0;
    ck_assert_int_eq(scardmanage_create_auth(m, &proprietary, &auth), SCARDMANAGE_S_OK);
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_E_UNSUPPORTED_FEATURE);
    ck_assert_uint_eq(status_word(), 0x6D00);
}
END_TEST

START_TEST(wrong_arguments)
{
    static const size_t wrong_data[] = {0, 65536, SIZE_MAX}, wrong_expected[] = {0, 65537, SIZE_MAX};
    uint8_t data[8];
    uint16_t word;
    size_t length;
    begin();
    before_command(0, NULL);
    for (int i = 0; i < COUNT(wrong_data); i++) {
        length = wrong_expected[i];
        ck_assert_int_eq(scardmanage_auth_get_challenge(auth, 0, data, &length), SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(scardmanage_auth_card(auth, 0, 0, data, 8, data, &length), SCARDMANAGE_E_INVALIDARG);
        length = 8;
        ck_assert_int_eq(scardmanage_auth_user(auth, 0, 0, data, wrong_data[i], data, &length),
                         SCARDMANAGE_E_INVALIDARG);
        tries = 99;
        ck_assert_int_eq(scardmanage_auth_application(auth, 0, 0, data, wrong_data[i], &tries),
                         SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(tries, UNKNOWN);
    }
    length = 8;
    ck_assert_int_eq(scardmanage_auth_application_ex(auth, 0, 0, 0, compute, NULL, NULL),
                     SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(
        scardmanage_auth_application_ex(auth, 0, 0, SCARDMANAGE_CRYPTOGRAM_MAX + 1, compute, NULL, &tries),
        SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_auth_application_ex(auth, 0, 0, 8, NULL, NULL, &tries),
                     SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_application_ex(NULL, 0, 0, 8, compute, NULL, &tries),
                     SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_get_challenge(NULL, 0, data, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_get_challenge(auth, 0, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_get_challenge(auth, 0, data, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_application(NULL, 0, 0, data, 8, &tries), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_application(auth, 0, 0, NULL, 8, &tries), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_card(NULL, 0, 0, data, 8, data, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_card(auth, 0, 0, NULL, 8, data, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_card(auth, 0, 0, data, 8, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_card(auth, 0, 0, data, 8, data, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_get_status_word(NULL, &word), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_auth_get_status_word(auth, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_uint_eq(commands_sent(), 0);
}
END_TEST

START_TEST(each_allocation_fails)
{
    unsigned n = 1;
    scardmanage_free(m);
    ck_assert_int_eq(scardmanage_create_with_allocator(&watching_allocator, &m), SCARDMANAGE_S_OK);
    begin();
    ck_assert_int_eq(get_challenge(), SCARDMANAGE_S_OK);
    for (bool failed = true; failed; n++) {
        fail_allocation(n);
        scardmanage_result result = methods[_i].call();
        failed = allocations() >= n;
        ck_assert_int_eq(result, failed ? SCARDMANAGE_E_OUTOFMEMORY : methods[_i].regular);
        ck_assert_uint_eq(get_tally().key_left, 3);
    }
    fail_allocation(1);
    scardmanage_auth *another = auth;
    ck_assert_int_eq(scardmanage_create_auth(m, NULL, &another), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert_ptr_null(another);
    scardmanage_auth_free(auth);
    scardmanage_free(m);
    m = NULL;
    ck_assert_int_eq(watched_blocks, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: authentication");
    TCase *tc = add_attachment_case(suite, "the application, step by step", REPORTS_AT_ONCE);
    tcase_add_test(tc, right_and_wrong_proofs);
    tcase_add_test(tc, a_challenge_is_for_one_use);
    tcase_add_test(tc, a_challenge_that_is_refused);
    tcase_add_test(tc, own_commands_in_between);
    tcase_add_test(tc, without_the_lock);
    tcase_add_loop_test(tc, events_between_the_commands, 0, COUNT(losses));
    tcase_add_loop_test(tc, events_before_the_command_itself, 0, 3);
    tcase_add_test(tc, in_a_unit);
    tc = add_attachment_case(suite, "the application, in one unit", WAITS_FOR_OTHERS);
    tcase_add_test(tc, at_once);
    tcase_add_test(tc, the_function_fails);
    tcase_add_loop_test(tc, events_in_the_unit, 0, COUNT(events));
    tcase_add_loop_test(tc, events_without_identification, 0, 2);
    tcase_add_loop_test(tc, lost_answer, 0, 2);
    tc = add_attachment_case(suite, "the card", WAITS_FOR_OTHERS);
    tcase_add_loop_test(tc, the_card_computes, 0, 2);
    tcase_add_test(tc, lengths_of_challenges);
    tc = add_attachment_case(suite, "lifetime, arguments and memory", WAITS_FOR_OTHERS);
    tcase_add_test(tc, lifetime);
    tcase_add_test(tc, without_a_card);
    tcase_add_test(tc, options);
    tcase_add_test(tc, wrong_arguments);
    tcase_add_loop_test(tc, each_allocation_fails, 0, METHODS);
    return run_suite_in_rig(suite);
}
