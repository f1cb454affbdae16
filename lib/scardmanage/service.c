/* SPDX-License-Identifier: BSD-3-Clause */
/* The service and the reader can go away, too. A context dies with the service, a handle with
 * either. The attachment survives, and records that it could not watch its card in the meantime. */
#include "internal.h"

#define SERVICE_POLL_US 50000u /* PC/SC does not report the return of the service */
#define SLICE_MS        100u /* interval of checks for a cancelled call, and for changes that PC/SC missed */

scardmanage_result service_open_context(struct attachment *at)
{
    scardmanage_result result = pcsc_establish_context(&at->context);
    at->has_context = result == SCARDMANAGE_S_OK;
    at->contexts_opened += at->has_context;
    return result;
}

void service_mark_unwatched(struct attachment *at)
{
    at->in_transaction = false;
    at->handle_lost = at->by_handle;
    if (!at->card.known)
        return;
    at->card.unwatched = true;
    at->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
}

void service_disconnect(struct attachment *at)
{
    service_mark_unwatched(at);
    if (!at->by_handle)
        handle_close(at, SCARDMANAGE_DISPOSITION_LEAVE);
    if (at->has_context)
        pcsc_release_context(at->context);
    at->has_context = false;
}

scardmanage_result service_get_reader_state(struct attachment *at, bool any_index,
                                            struct pcsc_reader_state *state)
{
    if (!at->has_context) {
        scardmanage_result opened = service_open_context(at);
        if (opened != SCARDMANAGE_S_OK)
            return opened;
    }
    scardmanage_result result = pcsc_get_reader_state(at->context, at->reader, state);
    if (result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        service_mark_unwatched(at);
        if (any_index && pcsc_find_same_model(at->context, at->reader) == SCARDMANAGE_S_OK)
            result = pcsc_get_reader_state(at->context, at->reader, state);
    }
    return result;
}

void service_check_handle(struct attachment *at, const struct pcsc_reader_state *state)
{
    struct pcsc_card card;
    if (!state->present && at->by_handle &&
        pcsc_get_status(at->handle, &card) == SCARDMANAGE_E_INVALID_HANDLE)
        service_mark_unwatched(at);
}

static uint32_t slice_ms_until(uint64_t until_us)
{
    uint64_t now = platform_now_us();
    uint64_t left_ms = until_us > now ? (until_us - now + 999) / 1000 : 0;
    return left_ms < SLICE_MS ? (uint32_t)left_ms : SLICE_MS;
}

/* Returns a code other than S_OK only if it ends the wait. */
static scardmanage_result wait_one_slice(struct attachment *at, scardmanage_result seen,
                                         const struct pcsc_reader_state *state, uint64_t until_us)
{
    scardmanage_result result = seen;
    if (seen == SCARDMANAGE_S_OK)
        result = pcsc_wait_for_change(at->context, at->reader, state, slice_ms_until(until_us));
    else if (seen == SCARDMANAGE_E_READER_UNAVAILABLE)
        result = pcsc_wait_for_change(at->context, at->reader, NULL, slice_ms_until(until_us));
    if (result == SCARDMANAGE_E_NO_SERVICE) {
        service_disconnect(at);
        result = job_pause(at, SERVICE_POLL_US);
    }
    bool gone = result == SCARDMANAGE_E_READER_UNAVAILABLE || result == SCARDMANAGE_E_UNKNOWN_READER;
    return gone ? SCARDMANAGE_S_OK : result;
}

scardmanage_result service_wait_for_card(struct attachment *at, bool any_index, bool with_handle,
                                         uint64_t until_us)
{
    struct pcsc_reader_state state;
    for (;;) {
        scardmanage_result result = service_get_reader_state(at, any_index, &state);
        if (result == SCARDMANAGE_E_NO_SERVICE)
            service_disconnect(at); /* even if there is no time left to wait for the service */
        if (result == SCARDMANAGE_S_OK && with_handle)
            service_check_handle(at, &state);
        if (result == SCARDMANAGE_S_OK && (state.present || (with_handle && at->handle_lost)))
            return SCARDMANAGE_S_OK;
        scardmanage_result stop = job_stop_reason(at);
        if (stop == SCARDMANAGE_S_OK && platform_now_us() >= until_us)
            stop = SCARDMANAGE_E_TIMEOUT;
        if (stop == SCARDMANAGE_S_OK)
            stop = wait_one_slice(at, result, &state, until_us);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
}

static scardmanage_result wait_for_card_job(struct attachment *at)
{
    if (at->reader[0] == '\0')
        return at->unreported_event;
    return service_wait_for_card(at, at->options.accept_other_index != 0, false, at->io.wait_until);
}

/* Additional time for a service that does not answer at once, so that timeout_ms may be 0. */
#define STATE_QUERY_MS 1000u

scardmanage_result scardmanage_wait_for_card(scardmanage *m, uint32_t timeout_ms)
{
    struct call c;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    uint32_t call_ms = timeout_ms >= SCARDMANAGE_FOREVER - STATE_QUERY_MS ? SCARDMANAGE_FOREVER
                                                                          : timeout_ms + STATE_QUERY_MS;
    uint64_t until = call_deadline_in(timeout_ms);
    scardmanage_result result = call_begin_unless_nested(&c, m, call_ms);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.wait_until = until;
    result = call_run(&c, wait_for_card_job, NULL);
    call_end(&c);
    return result;
}
