/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is left of a lock when its card has gone, or when PC/SC has no memory to end it. The PC/SC calls below are this
 * file's own: as pcscd answers when a reset finds no card before pcscd has noticed the removal, which takes luck to hit.
 */
#include "attempt.h"

#include "run_suite.h"

#include <check.h>
#include <string.h>
#include <winscard.h>

static struct {
    bool reset_event; /* the handle has the event of the reset */
    bool transaction; /* the handle has a transaction */
    bool has_card;
    bool is_locked;          /* by another client */
    bool exclusive;          /* as asked for last */
    struct attachment *late; /* whose caller stops waiting before exclusive use comes, or NULL */
    bool lacks_memory_to_end, lacks_memory_for_status;
    bool shares_nothing; /* SCardReconnect() with shared use fails */
    bool was_reset;      /* SCardGetAttrib() says so */
    unsigned ends, closed, reconnects;
} pcscd;

LONG SCardEndTransaction(SCARDHANDLE handle, DWORD disposition)
{
    (void)handle;
    pcscd.ends++;
    if (pcscd.lacks_memory_to_end)
        return SCARD_E_NO_MEMORY;
    if (pcscd.reset_event)
        return SCARD_W_RESET_CARD;
    if (!pcscd.transaction)
        return SCARD_E_NOT_TRANSACTED;
    pcscd.transaction = false;
    pcscd.reset_event = disposition != SCARD_LEAVE_CARD;
    return SCARD_S_SUCCESS;
}

static void ask_for_use(DWORD share)
{
    pcscd.exclusive = share == SCARD_SHARE_EXCLUSIVE;
    if (pcscd.exclusive && pcscd.late)
        pcscd.late->worker.deadline = 0;
}

LONG SCardReconnect(SCARDHANDLE handle, DWORD share, DWORD protocols, DWORD step, LPDWORD active)
{
    (void)handle, (void)protocols, (void)step, (void)active;
    pcscd.reconnects++;
    ask_for_use(share);
    if (!pcscd.has_card)
        return SCARD_E_NO_SMARTCARD;
    if (pcscd.shares_nothing && share == SCARD_SHARE_SHARED && pcscd.late && pcscd.late->worker.deadline == 0)
        return SCARD_W_UNRESPONSIVE_CARD;
    pcscd.reset_event = false;
    return SCARD_S_SUCCESS;
}

LONG SCardStatus(SCARDHANDLE handle, LPSTR reader, LPDWORD reader_length, LPDWORD state, LPDWORD protocol,
                 LPBYTE atr, LPDWORD atr_length)
{
    (void)handle, (void)atr;
    if (pcscd.lacks_memory_for_status)
        return SCARD_E_NO_MEMORY;
    if (pcscd.reset_event)
        return SCARD_W_RESET_CARD;
    *reader = '\0';
    *reader_length = 1;
    *state = SCARD_PRESENT | SCARD_POWERED | SCARD_SPECIFIC;
    *protocol = SCARD_PROTOCOL_T0;
    *atr_length = 0;
    return SCARD_S_SUCCESS;
}

LONG SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, LPBYTE value, LPDWORD length)
{
    (void)handle, (void)attribute, (void)value, (void)length;
    if (pcscd.was_reset)
        return SCARD_W_RESET_CARD;
    return pcscd.is_locked ? SCARD_E_SHARING_VIOLATION : SCARD_S_SUCCESS;
}

LONG SCardConnect(SCARDCONTEXT context, LPCSTR reader, DWORD share, DWORD protocols, LPSCARDHANDLE handle,
                  LPDWORD active)
{
    (void)context, (void)reader, (void)protocols, (void)active;
    *handle = 2;
    ask_for_use(share);
    return SCARD_S_SUCCESS;
}

LONG SCardDisconnect(SCARDHANDLE handle, DWORD disposition)
{
    (void)handle, (void)disposition;
    pcscd.closed++;
    pcscd.transaction = false;
    return SCARD_S_SUCCESS;
}

/* An attachment with a handle and a transaction. Only its thread is missing. */
static void begin(struct attachment *at, scardmanage *m, bool by_handle, bool reset_event)
{
    memset(at, 0, sizeof *at);
    at->m = m;
    at->connection.has_handle = true;
    at->connection.by_handle = by_handle;
    at->connection.share = SCARDMANAGE_SHARE_SHARED;
    at->transaction.is_open = true;
    at->transaction.lock_count = 1;
    at->worker.deadline = UINT64_MAX;
    memset(&pcscd, 0, sizeof pcscd);
    pcscd.transaction = true;
    pcscd.reset_event = reset_event;
}

static void begin_without_transaction(struct attachment *at, scardmanage *m, bool by_handle)
{
    begin(at, m, by_handle, false);
    at->transaction.is_open = pcscd.transaction = false;
}

/* Returns whether PC/SC has a transaction. The attachment must know. */
static bool is_locked(const struct attachment *at)
{
    ck_assert(at->transaction.is_open || !pcscd.transaction);
    return at->transaction.is_open;
}

START_TEST(a_removal_that_pcscd_has_not_noticed)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);

    begin(&at, m, false, true);
    lock_end_with_card(&at, false);
    ck_assert(!is_locked(&at) && !at.connection.has_handle);
    ck_assert_uint_eq(pcscd.closed, 1);

    /* a handle of the caller is not closed, and its lock not forgotten */
    begin(&at, m, true, true);
    lock_end_with_card(&at, false);
    ck_assert(is_locked(&at) && at.transaction.is_doubtful && at.connection.has_handle);
    ck_assert_int_eq(lock_state(&at), SCARDMANAGE_LOCK_LOST);
    ck_assert_uint_eq(pcscd.closed, 0);

    begin(&at, m, false, false);
    lock_end_with_card(&at, false);
    ck_assert(!is_locked(&at) && at.connection.has_handle);
    scardmanage_free(m);
}
END_TEST

START_TEST(a_removal_that_pcscd_has_noticed)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    begin(&at, m, false, true);
    pcscd.transaction = false; /* the removal has ended it, and a reset has replaced its event */
    lock_end_with_card(&at, true);
    ck_assert(!is_locked(&at) && at.connection.has_handle);
    scardmanage_free(m);
}
END_TEST

START_TEST(an_unlock_after_a_reset_that_found_no_card)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    for (int by_handle = 0; by_handle < 2; by_handle++) {
        begin(&at, m, by_handle, true);
        ck_assert_int_eq(lock_end_transaction(&at, SCARDMANAGE_DISPOSITION_LEAVE),
                         SCARDMANAGE_W_REMOVED_CARD);
        ck_assert(is_locked(&at) == by_handle && at.connection.has_handle == by_handle);
        ck_assert_uint_eq(pcscd.ends, 2);
    }
    scardmanage_free(m);
}
END_TEST

START_TEST(an_unlock_after_a_removal_that_was_acknowledged)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    for (int is_kept = 0; is_kept < 2; is_kept++) {
        begin(&at, m, true, false);
        pcscd.transaction = false; /* the removal has ended it, and a reconnect that failed took its event */
        at.card.unreported_event = is_kept ? SCARDMANAGE_W_RESET_CARD : SCARDMANAGE_S_OK;
        ck_assert_int_eq(unlock_late_job(&at),
                         is_kept ? SCARDMANAGE_W_RESET_CARD : SCARDMANAGE_W_REMOVED_CARD);
        ck_assert(!is_locked(&at) && at.transaction.lock_count == 0);
    }
    scardmanage_free(m);
}
END_TEST

START_TEST(no_memory_to_end_it_after_a_removal)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    for (int is_counted = 0; is_counted < 2; is_counted++) {
        begin(&at, m, false, false);
        pcscd.lacks_memory_to_end = true;
        lock_end_with_card(&at, is_counted);
        ck_assert(is_locked(&at) && at.transaction.is_doubtful);

        /* the removal has ended it: nothing says so before there is memory */
        ck_assert_int_eq(lock_end_transaction(&at, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_OUTOFMEMORY);
        ck_assert(is_locked(&at) && at.transaction.is_doubtful);
        pcscd.lacks_memory_to_end = pcscd.transaction = false;
        ck_assert_int_eq(lock_end_transaction(&at, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_S_OK);
        ck_assert(!is_locked(&at));
    }
    scardmanage_free(m);
}
END_TEST

START_TEST(no_memory_to_begin_another_one)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    begin(&at, m, false, false);
    at.transaction.is_doubtful = true;
    pcscd.lacks_memory_to_end = true;
    struct attempt attempt = {.at = &at};
    ck_assert_int_eq(steps_restore_lock(&attempt), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert(is_locked(&at) && at.transaction.is_doubtful);
    scardmanage_free(m);
}
END_TEST

START_TEST(no_memory_to_end_it_around_exclusive_use)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    struct attempt attempt = {.at = &at};

    /* those who are to leave would wait for the lock */
    begin(&at, m, false, false);
    pcscd.has_card = pcscd.lacks_memory_to_end = true;
    attempt.options.share = SCARDMANAGE_SHARE_EXCLUSIVE;
    ck_assert_int_eq(steps_take(&attempt, SCARDMANAGE_STEP_LEAVE), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert(is_locked(&at) && !pcscd.exclusive);

    /* what pcscd counts as a transaction outlives exclusive use */
    begin(&at, m, false, false);
    pcscd.has_card = pcscd.lacks_memory_to_end = true;
    at.connection.share = SCARDMANAGE_SHARE_EXCLUSIVE;
    at.transaction.is_open = false;
    attempt.options.share = SCARDMANAGE_SHARE_SHARED;
    ck_assert_int_eq(steps_take(&attempt, SCARDMANAGE_STEP_LEAVE), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert(is_locked(&at) && at.transaction.is_doubtful);
    scardmanage_free(m);
}
END_TEST

/* The caller has stopped waiting before the handle is there. */
START_TEST(exclusive_use_that_comes_too_late)
{
    static const scardmanage_step steps[] = {SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_STEP_REOPEN};
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    begin_without_transaction(&at, m, false);
    pcscd.late = &at;
    pcscd.has_card = true;
    struct attempt attempt = {.at = &at, .options.share = SCARDMANAGE_SHARE_EXCLUSIVE};
    ck_assert_int_eq(steps_take(&attempt, steps[_i]), SCARDMANAGE_E_TIMEOUT);
    ck_assert(!pcscd.exclusive);
    ck_assert_int_eq(at.connection.share, SCARDMANAGE_SHARE_SHARED);
    scardmanage_free(m);
}
END_TEST

/* Nor does the card answer then. */
START_TEST(late_exclusive_use_that_cannot_be_given_back)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    for (int by_handle = 0; by_handle < 2; by_handle++) {
        begin_without_transaction(&at, m, by_handle);
        pcscd.late = &at;
        pcscd.has_card = pcscd.shares_nothing = true;
        struct attempt attempt = {.at = &at, .options.share = SCARDMANAGE_SHARE_EXCLUSIVE};
        ck_assert_int_eq(steps_take(&attempt, SCARDMANAGE_STEP_LEAVE), SCARDMANAGE_E_TIMEOUT);
        ck_assert_uint_eq(pcscd.closed, !by_handle);
        ck_assert_int_eq(at.connection.has_handle, by_handle);
    }
    scardmanage_free(m);
}
END_TEST

/* Another client has reset the card, and ends its transaction before the new handle is opened. */
START_TEST(a_reset_before_a_new_handle)
{
    static const scardmanage_step steps[] = {SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_STEP_REOPEN};
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    begin_without_transaction(&at, m, false);
    pcscd.has_card = pcscd.was_reset = true;
    struct attempt attempt = {
        .at = &at,
        .event_acknowledged = true,
        .situation = {.handle = HANDLE_USABLE, .verdict = SCARDMANAGE_VERDICT_UNCHANGED}};
    steps_take(&attempt, steps[_i]);
    ck_assert_int_eq(attempt.report.verdict, SCARDMANAGE_VERDICT_RESET);
    scardmanage_free(m);
}
END_TEST

START_TEST(no_memory_for_a_late_unlock)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    begin(&at, m, false, false);
    pcscd.lacks_memory_to_end = true;
    ck_assert_int_eq(unlock_late_job(&at), SCARDMANAGE_E_OUTOFMEMORY);
    ck_assert(is_locked(&at) && at.transaction.lock_count == 0);
    scardmanage_free(m);
}
END_TEST

START_TEST(no_memory_to_look_after_an_own_reset)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    for (int is_reset_again = 0; is_reset_again < 2; is_reset_again++) {
        begin(&at, m, false, false);
        pcscd.has_card = pcscd.lacks_memory_for_status = true;
        ck_assert_int_eq(lock_end_transaction(&at, SCARDMANAGE_DISPOSITION_RESET), SCARDMANAGE_S_OK);
        ck_assert(at.card.own_reset && !pcscd.reset_event);
        ck_assert_uint_eq(pcscd.reconnects, 1);

        pcscd.reset_event = is_reset_again; /* by another client: the caller must hear of it */
        pcscd.lacks_memory_for_status = false;
        ck_assert_int_eq(handle_acknowledge_own_reset(&at),
                         is_reset_again ? SCARDMANAGE_W_RESET_CARD : SCARDMANAGE_S_OK);
        ck_assert(!at.card.own_reset && pcscd.reset_event == is_reset_again);
        ck_assert_uint_eq(pcscd.reconnects, 1);
    }
    scardmanage_free(m);
}
END_TEST

/* The deadline of the call is over before another client ends its transaction. */
START_TEST(a_reset_that_is_acknowledged_later)
{
    struct attachment at;
    scardmanage *m;
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
    begin(&at, m, false, false);
    at.worker.deadline = 0;
    pcscd.has_card = pcscd.is_locked = true;
    ck_assert_int_eq(lock_end_transaction(&at, SCARDMANAGE_DISPOSITION_RESET), SCARDMANAGE_S_OK);
    ck_assert(at.card.own_reset);
    ck_assert_uint_eq(attachment_session(&at), 1);
    pcscd.is_locked = false;
    ck_assert_int_eq(handle_acknowledge_if_due(&at), SCARDMANAGE_S_OK);
    ck_assert(!at.card.own_reset);
    ck_assert_uint_eq(attachment_session(&at), 1);
    scardmanage_free(m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: the end of a lock");
    TCase *tc = tcase_create("lock_end");
    tcase_add_test(tc, a_removal_that_pcscd_has_not_noticed);
    tcase_add_test(tc, a_removal_that_pcscd_has_noticed);
    tcase_add_test(tc, an_unlock_after_a_reset_that_found_no_card);
    tcase_add_test(tc, an_unlock_after_a_removal_that_was_acknowledged);
    tcase_add_test(tc, no_memory_to_end_it_after_a_removal);
    tcase_add_test(tc, no_memory_to_begin_another_one);
    tcase_add_test(tc, no_memory_to_end_it_around_exclusive_use);
    tcase_add_loop_test(tc, exclusive_use_that_comes_too_late, 0, 2);
    tcase_add_test(tc, late_exclusive_use_that_cannot_be_given_back);
    tcase_add_loop_test(tc, a_reset_before_a_new_handle, 0, 2);
    tcase_add_test(tc, no_memory_for_a_late_unlock);
    tcase_add_test(tc, no_memory_to_look_after_an_own_reset);
    tcase_add_test(tc, a_reset_that_is_acknowledged_later);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
