/* SPDX-License-Identifier: BSD-3-Clause */
/* winscard_clnt.c of libpcsclite, except SCardGetStatusChange(). */
#include "libpcsclite.h"
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const SCARD_IO_REQUEST g_rgSCardT0Pci = {SCARD_PROTOCOL_T0, sizeof(SCARD_IO_REQUEST)};
const SCARD_IO_REQUEST g_rgSCardT1Pci = {SCARD_PROTOCOL_T1, sizeof(SCARD_IO_REQUEST)};
const SCARD_IO_REQUEST g_rgSCardRawPci = {SCARD_PROTOCOL_RAW, sizeof(SCARD_IO_REQUEST)};

/*
 * Requests with a handle. Those that the service refuses during another client's transaction are repeated.
 */

struct request {
    SCARDHANDLE handle;
    DWORD share, protocols, how; /* how: initialization or disposition */
    DWORD active;
    const char *reader;
    DWORD attribute, code;
    const uint8_t *command;
    DWORD length;
    uint8_t *answer;
    DWORD answer_length;
    LONG rv;
};

typedef void serve_function(struct pcscd_connection *connection, void *argument);

/* MSGCheckHandleAssociation(): "Must be a rogue client, debug log and sleep a couple of seconds". But it may be one
 * that has just closed the handle in another thread. */
static void check_handle(struct pcscd_connection *connection, SCARDHANDLE handle)
{
    for (unsigned i = 0; i < PCSCD_HANDLES; i++)
        if (connection->handles[i] == handle)
            return;
    pcscd_sleep(2000000);
    pcscd_hang_up(connection);
}

static LONG send_once(struct request *request, serve_function *serve)
{
    struct client_context *context = client_lock_handle(request->handle, &request->reader);
    if (!context)
        return SCARD_E_INVALID_HANDLE;
    request->rv = SCARD_S_SUCCESS;
    LONG rv = client_request(context, serve, request);
    client_unlock(context);
    rv = rv == SCARD_S_SUCCESS ? request->rv : rv;
    client_note_result(rv);
    return rv;
}

static LONG send_until_allowed(struct request *request, serve_function *serve)
{
    LONG rv;
    while ((rv = send_once(request, serve)) == SCARD_E_SHARING_VIOLATION)
        fiber_sleep(PCSCD_POLL_US);
    return rv;
}

FILE *client_log;

static void log_request(const char *name, const struct request *r)
{
    static const char letters[] = "-ABC";
    truth_now.resets_seen[truth_actor()] += r->rv == SCARD_W_RESET_CARD;
    if (client_log)
        fprintf(client_log, "%10llu          %c %s of %lu, %lu: %08lX\n",
                (unsigned long long)scheduler_now_us(), letters[truth_actor()], name, r->handle, r->how,
                (unsigned long)r->rv & 0xFFFFFFFF);
}

#define SERVE(name, call)                                                                                    \
    static void name(struct pcscd_connection *connection, void *argument)                                    \
    {                                                                                                        \
        struct request *r = argument;                                                                        \
        check_handle(connection, r->handle);                                                                 \
        r->rv = call;                                                                                        \
        log_request(&#name[6], r);                                                                           \
    }

/* ContextThread(): the service has a buffer of its own, and then looks at the size of the client's. */
static LONG transmit(struct request *request)
{
    uint8_t answer[MAX_BUFFER_SIZE];
    DWORD length = sizeof answer;
    LONG rv = pcscd_SCardTransmit(request->handle, request->protocols, request->command, request->length,
                                  answer, &length);
    if (length > request->answer_length)
        rv = SCARD_E_INSUFFICIENT_BUFFER;
    if (rv == SCARD_S_SUCCESS)
        memcpy(request->answer, answer, length);
    request->answer_length = length;
    return rv;
}

SERVE(serve_reconnect, pcscd_SCardReconnect(r->handle, r->share, r->protocols, r->how, &r->active))
SERVE(serve_begin, pcscd_SCardBeginTransaction(r->handle))
SERVE(serve_end, pcscd_SCardEndTransaction(r->handle, r->how))
SERVE(serve_status, pcscd_SCardStatus(r->handle))
SERVE(serve_attribute, pcscd_SCardGetAttrib(r->handle, r->attribute, r->answer, &r->answer_length))
SERVE(serve_control,
      pcscd_SCardControl(r->handle, r->code, r->command, r->length, r->answer, &r->answer_length))
SERVE(serve_transmit, transmit(r))

static void serve_connect(struct pcscd_connection *connection, void *argument)
{
    struct request *r = argument;
    unsigned i = 0;
    while (i < PCSCD_HANDLES - 1 && connection->handles[i] != 0)
        i++;
    r->rv = pcscd_SCardConnect(r->reader, r->share, r->protocols, &r->handle, &r->active);
    if (r->rv == SCARD_S_SUCCESS)
        connection->handles[i] = r->handle;
    log_request("connect", r);
}

static void serve_disconnect(struct pcscd_connection *connection, void *argument)
{
    struct request *r = argument;
    r->rv = pcscd_SCardDisconnect(r->handle, r->how);
    for (unsigned i = 0; i < PCSCD_HANDLES; i++)
        if (r->rv == SCARD_S_SUCCESS && connection->handles[i] == r->handle)
            connection->handles[i] = 0;
    log_request("disconnect", r);
}

LONG SCardConnect(SCARDCONTEXT number, LPCSTR reader, DWORD share, DWORD protocols, LPSCARDHANDLE handle,
                  LPDWORD active)
{
    if (!handle || !active)
        return SCARD_E_INVALID_PARAMETER;
    *handle = 0;
    if (!reader)
        return SCARD_E_UNKNOWN_READER;
    uint64_t begun_us = scheduler_now_us();
    struct client_context *context = client_lock_context(number);
    if (!context) {
        truth_step(SCARDMANAGE_STEP_REOPEN, begun_us, false);
        return SCARD_E_INVALID_HANDLE;
    }
    struct request request = {.reader = reader, .share = share, .protocols = protocols};
    LONG rv = client_request(context, serve_connect, &request);
    if (rv == SCARD_S_SUCCESS) {
        *handle = request.handle;
        *active = request.active;
        rv = request.rv == SCARD_S_SUCCESS ? client_add_handle(context, request.handle, reader) : request.rv;
    }
    client_unlock(context);
    truth_step(SCARDMANAGE_STEP_REOPEN, begun_us, rv == SCARD_S_SUCCESS);
    return rv;
}

LONG SCardReconnect(SCARDHANDLE handle, DWORD share, DWORD protocols, DWORD initialization, LPDWORD active)
{
    struct request request = {
        .handle = handle, .share = share, .protocols = protocols, .how = initialization};
    if (!active)
        return SCARD_E_INVALID_PARAMETER;
    uint64_t begun_us = scheduler_now_us();
    LONG rv = send_until_allowed(&request, serve_reconnect);
    *active = request.active;
    truth_step(initialization == SCARD_LEAVE_CARD   ? SCARDMANAGE_STEP_LEAVE
               : initialization == SCARD_RESET_CARD ? SCARDMANAGE_STEP_WARM
                                                    : SCARDMANAGE_STEP_COLD,
               begun_us, rv == SCARD_S_SUCCESS);
    return rv;
}

LONG SCardDisconnect(SCARDHANDLE handle, DWORD disposition)
{
    struct request request = {.handle = handle, .how = disposition};
    struct client_context *context = client_lock_handle(handle, &request.reader);
    truth_now.closed_twice += !context;
    if (!context)
        return SCARD_E_INVALID_HANDLE;
    LONG rv = pcscd_request(&context->connection, serve_disconnect, &request);
    if (rv == SCARD_S_SUCCESS && request.rv == SCARD_S_SUCCESS)
        client_remove_handle(context, handle);
    client_unlock(context);
    return rv == SCARD_S_SUCCESS ? request.rv : rv;
}

LONG SCardBeginTransaction(SCARDHANDLE handle)
{
    struct request request = {.handle = handle};
    return send_until_allowed(&request, serve_begin);
}

LONG SCardEndTransaction(SCARDHANDLE handle, DWORD disposition)
{
    struct request request = {.handle = handle, .how = disposition};
    return send_once(&request, serve_end);
}

LONG SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, LPBYTE value, LPDWORD length)
{
    BYTE none[MAX_BUFFER_SIZE];
    if (!length)
        return SCARD_E_INVALID_PARAMETER;
    struct request request = {.handle = handle,
                              .attribute = attribute,
                              .answer = value ? value : none,
                              .answer_length = value ? *length : sizeof none};
    LONG rv = send_once(&request, serve_attribute);
    *length = request.answer_length;
    return rv;
}

LONG SCardTransmit(SCARDHANDLE handle, const SCARD_IO_REQUEST *pci, LPCBYTE command, DWORD length,
                   SCARD_IO_REQUEST *received_pci, LPBYTE response, LPDWORD response_length)
{
    (void)received_pci;
    if (!pci || !command || !response || !response_length)
        return SCARD_E_INVALID_PARAMETER;
    DWORD room = *response_length;
    struct request request = {.handle = handle,
                              .protocols = pci->dwProtocol,
                              .command = command,
                              .length = length,
                              .answer = response};
    LONG rv;
    do {
        request.answer_length = room;
        rv = send_once(&request, serve_transmit);
    } while (rv == SCARD_E_SHARING_VIOLATION && (fiber_sleep(PCSCD_POLL_US), true));
    *response_length = rv == SCARD_E_INVALID_HANDLE ? 0 : request.answer_length;
    return rv;
}

LONG SCardControl(SCARDHANDLE handle, DWORD code, LPCVOID data, DWORD length, LPVOID answer, DWORD capacity,
                  LPDWORD answer_length)
{
    struct request request = {.handle = handle,
                              .code = code,
                              .command = data,
                              .length = length,
                              .answer = answer,
                              .answer_length = capacity};
    LONG rv = send_once(&request, serve_control);
    if (answer_length)
        *answer_length = rv == SCARD_S_SUCCESS ? request.answer_length : 0;
    return rv;
}

const char *pcsc_stringify_error(const LONG rv)
{
    static char text[16];
    snprintf(text, sizeof text, "%08lX", (unsigned long)(rv & 0xFFFFFFFF));
    return text;
}

/*
 * Calls that read the states of the readers
 */

void client_copy_states(void)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++) /* RFWaitForReaderInit() */
        while (pcscd_service.readers[i].exists && !pcscd_service.readers[i].initialized)
            pcscd_wait(&pcscd_service.readers[i].initialized, scheduler_now_us() + 10000);
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        client_states[i] = pcscd_service.readers[i].state;
}

static void copy_states(struct pcscd_connection *connection, void *argument)
{
    (void)connection;
    (void)argument;
    client_copy_states();
}

LONG client_read_states(struct client_context *context)
{
    return client_request(context, copy_states, NULL);
}

int client_find_reader(const char *name)
{
    for (int i = 0; i < PCSCD_READERS; i++)
        if (strcmp(client_states[i].name, name) == 0)
            return i;
    return -1;
}

/* Only the transaction and the events come from SCardStatus() of the service; the rest is what was read before. */
static LONG get_status(struct client_context *context, struct request *request, struct pcscd_state *state)
{
    LONG rv = client_read_states(context);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    int i = client_find_reader(request->reader);
    if (i < 0)
        return SCARD_E_READER_UNAVAILABLE;
    rv = client_request(context, serve_status, request);
    *state = client_states[i];
    return rv == SCARD_S_SUCCESS ? request->rv : rv;
}

LONG SCardStatus(SCARDHANDLE handle, LPSTR name, LPDWORD name_length, LPDWORD reader_state, LPDWORD protocol,
                 LPBYTE atr, LPDWORD atr_length)
{
    struct request request = {.handle = handle};
    struct pcscd_state state;
    DWORD name_room = name_length ? *name_length : 0, atr_room = atr_length ? *atr_length : 0, none;
    name_length = name_length ? name_length : &none;
    atr_length = atr_length ? atr_length : &none;
    LONG rv;
    do {
        *name_length = *atr_length = 0;
        struct client_context *context = client_lock_handle(handle, &request.reader);
        if (!context)
            return SCARD_E_INVALID_HANDLE;
        rv = get_status(context, &request, &state);
        client_unlock(context);
    } while (rv == SCARD_E_SHARING_VIOLATION && (fiber_sleep(PCSCD_POLL_US), true));
    if (reader_state)
        *reader_state = 0;
    if (protocol)
        *protocol = 0;
    if (rv != SCARD_S_SUCCESS)
        return rv;
    truth_last_protocol[truth_actor()] = (uint32_t)state.protocol;
    *name_length = strlen(state.name) + 1;
    *atr_length = state.atr_length;
    if (reader_state)
        *reader_state = ((DWORD)state.counter << 16) + state.state;
    if (protocol)
        *protocol = state.protocol;
    if ((name && *name_length > name_room) || (atr && *atr_length > atr_room))
        return SCARD_E_INSUFFICIENT_BUFFER;
    if (name)
        memcpy(name, state.name, *name_length);
    if (atr)
        memcpy(atr, state.atr, state.atr_length);
    return SCARD_S_SUCCESS;
}

LONG SCardListReaders(SCARDCONTEXT number, LPCSTR groups, LPSTR names, LPDWORD length)
{
    (void)groups;
    if (!length)
        return SCARD_E_INVALID_PARAMETER;
    struct client_context *context = client_lock_context(number);
    if (!context)
        return SCARD_E_INVALID_HANDLE;
    LONG rv = client_read_states(context);
    DWORD needed = 1, room = *length;
    for (unsigned i = 0; rv == SCARD_S_SUCCESS && i < PCSCD_READERS; i++)
        needed += client_states[i].name[0] ? strlen(client_states[i].name) + 1 : 0;
    if (rv == SCARD_S_SUCCESS && needed == 1)
        rv = SCARD_E_NO_READERS_AVAILABLE;
    if (rv == SCARD_S_SUCCESS && names && room < needed)
        rv = SCARD_E_INSUFFICIENT_BUFFER;
    for (unsigned i = 0; rv == SCARD_S_SUCCESS && names && i < PCSCD_READERS; i++)
        if (client_states[i].name[0]) {
            strcpy(names, client_states[i].name);
            names += strlen(names) + 1;
        }
    if (rv == SCARD_S_SUCCESS && names)
        *names = '\0';
    *length = rv == SCARD_S_SUCCESS || rv == SCARD_E_INSUFFICIENT_BUFFER ? needed : 0;
    client_unlock(context);
    return rv;
}
