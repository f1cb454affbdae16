/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage against a real pcscd: the lock, exclusive use, threads.
 * Run in a rig: cardrig run -- test_scardmanage_lock
 *
 * Most tests run twice: attached by name and by handle. */
#include "attachment.h"
#include "in_rig.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

/*
 * The lock
 */

START_TEST(nested_lock)
{
    other_connects();
    attach(_i);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    for (int i = 0; i < 3; i++) {
        assert_lock();
        assert_locked_out();
    }
    ck_assert_int_eq(scardmanage_unlock(m, (scardmanage_disposition)4), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_unlock(m, (scardmanage_disposition)-1), SCARDMANAGE_E_INVALIDARG);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_locked_out();
    assert_count(1);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_count(2);
}
END_TEST

START_TEST(lock_survives_reconnecting)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    for (int i = 0; i < 30; i++) {
        scardmanage_step step = (scardmanage_step)(SCARDMANAGE_STEP_LEAVE + i % 3);
        uint32_t protocol = i % 5 == 0 ? SCARDMANAGE_PROTOCOL_T0 : 0;
        ck_assert_int_eq(reconnect_with(OPTIONS(.first_step = step, .protocols = protocol)),
                         SCARDMANAGE_S_OK);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT);
        assert_locked_out();
    }
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

START_TEST(lock_returns_with_the_card)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    for (int i = 0; i < 3; i++) {
        pull();
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_NO_SMARTCARD);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_LOST);
        put_back();
        assert_refuses(SCARDMANAGE_W_REMOVED_CARD); /* nothing goes out unlocked */
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_REACQUIRED);
        assert_locked_out();
        assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_KEPT);
    }
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

START_TEST(lock_and_another_card)
{
    other_connects();
    attach(_i);
    assert_lock();
    put("t0-only.lua");
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_LOST);
    assert_free(); /* a card that was not accepted is not locked */
    assert_reconnects(OPTIONS(.accept_other_card = 1), SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_REACQUIRED);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

START_TEST(unlocking_after_the_card_left)
{
    other_connects();
    attach(_i);
    assert_lock();
    pull();
    put_back();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

START_TEST(unlocking_between_loss_and_return)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    pull();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_W_REMOVED_CARD);
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

START_TEST(unlock_with_reset)
{
    static const scardmanage_disposition how[] = {SCARDMANAGE_DISPOSITION_RESET,
                                                  SCARDMANAGE_DISPOSITION_UNPOWER};
    other_connects();
    attach(_i);
    for (int i = 0; i < 2; i++) {
        assert_lock();
        assert_count(1);
        assert_unlock(how[i]);
        ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD); /* it is reported to the others; we know */
        assert_free();
        assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T1);
        assert_count(1);
        assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    }
    /* the strongest of nested dispositions, when the last is released */
    assert_lock();
    assert_lock();
    assert_count(1);
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    assert_count(2);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_count(1);
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE); /* and it is not remembered any longer */
    assert_count(2);
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    assert_refuses(SCARDMANAGE_W_RESET_CARD); /* a later reset by the other is reported */
}
END_TEST

/* The lock has ended with the card that was to be reset. */
START_TEST(detaching_does_not_reset_the_next_card)
{
    attach(_i);
    assert_lock();
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    pull();
    put("t0-only.lua");
    other_connects();
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
}
END_TEST

START_TEST(unlock_with_reset_and_another_atr)
{
    put("warm-differs.lua");
    attach(_i);
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    assert_atr(warm_atr, sizeof warm_atr);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T0);
}
END_TEST

START_TEST(unlock_with_eject)
{
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_result result = scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_EJECT);
    ck_assert(result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_CANT_DISPOSE);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_free();
}
END_TEST

/* A reset that failed half-way leaves an event on our handle, and pcscd does not end its transaction then. */
START_TEST(unlock_with_an_event_pending)
{
    put("warm-differs.lua");
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(
        reconnect_with(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM, .last_step = SCARDMANAGE_STEP_WARM,
                               .protocols = SCARDMANAGE_PROTOCOL_T1)),
        SCARDMANAGE_E_PROTO_MISMATCH);
    ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT);
    assert_locked_out();
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_W_RESET_CARD);
    assert_free();
    assert_refuses(SCARDMANAGE_W_RESET_CARD); /* also reported when it was taken off the handle */
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    /* and cold it speaks T=1 */
    assert_reconnects(OPTIONS(.protocols = SCARDMANAGE_PROTOCOL_T1), SCARDMANAGE_VERDICT_UNCHANGED,
                      SCARDMANAGE_STEP_COLD, SCARDMANAGE_LOCK_NONE);
}
END_TEST

/*
 * Exclusive use
 */

#define EXCLUSIVE OPTIONS(.share = SCARDMANAGE_SHARE_EXCLUSIVE)
#define SHARED    OPTIONS(.share = SCARDMANAGE_SHARE_SHARED)

static void assert_others_shut_out(void)
{
    DWORD protocol;
    ck_assert_int_eq(SCardConnect(other_context, reader, SCARD_SHARE_SHARED, ANY, &other, &protocol),
                     SCARD_E_SHARING_VIOLATION);
    other = 0;
}

/* pcsc-lite's own reconnect from exclusive to shared leaves the reader locked for ever. */
START_TEST(exclusive_and_shared_again)
{
    attach(_i);
    assert_count(1);
    for (int i = 0; i < 3; i++) {
        assert_reconnects(EXCLUSIVE, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_NONE);
        assert_others_shut_out();
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_NONE,
                          SCARDMANAGE_LOCK_NONE);
        assert_others_shut_out();
        assert_lock();
        assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
        assert_reconnects(SHARED, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_NONE);
        other_connects();
        assert_free();
        other_leaves();
    }
    assert_count(2);
}
END_TEST

START_TEST(exclusive_and_locked)
{
    attach(_i);
    assert_lock();
    for (int i = 0; i < 3; i++) {
        assert_reconnects(EXCLUSIVE, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_REACQUIRED);
        assert_others_shut_out();
        assert_reconnects(OPTIONS(.share = SCARDMANAGE_SHARE_SHARED, .first_step = SCARDMANAGE_STEP_WARM),
                          SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_KEPT);
    }
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    other_connects();
    assert_free();
}
END_TEST

START_TEST(exclusive_lock_and_a_card_that_was_out)
{
    attach(_i);
    assert_reconnects(EXCLUSIVE, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_lock();
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_REACQUIRED);
    assert_others_shut_out();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_RESET);
    assert_reconnects(SHARED, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    other_connects();
    assert_free();
}
END_TEST

START_TEST(exclusive_use_that_others_prevent)
{
    other_connects();
    attach(_i);
    assert_count(1);
    ck_assert_int_eq(reconnect_with(EXCLUSIVE), SCARDMANAGE_E_SHARING_VIOLATION);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    assert_count(2); /* as it was */
    assert_free();
    /* the same after a reset of our own: that is reported */
    ck_assert_int_eq(
        reconnect_with(OPTIONS(.share = SCARDMANAGE_SHARE_EXCLUSIVE, .first_step = SCARDMANAGE_STEP_WARM)),
        SCARDMANAGE_E_SHARING_VIOLATION);
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(a_handle_in_exclusive_use)
{
    connect_handle(SCARD_SHARE_EXCLUSIVE);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM), SCARDMANAGE_VERDICT_UNCHANGED,
                      SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    assert_others_shut_out(); /* its share mode is kept */
    assert_lock();
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_others_shut_out();
}
END_TEST

/*
 * Waiting, and threads. Here libpcsclite waits for other clients, as it does by default.
 */

static atomic_int other_is_in;

static void *other_takes_the_lock(void *nothing)
{
    (void)nothing;
    LONG rv;
    do { /* its handle hears of our resets, too */
        DWORD protocol;
        rv = SCardReconnect(other, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol);
        if (rv == SCARD_S_SUCCESS)
            rv = SCardBeginTransaction(other);
    } while (rv == SCARD_W_RESET_CARD || rv == SCARD_W_REMOVED_CARD || rv == SCARD_E_NO_SMARTCARD);
    if (rv == SCARD_S_SUCCESS)
        atomic_store(&other_is_in, 1);
    return NULL;
}

START_TEST(nobody_comes_between)
{
    pthread_t thread;
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(pthread_create(&thread, NULL, other_takes_the_lock, NULL), 0);
    for (int i = 0; i < 40; i++) {
        scardmanage_step step = i % 2 == 0 ? SCARDMANAGE_STEP_WARM : SCARDMANAGE_STEP_COLD;
        ck_assert_int_eq(reconnect_with(OPTIONS(.first_step = step)), SCARDMANAGE_S_OK);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT);
        usleep(10000);
        ck_assert_int_eq(atomic_load(&other_is_in), 0);
        assert_count(1);
    }
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&other_is_in), 1);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_count(2);
}
END_TEST

static void *other_unlocks_later(void *nothing)
{
    (void)nothing;
    usleep(300000);
    atomic_store(&other_is_in, 0);
    SCardEndTransaction(other, SCARD_LEAVE_CARD);
    return NULL;
}

START_TEST(lock_waits_for_its_turn)
{
    pthread_t thread;
    other_connects();
    attach(_i);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    atomic_store(&other_is_in, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, other_unlocks_later, NULL), 0);
    assert_lock();
    ck_assert_int_eq(atomic_load(&other_is_in), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    assert_free();
}
END_TEST

static void *uses_the_card(void *nothing)
{
    (void)nothing;
    for (int i = 0; i < 100; i++) {
        scardmanage_state state;
        uint32_t protocol;
        unsigned number;
        if (scardmanage_lock(m) != SCARDMANAGE_S_OK || count(&number) != SCARDMANAGE_S_OK ||
            scardmanage_status(m, &state, &protocol) != SCARDMANAGE_S_OK ||
            scardmanage_reconnect(m) != SCARDMANAGE_S_OK ||
            scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE) != SCARDMANAGE_S_OK)
            return &other_is_in;
    }
    return NULL;
}

START_TEST(several_threads_on_one_object)
{
    pthread_t threads[4];
    void *failed;
    other_connects();
    attach(_i);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, uses_the_card, NULL), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    assert_free();
    assert_count(401);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scardmanage_lock");
    TCase *tc = add_attachment_case(suite, "lock", REPORTS_AT_ONCE);
    BOTH_WAYS(tc, nested_lock);
    BOTH_WAYS(tc, lock_survives_reconnecting);
    BOTH_WAYS(tc, lock_returns_with_the_card);
    BOTH_WAYS(tc, lock_and_another_card);
    BOTH_WAYS(tc, unlocking_after_the_card_left);
    BOTH_WAYS(tc, unlocking_between_loss_and_return);
    BOTH_WAYS(tc, unlock_with_reset);
    BOTH_WAYS(tc, detaching_does_not_reset_the_next_card);
    BOTH_WAYS(tc, unlock_with_reset_and_another_atr);
    BOTH_WAYS(tc, unlock_with_eject);
    BOTH_WAYS(tc, unlock_with_an_event_pending);
    BOTH_WAYS(tc, exclusive_and_shared_again);
    BOTH_WAYS(tc, exclusive_and_locked);
    BOTH_WAYS(tc, exclusive_lock_and_a_card_that_was_out);
    BOTH_WAYS(tc, exclusive_use_that_others_prevent);
    tcase_add_test(tc, a_handle_in_exclusive_use);

    tc = add_attachment_case(suite, "waiting and threads", WAITS_FOR_OTHERS);
    BOTH_WAYS(tc, nobody_comes_between);
    BOTH_WAYS(tc, lock_waits_for_its_turn);
    BOTH_WAYS(tc, several_threads_on_one_object);
    return run_suite_in_rig(suite);
}
