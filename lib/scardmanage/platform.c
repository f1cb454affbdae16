/* SPDX-License-Identifier: BSD-3-Clause */
/* What PC/SC does on each system. */
#include "platform.h"

#include <string.h>

#ifdef _WIN32

void platform_wipe(void *memory, size_t size)
{
    SecureZeroMemory(memory, size);
}

bool platform_reconnect_keeps_transaction(void)
{
    return false;
}

/* SCARD_CTL_CODE(3400), which is in a different header on each system. */
uint32_t platform_feature_request_code(void)
{
    return 0x00313520u;
}

bool platform_status_has_event_counter(void)
{
    return false;
}

/* On Windows it waits, like all other calls. */
bool platform_attribute_reveals_transaction(void)
{
    return false;
}

bool platform_refusal_precedes_transmit(void)
{
    return false;
}

/* "Vendor Model 0": the number is decimal. */
bool platform_same_reader_model(const char *a, const char *b)
{
    const char *a_number = strrchr(a, ' '), *b_number = strrchr(b, ' ');
    if (!a_number || !b_number || a_number - a != b_number - b || strncmp(a, b, (size_t)(a_number - a)) != 0)
        return false;
    return strspn(a_number + 1, "0123456789") == strlen(a_number + 1) &&
           strspn(b_number + 1, "0123456789") == strlen(b_number + 1);
}

/* The state is a single value, as in scardmanage_state. */
scardmanage_state platform_state_from_pcsc(DWORD state, uint32_t protocol)
{
    if (state >= SCARD_POWERED && state <= SCARD_SPECIFIC && protocol != 0)
        return SCARDMANAGE_STATE_SPECIFIC;
    return state <= SCARD_SPECIFIC ? (scardmanage_state)state : SCARDMANAGE_STATE_UNKNOWN;
}

#else

void platform_wipe(void *memory, size_t size)
{
    volatile unsigned char *bytes = memory;
    while (size-- > 0)
        *bytes++ = 0;
}

/* pcsc-lite holds a transaction until it is ended or the card is removed (RFSetReaderEventState()
 * in readerfactory.c). SCardReconnect() does not end it, and beginning another one afterwards only
 * increments a count. macOS is assumed to do the same. */
bool platform_reconnect_keeps_transaction(void)
{
    return true;
}

/* SCARD_CTL_CODE(3400), which is in a different header on each system. */
uint32_t platform_feature_request_code(void)
{
    return 0x42000000u + 3400u;
}

/* pcsc-lite has it (SCardStatus() in winscard_clnt.c); macOS does not document it. */
bool platform_status_has_event_counter(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

/* pcsc-lite checks for a transaction first (SCardGetAttrib() in winscard.c), and libpcsclite does
 * not repeat this call, as it does other calls. */
bool platform_attribute_reveals_transaction(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

/* pcsc-lite checks the handle, its events and the protocol before it calls the driver
 * (SCardTransmit() in winscard.c). */
bool platform_refusal_precedes_transmit(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

static bool is_number(const char *at)
{
    return at[0] == ' ' && is_hex(at[1]) && is_hex(at[2]);
}

/* "Vendor Model (serial) RR SS": the reader number, and the slot number, which must be equal. */
bool platform_same_reader_model(const char *a, const char *b)
{
    size_t length = strlen(a);
    if (length < 7 || strlen(b) != length || memcmp(a, b, length - 6) != 0)
        return false;
    a += length - 6;
    b += length - 6;
    return is_number(a) && is_number(b) && is_number(a + 3) && memcmp(a + 3, b + 3, 3) == 0;
}

/* The state is a bit mask; SCARD_SPECIFIC is never set. */
scardmanage_state platform_state_from_pcsc(DWORD state, uint32_t protocol)
{
    if (state & SCARD_ABSENT)
        return SCARDMANAGE_STATE_ABSENT;
    if (state & SCARD_SWALLOWED)
        return SCARDMANAGE_STATE_SWALLOWED;
    if (!(state & SCARD_POWERED))
        return state & SCARD_PRESENT ? SCARDMANAGE_STATE_PRESENT : SCARDMANAGE_STATE_UNKNOWN;
    if (protocol != 0)
        return SCARDMANAGE_STATE_SPECIFIC;
    return state & SCARD_NEGOTIABLE ? SCARDMANAGE_STATE_NEGOTIABLE : SCARDMANAGE_STATE_POWERED;
}

#endif
