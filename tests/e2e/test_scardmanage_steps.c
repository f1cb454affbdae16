/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage against a real pcscd: steps and verdicts, protocols, unresponsive cards.
 * Run in a rig: cardrig run -- test_scardmanage_steps
 *
 * Most tests run twice: attached by name and by handle. */
#include "attachment.h"
#include "in_rig.h"

#include <check.h>
#include <stdint.h>

/*
 * Steps and verdicts
 */

START_TEST(unchanged)
{
    other_connects();
    attach(_i);
    assert_count(1);
    for (int i = 0; i < 3; i++) {
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_NONE,
                          SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 0);
    }
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    assert_count(2);
}
END_TEST

START_TEST(reset_by_another_client)
{
    static const DWORD how[] = {SCARD_RESET_CARD, SCARD_UNPOWER_CARD};
    other_connects();
    attach(_i);
    for (int i = 0; i < 2; i++) {
        assert_count(1);
        ck_assert_int_eq(other_reconnects(how[i]), SCARD_S_SUCCESS);
        assert_refuses(SCARDMANAGE_W_RESET_CARD);
        assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_PRESENT, 0);
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 1);
        ck_assert_uint_eq(reported.old_protocol, SCARDMANAGE_PROTOCOL_T1);
        ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T1);
    }
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* acknowledging resets nothing */
    assert_count(1);
}
END_TEST

/* The other client leaves the card without power: acknowledging alone would give a dead card. */
START_TEST(switched_off_by_another_client)
{
    other_connects();
    attach(_i);
    assert_count(1);
    ck_assert_int_eq(SCardDisconnect(other, SCARD_UNPOWER_CARD), SCARD_S_SUCCESS);
    other = 0;
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    ck_assert_int_eq(reconnect_with(OPTIONS(.last_step = SCARDMANAGE_STEP_LEAVE)) < 0, 1);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_S_OK);
    assert_report(SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(steps_that_are_asked_for)
{
    static const uint8_t which_reset[] = {0x80, 0x14, 0x00, 0x00, 0x04};
    static const struct {
        scardmanage_step step;
        const char *reset;
        const uint8_t *atr;
        size_t length;
        uint32_t protocol;
    } steps[] = {
        {SCARDMANAGE_STEP_COLD, "cold", cold_atr, sizeof cold_atr, SCARDMANAGE_PROTOCOL_T1},
        {SCARDMANAGE_STEP_WARM, "warm", warm_atr, sizeof warm_atr, SCARDMANAGE_PROTOCOL_T0},
        {SCARDMANAGE_STEP_COLD, "cold", cold_atr, sizeof cold_atr, SCARDMANAGE_PROTOCOL_T0},
    };
    put("warm-differs.lua");
    other_connects();
    attach(_i);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint8_t response[16];
        size_t length = sizeof response;
        assert_reconnects(OPTIONS(.first_step = steps[i].step, .last_step = steps[i].step),
                          SCARDMANAGE_VERDICT_UNCHANGED, steps[i].step, SCARDMANAGE_LOCK_NONE);
        ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD);
        ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
        assert_atr(steps[i].atr, steps[i].length);
        ck_assert_uint_eq(reported.new_protocol, steps[i].protocol); /* kept while the card offers it */
        ck_assert_int_eq(scardmanage_transmit(m, which_reset, sizeof which_reset, response, &length),
                         SCARDMANAGE_S_OK);
        ck_assert_uint_eq(length, 6);
        ck_assert_mem_eq(response, steps[i].reset, 4);
    }
}
END_TEST

START_TEST(reopening)
{
    other_connects();
    attach(BY_IFD);
    assert_count(1);
    assert_lock();
    assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_REOPEN), SCARDMANAGE_VERDICT_UNCHANGED,
                      SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_REACQUIRED);
    assert_count(2); /* the card is not touched */
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

/* One card may show two ATRs: a warm reset, even by someone else, makes it no other card. */
START_TEST(warm_atr_differs)
{
    put("warm-differs.lua");
    other_connects();
    attach(_i);
    assert_atr(cold_atr, sizeof cold_atr);
    other_resets();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    ck_assert_mem_eq(reported.old_atr, cold_atr, sizeof cold_atr);
    ck_assert_mem_eq(reported.new_atr, warm_atr, sizeof warm_atr);
    ck_assert_uint_eq(reported.old_protocol, SCARDMANAGE_PROTOCOL_T1);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_atr(cold_atr, sizeof cold_atr);
}
END_TEST

/* The first ATR seen is the warm one; the cold one is learnt from a reset, before the card shows it when it
 * is back. */
START_TEST(cold_atr_is_learnt)
{
    put("warm-differs.lua");
    other_connects();
    other_resets();
    attach(_i);
    assert_atr(warm_atr, sizeof warm_atr);
    ck_assert_int_eq(other_reconnects(SCARD_UNPOWER_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
}
END_TEST

START_TEST(pulled_and_put_back)
{
    attach(_i);
    assert_count(1);
    pull();
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    for (int i = 0; i < 2; i++) {
        assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_NO_SMARTCARD);
        assert_report(SCARDMANAGE_VERDICT_ABSENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 0);
        assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    }
    put_back();
    assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(another_card)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    attach(_i);
    put("t0-only.lua");
    other_connects();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
        assert_report(SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 0);
        ck_assert_uint_eq(reported.new_atr_len, sizeof t0_only_atr);
        ck_assert_mem_eq(reported.new_atr, t0_only_atr, sizeof t0_only_atr);
        ck_assert_mem_eq(reported.old_atr, two_protocols_atr, sizeof two_protocols_atr);
        assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
        assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    }
    ck_assert_int_eq(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_mem_eq(atr, t0_only_atr, sizeof t0_only_atr);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* untouched */
    assert_reconnects(OPTIONS(.accept_other_card = 1), SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
    put("two-protocols.lua"); /* the one accepted is the one to come back to */
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_W_REMOVED_CARD);
    put("t0-only.lua");
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
}
END_TEST

START_TEST(refused_then_the_right_card)
{
    attach(_i);
    put("t0-only.lua");
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_W_REMOVED_CARD);
    put("two-protocols.lua");
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

/* pcscd keeps one event for each handle, the latest: after an exchange, a reset by another client hides the
 * removal. */
START_TEST(another_card_behind_a_reset)
{
    other_connects();
    attach(_i);
    put("t0-only.lua");
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
}
END_TEST

/* The caller helps itself on its own handle. The card is another all the same. */
START_TEST(another_card_that_the_caller_reconnected_to)
{
    DWORD protocol;
    attach(BY_HANDLE);
    put("t0-only.lua");
    ck_assert_int_eq(SCardReconnect(handle, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol),
                     SCARD_S_SUCCESS);
    assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
    assert_report(SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
}
END_TEST

/*
 * Protocols
 */

START_TEST(change_of_protocol)
{
    attach(_i);
    assert_count(1);
    for (int i = 0; i < 4; i++) {
        uint32_t protocol = i % 2 == 0 ? SCARDMANAGE_PROTOCOL_T0 : SCARDMANAGE_PROTOCOL_T1;
        ck_assert_int_eq(reconnect_with(OPTIONS(.protocols = protocol, .last_step = SCARDMANAGE_STEP_LEAVE)),
                         SCARDMANAGE_E_PROTO_MISMATCH);
        assert_count(i == 0 ? 2 : 3); /* as it was */
        assert_reconnects(OPTIONS(.protocols = protocol), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.new_protocol, protocol);
        assert_count(1);
        assert_reconnects(OPTIONS(.protocols = protocol), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
        /* not asked for, it stays */
        assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_COLD), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_COLD, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.new_protocol, protocol);
        assert_count(1);
        assert_count(2);
    }
}
END_TEST

START_TEST(a_protocol_the_card_does_not_speak)
{
    put(_i == BY_IFD ? "t0-only.lua" : "t1-only.lua");
    other_connects();
    attach(_i);
    uint32_t other_protocol = _i == BY_IFD ? SCARDMANAGE_PROTOCOL_T1 : SCARDMANAGE_PROTOCOL_T0;
    ck_assert_int_eq(reconnect_with(OPTIONS(.protocols = other_protocol)), SCARDMANAGE_E_PROTO_MISMATCH);
    ck_assert_uint_eq(reported.attempts, 0);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* not reset in vain */
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, 3 - other_protocol);
}
END_TEST

START_TEST(a_protocol_others_have_chosen)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    pull();
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    put_back();
    other_connects(); /* takes T=1 */
    options.protocols = SCARDMANAGE_PROTOCOL_T0;
    options.last_step = SCARDMANAGE_STEP_LEAVE;
    ck_assert_int_eq(reconnect_with(options), SCARDMANAGE_E_PROTO_MISMATCH);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    options.last_step = SCARDMANAGE_STEP_WARM;
    assert_reconnects(options, SCARDMANAGE_VERDICT_FIRST, SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
}
END_TEST

/*
 * Mute cards
 */

START_TEST(an_unresponsive_card_in_the_reader)
{
    put_card_that_falls_silent("cold");
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SWALLOWED, 0);
    assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_UNPOWERED_CARD);
    assert_report(SCARDMANAGE_VERDICT_FIRST, SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_NONE);
    put("two-protocols.lua");
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_FIRST, SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(a_card_that_falls_silent)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_result result = reconnect_with(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM));
    if (_i == BY_HANDLE) {
        ck_assert_int_eq(result, SCARDMANAGE_W_UNRESPONSIVE_CARD);
        assert_report(SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_COLD, SCARDMANAGE_LOCK_KEPT);
        assert_refuses(SCARDMANAGE_W_RESET_CARD);
        assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_SWALLOWED, 0);
    } else {
        ck_assert_int_eq(result, SCARDMANAGE_W_UNPOWERED_CARD);
        assert_report(SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_LOST);
        assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
        assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    }
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED,
                      _i == BY_HANDLE ? SCARDMANAGE_STEP_LEAVE : SCARDMANAGE_STEP_REOPEN,
                      SCARDMANAGE_LOCK_REACQUIRED);
    assert_count(1);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

START_TEST(a_card_that_falls_silent_when_unlocked)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD); /* not locked out */
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

/* pcscd does not end the transaction of a handle whose card was reset and fell silent; only closing the
 * handle does. */
START_TEST(unlocking_a_card_that_fell_silent)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_options options =
        OPTIONS(.first_step = SCARDMANAGE_STEP_WARM, .last_step = SCARDMANAGE_STEP_WARM);
    ck_assert_int_eq(reconnect_with(options), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    if (_i == BY_IFD)
        ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD);
    else
        ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    pull();
    put_back();
    if (_i == BY_IFD)
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_REOPEN,
                          SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scardmanage_steps");
    TCase *tc = add_attachment_case(suite, "steps and verdicts", REPORTS_AT_ONCE);
    BOTH_WAYS(tc, unchanged);
    BOTH_WAYS(tc, reset_by_another_client);
    BOTH_WAYS(tc, switched_off_by_another_client);
    BOTH_WAYS(tc, steps_that_are_asked_for);
    tcase_add_test(tc, reopening);
    BOTH_WAYS(tc, warm_atr_differs);
    BOTH_WAYS(tc, cold_atr_is_learnt);
    BOTH_WAYS(tc, pulled_and_put_back);
    BOTH_WAYS(tc, another_card);
    BOTH_WAYS(tc, refused_then_the_right_card);
    BOTH_WAYS(tc, another_card_behind_a_reset);
    tcase_add_test(tc, another_card_that_the_caller_reconnected_to);
    BOTH_WAYS(tc, change_of_protocol);
    BOTH_WAYS(tc, a_protocol_the_card_does_not_speak);
    tcase_add_test(tc, a_protocol_others_have_chosen);

    tc = add_attachment_case(suite, "unresponsive cards", REPORTS_AT_ONCE);
    tcase_add_test(tc, an_unresponsive_card_in_the_reader);
    BOTH_WAYS(tc, a_card_that_falls_silent);
    tcase_add_loop_test(tc, a_card_that_falls_silent_when_unlocked, BY_HANDLE, BY_HANDLE + 1);
    BOTH_WAYS(tc, unlocking_a_card_that_fell_silent);
    return run_suite_in_rig(suite);
}
