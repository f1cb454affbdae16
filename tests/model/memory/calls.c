/* SPDX-License-Identifier: BSD-3-Clause */
/* winscard.c of pcscd. Other clients and the threads of the readers may run at each pcscd_point(). */
#include "pcscd.h"
#include "truth.h"

#include <ifdhandler.h>

#define ANY_PROTOCOL (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1 | SCARD_PROTOCOL_RAW)

/* PHSetProtocol() in prothandler.c. Returns the protocol in use, or 0 and *rv. */
static DWORD set_protocol(struct pcscd_reader *reader, DWORD preferred, LONG *rv)
{
    DWORD available = 0;
    if (reader->state.atr_length > 0)
        available = cards_atr_protocols(cards_atr_bit(reader->state.atr, reader->state.atr_length));
    preferred &= available;
    *rv = SCARD_E_PROTO_MISMATCH;
    if (preferred == 0)
        return 0;
    DWORD chosen = preferred & SCARD_PROTOCOL_T1 ? SCARD_PROTOCOL_T1 : SCARD_PROTOCOL_T0;
    LONG result = card_set_protocol(reader->slot, (uint32_t)chosen);
    pcscd_point();
    *rv = result == IFD_SUCCESS ? SCARD_S_SUCCESS : SCARD_W_UNRESPONSIVE_CARD;
    return result == IFD_SUCCESS ? chosen : 0;
}

/* What SCardConnect() and SCardReconnect() do. */
static LONG choose_protocol(struct pcscd_reader *reader, DWORD share, DWORD protocols)
{
    LONG rv = SCARD_S_SUCCESS;
    if (protocols & SCARD_PROTOCOL_RAW) {
        reader->state.protocol = SCARD_PROTOCOL_RAW;
        return rv;
    }
    if (share == SCARD_SHARE_DIRECT)
        return rv;
    pcscd_lock(&reader->driver);
    if (reader->state.protocol == SCARD_PROTOCOL_UNDEFINED) {
        DWORD chosen = set_protocol(reader, protocols, &rv);
        if (rv == SCARD_S_SUCCESS)
            reader->state.protocol = chosen;
    } else if (!(protocols & reader->state.protocol)) {
        rv = SCARD_E_PROTO_MISMATCH;
    }
    pcscd_unlock(&reader->driver);
    return rv;
}

static void set_powered(struct pcscd_reader *reader)
{
    reader->state.state = SCARD_PRESENT | SCARD_POWERED | SCARD_NEGOTIABLE;
}

/* After a reset that has failed. Returns what SCardReconnect() returns. */
static LONG set_unpowered(struct pcscd_reader *reader, LONG rv)
{
    reader->state.atr_length = 0;
    reader->state.state = rv == SCARD_W_REMOVED_CARD ? SCARD_ABSENT : SCARD_PRESENT | SCARD_SWALLOWED;
    return rv == SCARD_W_REMOVED_CARD ? SCARD_E_NO_SMARTCARD : SCARD_W_UNRESPONSIVE_CARD;
}

static bool is_share(DWORD share)
{
    return share == SCARD_SHARE_SHARED || share == SCARD_SHARE_EXCLUSIVE || share == SCARD_SHARE_DIRECT;
}

static bool is_disposition(DWORD disposition)
{
    return disposition <= SCARD_EJECT_CARD;
}

static void wait_for_transaction(const struct pcscd_reader *reader)
{
    while (reader->lock_id != 0)
        pcscd_sleep(PCSCD_POLL_US);
}

/*
 * SCardConnect
 */

static LONG power_if_needed(struct pcscd_reader *reader)
{
    LONG rv = SCARD_S_SUCCESS;
    pcscd_lock(&reader->power_lock);
    if (reader->power == PCSCD_UNPOWERED) {
        LONG power = reader_power(reader, READER_POWER_UP);
        if (power == SCARD_S_SUCCESS)
            set_powered(reader);
        if (power == SCARD_W_REMOVED_CARD)
            reader->state.atr_length = MAX_ATR_SIZE; /* dwAtrLen was not changed */
    }
    if (!(reader->state.state & SCARD_POWERED))
        rv = SCARD_W_UNPOWERED_CARD;
    else
        reader->power = PCSCD_IN_USE;
    pcscd_unlock(&reader->power_lock);
    return rv;
}

static LONG add_handle(struct pcscd_reader *reader, DWORD share, SCARDHANDLE *handle)
{
    bool exclusive = share == SCARD_SHARE_EXCLUSIVE;
    unsigned i = 0;
    while (i < PCSCD_HANDLES && reader->handles[i].number != 0)
        i++;
    if (exclusive && reader->contexts != 0)
        return SCARD_E_SHARING_VIOLATION;
    if (reader->contexts == PCSCD_EXCLUSIVE)
        return SCARD_E_SHARING_VIOLATION; /* pcscd does not check again, and then miscounts; too rare to allow for */
    if (i == PCSCD_HANDLES)
        return SCARD_F_INTERNAL_ERROR;
    *handle = ++pcscd_service.last_handle;
    reader->contexts = exclusive ? PCSCD_EXCLUSIVE : reader->contexts + 1;
    if (exclusive)
        truth_exclusive();
    if (exclusive)
        reader_lock_sharing(reader, *handle);
    reader->handles[i] = (struct pcscd_handle){.number = *handle, .owner = truth_actor()};
    return SCARD_S_SUCCESS;
}

static LONG connect_to(struct pcscd_reader *reader, DWORD share, DWORD protocols, SCARDHANDLE *handle,
                       DWORD *active)
{
    LONG rv = reader_check_status(reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (reader->contexts == PCSCD_EXCLUSIVE)
        return SCARD_E_SHARING_VIOLATION;
    wait_for_transaction(reader);
    if (share != SCARD_SHARE_DIRECT) {
        if (!(reader->state.state & SCARD_PRESENT))
            return SCARD_E_NO_SMARTCARD;
        rv = power_if_needed(reader);
        if (rv != SCARD_S_SUCCESS)
            return rv;
    }
    rv = choose_protocol(reader, share, protocols);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    pcscd_point();
    *active = reader->state.protocol;
    rv = add_handle(reader, share, handle);
    if (rv == SCARD_S_SUCCESS)
        reader->state.sharing = reader->contexts;
    return rv;
}

LONG pcscd_SCardConnect(const char *name, DWORD share, DWORD protocols, SCARDHANDLE *handle, DWORD *active)
{
    struct pcscd_reader *reader;
    *handle = 0;
    if (share != SCARD_SHARE_DIRECT && !(protocols & ANY_PROTOCOL))
        return SCARD_E_PROTO_MISMATCH;
    if (!is_share(share))
        return SCARD_E_INVALID_VALUE;
    LONG rv = reader_find(name, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = connect_to(reader, share, protocols, handle, active);
    reader_unref(reader);
    return rv;
}

/*
 * SCardReconnect
 */

static LONG reset(struct pcscd_reader *reader, DWORD initialization)
{
    reader_set_event(reader, PCSCD_RESET);
    LONG rv =
        reader_power(reader, initialization == SCARD_UNPOWER_CARD ? READER_POWER_DOWN_AND_UP : READER_RESET);
    reader->state.protocol = SCARD_PROTOCOL_UNDEFINED;
    if (rv != SCARD_S_SUCCESS)
        return set_unpowered(reader, rv);
    set_powered(reader);
    return SCARD_S_SUCCESS;
}

static LONG initialize(struct pcscd_reader *reader, DWORD initialization)
{
    if (initialization != SCARD_LEAVE_CARD)
        return reset(reader, initialization);
    if (reader->state.state & SCARD_ABSENT)
        return SCARD_E_NO_SMARTCARD;
    return reader->state.state & SCARD_SWALLOWED ? SCARD_W_UNRESPONSIVE_CARD : SCARD_S_SUCCESS;
}

static LONG change_sharing(struct pcscd_reader *reader, SCARDHANDLE handle, DWORD share)
{
    if (share == SCARD_SHARE_EXCLUSIVE) {
        if (reader->contexts == PCSCD_EXCLUSIVE)
            return SCARD_S_SUCCESS;
        if (reader->contexts != 1)
            return SCARD_E_SHARING_VIOLATION;
        reader->contexts = PCSCD_EXCLUSIVE;
        truth_exclusive();
        reader_lock_sharing(reader, handle);
        return SCARD_S_SUCCESS;
    }
    if (reader->contexts == PCSCD_EXCLUSIVE) {
        reader_unlock_sharing(reader, handle); /* which does not end the last one */
        reader->contexts = 1;
    }
    return SCARD_S_SUCCESS;
}

static LONG reconnect_to(struct pcscd_reader *reader, SCARDHANDLE handle, DWORD share, DWORD protocols,
                         DWORD initialization, DWORD *active)
{
    LONG rv = reader_check_status(reader);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS)
        rv = initialize(reader, initialization);
    if (rv == SCARD_S_SUCCESS)
        rv = choose_protocol(reader, share, protocols);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (!(protocols & SCARD_PROTOCOL_RAW) && share != SCARD_SHARE_DIRECT)
        reader_set_power(reader, PCSCD_IN_USE);
    pcscd_point();
    *active = reader->state.protocol;
    rv = change_sharing(reader, handle, share);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    struct pcscd_handle *found = reader_handle(reader, handle);
    if (found)
        found->event = PCSCD_NONE;
    reader->state.sharing = reader->contexts;
    return SCARD_S_SUCCESS;
}

LONG pcscd_SCardReconnect(SCARDHANDLE handle, DWORD share, DWORD protocols, DWORD initialization,
                          DWORD *active)
{
    struct pcscd_reader *reader;
    if (initialization > SCARD_UNPOWER_CARD || !is_share(share))
        return SCARD_E_INVALID_VALUE;
    if (share != SCARD_SHARE_DIRECT && !(protocols & ANY_PROTOCOL))
        return SCARD_E_PROTO_MISMATCH;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = reconnect_to(reader, handle, share, protocols, initialization, active);
    reader_unref(reader);
    return rv;
}

/*
 * SCardDisconnect
 */

static void reset_at_disconnect(struct pcscd_reader *reader, DWORD disposition)
{
    LONG rv;
    reader_set_event(reader, PCSCD_RESET);
    if (disposition == SCARD_RESET_CARD) {
        rv = reader_power(reader, READER_RESET);
    } else {
        rv = reader_power(reader, READER_POWER_DOWN);
        reader_set_power(reader, PCSCD_UNPOWERED);
    }
    reader->state.protocol = SCARD_PROTOCOL_UNDEFINED;
    if (rv != SCARD_S_SUCCESS && disposition == SCARD_RESET_CARD)
        set_unpowered(reader, rv);
    else if (rv != SCARD_S_SUCCESS)
        reader->state.state = rv == SCARD_W_REMOVED_CARD ? SCARD_ABSENT : SCARD_PRESENT | SCARD_SWALLOWED;
    else if (disposition == SCARD_UNPOWER_CARD)
        reader->state.state = SCARD_PRESENT;
    else
        set_powered(reader);
}

static void remove_handle(struct pcscd_reader *reader, SCARDHANDLE handle)
{
    struct pcscd_handle *found = reader_handle(reader, handle);
    if (found)
        found->number = 0;
    reader->contexts =
        reader->contexts == PCSCD_EXCLUSIVE || reader->contexts == 0 ? 0 : reader->contexts - 1;
    pcscd_point();
    if (reader->contexts == 0) {
        pcscd_lock(&reader->power_lock);
        if (reader->power >= PCSCD_POWERED)
            reader->power = PCSCD_GRACE_PERIOD;
        pcscd_unlock(&reader->power_lock);
        card_wake(reader->slot);
    }
    reader->state.sharing = reader->contexts;
}

static LONG disconnect_from(struct pcscd_reader *reader, SCARDHANDLE handle, DWORD disposition)
{
    if (disposition != SCARD_LEAVE_CARD && reader->lock_id != handle)
        wait_for_transaction(reader);
    LONG rv = reader_unlock_all_sharing(reader, handle);
    if (rv != SCARD_S_SUCCESS && disposition != SCARD_LEAVE_CARD)
        return rv;
    if (disposition == SCARD_RESET_CARD || disposition == SCARD_UNPOWER_CARD)
        reset_at_disconnect(reader, disposition);
    remove_handle(reader, handle);
    return SCARD_S_SUCCESS;
}

LONG pcscd_SCardDisconnect(SCARDHANDLE handle, DWORD disposition)
{
    struct pcscd_reader *reader;
    if (!is_disposition(disposition))
        return SCARD_E_INVALID_VALUE;
    if (reader_of_handle(handle, &reader) != SCARD_S_SUCCESS)
        return SCARD_S_SUCCESS; /* the reader was removed */
    LONG rv = disconnect_from(reader, handle, disposition);
    reader_unref(reader);
    return rv;
}

static void release_handle(struct pcscd_reader *reader, SCARDHANDLE handle)
{
    bool resets = reader->lock_id != 0 && reader->lock_id == handle;
    if (resets) {
        reader->lock_id = 0;
        LONG rv = pcscd_SCardStatus(handle);
        resets = rv != SCARD_W_RESET_CARD && rv != SCARD_W_REMOVED_CARD;
    }
    pcscd_SCardDisconnect(handle, resets ? SCARD_RESET_CARD : SCARD_LEAVE_CARD);
}

void pcscd_release_handles(struct pcscd_connection *connection)
{
    for (unsigned i = 0; i < PCSCD_HANDLES; i++) {
        struct pcscd_reader *reader;
        SCARDHANDLE handle = connection->handles[i];
        connection->handles[i] = 0;
        if (handle == 0 || reader_of_handle(handle, &reader) != SCARD_S_SUCCESS)
            continue;
        release_handle(reader, handle);
        reader_unref(reader);
    }
}

/*
 * Transactions
 */

LONG pcscd_SCardBeginTransaction(SCARDHANDLE handle)
{
    struct pcscd_reader *reader;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = reader_check_status(reader);
    if (rv == SCARD_S_SUCCESS)
        rv = reader_check_event(reader, handle);
    if (rv ==
        SCARD_S_SUCCESS) { /* pcscd may notice a removal here, and then keeps the lock; too rare to allow for */
        rv = reader_lock_sharing(reader, handle);
        if (rv == SCARD_E_SHARING_VIOLATION)
            pcscd_sleep(PCSCD_POLL_US);
    }
    reader_unref(reader);
    return rv;
}

static LONG reset_at_end(struct pcscd_reader *reader, DWORD disposition)
{
    LONG rv =
        reader_power(reader, disposition == SCARD_UNPOWER_CARD ? READER_POWER_DOWN_AND_UP : READER_RESET);
    reader->state.protocol = SCARD_PROTOCOL_UNDEFINED;
    pcscd_point();
    unsigned session = truth_now.session;
    reader_set_event(reader, PCSCD_RESET);
    truth_now.noticed_session = session; /* the reset is over */
    if (rv == SCARD_S_SUCCESS)
        set_powered(reader);
    else
        set_unpowered(reader, rv);
    return rv;
}

static LONG end_transaction(struct pcscd_reader *reader, SCARDHANDLE handle, DWORD disposition)
{
    LONG rv = reader_check_event(reader, handle);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (disposition != SCARD_LEAVE_CARD && reader->lock_id != 0 && reader->lock_id != handle)
        return SCARD_E_SHARING_VIOLATION;
    if (disposition == SCARD_RESET_CARD || disposition == SCARD_UNPOWER_CARD)
        rv = reset_at_end(reader, disposition);
    else if (disposition == SCARD_EJECT_CARD)
        rv = SCARD_E_UNSUPPORTED_FEATURE; /* IFDControl_v2() of a driver of version 3 */
    LONG ended = reader_unlock_sharing(reader, handle);
    return rv == SCARD_S_SUCCESS ? ended : rv;
}

LONG pcscd_SCardEndTransaction(SCARDHANDLE handle, DWORD disposition)
{
    struct pcscd_reader *reader;
    if (!is_disposition(disposition))
        return SCARD_E_INVALID_VALUE;
    LONG rv = reader_of_handle(handle, &reader);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    rv = end_transaction(reader, handle, disposition);
    reader_unref(reader);
    return rv;
}
