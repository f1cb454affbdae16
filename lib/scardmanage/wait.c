/* SPDX-License-Identifier: BSD-3-Clause */
/* Waits for the service, the reader or the card. */
#include "wait.h"

#include "watch.h"

/* How often to look even if the watch has reported nothing: it uses a context of its own, which may have
 * seen the service again before this attachment can. */
#define LOOK_AGAIN_US 250000u
#define RECONNECT_US  50000u /* the same while the service is away */

static struct wait_sight make_sight(const struct attachment *at, scardmanage_result result,
                                    const struct pcsc_reader_state *state)
{
    return (struct wait_sight){result, *state, at->connection.contexts_opened, at->connection.gaps};
}

void wait_remember(struct attachment *at, scardmanage_result result, const struct pcsc_reader_state *state)
{
    at->connection.seen = make_sight(at, result, state);
}

static bool differs(const struct wait_sight *seen, const struct wait_sight *now)
{
    if (now->result != seen->result || now->contexts_opened != seen->contexts_opened ||
        now->gaps != seen->gaps)
        return true;
    return now->result == SCARDMANAGE_S_OK &&
           (now->state.present != seen->state.present || now->state.counter != seen->state.counter ||
            now->state.mute != seen->state.mute);
}

/* result is E_NO_SERVICE or E_READER_UNAVAILABLE if the state is not known. */
static bool condition_holds(const struct attachment *at, scardmanage_result result,
                            const struct pcsc_reader_state *now)
{
    const struct wait_condition *condition = &at->io.condition;
    bool there = result == SCARDMANAGE_S_OK, present = there && now->present;
    switch (condition->what) {
    case WAIT_CARD:
        return present;
    case WAIT_CARD_OR_DEAD_HANDLE:
        return present || (there && at->connection.handle_lost);
    case WAIT_REMOVAL:
        return !present || identity_was_removed(&at->card.identity, now->counter);
    case WAIT_OTHER_CARD:
        return !present || at->connection.handle_lost || now->counter != condition->counter;
    case WAIT_CHANGE:
        return differs(&condition->seen, &condition->now);
    }
    return true;
}

/* Returns a code other than S_OK only if it ends the wait. */
static scardmanage_result look_job(struct attachment *at)
{
    struct pcsc_reader_state state = {.present = false};
    const struct wait_condition *condition = &at->io.condition;
    at->io.condition_holds = false;
    if (at->connection.reader[0] == '\0')
        return at->card.unreported_event;
    if (condition->no_restart && !at->connection.has_context)
        return SCARDMANAGE_E_NO_SERVICE;
    scardmanage_result result = service_get_reader_state(at, condition->any_index, &state);
    if (result == SCARDMANAGE_E_NO_SERVICE)
        service_disconnect(at); /* even if there is no time left to wait for the service */
    if (result == SCARDMANAGE_E_NO_SERVICE && condition->no_restart)
        return result;
    if (result != SCARDMANAGE_S_OK && result != SCARDMANAGE_E_NO_SERVICE &&
        result != SCARDMANAGE_E_READER_UNAVAILABLE)
        return result;
    if (result == SCARDMANAGE_S_OK && condition->what >= WAIT_CARD_OR_DEAD_HANDLE)
        service_check_handle(at, &state);
    if (state.present && condition->probes)
        service_probe_handle(at);
    at->io.condition.now = make_sight(at, result, &state);
    at->io.condition_holds = condition_holds(at, result, &state);
    return SCARDMANAGE_S_OK;
}

/* Called by the watch. */
static void count_news(void *object)
{
    scardmanage *m = object;
    platform_lock(&m->mutex);
    m->news++;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
}

static scardmanage_result begin_watch(struct call *c)
{
    if (c->at->connection.watch)
        return SCARDMANAGE_S_OK;
    return watch_create(&c->m->allocator, false, count_news, c->m, &c->at->connection.watch);
}

void wait_end(struct attachment *at)
{
    scardmanage_watch_free(at->connection.watch);
    at->connection.watch = NULL;
}

static uint64_t next_look(const struct attachment *at, uint64_t now, uint64_t until_us)
{
    uint64_t pause = at->connection.has_context ? LOOK_AGAIN_US : RECONNECT_US;
    return until_us - now > pause ? now + pause : until_us;
}

static scardmanage_result wait_until(struct call *c, const struct wait_condition *condition,
                                     uint64_t until_us)
{
    uint64_t seen_before = 0;
    for (bool is_first = true;; is_first = false) {
        uint64_t seen = call_news(c), now = platform_now_us();
        c->at->io.condition = *condition;
        /* it may have to wait for another client's command, so not each time */
        c->at->io.condition.probes = condition->probes && (is_first || seen != seen_before);
        seen_before = seen;
        scardmanage_result result = call_run(c, look_job, NULL);
        if (result != SCARDMANAGE_S_OK || c->at->io.condition_holds)
            return result;
        if (now >= until_us)
            return SCARDMANAGE_E_TIMEOUT;
        result = begin_watch(c);
        if (result == SCARDMANAGE_S_OK)
            result = call_wait(c, seen, next_look(c->at, now, until_us));
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
}

scardmanage_result wait_in_call(struct call *c, const struct wait_condition *condition, uint64_t until_us,
                                uint64_t *waited_us)
{
    uint64_t start = platform_now_us();
    scardmanage_result result = wait_until(c, condition, until_us);
    *waited_us += platform_now_us() - start;
    return result;
}

/*
 * Calls
 */

/* Additional time for a service that does not answer at once, so that timeout_ms may be 0. */
#define STATE_QUERY_MS 1000u

static scardmanage_result wait_for(scardmanage *m, enum wait_what what, uint32_t timeout_ms)
{
    struct call c;
    uint64_t waited_us = 0;
    uint32_t call_ms = timeout_ms >= SCARDMANAGE_FOREVER - STATE_QUERY_MS ? SCARDMANAGE_FOREVER
                                                                          : timeout_ms + STATE_QUERY_MS;
    uint64_t until = call_deadline_in(timeout_ms);
    scardmanage_result result = call_begin_unless_nested(&c, m, call_ms);
    if (result != SCARDMANAGE_S_OK)
        return result;
    struct wait_condition condition = {
        .what = what,
        .probes = timeout_ms > 0 && (what == WAIT_REMOVAL || what == WAIT_CHANGE),
        .seen = c.at->connection.seen,
    };
    platform_lock(&m->mutex);
    condition.any_index = m->options.accept_other_index != 0;
    platform_unlock(&m->mutex);
    result = wait_in_call(&c, &condition, until, &waited_us);
    /* not in the job: it may have gone on after the call was cancelled, and then nobody was told */
    if (result == SCARDMANAGE_S_OK && what == WAIT_CHANGE)
        c.at->connection.seen = c.at->io.condition.now;
    call_end(&c);
    return result;
}

scardmanage_result scardmanage_wait(scardmanage *m, scardmanage_wait_for what, uint32_t timeout_ms)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    switch (what) {
    case SCARDMANAGE_WAIT_CARD:
        return wait_for(m, WAIT_CARD, timeout_ms);
    case SCARDMANAGE_WAIT_REMOVAL:
        return wait_for(m, WAIT_REMOVAL, timeout_ms);
    case SCARDMANAGE_WAIT_CHANGE:
        return wait_for(m, WAIT_CHANGE, timeout_ms);
    default:
        return SCARDMANAGE_E_INVALIDARG;
    }
}

scardmanage_result scardmanage_wait_for_card(scardmanage *m, uint32_t timeout_ms)
{
    return scardmanage_wait(m, SCARDMANAGE_WAIT_CARD, timeout_ms);
}
