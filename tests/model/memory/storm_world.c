/* SPDX-License-Identifier: BSD-3-Clause */
/* What disturbs A and B in a storm: another client, and events of the card, the reader and the service. */
#include "failures.h"
#include "pcscd.h"
#include "storm.h"

#include <signal.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static void sleep_about(unsigned us)
{
    if (!scheduler_once_in(4)) /* otherwise the next event follows at once */
        fiber_sleep(1 + scheduler_random(2 * us));
}

/* In some storms, nothing happens but soon after a call of A or B has begun. */
static void wait_for_turn(const struct storm *storm, unsigned us)
{
    if (!storm->aims) {
        sleep_about(us);
        return;
    }
    fiber_wait(&storm->aims, scheduler_now_us() + 1000000);
    fiber_sleep(1 + scheduler_random(us));
}

const struct pcscd_reader *storm_reader(void)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].exists && pcscd_service.readers[i].slot == &card_slots[0])
            return &pcscd_service.readers[i];
    return NULL;
}

const char *storm_reader_name(void)
{
    const struct pcscd_reader *reader = storm_reader();
    return reader ? reader->state.name : RIG_KEY " 00 00";
}

unsigned storm_reader_number(void)
{
    unsigned number = 0;
    if (!storm_has_reader() || sscanf(storm_reader_name(), RIG_KEY " %02X", &number) != 1)
        return STORM_NO_NUMBER;
    return number;
}

/*
 * C
 */

static const DWORD dispositions[] = {SCARD_LEAVE_CARD, SCARD_RESET_CARD, SCARD_UNPOWER_CARD};

static DWORD any_disposition(void)
{
    return dispositions[scheduler_random(3)];
}

static DWORD any_protocols(void)
{
    static const DWORD protocols[] = {ANY, ANY, SCARD_PROTOCOL_T0, SCARD_PROTOCOL_T1};
    return protocols[scheduler_random(4)];
}

static LONG act_as_c(const struct storm *storm, SCARDCONTEXT context, SCARDHANDLE *handle)
{
    DWORD active;
    char name[MAX_READERNAME];
    if (*handle == 0) {
        snprintf(name, sizeof name, "%s", storm_reader_name());
        return SCardConnect(context, name,
                            scheduler_once_in(8) && !storm->has_exclusive ? SCARD_SHARE_EXCLUSIVE
                                                                          : SCARD_SHARE_SHARED,
                            any_protocols(), handle, &active);
    }
    LONG rv = SCARD_S_SUCCESS;
    uint8_t answer[64];
    DWORD size = sizeof answer;
    unsigned act;
    do
        act = scheduler_random(STORM_ACTS_OF_C);
    while (!storm_uses(storm->acts_of_c, act));
    switch (act) {
    case 0:
        rv = SCardDisconnect(*handle, any_disposition());
        *handle = 0;
        return rv;
    case 1:
        return SCardReconnect(*handle, SCARD_SHARE_SHARED, any_protocols(), any_disposition(), &active);
    case 2:
        if (SCardBeginTransaction(*handle) != SCARD_S_SUCCESS)
            return SCardReconnect(*handle, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &active);
        sleep_about(scheduler_once_in(4) ? 60000 : 3000);
        return SCardEndTransaction(*handle, scheduler_once_in(4) ? any_disposition() : SCARD_LEAVE_CARD);
    case 3:
        return SCardReconnect(*handle, SCARD_SHARE_SHARED, any_protocols(), SCARD_LEAVE_CARD, &active);
    default:
        return SCardTransmit(*handle, scheduler_once_in(2) ? SCARD_PCI_T0 : SCARD_PCI_T1, cards_command,
                             sizeof cards_command, NULL, answer, &size);
    }
}

void storm_run_client_c(void *argument)
{
    struct storm *storm = argument;
    SCARDCONTEXT context = 0;
    SCARDHANDLE handle = 0;
    truth_set_actor(PARTY_C);
    while (!storm->calm) {
        wait_for_turn(storm, (storm->aims ? 1 : 2) * storm->event_us);
        if (storm->calm ||
            (context == 0 && SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != 0))
            continue;
        LONG rv = act_as_c(storm, context, &handle);
        storm_log(storm, "C: %s", pcsc_stringify_error(rv));
        if (rv == SCARD_E_NO_SERVICE || rv == SCARD_F_COMM_ERROR || rv == SCARD_W_SECURITY_VIOLATION ||
            rv == SCARD_E_INVALID_VALUE || rv == SCARD_E_INVALID_HANDLE) {
            SCardReleaseContext(context);
            context = handle = 0;
        }
    }
    if (context != 0)
        SCardReleaseContext(context);
    storm->c_done = true;
}

/*
 * Events
 */

static void log_event(struct storm *storm, const char *what)
{
    storm_log(storm, "- %s", what);
}

/* Often the last one, or one with the same ATR. */
static const struct cards_kind *any_card(const struct storm *storm)
{
    const struct cards_kind *red = &cards_kinds[CARD_RED], *twin = &cards_kinds[CARD_TWIN];
    if (storm->last_card && scheduler_once_in(2))
        return storm->last_card;
    if ((storm->last_card == red || storm->last_card == twin) && scheduler_once_in(2))
        return storm->last_card == red ? twin : red;
    return &cards_kinds[scheduler_random(CARDS)];
}

static void move_card(struct storm *storm)
{
    struct slot *slot = &card_slots[0];
    bool present = slot->card != NULL;
    if (present) {
        log_event(storm, "removal");
        storm->last_card = slot->card;
        card_remove(slot);
    }
    if (present && scheduler_once_in(2))
        sleep_about(storm->event_us / 2);
    if (!slot->card && (!present || !scheduler_once_in(4))) {
        const struct cards_kind *kind = any_card(storm);
        storm_log(storm, "- insertion of %s", kind->name);
        card_insert(slot, kind);
    }
}

static void mute(struct storm *storm)
{
    if (!card_slots[0].card)
        return;
    if (!card_slots[0].mute && scheduler_once_in(3)) {
        log_event(storm, "the card does not answer the next command");
        card_slots[0].lapses = true;
        truth_now.mutes++;
        return;
    }
    log_event(storm, card_slots[0].mute ? "the card can answer" : "the card answers nothing");
    rig_fault(&storm->model->rig, card_slots[0].mute ? "mute*0" : "mute@1");
}

static void change_service(struct storm *storm)
{
    if (!pcscd_service.running) {
        log_event(storm, "the service starts");
        pcscd_start();
    } else if (pcscd_service.stopped) {
        log_event(storm, "the service continues");
        pcscd_continue();
    } else if (scheduler_once_in(2)) {
        log_event(storm, "the service stops");
        pcscd_stop();
        fiber_sleep(scheduler_once_in(4) ? 1500000 : 0); /* longer than the library waits for it */
    } else {
        bool starts = scheduler_once_in(3);
        log_event(storm, starts ? "the service ends, and a client starts it" : "the service ends");
        pcscd_end(starts);
    }
}

static void plug_or_unplug(struct slot *slot)
{
    if (slot->plugged)
        card_unplug(slot);
    else
        card_plug(slot);
    pcscd_notice_readers();
}

static void plug_other_reader(struct storm *storm)
{
    log_event(storm, card_slots[1].plugged ? "unplug the other reader" : "plug the other reader");
    plug_or_unplug(&card_slots[1]);
}

static void plug_own_reader(struct storm *storm)
{
    bool was_plugged = card_slots[0].plugged;
    log_event(storm, was_plugged ? "unplug" : "plug");
    plug_or_unplug(&card_slots[0]);
    if (was_plugged && scheduler_once_in(2)) { /* and plug it in again */
        fiber_sleep(scheduler_random(2000));
        log_event(storm, "plug");
        plug_or_unplug(&card_slots[0]);
    }
}

/* A reader that comes back while the other one has its number gets another one. */
static void plug(struct storm *storm)
{
    if (scheduler_once_in(3))
        plug_other_reader(storm);
    else
        plug_own_reader(storm);
}

static void cancel(struct storm *storm)
{
    struct storm_user *user = &storm->users[scheduler_random(MODEL_USERS)];
    if (!user->m || user->done)
        return;
    log_event(storm, user->party == PARTY_A ? "cancel A" : "cancel B");
    truth_now.cancels[user->party]++;
    user->is_cancelling = true;
    user->cancelled_us = scheduler_now_us();
    if (user->cancels_itself || scheduler_once_in(2)) {
        scardmanage_cancel(user->m);
    } else {
        scardmanage_set_cancelled(user->m, 1);
        fiber_sleep(scheduler_random(20000));
        scardmanage_set_cancelled(user->m, 0);
    }
    user->is_cancelling = false;
}

void storm_run_world(void *argument)
{
    struct storm *storm = argument;
    truth_set_actor(NOBODY);
    while (!storm->calm) {
        wait_for_turn(storm, storm->event_us);
        unsigned number = scheduler_random(20);
        failures_set_rates(storm->has_failures && scheduler_once_in(4) ? 1 + scheduler_random(20) : 0,
                           storm->has_pcsc_failures && scheduler_once_in(2) ? 1 + scheduler_random(40) : 0);
        if (storm->calm)
            break;
        if (number < 8 && storm->has_events)
            move_card(storm);
        else if (number < 10 && storm->has_mutes)
            mute(storm);
        else if ((number < 12 || pcscd_service.stopped) && storm->has_services)
            change_service(storm);
        else if (number < 14 && storm->has_plugs)
            plug(storm);
        else if (number == 15 || (number > 15 && storm->cancels_often))
            cancel(storm);
    }
    failures_set_rates(0, 0);
    storm->world_done = true;
}

static bool wait_for_c(const struct storm *storm)
{
    uint64_t end = scheduler_now_us() + 100 * 1000000;
    while (!storm->c_done && scheduler_now_us() < end)
        fiber_sleep(1000);
    return storm->c_done;
}

bool storm_service_has_atr(void)
{
    const struct pcscd_reader *reader = storm_reader();
    return reader && reader->state.atr_length > 0;
}

void storm_calm_down(struct storm *storm)
{
    storm->calm = true;
    storm->rates[CHOICE_FAILS_IN_FUNCTION] = storm->rates[CHOICE_RESETS_IN_REBUILD] = 0;
    failures_set_rates(0, 0);
    if (!pcscd_service.running)
        pcscd_start();
    if (pcscd_service.stopped)
        pcscd_continue();
    while (!storm->world_done)
        fiber_sleep(1000);
    if (!pcscd_service.running)
        pcscd_start();
    if (pcscd_service.stopped)
        pcscd_continue();
    if (card_slots[1].plugged && scheduler_once_in(2))
        plug_other_reader(storm);
    if (!card_slots[0].plugged)
        plug_own_reader(storm);
    storm_check(&storm->users[0], wait_for_c(storm), "C waits for ever");
    do {
        if (card_slots[0].card)
            card_remove(&card_slots[0]);
        card_insert(&card_slots[0], &cards_kinds[CARD_RED]);
        fiber_sleep(1000000);
    } while (!storm_service_has_atr()); /* it was exchanged in a reset: pcscd does not power it then */
}
