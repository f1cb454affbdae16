/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcsc.h"

#include "platform.h"

#include <string.h>

/* Removals and insertions are counted in the upper half of the state word of SCardGetStatusChange(), and see
 * platform_status_counts_moves(). */
#define COUNTER_OF(state) ((uint32_t)(((state) >> 16) & 0xFFFFu))

/* PC/SC's LONG has 64 bits on Linux and 32 elsewhere; the codes are the same. */
static scardmanage_result result_from(LONG rv)
{
    scardmanage_result result = SCARDMANAGE_RESULT(rv);
    return result == SCARDMANAGE_RESULT(SCARD_E_NO_MEMORY) ? SCARDMANAGE_E_OUTOFMEMORY : result;
}

/* What a lost connection to the service looks like; once there is a connection, these codes mean nothing
 * else. pcsc-lite: reading from it says SCARD_F_COMM_ERROR, or SCARD_W_SECURITY_VIOLATION (MessageReceive()
 * in winscard_msg.c). Windows has a code for each way to go. */
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

/* The same for a context of our own, that nobody else releases. */
static scardmanage_result result_of_context(LONG rv)
{
    scardmanage_result result = result_of_connection(rv);
    return result == SCARDMANAGE_E_INVALID_HANDLE ? SCARDMANAGE_E_NO_SERVICE : result;
}

/* pcscd says SCARD_E_INVALID_VALUE of a handle that libpcsclite still knows but it does not, because its
 * reader was unplugged (RFReaderInfoById() in readerfactory.c). Everything else that could be an invalid
 * value is checked before. */
static scardmanage_result result_of_handle(LONG rv)
{
    return SCARDMANAGE_RESULT(rv) == SCARDMANAGE_RESULT(SCARD_E_INVALID_VALUE) ? SCARDMANAGE_E_INVALID_HANDLE
                                                                               : result_of_connection(rv);
}

static void copy_atr(pcsc_atr *to, const uint8_t *from, DWORD length)
{
    to->length = (uint8_t)(length > sizeof to->bytes ? sizeof to->bytes : length);
    memcpy(to->bytes, from, to->length);
}

static DWORD share_to_pcsc(scardmanage_share share)
{
    return share == SCARDMANAGE_SHARE_EXCLUSIVE ? SCARD_SHARE_EXCLUSIVE : SCARD_SHARE_SHARED;
}

/* All names, each with its zero, and one zero more. Readers that it has no room for are as good as none. */
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

/* libpcsclite before 2.0.1 reads the name of the service's socket in the first call, without a lock: of two
 * threads that are first at once one can find half a name, and no service. */
static LONG establish(SCARDCONTEXT *context)
{
    static platform_mutex first = PLATFORM_MUTEX;
    platform_lock(&first);
    LONG rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, context);
    platform_unlock(&first);
    return rv;
}

scardmanage_result pcsc_open(SCARDCONTEXT *context)
{
    char names[NAMES_MAX];
    scardmanage_result result = result_from(establish(context));
    /* access is denied, or the service died just then, which is told if one asks again */
    if (result == SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION))
        result = result_from(establish(context));
    /* libpcsclite 2.5 learns here how many readers a service before 2.5 tells of; until then, its
     * SCardGetStatusChange() says that there is no service */
    if (result == SCARDMANAGE_S_OK)
        list_readers(*context, names);
    bool down = result == SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR) ||
                result == SCARDMANAGE_RESULT(SCARD_E_SERVICE_STOPPED);
    return down ? SCARDMANAGE_E_NO_SERVICE : result;
}

void pcsc_close(SCARDCONTEXT context)
{
    SCardReleaseContext(context);
}

static bool is_listed(SCARDCONTEXT context, const char *reader)
{
    char names[NAMES_MAX];
    list_readers(context, names);
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        if (strcmp(name, reader) == 0)
            return true;
    return false;
}

/* libpcsclite 2.5.0 to 2.5.3 asks to be told of events before it asks for the states of all readers, and
 * takes an event that comes in between for the beginning of the answer (getReaderStatesAndRegisterForEvents()
 * in winscard_clnt.c). Older ones do so with a service from 2.5.0 on. What it says then is one of these.
 * Before it returns it reads what is left of the answer, so that the context is as good as before. */
static bool has_misread(SCARDCONTEXT context, const char *reader, scardmanage_result result)
{
    return result == SCARDMANAGE_RESULT(SCARD_E_UNSUPPORTED_FEATURE) ||
           result == SCARDMANAGE_E_INSUFFICIENT_BUFFER ||
           (result == SCARDMANAGE_E_UNKNOWN_READER && is_listed(context, reader));
}

#define LOOKS 16 /* so many events in a row do not come at the wrong moment */

/* Mind that pcsc-lite sleeps 400 ms in here while a card is present whose ATR is not known (a mute one). */
scardmanage_result pcsc_look_at(SCARDCONTEXT context, const char *reader, pcsc_look *look)
{
    SCARD_READERSTATE state = {.szReader = reader, .dwCurrentState = SCARD_STATE_UNAWARE};
    memset(look, 0, sizeof *look);
    scardmanage_result result;
    int looks = 0;
    do
        result = result_of_context(SCardGetStatusChange(context, 0, &state, 1));
    while (has_misread(context, reader, result) && ++looks < LOOKS);
    if (result == SCARDMANAGE_E_UNKNOWN_READER || result == SCARDMANAGE_RESULT(SCARD_E_NO_READERS_AVAILABLE))
        result = SCARDMANAGE_E_READER_UNAVAILABLE;
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (state.dwEventState & (SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE))
        return SCARDMANAGE_E_READER_UNAVAILABLE;
    look->present = (state.dwEventState & SCARD_STATE_PRESENT) != 0;
    look->mute = (state.dwEventState & SCARD_STATE_MUTE) != 0;
    look->exclusive = (state.dwEventState & SCARD_STATE_EXCLUSIVE) != 0;
    look->counter = COUNTER_OF(state.dwEventState);
    if (look->present)
        copy_atr(&look->atr, state.rgbAtr, state.cbAtr);
    return SCARDMANAGE_S_OK;
}

static DWORD count_readers(SCARDCONTEXT context)
{
    char names[NAMES_MAX];
    DWORD count = 0;
    list_readers(context, names);
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        count++;
    return count;
}

scardmanage_result pcsc_wait(SCARDCONTEXT context, const char *reader, const pcsc_look *look,
                             uint32_t timeout_ms)
{
    SCARD_READERSTATE state = {.szReader = "\\\\?PnP?\\Notification", .dwCurrentState = SCARD_STATE_UNAWARE};
    if (look == NULL) { /* Windows wants to know how many readers we know of; pcsc-lite does not care */
        state.dwCurrentState = count_readers(context) << 16;
    } else {
        state.szReader = reader;
        state.dwCurrentState = (DWORD)(look->present ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY) |
                               (look->mute ? SCARD_STATE_MUTE : 0) | (DWORD)look->counter << 16;
    }
    scardmanage_result result = result_of_context(SCardGetStatusChange(context, timeout_ms, &state, 1));
    bool time_is_up = result == SCARDMANAGE_E_TIMEOUT;
    return time_is_up || has_misread(context, state.szReader, result) ? SCARDMANAGE_S_OK : result;
}

scardmanage_result pcsc_find_alike(SCARDCONTEXT context, char reader[PCSC_READER_MAX])
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

scardmanage_result pcsc_connect(SCARDCONTEXT context, const char *reader, scardmanage_share share,
                                uint32_t protocols, SCARDHANDLE *handle)
{
    DWORD active = 0;
    pcsc_look look;
    scardmanage_result result =
        result_from(SCardConnect(context, reader, share_to_pcsc(share), protocols, handle, &active));
    /* access may be denied, or the connection lost */
    if (result == SCARDMANAGE_RESULT(SCARD_W_SECURITY_VIOLATION) &&
        pcsc_look_at(context, reader, &look) == SCARDMANAGE_E_NO_SERVICE)
        return SCARDMANAGE_E_NO_SERVICE;
    if (result == SCARDMANAGE_RESULT(SCARD_F_COMM_ERROR) || result == SCARDMANAGE_E_INVALID_HANDLE)
        return SCARDMANAGE_E_NO_SERVICE;
    return result == SCARDMANAGE_E_UNKNOWN_READER ? SCARDMANAGE_E_READER_UNAVAILABLE : result;
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

/* SCARD_ATTR_DEVICE_FRIENDLY_NAME_A, which is in another header on each system: the service knows it itself.
 */
#define FRIENDLY_NAME 0x7FFF0003u

scardmanage_result pcsc_probe(SCARDHANDLE handle)
{
    uint8_t name[PCSC_READER_MAX];
    DWORD length = sizeof name;
    return result_of_handle(SCardGetAttrib(handle, FRIENDLY_NAME, name, &length));
}

scardmanage_result pcsc_begin(SCARDHANDLE handle)
{
    return result_of_handle(SCardBeginTransaction(handle));
}

scardmanage_result pcsc_end(SCARDHANDLE handle, scardmanage_disposition disposition)
{
    return result_of_handle(SCardEndTransaction(handle, (DWORD)disposition));
}

static scardmanage_result status(SCARDHANDLE handle, pcsc_card *card)
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
    card->state = platform_state(state, card->protocol);
    card->counter = COUNTER_OF(state);
    copy_atr(&card->atr, atr, atr_length);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result count_moves(const char *reader, uint32_t *counter)
{
    SCARDCONTEXT context;
    pcsc_look look;
    scardmanage_result result = pcsc_open(&context);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = pcsc_look_at(context, reader, &look);
    pcsc_close(context);
    *counter = look.counter;
    return result;
}

/* On pcsc-lite counter, state and ATR are from before the check for events: if that found none, no removal
 * lies between the last reconnect and them. Elsewhere the counter is fetched and then the handle asked again,
 * which comes to the same. */
scardmanage_result pcsc_status(SCARDHANDLE handle, pcsc_card *card)
{
    uint32_t counter;
    scardmanage_result result = status(handle, card);
    if (result != SCARDMANAGE_S_OK || platform_status_counts_moves())
        return result;
    result = count_moves(card->reader, &counter);
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
                                 size_t command_len, uint8_t *response, size_t *response_len)
{
    const SCARD_IO_REQUEST *pci = pci_of(protocol);
    DWORD length = (DWORD)*response_len;
    *response_len = 0;
    if (pci == NULL)
        return SCARDMANAGE_E_PROTO_MISMATCH;
    LONG rv = SCardTransmit(handle, pci, command, (DWORD)command_len, NULL, response, &length);
    scardmanage_result result = result_of_handle(rv);
    if (result == SCARDMANAGE_S_OK)
        *response_len = length;
    return result;
}
