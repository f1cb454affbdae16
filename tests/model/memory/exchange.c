/* SPDX-License-Identifier: BSD-3-Clause */
/* winscard.c of pcscd: the functions that neither connect nor lock. */
#include "pcscd.h"
#include "truth.h"

#include <ifdhandler.h>
#include <reader.h>
#include <string.h>

LONG pcscd_SCardStatus(SCARDHANDLE handle)
{
    struct pcscd_reader *reader;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_event(reader, handle);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_status(reader);
    reader_unref(reader);
    return rv;
}

/* Returns the length of the value, or 0. */
static DWORD find_attribute(struct pcscd_reader *reader, DWORD attribute, uint8_t value[MAX_READERNAME])
{
    DWORD length = 0;
    pcscd_lock(&reader->driver); /* IFDGetCapabilities() */
    pcscd_point();
    LONG rv = card_attribute(reader->slot, attribute, value, &length);
    pcscd_unlock(&reader->driver);
    if (rv == IFD_SUCCESS ||
        (attribute != SCARD_ATTR_DEVICE_FRIENDLY_NAME && attribute != SCARD_ATTR_DEVICE_SYSTEM_NAME))
        return length;
    strcpy((char *)value, reader->state.name);
    return strlen(reader->state.name) + 1;
}

static LONG get_attribute(struct pcscd_reader *reader, SCARDHANDLE handle, DWORD attribute, BYTE *value,
                          DWORD *length)
{
    LONG rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_status(reader);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_event(reader, handle);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    uint8_t found[MAX_READERNAME];
    DWORD size = find_attribute(reader, attribute, found), room = *length;
    if (size == 0)
        return SCARD_E_UNSUPPORTED_FEATURE;
    *length = size;
    if (size > room)
        return SCARD_E_INSUFFICIENT_BUFFER;
    memcpy(value, found, size);
    return SCARD_S_SUCCESS;
}

LONG pcscd_SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, BYTE *value, DWORD *length)
{
    struct pcscd_reader *reader;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = get_attribute(reader, handle, attribute, value, length);
    reader_unref(reader);
    return rv;
}

static LONG control(DWORD code, const uint8_t *data, DWORD length, uint8_t *answer, DWORD *answer_length)
{
    static const uint8_t tags[] = {PCSCD_FEATURE_FIRST, PCSCD_FEATURE_LAST};
    uint8_t list[sizeof tags * 6];
    DWORD room = *answer_length;
    for (unsigned i = 0; i < sizeof tags; i++) {
        DWORD found = PCSCD_FEATURE_CODE(tags[i]);
        const uint8_t entry[] = {
            tags[i],       4, (uint8_t)(found >> 24), (uint8_t)(found >> 16), (uint8_t)(found >> 8),
            (uint8_t)found};
        memcpy(list + i * sizeof entry, entry, sizeof entry);
    }
    if (code == CM_IOCTL_GET_FEATURE_REQUEST)
        *answer_length = sizeof list;
    else if (code == PCSCD_FEATURE_CODE(tags[0]) || code == PCSCD_FEATURE_CODE(tags[1]))
        *answer_length = length + 1;
    else
        return SCARD_E_UNSUPPORTED_FEATURE;
    if (*answer_length > room)
        return SCARD_E_INSUFFICIENT_BUFFER;
    if (code == CM_IOCTL_GET_FEATURE_REQUEST) {
        memcpy(answer, list, sizeof list);
    } else {
        answer[0] = (uint8_t)code;
        memcpy(answer + 1, data, length);
    }
    return SCARD_S_SUCCESS;
}

/* Does not check for events. */
LONG pcscd_SCardControl(SCARDHANDLE handle, DWORD code, const uint8_t *data, DWORD length, uint8_t *answer,
                        DWORD *answer_length)
{
    struct pcscd_reader *reader;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_status(reader);
    reader_unref(reader);
    return rv == SCARD_S_SUCCESS ? control(code, data, length, answer, answer_length) : rv;
}

static LONG send_command(struct pcscd_reader *reader, SCARDHANDLE handle, DWORD protocol,
                         const uint8_t *command, DWORD length, uint8_t *response, size_t room,
                         DWORD *response_length)
{
    LONG rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_status(reader);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_event(reader, handle);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (protocol != SCARD_PROTOCOL_RAW && reader->state.state & SCARD_ABSENT)
        return SCARD_E_NO_SMARTCARD;
    if (protocol != SCARD_PROTOCOL_RAW && protocol != reader->state.protocol)
        return SCARD_E_PROTO_MISMATCH;
    if (protocol == SCARD_PROTOCOL_UNDEFINED)
        protocol = SCARD_PROTOCOL_T0; /* "protocol T=0 by default" */
    unsigned shown = reader->slot->shown;
    pcscd_lock(&reader->driver);
    bool is_locked = reader->lock_id == handle;
    if (reader->slot->shown != shown) {
        /* pcscd does not check again. While it waits for the driver, the card would have to be exchanged, and the
         * new one powered: too rare to allow for. */
        pcscd_unlock(&reader->driver);
        truth_now.early_removals++;
        return SCARD_W_REMOVED_CARD;
    }
    rv = card_transmit(reader->slot, (uint32_t)protocol, command, length, response, &room);
    pcscd_point();
    truth_last[truth_actor()].is_locked = is_locked;
    pcscd_unlock(&reader->driver);
    if (rv == IFD_NO_SUCH_DEVICE)
        return SCARD_E_READER_UNAVAILABLE;
    if (rv != IFD_SUCCESS)
        return SCARD_E_NOT_TRANSACTED;
    *response_length = room;
    return SCARD_S_SUCCESS;
}

LONG pcscd_SCardTransmit(SCARDHANDLE handle, DWORD protocol, const uint8_t *command, DWORD length,
                         uint8_t *response, DWORD *response_length)
{
    struct pcscd_reader *reader;
    DWORD room = *response_length;
    *response_length = 0;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = send_command(reader, handle, protocol, command, length, response, room, response_length);
    reader_unref(reader);
    return rv;
}
