/* SPDX-License-Identifier: BSD-3-Clause */
#include "raw.h"

#include "status_change.h"

#include <stdarg.h>
#include <string.h>

#define CHANGES_MAX 5 /* of the state: with a card that has no ATR, libpcsclite sleeps for 400 ms in each */

__attribute__((format(printf, 2, 3))) static void report(LONG rv, const char *call, ...)
{
    va_list arguments;
    va_start(arguments, call);
    vprintf(call, arguments);
    va_end(arguments);
    printf(": %08lX", (unsigned long)rv & 0xFFFFFFFF);
}

static void print_bytes(const uint8_t *bytes, size_t length)
{
    putchar(' ');
    for (size_t i = 0; i < length; i++)
        printf("%02X", bytes[i]);
}

/* A state with the counter of events in the upper half. */
static void print_state(const struct raw *raw, DWORD state)
{
    uint16_t count = (uint16_t)(state >> 16);
    printf(" %04lX of %u, ATR", state & 0xFFFF, count ? (uint16_t)(count - raw->first_count) : 0);
}

/*
 * What waits
 */

bool raw_would_wait(const struct raw_handle *handle)
{
    BYTE value[256];
    DWORD length = sizeof value;
    return SCardGetAttrib(handle->number, SCARD_ATTR_VENDOR_NAME, value, &length) ==
           SCARD_E_SHARING_VIOLATION;
}

static bool connect_would_wait(const struct raw *raw)
{
    bool locked = false;
    for (unsigned i = 0; i < RAW_HANDLES; i++) {
        if (raw->handle[i].connected && raw->handle[i].share == SCARD_SHARE_EXCLUSIVE)
            return false;
        locked = locked || raw->handle[i].locks > 0;
    }
    return locked;
}

unsigned raw_count_connected(const struct raw *raw)
{
    unsigned count = 0;
    for (unsigned i = 0; i < RAW_HANDLES; i++)
        count += raw->handle[i].connected;
    return count;
}

/*
 * Calls
 */

static const DWORD shares[] = {
    SCARD_SHARE_SHARED, SCARD_SHARE_SHARED,    SCARD_SHARE_SHARED, SCARD_SHARE_SHARED,
    SCARD_SHARE_SHARED, SCARD_SHARE_EXCLUSIVE, SCARD_SHARE_DIRECT, 0,
};
static const DWORD protocol_sets[] = {
    SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
    SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
    SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
    SCARD_PROTOCOL_T0,
    SCARD_PROTOCOL_T1,
    SCARD_PROTOCOL_RAW,
    0,
};
/* also for initializations, which have the same values except SCARD_EJECT_CARD */
static const DWORD dispositions[] = {
    SCARD_LEAVE_CARD,   SCARD_LEAVE_CARD, SCARD_LEAVE_CARD,     SCARD_RESET_CARD,
    SCARD_UNPOWER_CARD, SCARD_EJECT_CARD, SCARD_EJECT_CARD + 1,
};

bool raw_connect(struct raw *raw, struct raw_handle *handle)
{
    DWORD share = RAW_ONE_OF(raw, shares), protocols = RAW_ONE_OF(raw, protocol_sets), protocol = 0;
    if (handle->connected || connect_would_wait(raw))
        return false;
    LONG rv = SCardConnect(*handle->context, raw->reader, share, protocols, &handle->number, &protocol);
    report(rv, "SCardConnect %lu, %lu", share, protocols);
    if (rv != SCARD_S_SUCCESS)
        return true;
    printf(" protocol %lu", protocol);
    handle->connected = true;
    handle->share = share;
    handle->protocol = protocol;
    handle->locks = share == SCARD_SHARE_EXCLUSIVE;
    return true;
}

bool raw_reconnect(struct raw *raw, struct raw_handle *handle)
{
    DWORD share = RAW_ONE_OF(raw, shares), protocols = RAW_ONE_OF(raw, protocol_sets), protocol = 0;
    DWORD initialization = RAW_ONE_OF(raw, dispositions);
    bool was_exclusive = handle->share == SCARD_SHARE_EXCLUSIVE;
    if (share == SCARD_SHARE_EXCLUSIVE && raw_count_connected(raw) > 1) /* it would wait to be alone */
        return false;
    LONG rv = SCardReconnect(handle->number, share, protocols, initialization, &protocol);
    report(rv, "SCardReconnect %lu, %lu, %lu", share, protocols, initialization);
    if (rv != SCARD_S_SUCCESS)
        return true;
    printf(" protocol %lu", protocol);
    handle->share = share;
    handle->protocol = protocol;
    if (share == SCARD_SHARE_EXCLUSIVE)
        handle->locks += !was_exclusive;
    else if (was_exclusive && handle->locks > 1)
        handle->locks--;
    return true;
}

bool raw_disconnect(struct raw *raw, struct raw_handle *handle)
{
    DWORD disposition = RAW_ONE_OF(raw, dispositions);
    bool is_last = raw_count_connected(raw) == 1;
    if ((is_last && raw->drops > 0) || (disposition != SCARD_LEAVE_CARD && raw_would_wait(handle)))
        return false;
    LONG rv = SCardDisconnect(handle->number, disposition);
    report(rv, "SCardDisconnect %lu", disposition);
    if (rv != SCARD_S_SUCCESS)
        return true;
    raw->drops += is_last;
    raw->powers_off = disposition == SCARD_UNPOWER_CARD;
    *handle = (struct raw_handle){.context = handle->context};
    return true;
}

/* The handles of a context that is released are closed by pcscd. */
bool raw_release(struct raw *raw, struct raw_handle *handle)
{
    unsigned others = 0;
    for (unsigned i = 0; i < RAW_HANDLES; i++)
        others += raw->handle[i].connected && raw->handle[i].context != handle->context;
    if (others == 0 && raw->drops > 0)
        return false;
    raw->drops += others == 0;
    report(SCardReleaseContext(*handle->context), "SCardReleaseContext");
    SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, handle->context);
    for (unsigned i = 0; i < RAW_HANDLES; i++)
        if (raw->handle[i].context == handle->context)
            raw->handle[i] = (struct raw_handle){.context = handle->context};
    return true;
}

bool raw_begin(struct raw *raw, struct raw_handle *handle)
{
    (void)raw;
    LONG rv = SCardBeginTransaction(handle->number);
    report(rv, "SCardBeginTransaction");
    handle->locks += rv == SCARD_S_SUCCESS;
    return true;
}

bool raw_end(struct raw *raw, struct raw_handle *handle)
{
    DWORD disposition = RAW_ONE_OF(raw, dispositions);
    if (handle->locks == 0 && raw_choose(raw, 4) > 0)
        return false;
    LONG rv = SCardEndTransaction(handle->number, disposition);
    report(rv, "SCardEndTransaction %lu", disposition);
    /* it also ends if the disposition is not supported */
    if ((rv == SCARD_S_SUCCESS || rv == SCARD_E_UNSUPPORTED_FEATURE) &&
        handle->locks > (handle->share == SCARD_SHARE_EXCLUSIVE))
        handle->locks--;
    return true;
}

bool raw_transmit(struct raw *raw, struct raw_handle *handle)
{
    static const DWORD sizes[] = {258, 258, 258, 258, CARDS_ANSWER, CARDS_ANSWER - 1, 2, 1};
    static const DWORD others[] = {SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1, SCARD_PROTOCOL_RAW, 0};
    static const uint8_t unknown[5] = {0x80, 0x12};
    SCARD_IO_REQUEST pci = {raw_choose(raw, 4) ? handle->protocol : RAW_ONE_OF(raw, others), sizeof pci};
    const uint8_t *command = raw_choose(raw, 5) ? cards_command : unknown;
    DWORD size = RAW_ONE_OF(raw, sizes), length = size;
    uint8_t answer[258];
    LONG rv = SCardTransmit(handle->number, &pci, command, sizeof unknown, NULL, answer, &length);
    report(rv, "SCardTransmit %lu, %02X, %lu", pci.dwProtocol, command[1], size);
    printf(" %lu bytes", length);
    if (rv == SCARD_S_SUCCESS && length == CARDS_ANSWER)
        memset(answer + 1, 0, CARDS_IDENTITY); /* it is random */
    print_bytes(answer, rv == SCARD_S_SUCCESS ? length : 0);
    return true;
}

bool raw_status(struct raw *raw, struct raw_handle *handle)
{
    DWORD state = 0, protocol = 0, length = MAX_ATR_SIZE, name_length = MAX_READERNAME;
    uint8_t atr[MAX_ATR_SIZE];
    char name[MAX_READERNAME] = "";
    LONG rv = SCardStatus(handle->number, name, &name_length, &state, &protocol, atr, &length);
    report(rv, "SCardStatus");
    printf(" %s, protocol %lu,", name, protocol);
    print_state(raw, state);
    print_bytes(atr, length);
    return true;
}

bool raw_status_change(struct raw *raw, struct raw_handle *handle)
{
    static const DWORD others[] = {
        SCARD_STATE_UNAWARE,   SCARD_STATE_IGNORE, SCARD_STATE_PRESENT, SCARD_STATE_EMPTY,
        SCARD_STATE_EXCLUSIVE, SCARD_STATE_INUSE,  SCARD_STATE_MUTE,    SCARD_STATE_UNAVAILABLE,
    };
    DWORD current = raw_choose(raw, 2) ? raw->known : RAW_ONE_OF(raw, others);
    SCARD_READERSTATE state = {.szReader = raw->reader, .dwCurrentState = current};
    if (raw->changes++ >= CHANGES_MAX)
        return false;
    LONG rv = status_change(*handle->context, 0, &state);
    report(rv, "SCardGetStatusChange %04lX", current & 0xFFFF);
    print_state(raw, state.dwEventState);
    print_bytes(state.rgbAtr, state.cbAtr);
    raw->known = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    return true;
}

bool raw_attribute(struct raw *raw, struct raw_handle *handle)
{
    static const DWORD tags[] = {
        SCARD_ATTR_ATR_STRING, SCARD_ATTR_DEVICE_FRIENDLY_NAME, SCARD_ATTR_DEVICE_SYSTEM_NAME,
        SCARD_ATTR_VALUE(SCARD_CLASS_VENDOR_DEFINED, 1), /* there is none */
    };
    static const DWORD sizes[] = {256, 256, 2};
    DWORD tag = RAW_ONE_OF(raw, tags), size = RAW_ONE_OF(raw, sizes), length = size;
    uint8_t value[256];
    LONG rv = SCardGetAttrib(handle->number, tag, value, &length);
    report(rv, "SCardGetAttrib %lX, %lu", tag, size);
    printf(" %lu bytes", length);
    print_bytes(value, rv == SCARD_S_SUCCESS ? length : 0);
    return true;
}

bool raw_control(struct raw *raw, struct raw_handle *handle)
{
    (void)raw;
    uint8_t answer[64];
    DWORD length = 0;
    LONG rv = SCardControl(handle->number, SCARD_CTL_CODE(1), "", 0, answer, sizeof answer, &length);
    report(rv, "SCardControl");
    return true;
}
