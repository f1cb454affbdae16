/* SPDX-License-Identifier: BSD-3-Clause */
/* Service and reader come and go, too. A context ends with the service, and a handle with either; the
 * attachment only remembers that nobody watched its card meanwhile. */
#include "internal.h"

#define SERVICE_POLL_US 50000u /* nothing tells that the service is back */
#define SLICE_MS        100u   /* for what pcsc_wait() misses, and for calls that are cancelled */

scardmanage_result service_open(attachment *at)
{
    scardmanage_result result = pcsc_open(&at->context);
    at->has_context = result == SCARDMANAGE_S_OK;
    at->opened += at->has_context;
    return result;
}

void service_unwatched(attachment *at)
{
    at->transacted = false;
    at->handle_lost = at->by_handle;
    if (!at->card.known)
        return;
    at->card.unwatched = true;
    at->pending = SCARDMANAGE_W_REMOVED_CARD;
}

void service_lost(attachment *at)
{
    service_unwatched(at);
    if (!at->by_handle)
        handle_close(at, SCARDMANAGE_LEAVE);
    if (at->has_context)
        pcsc_close(at->context);
    at->has_context = false;
}

scardmanage_result service_look(attachment *at, bool any_index, pcsc_look *look)
{
    if (!at->has_context) {
        scardmanage_result opened = service_open(at);
        if (opened != SCARDMANAGE_S_OK)
            return opened;
    }
    scardmanage_result result = pcsc_look_at(at->context, at->reader, look);
    if (result == SCARDMANAGE_E_READER_UNAVAILABLE) {
        service_unwatched(at);
        if (any_index && pcsc_find_alike(at->context, at->reader) == SCARDMANAGE_S_OK)
            result = pcsc_look_at(at->context, at->reader, look);
    }
    return result;
}

void service_check_handle(attachment *at, const pcsc_look *look)
{
    pcsc_card card;
    if (!look->present && at->by_handle && pcsc_status(at->handle, &card) == SCARDMANAGE_E_INVALID_HANDLE)
        service_unwatched(at);
}

static uint32_t slice_until(uint64_t until_us)
{
    uint64_t now = platform_now_us();
    uint64_t left_ms = until_us > now ? (until_us - now + 999) / 1000 : 0;
    return left_ms < SLICE_MS ? (uint32_t)left_ms : SLICE_MS;
}

/* Only codes that end the waiting are returned. */
static scardmanage_result wait_a_while(attachment *at, scardmanage_result seen, const pcsc_look *look,
                                       uint64_t until_us)
{
    scardmanage_result result = seen;
    if (seen == SCARDMANAGE_S_OK)
        result = pcsc_wait(at->context, at->reader, look, slice_until(until_us));
    else if (seen == SCARDMANAGE_E_READER_UNAVAILABLE)
        result = pcsc_wait(at->context, at->reader, NULL, slice_until(until_us));
    if (result == SCARDMANAGE_E_NO_SERVICE) {
        service_lost(at);
        result = job_pause(at, SERVICE_POLL_US);
    }
    bool gone = result == SCARDMANAGE_E_READER_UNAVAILABLE || result == SCARDMANAGE_E_UNKNOWN_READER;
    return gone ? SCARDMANAGE_S_OK : result;
}

scardmanage_result service_wait_for_card(attachment *at, bool any_index, bool with_handle, uint64_t until_us)
{
    pcsc_look look;
    for (;;) {
        scardmanage_result result = service_look(at, any_index, &look);
        if (result == SCARDMANAGE_E_NO_SERVICE)
            service_lost(at); /* also if there is no time left to wait for it */
        if (result == SCARDMANAGE_S_OK && with_handle)
            service_check_handle(at, &look);
        if (result == SCARDMANAGE_S_OK && (look.present || (with_handle && at->handle_lost)))
            return SCARDMANAGE_S_OK;
        scardmanage_result stop = job_stopped(at);
        if (stop == SCARDMANAGE_S_OK && platform_now_us() >= until_us)
            stop = SCARDMANAGE_E_TIMEOUT;
        if (stop == SCARDMANAGE_S_OK)
            stop = wait_a_while(at, result, &look, until_us);
        if (stop != SCARDMANAGE_S_OK)
            return stop;
    }
}

static scardmanage_result wait_job(attachment *at)
{
    if (at->reader[0] == '\0')
        return at->pending;
    return service_wait_for_card(at, at->options.accept_other_index != 0, false, at->io.wait_until);
}

/* Looking takes its time, too, if the service does not answer. */
#define LOOK_MS 1000u

scardmanage_result scardmanage_wait_for_card(scardmanage *m, uint32_t timeout_ms)
{
    call c;
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    uint32_t call_ms =
        timeout_ms >= SCARDMANAGE_FOREVER - LOOK_MS ? SCARDMANAGE_FOREVER : timeout_ms + LOOK_MS;
    uint64_t until = call_deadline_in(timeout_ms);
    scardmanage_result result = call_begin_alone(&c, m, call_ms);
    if (result != SCARDMANAGE_S_OK)
        return result;
    c.at->io.wait_until = until;
    result = call_run(&c, wait_job, NULL);
    call_end(&c);
    return result;
}
