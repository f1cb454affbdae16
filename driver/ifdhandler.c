/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The entry points of the IFD handler, version 3.0 (PCSC/ifdhandler.h of pcsc-lite), and what their results
 * mean to pcscd. Two choices of result matter more than they seem to:
 *
 * - A removed card is reported as IFD_COMMUNICATION_ERROR or another general error, never as
 *   IFD_ICC_NOT_PRESENT. On the latter, pcscd marks the slot empty from the client's thread, possibly after
 *   its event thread has already seen the next card.
 * - IFDHSetProtocolParameters returns IFD_PROTOCOL_NOT_SUPPORTED, on which pcscd tries the card's default
 *   protocol, or IFD_ERROR_PTS_FAILURE, which the client sees as SCARD_W_UNRESPONSIVE_CARD. It never
 *   returns IFD_NOT_SUPPORTED, on which pcscd silently assumes the card's default protocol.
 */
#include "base/error.h"
#include "log.h"
#include "readers.h"
#include "usb_device.h"

#include <ifdhandler.h>
#include <reader.h>

#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* Returns what the status of an exchange means to pcscd. failed is the code for a failure of this operation,
 * unresponsive that for a card that does not answer. See the top of the file for codes that it never
 * returns. */
static RESPONSECODE response_code(unsigned status, RESPONSECODE failed, RESPONSECODE unresponsive)
{
    switch (status) {
    case LINK_OK:
        return IFD_SUCCESS;
    case LINK_PROTOCOL_UNAVAILABLE:
        return IFD_PROTOCOL_NOT_SUPPORTED;
    case LINK_PPS_FAILED:
        return IFD_ERROR_PTS_FAILURE;
    case LINK_UNPLUGGED:
        return IFD_NO_SUCH_DEVICE;
    case CHANNEL_TOO_LONG:
        return IFD_ERROR_INSUFFICIENT_BUFFER;
    case LINK_MUTE:
        return unresponsive;
    default: /* also LINK_REMOVED, and LINK_UNSUPPORTED where the caller has not asked for it */
        return failed;
    }
}

/* Sends a request to the slot's simulator, as channel_exchange does. Returns LINK_UNPLUGGED if there is
 * no such slot. */
static unsigned exchange(DWORD Lun, struct link_message *request, uint8_t *out, size_t *out_length)
{
    struct channel *channel = readers_get(Lun);
    if (!channel)
        return LINK_UNPLUGGED;
    unsigned status = channel_exchange(channel, request, out, out_length);
    readers_put(Lun);
    return status;
}

EXPORT RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
    struct devicename name;
    struct error error;
    if (!DeviceName) {
        driver_log(LOG_LEVEL_CRITICAL, "no DEVICENAME");
        return IFD_COMMUNICATION_ERROR;
    }
    const char *device = usb_device_resolve(DeviceName, &error);
    if (!device) {
        driver_log(LOG_LEVEL_ERROR, "%s", error.text);
        return IFD_NO_SUCH_DEVICE;
    }
    if (!devicename_parse(device, &name, &error)) {
        driver_log(LOG_LEVEL_CRITICAL, "%s", error.text);
        return IFD_COMMUNICATION_ERROR;
    }
    unsigned slot = (unsigned)(Lun & 0xFFFF);
    if (slot >= name.slots) {
        driver_log(LOG_LEVEL_CRITICAL, "slot %u of a reader with %u", slot, name.slots);
        return IFD_NO_SUCH_DEVICE;
    }
    struct channel *channel = channel_new(&name, Lun);
    if (!channel)
        return IFD_COMMUNICATION_ERROR;
    if (!readers_add(Lun, channel)) {
        driver_log(LOG_LEVEL_CRITICAL, "Lun %08lx is taken, or there is no room for it", (lun)Lun);
        channel_free(channel);
        return IFD_COMMUNICATION_ERROR;
    }
    return IFD_SUCCESS;
}

/* Always fails: a reader without a DEVICENAME has only a CHANNELID, which does not say where the
 * simulator is. */
EXPORT RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
    driver_log(LOG_LEVEL_CRITICAL, "Lun %08lx, channel %lu: reader.conf must have a DEVICENAME", (lun)Lun,
               (unsigned long)Channel);
    return IFD_NO_SUCH_DEVICE;
}

EXPORT RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
    struct channel *channel = readers_get(Lun);
    if (channel) {
        channel_power_off_if_idle(channel);
        readers_put(Lun);
    }
    return readers_remove(Lun) ? IFD_SUCCESS : IFD_NO_SUCH_DEVICE;
}

EXPORT RESPONSECODE IFDHICCPresence(DWORD Lun)
{
    struct channel *channel = readers_get(Lun);
    if (!channel)
        return IFD_NO_SUCH_DEVICE;
    bool present = channel_card_present(channel);
    readers_put(Lun);
    return present ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}

/* The function for TAG_IFD_POLLING_THREAD_WITH_TIMEOUT. pcscd sleeps for 400 ms after any result but
 * IFD_SUCCESS. */
static RESPONSECODE wait_for_card_event(DWORD Lun, int timeout_ms)
{
    struct channel *channel = readers_get(Lun);
    if (!channel)
        return IFD_NO_SUCH_DEVICE;
    channel_wait(channel, timeout_ms);
    readers_put(Lun);
    return IFD_SUCCESS;
}

/* The function for TAG_IFD_STOP_POLLING_THREAD. */
static RESPONSECODE stop_waiting(DWORD Lun)
{
    struct channel *channel = readers_get(Lun);
    if (!channel)
        return IFD_NO_SUCH_DEVICE;
    channel_wake(channel);
    readers_put(Lun);
    return IFD_SUCCESS;
}

EXPORT RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
    if (!Atr || !AtrLength)
        return IFD_COMMUNICATION_ERROR;
    *AtrLength = 0;
    struct link_message request = {.type = LINK_POWER};
    switch (Action) {
    case IFD_POWER_UP:
        request.arg = LINK_POWER_COLD;
        break;
    case IFD_RESET:
        request.arg = LINK_POWER_WARM;
        break;
    case IFD_POWER_DOWN:
        request.arg = LINK_POWER_OFF;
        break;
    default:
        return IFD_NOT_SUPPORTED;
    }
    size_t length = MAX_ATR_SIZE;
    RESPONSECODE result =
        response_code(exchange(Lun, &request, Atr, &length), IFD_ERROR_POWER_ACTION, IFD_ERROR_POWER_ACTION);
    if (result == IFD_SUCCESS)
        *AtrLength = length;
    return result;
}

EXPORT RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2,
                                              UCHAR PTS3)
{
    struct link_message request = {
        .type = LINK_PARAMETERS,
        .value = (uint32_t)Flags << 24 | (uint32_t)PTS1 << 16 | (uint32_t)PTS2 << 8 | PTS3,
    };
    switch (Protocol) {
    case SCARD_PROTOCOL_T0:
        request.arg = 0;
        break;
    case SCARD_PROTOCOL_T1:
        request.arg = 1;
        break;
    default:
        return IFD_PROTOCOL_NOT_SUPPORTED;
    }
    return response_code(exchange(Lun, &request, NULL, NULL), IFD_ERROR_PTS_FAILURE, IFD_ERROR_PTS_FAILURE);
}

EXPORT RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength,
                                      PUCHAR RxBuffer, PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
    if (!RxBuffer || !RxLength || (!TxBuffer && TxLength > 0))
        return IFD_COMMUNICATION_ERROR;
    size_t length = *RxLength;
    *RxLength = 0;
    if (TxLength > LINK_MAX_COMMAND)
        return IFD_COMMUNICATION_ERROR;
    struct link_message request = {
        .type = LINK_TRANSMIT,
        /* pcscd passes 0 for T=0 and 1 for T=1, but SCARD_PROTOCOL_RAW for raw */
        .arg = SendPci.Protocol == SCARD_PROTOCOL_RAW ? LINK_RAW : (uint8_t)SendPci.Protocol,
        .data = TxBuffer,
        .length = TxLength,
    };
    unsigned status = exchange(Lun, &request, RxBuffer, &length);
    RESPONSECODE result = response_code(status, IFD_COMMUNICATION_ERROR, IFD_RESPONSE_TIMEOUT);
    if (RecvPci)
        RecvPci->Protocol = SendPci.Protocol;
    /* SCardTransmit() of pcscd (winscard.c) compares the length with the client's buffer, and returns
     * SCARD_E_INSUFFICIENT_BUFFER */
    if (result == IFD_ERROR_INSUFFICIENT_BUFFER)
        result = IFD_SUCCESS;
    if (result == IFD_SUCCESS)
        *RxLength = length;
    return result;
}

EXPORT RESPONSECODE IFDHControl(DWORD Lun, DWORD ControlCode, PUCHAR TxBuffer, DWORD TxLength,
                                PUCHAR RxBuffer, DWORD RxLength, LPDWORD BytesReturned)
{
    if (!BytesReturned || (!TxBuffer && TxLength > 0))
        return IFD_COMMUNICATION_ERROR;
    *BytesReturned = 0;
    if (TxLength > LINK_MAX_COMMAND)
        return IFD_COMMUNICATION_ERROR;
    struct link_message request = {
        .type = LINK_CONTROL,
        .value = (uint32_t)ControlCode,
        .data = TxBuffer,
        .length = TxLength,
    };
    size_t length = RxBuffer ? RxLength : 0;
    unsigned status = exchange(Lun, &request, RxBuffer, &length);
    if (status == LINK_UNSUPPORTED)
        return IFD_NOT_SUPPORTED;
    RESPONSECODE result = response_code(status, IFD_COMMUNICATION_ERROR, IFD_RESPONSE_TIMEOUT);
    if (result == IFD_SUCCESS)
        *BytesReturned = length;
    return result;
}

/* Copies a capability to the caller's buffer, as IFDHGetCapabilities must. */
static RESPONSECODE give(const void *value, size_t size, PDWORD Length, PUCHAR Value)
{
    if (*Length < size)
        return IFD_ERROR_INSUFFICIENT_BUFFER;
    memcpy(Value, value, size);
    *Length = size;
    return IFD_SUCCESS;
}

static RESPONSECODE give_byte(unsigned byte, PDWORD Length, PUCHAR Value)
{
    unsigned char value = (unsigned char)byte;
    return give(&value, 1, Length, Value);
}

static RESPONSECODE give_slots_number(DWORD Lun, PDWORD Length, PUCHAR Value)
{
    struct channel *channel = readers_get(Lun);
    if (!channel)
        return IFD_NO_SUCH_DEVICE;
    unsigned slots = channel_slots(channel);
    readers_put(Lun);
    return give_byte(slots, Length, Value);
}

/* Asks the simulator for an attribute, such as the ATR. */
static RESPONSECODE ask_attribute(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
    struct link_message request = {
        .type = LINK_ATTRIBUTE,
        .value = Tag == TAG_IFD_ATR ? SCARD_ATTR_ATR_STRING : (uint32_t)Tag,
    };
    size_t length = *Length;
    unsigned status = exchange(Lun, &request, Value, &length);
    if (status == LINK_OK || status == CHANNEL_TOO_LONG)
        *Length = length;
    if (status == LINK_UNSUPPORTED)
        return IFD_ERROR_TAG;
    return response_code(status, IFD_COMMUNICATION_ERROR, IFD_RESPONSE_TIMEOUT);
}

EXPORT RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
    if (!Length || !Value)
        return IFD_COMMUNICATION_ERROR;
    switch (Tag) {
    case TAG_IFD_SIMULTANEOUS_ACCESS:
        /* One byte, for more readers than pcscd has room for: the user meets pcscd's own limit, not the
         * driver's. */
        return give_byte(0xFF, Length, Value);
    case TAG_IFD_THREAD_SAFE:
    case TAG_IFD_SLOT_THREAD_SAFE:
        return give_byte(1, Length, Value);
    case TAG_IFD_POLLING_THREAD_KILLABLE:
        return give_byte(0, Length, Value);
    case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT: {
        RESPONSECODE (*function)(DWORD, int) = wait_for_card_event;
        return give(&function, sizeof function, Length, Value);
    }
    case TAG_IFD_STOP_POLLING_THREAD: {
        RESPONSECODE (*function)(DWORD) = stop_waiting;
        return give(&function, sizeof function, Length, Value);
    }
    case TAG_IFD_SLOTS_NUMBER:
        return give_slots_number(Lun, Length, Value);
    default:
        return ask_attribute(Lun, Tag, Length, Value);
    }
}

EXPORT RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
    (void)Tag;
    (void)Length;
    (void)Value;
    struct channel *channel = readers_get(Lun);
    if (!channel)
        return IFD_NO_SUCH_DEVICE;
    readers_put(Lun);
    return IFD_ERROR_TAG; /* no capability can be set */
}
