/* SPDX-License-Identifier: BSD-3-Clause */
/* PC/SC calls, and where the stacks deviate from their documentation. */
#include "pcsc.h"

#include "platform.h"

#include <string.h>

/* The event counter is in the upper half of the state from SCardGetStatusChange(). For
 * SCardStatus() see platform_status_has_event_counter(). */
#define COUNTER_OF(state) ((uint32_t)(((state) >> 16) & 0xFFFFu))

/* LONG has 64 bits in pcsc-lite on Linux, and 32 elsewhere. The codes are the same. */
static scardmanage_result result_from(LONG rv)
{
    scardmanage_result result = SCARDMANAGE_RESULT(rv);
    return result == SCARDMANAGE_RESULT(SCARD_E_NO_MEMORY) ? SCARDMANAGE_E_OUTOFMEMORY : result;
}

/* Converts the codes for a lost connection to the service. Once there has been a connection, they
 * have no other meaning. pcsc-lite returns SCARD_F_COMM_ERROR or SCARD_W_SECURITY_VIOLATION if it
 * cannot read from the service (MessageReceive() in winscard_msg.c). Windows has several codes. */
static scardmanage_result result_of_connection(LONG rv)
{
    scardmanage_result result = result_from(rv);
    switch (result) {
    case SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR):
    case SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION):
    case SCARDMANAGE_RESULT(SCARD_E_SERVICE_STOPPED):
    case SCARDMANAGE_RESULT(SCARD_P_SHUTDOWN):
    case SCARDMANAGE_RESULT(SCARD_E_SYSTEM_CANCELLED):
        return SCARDMANAGE_E_NO_SERVICE;
    default:
        return result;
    }
}

/* The same for a context of the library, which only the library releases. */
static scardmanage_result result_of_context(LONG rv)
{
    scardmanage_result result = result_of_connection(rv);
    return result == SCARDMANAGE_E_INVALID_HANDLE ? SCARDMANAGE_E_NO_SERVICE : result;
}

/* After a reader was unplugged, libpcsclite still knows its handles, but pcscd does not, and
 * returns SCARD_E_INVALID_VALUE (RFReaderInfoById() in readerfactory.c). All other values that
 * could be invalid have been checked before. */
static scardmanage_result result_of_handle(LONG rv)
{
    return SCARDMANAGE_RESULT(rv) == SCARDMANAGE_RESULT(SCARD_E_INVALID_VALUE) ? SCARDMANAGE_E_INVALID_HANDLE
                                                                               : result_of_connection(rv);
}

static void copy_atr(struct pcsc_atr *to, const uint8_t *from, DWORD length)
{
    to->length = (uint8_t)(length > sizeof to->bytes ? sizeof to->bytes : length);
    memcpy(to->bytes, from, to->length);
}

static DWORD share_to_pcsc(scardmanage_share share)
{
    return share == SCARDMANAGE_SHARE_EXCLUSIVE ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED;
}

/* Size of a list of reader names in bytes. Each name ends with a zero, and the list with another
 * one. If the names do not fit, the list is empty. */
#define NAMES_MAX 16384

static scardmanage_result list_readers(SCARDCONTEXT context, char names[NAMES_MAX])
{
    DWORD length = NAMES_MAX;
    scardmanage_result result = result_of_context(SCardListReaders(context, NULL, names, &length));
    bool none = result == SCARDMANAGE_RESULT(SCARD_E_NO_READERS_AVAILABLE) ||
                result == SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    if (result != SCARDMANAGE_S_OK)
        names[0] = '\0';
    return none ? SCARDMANAGE_S_OK : result;
}

/* Before 2.0.1, the first call of libpcsclite reads the path of the service's socket without a
 * lock. If two threads make their first calls at the same time, one of them may use an incomplete
 * path, and find no service. */
static LONG establish(SCARDCONTEXT *context)
{
    static platform_mutex first = PLATFORM_MUTEX;
    platform_lock(&first);
    LONG rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, context);
    platform_unlock(&first);
    return rv;
}

/* A service that refuses a client closes the connection without a word: pcscd does so if it has as many
 * contexts as it allows (CreateContextThread() in winscard_svc.c), and if polkit denies access
 * (ContextThread()). libpcsclite then returns SCARD_W_SECURITY_VIOLATION if it had sent its request before,
 * and SCARD_E_NO_SERVICE otherwise. A service that dies at this moment looks the same, but only once. */
static scardmanage_result establish_unless_refused(SCARDCONTEXT *context)
{
    scardmanage_result result = result_from(establish(context));
    if (result == SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION))
        result = result_from(establish(context));
    return result == SCARDMANAGE_E_NO_SERVICE && platform_service_refuses_us()
               ? SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION)
               : result;
}

scardmanage_result pcsc_establish_context(SCARDCONTEXT *context)
{
    char names[NAMES_MAX];
    scardmanage_result result = establish_unless_refused(context);
    /* with this call, libpcsclite 2.5 learns how many readers a service before 2.5 reports; until
     * then, its SCardGetStatusChange() returns that there is no service */
    if (result == SCARDMANAGE_S_OK)
        list_readers(*context, names);
    bool down = result == SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR) ||
                result == SCARDMANAGE_RESULT(SCARD_E_SERVICE_STOPPED);
    return down ? SCARDMANAGE_E_NO_SERVICE : result;
}

void pcsc_release_context(SCARDCONTEXT context)
{
    SCardReleaseContext(context);
}

/* Returns true, too, if that is not known. */
static bool is_listed(SCARDCONTEXT context, const char *reader)
{
    char names[NAMES_MAX];
    if (list_readers(context, names) != SCARDMANAGE_S_OK)
        return true;
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        if (strcmp(name, reader) == 0)
            return true;
    return false;
}

/* Returns whether libpcsclite has misread an answer. Versions 2.5.0 to 2.5.3 register for events
 * before they request the states of all readers, and take an event that arrives in between for the
 * beginning of the answer (getReaderStatesAndRegisterForEvents() in winscard_clnt.c). Older
 * versions do the same with a service from 2.5.0 on. SCardGetStatusChange() then returns one of
 * these codes. It has read the rest of the answer before that, so the context still works. */
static bool has_misread(SCARDCONTEXT context, const char *reader, scardmanage_result result)
{
    return result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE) ||
           result == SCARDMANAGE_E_INSUFFICIENT_BUFFER ||
           (result == SCARDMANAGE_E_UNKNOWN_READER && is_listed(context, reader));
}

static struct pcsc_reader_state reader_state_from(const SCARD_READERSTATE *state)
{
    struct pcsc_reader_state look = {
        .present = (state->dwEventState & SCARD_STATE_PRESENT) != 0,
        .mute = (state->dwEventState & SCARD_STATE_MUTE) != 0,
        .exclusive = (state->dwEventState & SCARD_STATE_EXCLUSIVE) != 0,
        .counter = COUNTER_OF(state->dwEventState),
    };
    if (look.present)
        copy_atr(&look.atr, state->rgbAtr, state->cbAtr);
    return look;
}

/* The state to compare with, for a wait. */
static DWORD current_state(const struct pcsc_reader_state *look)
{
    return (DWORD)(look->present ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY) |
           (look->mute ? SCARD_STATE_MUTE : 0) | (DWORD)look->counter << 16;
}

#define READS_MAX 16 /* more events in a row than ever arrive at that moment */

/* While the reader has a card without an ATR, that is, an unresponsive one, pcsc-lite sleeps 400 ms
 * in SCardGetStatusChange(). */
scardmanage_result pcsc_get_reader_state(SCARDCONTEXT context, const char *reader,
                                         struct pcsc_reader_state *look)
{
    SCARD_READERSTATE state = {.szReader = reader, .dwCurrentState = SCARD_STATE_UNAWARE};
    memset(look, 0, sizeof *look);
    scardmanage_result result;
    int reads = 0;
    do
        result = result_of_context(SCardGetStatusChange(context, 0, &state, 1));
    while (has_misread(context, reader, result) && ++reads < READS_MAX);
    if (result == SCARDMANAGE_E_UNKNOWN_READER || result == SCARDMANAGE_RESULT(SCARD_E_NO_READERS_AVAILABLE))
        result = SCARDMANAGE_E_READER_UNAVAILABLE;
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (state.dwEventState & (SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE))
        return SCARDMANAGE_E_READER_UNAVAILABLE;
    *look = reader_state_from(&state);
    return SCARDMANAGE_S_OK;
}

/* Stands for the list of readers in SCardGetStatusChange(). */
#define READERS_CHANGE "\\\\?PnP?\\Notification"

static DWORD count_readers(SCARDCONTEXT context)
{
    char names[NAMES_MAX];
    DWORD count = 0;
    list_readers(context, names);
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        count++;
    return count;
}

scardmanage_result pcsc_wait_for_change(SCARDCONTEXT context, const char *reader,
                                        const struct pcsc_reader_state *look, uint32_t timeout_ms)
{
    SCARD_READERSTATE state = {.szReader = READERS_CHANGE, .dwCurrentState = SCARD_STATE_UNAWARE};
    if (!look) { /* Windows compares this with the number of readers; pcsc-lite ignores it */
        state.dwCurrentState = count_readers(context) << 16;
    } else {
        state.szReader = reader;
        state.dwCurrentState = current_state(look);
    }
    scardmanage_result result = result_of_context(SCardGetStatusChange(context, timeout_ms, &state, 1));
    bool time_is_up = result == SCARDMANAGE_E_TIMEOUT;
    return time_is_up || has_misread(context, state.szReader, result) ? SCARDMANAGE_S_OK : result;
}

#define STATES_MAX 16 /* how many readers SCardGetStatusChange() of pcsc-lite accepts */

/* Sets the state of readers that are listed. A reader that is not available any more is left out. */
static scardmanage_result get_listed(SCARDCONTEXT context, struct pcsc_reader *readers, size_t listed,
                                     size_t *count)
{
    SCARD_READERSTATE states[STATES_MAX];
    size_t kept = *count = 0;
    for (size_t first = 0; first < listed; first += STATES_MAX) {
        size_t n = listed - first < STATES_MAX ? listed - first : STATES_MAX;
        for (size_t i = 0; i < n; i++)
            states[i] = (SCARD_READERSTATE){.szReader = readers[first + i].name};
        scardmanage_result result = result_of_context(SCardGetStatusChange(context, 0, states, (DWORD)n));
        if (result != SCARDMANAGE_S_OK)
            return result;
        for (size_t i = 0; i < n; i++) {
            if (states[i].dwEventState & (SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE))
                continue;
            if (kept != first + i)
                memcpy(readers[kept].name, readers[first + i].name, sizeof readers[kept].name);
            readers[kept++].state = reader_state_from(&states[i]);
        }
    }
    *count = kept;
    return SCARDMANAGE_S_OK;
}

scardmanage_result pcsc_get_readers(SCARDCONTEXT context, struct pcsc_reader readers[PCSC_READERS_MAX],
                                    size_t *count)
{
    char names[NAMES_MAX];
    scardmanage_result result;
    for (int reads = 0; reads < READS_MAX; reads++) {
        size_t listed = 0;
        *count = 0;
        result = list_readers(context, names);
        if (result != SCARDMANAGE_S_OK)
            return result;
        for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
            if (strlen(name) < PCSC_READER_MAX && listed < PCSC_READERS_MAX)
                memcpy(readers[listed++].name, name, strlen(name) + 1);
        result = get_listed(context, readers, listed, count);
        /* a reader went away in between, or an answer was misread: see has_misread() */
        bool again = result == SCARDMANAGE_E_UNKNOWN_READER || result == SCARDMANAGE_E_INSUFFICIENT_BUFFER ||
                     result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE);
        if (!again)
            return result;
    }
    return result;
}

scardmanage_result pcsc_wait_for_any_change(SCARDCONTEXT context, const struct pcsc_reader *readers,
                                            size_t count, uint32_t timeout_ms)
{
    SCARD_READERSTATE states[STATES_MAX];
    size_t n = count < STATES_MAX ? count : STATES_MAX;
    for (size_t i = 0; i < n; i++)
        states[i] = (SCARD_READERSTATE){.szReader = readers[i].name,
                                        .dwCurrentState = current_state(&readers[i].state)};
    if (n < STATES_MAX) /* otherwise pcsc-lite has no room for another reader */
        states[n++] = (SCARD_READERSTATE){.szReader = READERS_CHANGE, .dwCurrentState = (DWORD)count << 16};
    scardmanage_result result =
        result_of_context(SCardGetStatusChange(context, timeout_ms, states, (DWORD)n));
    switch (result) {
    case SCARDMANAGE_E_TIMEOUT:
    case SCARDMANAGE_E_UNKNOWN_READER:
    case SCARDMANAGE_E_INSUFFICIENT_BUFFER:
    case SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE):
        return SCARDMANAGE_S_OK;
    default:
        return result;
    }
}

scardmanage_result pcsc_find_same_model(SCARDCONTEXT context, char reader[PCSC_READER_MAX])
{
    char names[NAMES_MAX];
    const char *found = NULL;
    unsigned count = 0;
    scardmanage_result result = list_readers(context, names);
    if (result != SCARDMANAGE_S_OK)
        return result;
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        if (platform_same_reader_model(name, reader)) {
            found = name;
            count++;
        }
    if (count != 1 || strlen(found) >= PCSC_READER_MAX)
        return SCARDMANAGE_E_READER_UNAVAILABLE;
    memcpy(reader, found, strlen(found) + 1);
    return SCARDMANAGE_S_OK;
}

/* Returns whether the service refuses this card. pcscd then ends the connection when it has read the
 * request: if polkit denies access (SCARD_CONNECT in ContextThread() in winscard_svc.c). A second context
 * shows whether the service is still the same. */
static bool refuses_card(const char *reader)
{
    SCARDCONTEXT context, witness;
    SCARDHANDLE handle;
    DWORD active;
    char names[NAMES_MAX];
    if (pcsc_establish_context(&witness) != SCARDMANAGE_S_OK)
        return false;
    scardmanage_result result = pcsc_establish_context(&context);
    if (result == SCARDMANAGE_S_OK) {
        result = result_from(
            SCardConnect(context, reader, SCARD_SHARE_SHARED, PCSC_PROTOCOL_ANY, &handle, &active));
        if (result == SCARDMANAGE_S_OK)
            SCardDisconnect(handle, SCARD_LEAVE_CARD);
        SCardReleaseContext(context);
    }
    bool refuses =
        result == SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR) && list_readers(witness, names) == SCARDMANAGE_S_OK;
    SCardReleaseContext(witness);
    return refuses;
}

static scardmanage_result connect_as(SCARDCONTEXT context, const char *reader, DWORD share,
                                     uint32_t protocols, SCARDHANDLE *handle)
{
    DWORD active = 0;
    struct pcsc_reader_state look;
    scardmanage_result result = result_from(SCardConnect(context, reader, share, protocols, handle, &active));
    if (result == SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR) && refuses_card(reader))
        return SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION);
    /* access is denied, or the connection was lost */
    if (result == SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION) &&
        pcsc_get_reader_state(context, reader, &look) == SCARDMANAGE_E_NO_SERVICE)
        return SCARDMANAGE_E_NO_SERVICE;
    if (result == SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR) || result == SCARDMANAGE_E_INVALID_HANDLE)
        return SCARDMANAGE_E_NO_SERVICE;
    return result == SCARDMANAGE_E_UNKNOWN_READER ? SCARDMANAGE_E_READER_UNAVAILABLE : result;
}

scardmanage_result pcsc_connect(SCARDCONTEXT context, const char *reader, scardmanage_share share,
                                uint32_t protocols, SCARDHANDLE *handle)
{
    return connect_as(context, reader, share_to_pcsc(share), protocols, handle);
}

scardmanage_result pcsc_connect_direct(SCARDCONTEXT context, const char *reader, SCARDHANDLE *handle)
{
    return connect_as(context, reader, SCARD_SHARE_DIRECT, 0, handle);
}

scardmanage_result pcsc_control(SCARDHANDLE handle, uint32_t code, const uint8_t *input, size_t input_length,
                                uint8_t *output, size_t *output_length)
{
    DWORD received = 0;
    LONG rv =
        SCardControl(handle, code, input, (DWORD)input_length, output, (DWORD)*output_length, &received);
    scardmanage_result result = result_of_handle(rv);
    *output_length = result == SCARDMANAGE_S_OK ? (size_t)received : 0;
    return result;
}

scardmanage_result pcsc_reconnect(SCARDHANDLE handle, scardmanage_share share, uint32_t protocols,
                                  scardmanage_step step)
{
    DWORD active = 0;
    DWORD initialization = step == SCARDMANAGE_STEP_COLD   ? SCARD_UNPOWER_CARD
                           : step == SCARDMANAGE_STEP_WARM ? SCARD_RESET_CARD
                                                           : SCARD_LEAVE_CARD;
    return result_of_handle(SCardReconnect(handle, share_to_pcsc(share), protocols, initialization, &active));
}

scardmanage_result pcsc_disconnect(SCARDHANDLE handle, scardmanage_disposition disposition)
{
    return result_of_handle(SCardDisconnect(handle, (DWORD)disposition));
}

/* SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, which is in a different header on each system. The service
 * answers it without asking the reader. */
#define FRIENDLY_NAME 0x7FFF0003u

scardmanage_result pcsc_probe_transaction(SCARDHANDLE handle)
{
    uint8_t name[PCSC_READER_MAX];
    DWORD length = sizeof name;
    return result_of_handle(SCardGetAttrib(handle, FRIENDLY_NAME, name, &length));
}

scardmanage_result pcsc_begin_transaction(SCARDHANDLE handle)
{
    return result_of_handle(SCardBeginTransaction(handle));
}

scardmanage_result pcsc_end_transaction(SCARDHANDLE handle, scardmanage_disposition disposition)
{
    return result_of_handle(SCardEndTransaction(handle, (DWORD)disposition));
}

static scardmanage_result status(SCARDHANDLE handle, struct pcsc_card *card)
{
    DWORD reader_length = sizeof card->reader;
    DWORD state = 0;
    DWORD protocol = 0;
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    DWORD atr_length = sizeof atr;
    memset(card, 0, sizeof *card);
    LONG rv = SCardStatus(handle, card->reader, &reader_length, &state, &protocol, atr, &atr_length);
    scardmanage_result result = result_of_handle(rv);
    if (result != SCARDMANAGE_S_OK) {
        memset(card, 0, sizeof *card);
        return result;
    }
    card->protocol = (uint32_t)protocol;
    card->state = platform_state_from_pcsc(state, card->protocol);
    card->counter = COUNTER_OF(state);
    copy_atr(&card->atr, atr, atr_length);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result get_event_counter(const char *reader, uint32_t *counter)
{
    SCARDCONTEXT context;
    struct pcsc_reader_state look;
    scardmanage_result result = pcsc_establish_context(&context);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = pcsc_get_reader_state(context, reader, &look);
    pcsc_release_context(context);
    *counter = look.counter;
    return result;
}

/* pcsc-lite reads the counter, the state and the ATR, and then checks for events. If there is none,
 * no removal came between the last reconnect and the values read. On other stacks, the function
 * reads the counter separately, and then the status again, which has the same effect. */
scardmanage_result pcsc_get_status(SCARDHANDLE handle, struct pcsc_card *card)
{
    uint32_t counter;
    scardmanage_result result = status(handle, card);
    if (result != SCARDMANAGE_S_OK || platform_status_has_event_counter())
        return result;
    result = get_event_counter(card->reader, &counter);
    if (result == SCARDMANAGE_S_OK)
        result = status(handle, card);
    if (result == SCARDMANAGE_S_OK)
        card->counter = counter;
    else
        memset(card, 0, sizeof *card);
    return result;
}

static const SCARD_IO_REQUEST *pci_of(uint32_t protocol)
{
    switch (protocol) {
    case SCARDMANAGE_PROTOCOL_T0:
        return SCARD_PCI_T0;
    case SCARDMANAGE_PROTOCOL_T1:
        return SCARD_PCI_T1;
    case SCARDMANAGE_PROTOCOL_RAW:
        return SCARD_PCI_RAW;
    default:
        return NULL;
    }
}

scardmanage_result pcsc_transmit(SCARDHANDLE handle, uint32_t protocol, const uint8_t *command,
                                 size_t command_length, uint8_t *response, size_t *response_length)
{
    const SCARD_IO_REQUEST *pci = pci_of(protocol);
    DWORD length = (DWORD)*response_length;
    *response_length = 0;
    if (!pci)
        return SCARDMANAGE_E_PROTO_MISMATCH;
    LONG rv = SCardTransmit(handle, pci, command, (DWORD)command_length, NULL, response, &length);
    scardmanage_result result = result_of_handle(rv);
    if (result == SCARDMANAGE_S_OK)
        *response_length = length;
    return result;
}
