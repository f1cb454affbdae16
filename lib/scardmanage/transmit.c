#include "internal.h"

static scardmanage_result transmit_locked(scardmanage *m, const uint8_t *command, size_t command_len,
                                          uint8_t *response, size_t *response_len)
{
    size_t room = *response_len;
    *response_len = 0;
    if (m->attachment == ATTACHED_NOT)
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (!m->has_handle)
        return SCARDMANAGE_E_NO_SMARTCARD;
    scardmanage_result result = handle_settle(m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (m->pending != SCARDMANAGE_S_OK)
        return m->pending;
    *response_len = room;
    result = pcsc_transmit(m->handle, m->protocol, command, command_len, response, response_len);
    return handle_event(m, result);
}

scardmanage_result scardmanage_transmit(scardmanage *m, const uint8_t *command, size_t command_len,
                                        uint8_t *response, size_t *response_len)
{
    if (m == NULL || command == NULL || response == NULL || response_len == NULL)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (command_len == 0)
        result = SCARDMANAGE_E_INVALIDARG;
    else if (*response_len < 2) /* pcscd says so before it looks at the card */
        result = SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    if (result != SCARDMANAGE_S_OK) {
        *response_len = 0;
        return result;
    }
    platform_lock(&m->mutex);
    result = transmit_locked(m, command, command_len, response, response_len);
    platform_unlock(&m->mutex);
    return result;
}
