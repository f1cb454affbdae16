/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers, their handles and locks (readerfactory.c), and the threads that watch them (eventhandler.c). */
#include "pcscd.h"
#include "truth.h"

#include <ifdhandler.h>
#include <stdio.h>
#include <string.h>

#define GRACE_MS 5000 /* PCSCLITE_POWER_OFF_GRACE_PERIOD */

/*
 * Locks and events
 */

LONG reader_check_sharing(const struct pcscd_reader *reader, SCARDHANDLE handle)
{
    if (reader->thread_must_end)
        return SCARD_E_SHARING_VIOLATION;
    return reader->lock_id == 0 || reader->lock_id == handle ? SCARD_S_SUCCESS : SCARD_E_SHARING_VIOLATION;
}

LONG reader_lock_sharing(struct pcscd_reader *reader, SCARDHANDLE handle)
{
    LONG rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS) {
        if (reader->lock_id != handle) {
            truth_now.locks++;
            truth_now.locks_us = scheduler_now_us();
        }
        reader->lock_count++;
        reader->lock_id = handle;
    }
    return rv;
}

LONG reader_unlock_sharing(struct pcscd_reader *reader, SCARDHANDLE handle)
{
    LONG rv = reader_check_sharing(reader, handle);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (reader->lock_count <= (reader->contexts == PCSCD_EXCLUSIVE ? 1 : 0))
        return SCARD_E_NOT_TRANSACTED;
    reader->lock_count--;
    if (reader->lock_count == 0)
        reader->lock_id = 0;
    return SCARD_S_SUCCESS;
}

LONG reader_unlock_all_sharing(struct pcscd_reader *reader, SCARDHANDLE handle)
{
    LONG rv = reader_check_sharing(reader, handle);
    if (rv == SCARD_S_SUCCESS) {
        reader->lock_count = 0;
        reader->lock_id = 0;
    }
    return rv;
}

void reader_set_event(struct pcscd_reader *reader, enum pcscd_event event)
{
    for (unsigned i = 0; i < PCSCD_HANDLES; i++)
        if (reader->handles[i].number != 0)
            reader->handles[i].event = event;
    if (event == PCSCD_RESET && reader->slot == &card_slots[0]) {
        truth_now.reset_events++;
        truth_now.noticed_session = truth_now.session + 1;
    }
    if (event == PCSCD_REMOVED) {
        reader->lock_id = 0;
        reader->lock_count = 0;
    }
}

struct pcscd_handle *reader_handle(struct pcscd_reader *reader, SCARDHANDLE handle)
{
    for (unsigned i = 0; i < PCSCD_HANDLES; i++)
        if (handle != 0 && reader->handles[i].number == handle)
            return &reader->handles[i];
    return NULL;
}

LONG reader_check_event(const struct pcscd_reader *reader, SCARDHANDLE handle)
{
    const struct pcscd_handle *found = reader_handle((struct pcscd_reader *)(uintptr_t)reader, handle);
    if (!found)
        return SCARD_E_INVALID_HANDLE;
    if (found->event == PCSCD_REMOVED)
        return SCARD_W_REMOVED_CARD;
    return found->event == PCSCD_RESET ? SCARD_W_RESET_CARD : SCARD_S_SUCCESS;
}

LONG reader_check_status(const struct pcscd_reader *reader)
{
    return reader->state.state & SCARD_UNKNOWN ? SCARD_E_READER_UNAVAILABLE : SCARD_S_SUCCESS;
}

void reader_set_power(struct pcscd_reader *reader, enum pcscd_power power)
{
    pcscd_lock(&reader->power_lock);
    reader->power = power;
    pcscd_unlock(&reader->power_lock);
}

/*
 * The driver (ifdwrapper.c)
 */

static LONG get_status(struct pcscd_reader *reader, DWORD *status)
{
    pcscd_lock(&reader->driver);
    LONG rv = card_presence(reader->slot);
    pcscd_unlock(&reader->driver);
    *status = rv == IFD_ICC_PRESENT       ? SCARD_PRESENT
              : rv == IFD_ICC_NOT_PRESENT ? SCARD_ABSENT
                                          : SCARD_UNKNOWN;
    return *status == SCARD_UNKNOWN ? SCARD_E_READER_UNAVAILABLE : SCARD_S_SUCCESS;
}

LONG reader_power(struct pcscd_reader *reader, enum reader_action action)
{
    struct pcscd_state *state = &reader->state;
    DWORD status, length = 0;
    LONG rv = get_status(reader, &status);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (status & SCARD_ABSENT)
        return SCARD_W_REMOVED_CARD;
    pcscd_lock(&reader->driver);
    if (action == READER_POWER_DOWN || action == READER_POWER_DOWN_AND_UP)
        rv = card_power_off(reader->slot);
    pcscd_point();
    if (action != READER_POWER_DOWN)
        rv = card_power(reader->slot, action != READER_RESET, state->atr, &length);
    if (action != READER_POWER_DOWN)
        state->atr_length = rv == IFD_SUCCESS ? length : 0;
    pcscd_point();
    pcscd_unlock(&reader->driver);
    pcscd_point();
    if (rv == IFD_NO_SUCH_DEVICE)
        return SCARD_E_READER_UNAVAILABLE;
    return rv == IFD_SUCCESS ? SCARD_S_SUCCESS : SCARD_E_NOT_TRANSACTED;
}

/*
 * Watching the reader: EHStatusHandlerThread()
 */

static void power_new_card(struct pcscd_reader *reader)
{
    bool ok = reader_power(reader, READER_POWER_UP) == SCARD_S_SUCCESS;
    reader_set_power(reader, ok ? PCSCD_POWERED : PCSCD_UNPOWERED);
    reader->state.protocol = SCARD_PROTOCOL_UNDEFINED;
    reader->state.state = SCARD_PRESENT | (ok ? SCARD_POWERED | SCARD_NEGOTIABLE : SCARD_SWALLOWED);
}

static void clear_state(struct pcscd_reader *reader, DWORD state)
{
    reader->state.atr_length = 0;
    reader->state.protocol = SCARD_PROTOCOL_UNDEFINED;
    reader->state.state = state;
}

static void count_event(struct pcscd_reader *reader)
{
    truth_notice(reader->slot);
    if (++reader->state.counter > 0xFFFF)
        reader->state.counter = 0;
    pcscd_signal_event();
}

static void pass_sharing_on(struct pcscd_reader *reader, int *sharing)
{
    if (*sharing == reader->contexts)
        return;
    reader->state.sharing = *sharing = reader->contexts;
    pcscd_signal_event();
}

/* Returns the new state: SCARD_ABSENT, SCARD_PRESENT or SCARD_UNKNOWN. */
static DWORD observe(struct pcscd_reader *reader, DWORD before)
{
    DWORD status;
    if (get_status(reader, &status) != SCARD_S_SUCCESS) {
        clear_state(reader, SCARD_UNKNOWN);
        pcscd_signal_event();
        return SCARD_UNKNOWN;
    }
    if (status == before)
        return before;
    if (status == SCARD_ABSENT) {
        reader_set_event(reader, PCSCD_REMOVED);
        clear_state(reader, SCARD_ABSENT);
    } else {
        power_new_card(reader);
    }
    count_event(reader);
    return status;
}

static void power_off_if_unused(struct pcscd_reader *reader)
{
    pcscd_lock(&reader->power_lock);
    if (reader->power == PCSCD_POWERED) {
        reader_power(reader, READER_POWER_DOWN);
        reader->power = PCSCD_UNPOWERED;
        reader->state.protocol = SCARD_PROTOCOL_UNDEFINED;
    }
    if (reader->power == PCSCD_GRACE_PERIOD)
        reader->power = PCSCD_POWERED;
    pcscd_unlock(&reader->power_lock);
}

static void watch(void *argument)
{
    struct pcscd_reader *reader = argument;
    DWORD status, state = SCARD_ABSENT;
    if (get_status(reader, &status) == SCARD_S_SUCCESS && status == SCARD_PRESENT) {
        power_new_card(reader);
        state = SCARD_PRESENT;
    } else {
        clear_state(reader, SCARD_ABSENT);
    }
    truth_notice(reader->slot);
    truth_plug();
    int sharing = reader->state.sharing = reader->contexts;
    reader->initialized = true;
    pcscd_signal_event();
    fiber_wake(&reader->initialized);
    while (!reader->thread_must_end) {
        state = observe(reader, state);
        pass_sharing_on(reader, &sharing);
        pcscd_lock(&reader->power_lock); /* RFGetPowerState() */
        bool unused = reader->power == PCSCD_POWERED;
        pcscd_unlock(&reader->power_lock);
        if (reader->thread_must_end)
            return;
        LONG rv = card_wait(reader->slot, unused ? GRACE_MS : PCSCD_FOREVER);
        pcscd_point();
        if (rv != IFD_SUCCESS && !reader->thread_must_end)
            pcscd_wait(&reader->thread_must_end, scheduler_now_us() + PCSCD_RATE_US);
        power_off_if_unused(reader);
    }
}

/*
 * Readers
 */

static bool number_is_taken(unsigned number)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++) {
        unsigned found;
        const char *name = pcscd_service.readers[i].state.name, *space = strrchr(name, ' ');
        if (pcscd_service.readers[i].exists && space && sscanf(space - 3, " %02X", &found) == 1 &&
            found == number)
            return true;
    }
    return false;
}

void reader_add(struct slot *slot)
{
    unsigned number = 0, i = 0;
    while (number_is_taken(number))
        number++;
    while (i < PCSCD_READERS - 1 && pcscd_service.readers[i].exists)
        i++;
    struct pcscd_reader *reader = &pcscd_service.readers[i];
    *reader =
        (struct pcscd_reader){.exists = true, .slot = slot, .plugging = slot->plugging, .references = 1};
    snprintf(reader->state.name, sizeof reader->state.name, "%s %02X 00", slot->key, number);
    card_open(slot);
    truth_plug();
    unsigned owner = fiber_owner(); /* a client may have started the service */
    fiber_set_owner(0);
    reader->thread = fiber_start("pcscd's thread of a reader", watch, reader);
    fiber_set_owner(owner);
}

/* removeReader() */
static void remove_now(struct pcscd_reader *reader)
{
    if (reader->thread_must_end)
        return; /* "Trying to remove an already removed driver" */
    reader->thread_must_end = true;
    fiber_wake(&reader->thread_must_end);
    card_wake(reader->slot);
    while (!fiber_has_ended(reader->thread)) /* pthread_join() */
        pcscd_wait(&reader->thread, scheduler_now_us() + 1000);
    struct slot *slot = reader->slot;
    card_close(slot);
    truth_now.lost += slot == &card_slots[0];
    memset(reader, 0, sizeof *reader);
    truth_plug();
    pcscd_signal_event();
    pcscd_notice_readers(); /* it may have been plugged in again */
}

void reader_unref(struct pcscd_reader *reader)
{
    if (--reader->references == 0)
        remove_now(reader);
}

void reader_remove(struct pcscd_reader *reader)
{
    if (reader->is_removed)
        return;
    reader->is_removed = true;
    reader_unref(reader);
}

/* pcscd finds a reader even while it frees it, and may then crash. This one does not. */
static bool can_be_found(const struct pcscd_reader *reader)
{
    return reader->exists && !reader->thread_must_end;
}

LONG reader_find(const char *name, struct pcscd_reader **reader)
{
    pcscd_point();
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (can_be_found(&pcscd_service.readers[i]) &&
            strcmp(pcscd_service.readers[i].state.name, name) == 0) {
            *reader = &pcscd_service.readers[i];
            (*reader)->references++;
            return SCARD_S_SUCCESS;
        }
    return SCARD_E_UNKNOWN_READER;
}

LONG reader_of_handle(SCARDHANDLE handle, struct pcscd_reader **reader)
{
    pcscd_point();
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (can_be_found(&pcscd_service.readers[i]) && reader_handle(&pcscd_service.readers[i], handle)) {
            *reader = &pcscd_service.readers[i];
            (*reader)->references++;
            return SCARD_S_SUCCESS;
        }
    return SCARD_E_INVALID_VALUE;
}
