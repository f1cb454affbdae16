/* SPDX-License-Identifier: BSD-3-Clause */
/* SCardGetStatusChange() and SCardCancel() of libpcsclite (winscard_clnt.c). */
#include "libpcsclite.h"
#include "truth.h"

#include <string.h>
#include <strings.h>

#define PNP "\\\\?PnP?\\Notification"

static void register_client(struct pcscd_connection *connection, void *argument)
{
    (void)argument;
    connection->registered = true;
    connection->signalled = false;
}

/* The service answers only if it has not sent a message about an event before. */
static void unregister_client(struct pcscd_connection *connection, void *argument)
{
    LONG *rv = argument;
    *rv = connection->signalled ? connection->signal : SCARD_S_SUCCESS;
    connection->registered = connection->signalled = false;
}

static void copy_states(struct pcscd_connection *connection, void *argument)
{
    bool *event_came = argument;
    client_copy_states();
    *event_came = connection->signalled;
}

/* getReaderStatesAndRegisterForEvents(). An event in between comes before the answer. Versions before 2.5 take both
 * in one request, and read the event later. */
static LONG register_and_read(struct client_context *context)
{
    bool event_came = false;
    LONG rv = client_request(context, register_client, NULL);
    if (rv == SCARD_S_SUCCESS)
        rv = pcscd_request(&context->connection, copy_states, &event_came);
    if (rv != SCARD_S_SUCCESS || !event_came || !version_in_use->takes_event_for_answer)
        return rv;
    context->connection.signalled = false;
    return scheduler_once_in(2) ? SCARD_E_UNKNOWN_READER : SCARD_E_UNSUPPORTED_FEATURE;
}

static void change(SCARD_READERSTATE *reader, bool changed, bool *breaks)
{
    if (!changed)
        return;
    reader->dwEventState |= SCARD_STATE_CHANGED;
    *breaks = true;
}

static void check_unknown(SCARD_READERSTATE *reader, int *count, bool *breaks)
{
    int now = 0;
    if (strcasecmp(reader->szReader, PNP) != 0) {
        reader->dwEventState = SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE;
        change(reader, !(reader->dwCurrentState & SCARD_STATE_UNKNOWN), breaks);
        return;
    }
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        now += client_states[i].name[0] != '\0';
    change(reader, now != *count, breaks);
    *count = now;
}

static void check_sharing(SCARD_READERSTATE *reader, const struct pcscd_state *state, bool *breaks)
{
    DWORD current = reader->dwCurrentState;
    if (state->sharing == PCSCD_EXCLUSIVE) {
        reader->dwEventState |= SCARD_STATE_EXCLUSIVE;
        change(reader, current & SCARD_STATE_INUSE, breaks);
    } else if (state->sharing >= 1) {
        if (state->state & SCARD_PRESENT) {
            reader->dwEventState |= SCARD_STATE_INUSE;
            change(reader, current & SCARD_STATE_EXCLUSIVE, breaks);
        }
    } else {
        change(reader, current & (SCARD_STATE_INUSE | SCARD_STATE_EXCLUSIVE), breaks);
    }
}

static void sleep_for_atr(void)
{
    truth_now.slow_looks++;
    fiber_sleep(PCSCD_RATE_US + 10);
    truth_now.slow_looks_ended++;
}

static void check_known(SCARD_READERSTATE *reader, const struct pcscd_state *state, bool *breaks)
{
    DWORD current = reader->dwCurrentState, seen = current >> 16 & 0xFFFF;
    change(reader, current & SCARD_STATE_UNKNOWN, breaks);
    change(reader, seen != 0 && seen != state->counter, breaks);
    reader->dwEventState = (reader->dwEventState & 0xFFFF) | (DWORD)state->counter << 16;
    if (state->state & SCARD_UNKNOWN) {
        reader->dwEventState = SCARD_STATE_UNAVAILABLE;
        change(reader, !(current & SCARD_STATE_UNAVAILABLE), breaks);
    } else {
        change(reader, current & SCARD_STATE_UNAVAILABLE, breaks);
    }
    reader->cbAtr = 0;
    if (state->state & SCARD_PRESENT) {
        if (state->atr_length == 0) /* "Allow the status thread to convey information" */
            sleep_for_atr();
        reader->cbAtr = state->atr_length;
        memcpy(reader->rgbAtr, state->atr, state->atr_length);
    }
    if (state->state & SCARD_ABSENT) {
        reader->dwEventState |= SCARD_STATE_EMPTY;
        change(reader, current & SCARD_STATE_PRESENT, breaks);
    } else if (state->state & SCARD_PRESENT) {
        bool mute = state->state & SCARD_SWALLOWED;
        reader->dwEventState |= SCARD_STATE_PRESENT | (mute ? SCARD_STATE_MUTE : 0);
        change(reader, current & SCARD_STATE_EMPTY, breaks);
        change(reader, mute != ((current & SCARD_STATE_MUTE) != 0), breaks);
    }
    check_sharing(reader, state, breaks);
    change(reader, current == SCARD_STATE_UNAWARE, breaks);
}

/* Returns whether the state of one of the readers differs from what the client knows. */
static bool check_readers(SCARD_READERSTATE *readers, DWORD count, int *reader_count)
{
    bool breaks = false;
    for (DWORD i = 0; i < count; i++) {
        if (readers[i].dwCurrentState & SCARD_STATE_IGNORE)
            continue;
        int found = client_find_reader(readers[i].szReader);
        if (found < 0)
            check_unknown(&readers[i], reader_count, &breaks);
        else
            check_known(&readers[i], &client_states[found], &breaks);
    }
    return breaks;
}

static LONG unregister(struct client_context *context)
{
    LONG answer = SCARD_S_SUCCESS;
    LONG rv = pcscd_request(&context->connection, unregister_client, &answer);
    return rv == SCARD_S_SUCCESS ? answer : rv;
}

/* Returns SCARD_S_SUCCESS if there was an event. */
static LONG wait_for_event(struct client_context *context, uint64_t until_us)
{
    LONG signal = SCARD_S_SUCCESS;
    context->cancellable = true;
    LONG rv = pcscd_receive_signal(&context->connection, until_us, &signal);
    context->cancellable = false;
    if (rv == SCARD_E_TIMEOUT)
        rv = unregister(context);
    if (rv == SCARD_S_SUCCESS)
        rv = signal;
    return rv == SCARD_S_SUCCESS ? register_and_read(context) : rv;
}

static LONG check_until_change(struct client_context *context, uint64_t until_us, SCARD_READERSTATE *readers,
                               DWORD count)
{
    int reader_count = 0;
    LONG rv = register_and_read(context);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    for (DWORD i = 0; i < count; i++) {
        if (client_find_reader(readers[i].szReader) < 0 && strcasecmp(readers[i].szReader, PNP) != 0)
            return SCARD_E_UNKNOWN_READER;
        readers[i].dwEventState = 0;
    }
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        reader_count += client_states[i].name[0] != '\0';
    while (!check_readers(readers, count, &reader_count)) {
        rv = wait_for_event(context, until_us);
        if (rv != SCARD_S_SUCCESS)
            return rv;
        if (scheduler_now_us() >= until_us)
            return SCARD_E_TIMEOUT;
    }
    return SCARD_S_SUCCESS;
}

LONG SCardGetStatusChange(SCARDCONTEXT number, DWORD timeout_ms, SCARD_READERSTATE *readers, DWORD count)
{
    if (!readers && count > 0)
        return SCARD_E_INVALID_PARAMETER;
    DWORD ignored = 0;
    while (ignored < count && readers[ignored].dwCurrentState & SCARD_STATE_IGNORE)
        ignored++;
    if (ignored == count)
        return SCARD_S_SUCCESS;
    uint64_t until =
        timeout_ms == INFINITE ? FIBER_FOREVER : scheduler_now_us() + (uint64_t)timeout_ms * 1000;
    struct client_context *context = client_lock_context(number);
    if (!context)
        return SCARD_E_INVALID_HANDLE;
    LONG rv = check_until_change(context, until, readers, count);
    if (rv != SCARD_E_CANCELLED)
        unregister(context);
    client_unlock(context);
    return rv;
}

/* Sends the request over a connection of its own. */
LONG SCardCancel(SCARDCONTEXT number)
{
    struct client_context *context = client_find_context(number);
    fiber_point();
    if (!context)
        return SCARD_E_INVALID_HANDLE;
    struct pcscd_connection *connection = &context->connection;
    if (!context->cancellable || !connection->registered)
        return SCARD_S_SUCCESS;
    connection->registered = false;
    connection->signalled = true;
    connection->signal = SCARD_E_CANCELLED;
    fiber_wake(connection);
    return SCARD_S_SUCCESS;
}
