/* SPDX-License-Identifier: BSD-3-Clause */
/* A second thread that makes calls on the object of A or B, side by side with the first: calls that change nothing. */
#include "scheduler.h"
#include "storm.h"

#define LATENESS_US 12000

static scardmanage_result ask(struct storm_user *user, bool waits, uint32_t timeout_ms)
{
    scardmanage_state state;
    uint32_t protocol;
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    char name[MAX_READERNAME];
    size_t atr_length = sizeof atr, name_length = sizeof name;
    if (waits)
        return scardmanage_wait(
            user->m, scheduler_once_in(2) ? SCARDMANAGE_WAIT_CARD : SCARDMANAGE_WAIT_REMOVAL, timeout_ms);
    switch (scheduler_random(3)) {
    case 0:
        return scardmanage_status(user->m, &state, &protocol);
    case 1:
        return scardmanage_get_atr(user->m, atr, &atr_length);
    default:
        return scardmanage_get_reader(user->m, name, &name_length);
    }
}

static void make_call(struct storm_user *user)
{
    bool waits = scheduler_once_in(4);
    uint32_t timeout_ms = waits ? scheduler_random(20) : user->options.timeout_ms;
    uint64_t begun = scheduler_now_us(), extra = 0;
    unsigned calls = user->calls_begun;
    bool owns = user->attached && !user->is_calling && !user->may_run; /* it gets the object at once */
    scardmanage_result result = ask(user, waits, timeout_ms);
    storm_log(user->storm, "another thread of %c: %s: %08X", user->party == PARTY_A ? 'A' : 'B',
              waits ? "waiting" : "asking", (unsigned)result);
    storm_check(user,
                !owns || result != SCARDMANAGE_E_INVALID_HANDLE || user->party == PARTY_B ||
                    user->helper.detach_us < begun + STORM_TURN_US || user->helper.detach_call != calls,
                "a call of another thread has begun, but the attachment is gone");
    if (waits)
        extra = 1000 * 1000; /* for a service that does not answer at once */
    uint64_t took = scheduler_now_us() - begun;
    storm_check(user, took <= (uint64_t)timeout_ms * 1000 + LATENESS_US + extra,
                "a call of another thread took %llu us, its timeout was %u ms", (unsigned long long)took,
                (unsigned)timeout_ms);
    storm_check(user, result != SCARDMANAGE_E_TIMEOUT || took >= (uint64_t)timeout_ms * 1000,
                "a call of another thread has timed out after %llu us, its timeout was %u ms",
                (unsigned long long)took, (unsigned)timeout_ms);
    user->helper.has_abandoned |= storm_was_abandoned(result);
    /* it may have noticed a loss */
    user->failed_since = user->may_have_lost_sight = true;
    user->last_report.known = false;
    user->helper.calls++;
}

void storm_run_helper(void *argument)
{
    struct storm_user *user = argument;
    truth_set_actor(NOBODY);
    while (!user->done && !user->storm->model->failure[0]) {
        fiber_sleep(1 + scheduler_random(4 * user->storm->event_us));
        if (user->done || user->helper.must_pause)
            continue;
        user->helper.is_calling = true;
        make_call(user);
        user->helper.is_calling = false;
        user->helper.ended_us = scheduler_now_us();
    }
    user->helper.is_done = true;
}

void storm_pause_helper(struct storm_user *user)
{
    user->helper.must_pause = true;
    while (user->helper.is_calling)
        fiber_sleep(200);
}

void storm_continue_helper(struct storm_user *user)
{
    user->helper.must_pause = false;
}
