/* SPDX-License-Identifier: BSD-3-Clause */
#include "card.h"

#include "pcscd.h"
#include "scheduler.h"
#include "truth.h"

#include <ifdhandler.h>
#include <reader.h>
#include <string.h>

struct slot card_slots[2];
bool card_resets_slowly;
static unsigned insertions;

void card_begin(void)
{
    memset(card_slots, 0, sizeof card_slots);
    card_slots[0].key = "key";
    card_slots[1].key = "other";
    card_slots[0].plugged = true;
    card_resets_slowly = false;
    insertions = 0;
}

void card_plug(struct slot *slot)
{
    slot->plugged = true;
    slot->plugging++;
    truth_plug();
}

void card_unplug(struct slot *slot)
{
    slot->plugged = false;
    truth_plug();
    card_close(slot);
}

static void deactivate(struct slot *slot)
{
    slot->off += slot->powered;
    if (slot->powered)
        truth_session_ends(slot);
    slot->powered = slot->negotiable = false;
    slot->protocol = 0;
    slot->count = 0;
}

void card_insert(struct slot *slot, const struct cards_kind *kind)
{
    slot->card = kind;
    slot->insertion = ++insertions;
    for (unsigned i = 0; i < CARDS_IDENTITY; i++)
        slot->identity[i] = (uint8_t)scheduler_random(256);
    slot->mute = slot->lapses = slot->powered = slot->negotiable = false;
    slot->atr = 0;
    slot->protocol = 0;
    slot->count = slot->commands = slot->cold = slot->warm = slot->off = 0;
    slot->events++;
    truth_session_ends(slot);
    truth_now.card_events++;
    fiber_wake(slot);
}

void card_remove(struct slot *slot)
{
    slot->card = NULL;
    slot->powered = slot->mute = false;
    slot->events++;
    truth_session_ends(slot);
    truth_now.card_events++;
    fiber_wake(slot);
}

/*
 * The driver
 */

/* An exchange takes a moment. Meanwhile the card may be removed; and if the service ends, so does its driver. Returns
 * whether the card is still the one that the driver has shown. */
static bool exchange(const struct slot *slot, unsigned us)
{
    unsigned before = slot->events, connection = slot->connections;
    if (scheduler_once_in(4))
        pcscd_sleep(1 + scheduler_random(us));
    else
        pcscd_point();
    return slot->connected && slot->connections == connection && slot->card && slot->events == slot->shown &&
           slot->events == before;
}

#define SLOW_US 20000

static void be_slow(void)
{
    if (card_resets_slowly && truth_actor() != NOBODY)
        pcscd_sleep(scheduler_random(SLOW_US));
}

LONG card_presence(const struct slot *slot)
{
    if (!slot->connected)
        return IFD_NO_SUCH_DEVICE;
    return slot->shown % 2 ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}

LONG card_wait(struct slot *slot, unsigned ms)
{
    uint64_t until = scheduler_now_us() + (uint64_t)ms * 1000;
    if (slot->connected && slot->shown == slot->events && !slot->is_woken)
        fiber_wait(slot, until);
    if (!slot->connected)
        return IFD_NO_SUCH_DEVICE;
    if (slot->is_woken) {
        slot->is_woken = false;
        return IFD_SUCCESS;
    }
    slot->shown += slot->shown != slot->events;
    return IFD_SUCCESS;
}

void card_wake(struct slot *slot)
{
    slot->is_woken = true;
    fiber_wake(slot);
}

LONG card_attribute(const struct slot *slot, DWORD tag, uint8_t value[MAX_ATR_SIZE], DWORD *length)
{
    if (!slot->connected)
        return IFD_NO_SUCH_DEVICE;
    if (tag != SCARD_ATTR_ATR_STRING || !slot->powered)
        return IFD_ERROR_TAG;
    *length = cards_atr_bytes(slot->atr, value);
    return IFD_SUCCESS;
}

static bool is_negotiable(const uint8_t *atr)
{
    return (atr[1] & 0x10) != 0; /* with TA1 there is another speed to choose */
}

LONG card_power(struct slot *slot, bool cold, uint8_t atr[MAX_ATR_SIZE], DWORD *length)
{
    if (!slot->connected)
        return IFD_NO_SUCH_DEVICE;
    slot->ready = 0;
    be_slow();
    if (!exchange(slot, 2000))
        return IFD_ERROR_POWER_ACTION;
    if (!slot->powered)
        cold = true;
    if (cold)
        deactivate(slot);
    truth_reset(slot);
    truth_now.colds[truth_actor()] += cold && slot == &card_slots[0];
    slot->cold += cold;
    slot->warm += !cold;
    slot->count = 0;
    slot->protocol = 0;
    if (slot->mute) {
        slot->powered = false;
        return IFD_ERROR_POWER_ACTION;
    }
    slot->powered = slot->negotiable = true;
    slot->atr = cold ? slot->card->cold : slot->card->warm;
    *length = cards_atr_bytes(slot->atr, atr);
    if (!is_negotiable(atr))
        slot->protocol = slot->ready = SCARD_PROTOCOL_T0;
    slot->ready_event = slot->shown;
    return IFD_SUCCESS;
}

LONG card_power_off(struct slot *slot)
{
    if (!slot->connected)
        return IFD_NO_SUCH_DEVICE;
    slot->ready = 0;
    if (!exchange(slot, 500))
        return IFD_ERROR_POWER_ACTION;
    deactivate(slot);
    return IFD_SUCCESS;
}

LONG card_set_protocol(struct slot *slot, uint32_t protocol)
{
    if (slot->ready == protocol && slot->ready_event == slot->shown) /* is_ready() of the driver */
        return IFD_SUCCESS;
    slot->ready = 0;
    be_slow();
    if (!exchange(slot, 500) || !slot->powered)
        return IFD_ERROR_PTS_FAILURE;
    if (slot->protocol == protocol)
        return IFD_SUCCESS;
    if (!slot->negotiable)
        return IFD_ERROR_PTS_FAILURE;
    if (!(cards_atr_protocols(slot->atr) & protocol))
        return IFD_PROTOCOL_NOT_SUPPORTED;
    slot->protocol = protocol; /* the fault "mute" does not concern PPS */
    slot->negotiable = false;
    return IFD_SUCCESS;
}

#define ANSWER_MAX (sizeof TRUTH_SECRET - 1 + 2)
_Static_assert(ANSWER_MAX >= CARDS_ANSWER, "an answer has no room");

static size_t answer_status(uint8_t sw1, uint8_t sw2, uint8_t *answer)
{
    answer[0] = sw1;
    answer[1] = sw2;
    return 2;
}

static size_t answer_with_identity(struct slot *slot, uint8_t answer[ANSWER_MAX])
{
    slot->count++;
    answer[0] = (uint8_t)(slot->card - cards_kinds);
    memcpy(answer + 1, slot->identity, CARDS_IDENTITY);
    answer[1 + CARDS_IDENTITY] = (uint8_t)(slot->count >> 8);
    answer[2 + CARDS_IDENTITY] = (uint8_t)slot->count;
    answer[3 + CARDS_IDENTITY] = 0x90;
    answer[4 + CARDS_IDENTITY] = 0x00;
    return CARDS_ANSWER;
}

/* Only the last command of a chain has Le. The first byte of the data says that it begins. */
static size_t answer_long(struct slot *slot, const uint8_t *command, size_t length, unsigned sent_before,
                          unsigned *parts, uint8_t answer[ANSWER_MAX])
{
    bool is_last = !(command[0] & 0x10);
    unsigned before = command[5] ? 0 : sent_before;
    *parts = before + command[4];
    if (length != 5u + command[4] + is_last || (is_last && *parts != CARD_LONG_FIRST + command[3]))
        return answer_status(0x67, 0x00, answer);
    if (!is_last)
        return answer_status(0x90, 0x00, answer);
    if (command[2] == CARD_LONG_EXACT && command[length - 1] != CARDS_ANSWER - 2) {
        *parts = before;
        return answer_status(0x6C, CARDS_ANSWER - 2, answer);
    }
    return answer_with_identity(slot, answer);
}

/* The commands in parts: each part must follow the one before. */
static size_t answer_part(struct slot *slot, const uint8_t *command, size_t length, unsigned sent_before,
                          unsigned *parts, uint8_t answer[ANSWER_MAX])
{
    switch (command[1]) {
    case CARD_LATE:
        *parts = 1;
        answer[0] = (uint8_t)(slot->card - cards_kinds);
        return 1 + answer_status(0x61, CARDS_ANSWER - 3, answer + 1);
    case CARD_LATER:
        *parts = 2;
        return answer_status(0x61, CARDS_ANSWER, answer);
    case CARD_GET_RESPONSE:
        if (command[0] != 0)
            return answer_status(0x6E, 0x00, answer);
        if (sent_before == 1) {
            size_t size = answer_with_identity(slot, answer) - 1;
            memmove(answer, answer + 1, size);
            return size;
        }
        if (sent_before == 2 && command[4] != CARDS_ANSWER - 2) {
            *parts = 2;
            return answer_status(0x6C, CARDS_ANSWER - 2, answer);
        }
        return sent_before > 0 ? answer_with_identity(slot, answer) : answer_status(0x6F, 0x00, answer);
    case CARD_REFUSES:
        return answer_status(0x6A, 0x80, answer);
    case CARD_EXACT:
        return command[4] == CARDS_ANSWER - 2 ? answer_with_identity(slot, answer)
                                              : answer_status(0x6C, CARDS_ANSWER - 2, answer);
    default:
        return answer_long(slot, command, length, sent_before, parts, answer);
    }
}

static size_t answer_command(struct slot *slot, const uint8_t *command, size_t length,
                             uint8_t answer[ANSWER_MAX])
{
    unsigned *parts = &slot->parts[truth_actor()], sent_before = *parts;
    *parts = 0;
    if (length >= 5 &&
        (command[1] == CARD_LATE || command[1] == CARD_GET_RESPONSE || command[1] == CARD_EXACT ||
         command[1] == CARD_LONG || command[1] == CARD_REFUSES || command[1] == CARD_LATER))
        return answer_part(slot, command, length, sent_before, parts, answer);
    if (length >= 2 && memcmp(command, cards_command, 2) == 0)
        return answer_with_identity(slot, answer);
    if (length >= 2 && command[1] == truth_select[1]) {
        memcpy(answer, TRUTH_SECRET, sizeof TRUTH_SECRET - 1);
        return sizeof TRUTH_SECRET - 1 + answer_status(0x90, 0x00, answer + sizeof TRUTH_SECRET - 1);
    }
    if (length >= 2 && command[1] == truth_verify[1])
        return answer_status(0x90, 0x00, answer);
    return answer_status(0x6D, 0x00, answer);
}

LONG card_transmit(struct slot *slot, uint32_t protocol, const uint8_t *command, size_t length,
                   uint8_t *response, size_t *response_length)
{
    size_t room = *response_length;
    *response_length = 0;
    if (!slot->connected)
        return IFD_NO_SUCH_DEVICE;
    if (!exchange(slot, 1000) || !slot->powered)
        return IFD_COMMUNICATION_ERROR;
    if (protocol == SCARD_PROTOCOL_RAW)
        protocol = slot->protocol ? slot->protocol : SCARD_PROTOCOL_T0;
    if (protocol == SCARD_PROTOCOL_T0 && slot->protocol == 0)
        slot->protocol = SCARD_PROTOCOL_T0; /* what a card uses without PPS */
    if (slot->protocol != protocol)
        return IFD_COMMUNICATION_ERROR;
    slot->commands++;
    slot->negotiable = false;
    slot->last_instruction = length > 1 ? command[1] : 0;
    truth_command(slot);
    if (slot->mute) {
        deactivate(slot);
        return IFD_RESPONSE_TIMEOUT;
    }
    if (slot->lapses) {
        slot->lapses = false;
        return IFD_COMMUNICATION_ERROR;
    }
    uint8_t answer[ANSWER_MAX];
    size_t size = answer_command(slot, command, length, answer);
    memcpy(response, answer, size < room ? size : room);
    *response_length = size;
    fiber_point();
    return IFD_SUCCESS;
}

void card_open(struct slot *slot)
{
    slot->shown = slot->events_before = slot->events;
    slot->connections++;
    slot->is_woken = false;
    slot->connected = slot->plugged;
}

void card_close(struct slot *slot)
{
    if (slot->card)
        deactivate(slot);
    slot->connections++;
    slot->connected = false;
    fiber_wake(slot);
}
