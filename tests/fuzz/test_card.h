/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards in the rig's slots, for targets that have some: what a command has them do is its INS. */
#ifndef CARDRIG_FUZZ_TEST_CARD_H
#define CARDRIG_FUZZ_TEST_CARD_H

#include "base/error.h"
#include "fuzz.h"

#include "rig/slot.h"

#include <stdatomic.h>

/* LONG: an answer of P1 times 256 bytes; with 0, of as many as there can be. */
enum { STUCK = 0x10, GOES = 0x20, LONG = 0x30, MUTE = 0x40 };

struct test_card {
    struct card card;
    atomic_bool gone;
    bool interrupted; /* the target's */
    unsigned kind;
};

static atomic_int test_cards; /* how many there are */

/* The target's: the card is at a command that takes time; and it is interrupted. */
static void wait_in_card(struct test_card *card);
static void interrupt_test_card(struct card *card);

/* T=0, T=1, both, bytes that are no ATR, none at all, and T=0 with a PPS. */
static const struct {
    const char *bytes;
    size_t length;
} atrs[] = {{"\x3B\x00", 2}, {"\x3B\x80\x01\x81", 4}, {"\x3B\x80\x80\x01\x01", 5}, {"\xFF\x01\x02", 3},
            {"", 0},         {"\x3B\x10\x96", 3}};

static struct test_card *test_card(const struct card *card)
{
    return (struct test_card *)(uintptr_t)card;
}

static void free_test_card(struct card *card)
{
    free(card);
    test_cards--;
}

static const char *test_card_name(const struct card *card)
{
    (void)card;
    return "card";
}

static const uint8_t *test_card_atr(const struct card *card, enum card_power how, size_t *length)
{
    *length = how == CARD_OFF ? 0 : atrs[test_card(card)->kind].length;
    return (const uint8_t *)atrs[test_card(card)->kind].bytes;
}

static bool test_card_gone(const struct card *card)
{
    return test_card(card)->gone;
}

static void test_card_power(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *length)
{
    const uint8_t *bytes = test_card_atr(card, how, length);
    memcpy(atr, bytes, *length);
}

static void test_card_command(struct card *card, const uint8_t *command, size_t length, uint8_t *response,
                              size_t room, size_t *response_length)
{
    unsigned what = length > 1 ? command[1] : 0;
    *response_length = 0;
    if (what == STUCK)
        wait_in_card(test_card(card));
    if (what == GOES)
        test_card(card)->gone = true;
    if (what == GOES || what == MUTE)
        return;
    *response_length = what != LONG ? 2 : length > 2 && command[2] ? command[2] * 256u : room;
    CHECK(*response_length <= room);
    memset(response, 0x90, *response_length);
}

static const struct card_kind test_kind = {
    .free = free_test_card,
    .name = test_card_name,
    .atr = test_card_atr,
    .gone = test_card_gone,
    .power = test_card_power,
    .command = test_card_command,
    .interrupt = interrupt_test_card,
};

static bool insert(struct slot *slot, bool swap, unsigned kind)
{
    struct error error;
    struct test_card *card = calloc(1, sizeof *card);
    CHECK(card);
    card->card.kind = &test_kind;
    card->kind = kind % (sizeof atrs / sizeof atrs[0]);
    test_cards++;
    struct incoming incoming = {.card = &card->card, .contacts = contacts_new(&card->card)};
    CHECK(incoming.contacts);
    bool ok = slot_put(slot, swap, &incoming, &error);
    incoming_free(&incoming);
    return ok;
}

#endif
