/* SPDX-License-Identifier: BSD-3-Clause */
/* Ready cards answer whatever comes, without an error in their scripts. */
#include "cards.h"
#include "count.h"
#include "next_random.h"
#include "run_suite.h"

#include <check.h>
#include <string.h>

enum { TRIES = 3000 };

#define HASH  "00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E 1F"
#define BLOCK "00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F"

/* Each answers 90 00 if they come in this order. */
static const char *const blank[] = {
    "00 A4 00 00 00",
    "00 E0 00 00 14 62 12 82 01 01 80 02 00 08 83 02 12 01 8C 05 47 00 00 00 00",
    "00 D6 00 00 04 01 02 03 04",
    "00 B0 00 01 03",
    "00 E0 00 00 13 62 11 82 05 02 41 00 02 03 83 02 12 02 88 01 10 8A 01 05",
    "00 E2 00 00 02 01 02",
    "00 B2 01 14 02",
    "00 DC 01 04 02 03 04",
    "00 A2 01 04 01 04 00",
    "00 20 00 01 04 31 32 33 34",
    "00 24 00 01 08 31 32 33 34 31 32 33 34",
    "00 2C 00 01 0C 31 32 33 34 35 36 37 38 31 32 33 34",
    "00 04 00 00",
    "00 44 00 00",
    "00 E4 00 00",
    "00 A4 08 04 02 12 01 00",
    "00 E4 00 00",
};

static const char *const pkcs15[] = {
    "00 DA 01 E0 08 FF FF 00 0F FF 00 0F FF",
    "00 DA 01 01 13 31 32 33 34 FF FF FF FF 31 32 33 34 35 36 37 38 03 05 00",
    "00 20 00 01 08 31 32 33 34 FF FF FF FF",
    "00 2C 00 01 10 31 32 33 34 35 36 37 38 31 32 33 34 FF FF FF FF",
    "00 A4 08 0C 02 50 15",
    "00 E0 00 00 19 62 17 81 02 01 00 82 01 22 83 02 4B 01 86 03 11 11 FF 85 02 00 00 8A 01 00",
    "00 46 00 00",
    "00 CA 01 86 00",
    "00 22 41 B6 0A 80 01 04 81 02 4B 01 84 01 00",
    "00 2A 9E 9A 20 " HASH " 00",
    "00 DA 01 87 20 " HASH,
    "10 2A 9E 9A 10 " BLOCK,
    "00 2A 9E 9A 10 " BLOCK " 00",
    "00 E0 00 00 19 62 17 81 02 01 00 82 01 29 83 02 4D 01 86 03 11 11 FF 85 02 00 08 8A 01 00",
    "00 DA 01 A0 20 " HASH,
    "00 E0 00 00 19 62 17 81 02 00 80 82 01 29 83 02 4D 02 86 03 11 11 FF 85 02 00 08 8A 01 00",
    "00 22 81 B8 1D 80 01 0A 81 02 4D 01 83 02 4D 02 87 10 " BLOCK,
    "10 2A 84 80 10 " BLOCK " 10",
    "00 2A 80 84 10 " BLOCK " 10",
    "00 2A 00 84 10 " BLOCK,
    "00 2A 84 00 00",
    "00 44 04 00 0C A0 00 00 00 63 50 4B 43 53 2D 31 35",
    "00 2E 00 00",
    "00 CA 01 A0 00",
    "00 CA 01 A1 00",
};

static const char *const usim[] = {
    "00 A4 00 04 02 3F 00 00",
    "00 20 00 01 08 31 32 33 34 FF FF FF FF",
    "00 20 00 0A 08 31 32 33 34 35 36 37 38",
    "A0 20 00 02 08 35 36 37 38 FF FF FF FF",
    "00 A4 04 04 07 A0 00 00 00 87 10 02 00",
    "80 F2 00 01 00",
    "00 B0 87 00 09",
    "00 88 00 80 11 10 " BLOCK " 00",
    "00 88 00 81 22 10 " BLOCK " 10 02 3B 63 F5 2C AF 80 00 28 1A 55 63 90 FB 51 F9 00",
    "00 A4 00 04 02 6F 39 00",
    "80 32 00 00 03 00 00 01 00",
    "00 DC 00 03 03 00 00 00",
    "A0 B2 01 04 03",
    "00 A4 00 04 02 6F 3C 00",
    "A0 A2 00 00 01 00",
    "00 A2 01 04 01 00 00",
    "00 A2 01 06 03 04 01 FF 00",
    "00 B2 01 04 B0",
    "00 A4 08 04 04 7F 20 6F 7E 00",
    "A0 D6 00 00 04 01 02 03 04",
    "A0 B0 00 00 0B",
    "A0 04 00 00",
    "00 44 00 00",
    "A0 F2 00 00 16",
    "A0 24 00 01 10 31 32 33 34 FF FF FF FF 31 32 33 34 FF FF FF FF",
    "A0 26 00 01 08 31 32 33 34 FF FF FF FF",
    "A0 28 00 01 08 31 32 33 34 FF FF FF FF",
    "00 2C 00 01 10 31 32 33 34 35 36 37 38 31 32 33 34 FF FF FF FF",
    "00 84 00 00 08",
};

static const char *const ndef[] = {
    "00 A4 04 00 07 D2 76 00 00 85 01 01 00",
    "00 A4 00 0C 02 E1 03",
    "00 B0 00 00 0F",
    "00 A4 00 0C 02 E1 04",
    "00 D6 00 00 05 00 03 D0 00 00",
    "00 B0 00 00 05",
};

/* Frames. Each answers data or an ACK. */
#define KEY "FF FF FF FF FF FF"

static const char *const mifare[] = {
    "60 04 " KEY " C0 FF EE 01",
    "30 04",
    "A0 04 " BLOCK,
    "A0 05 07 00 00 00 F8 FF FF FF 07 00 00 00 05 FA 05 FA",
    "C1 05 01 00 00 00",
    "B0 05",
    "C0 05 02 00 00 00",
    "B0 06",
    "C2 06 00 00 00 00",
    "B0 05",
    "A0 07 " KEY " FF 07 80 69 " KEY,
    "30 07",
    "61 FF " KEY " C0 FF EE 01",
};

static const char *const ntag[] = {
    "60",
    "30 00",
    "3A 00 2C",
    "A2 05 01 02 03 04",
    "A0 06 01 02 03 04 00 00 00 00 00 00 00 00 00 00 00 00",
    "3C 00",
    "A2 02 00 00 10 00",
    "A2 03 00 00 00 01",
    "A2 28 01 00 00 00",
    "A2 2B 01 02 03 04",
    "A2 2A 90 05 00 00",
    "1B 01 02 03 04",
    "39 02",
};

static const struct ready_card {
    const char *name;
    const char *const *commands;
    size_t count;
    enum card_interface interface;
    bool takes_frames;
} cards[] = {
    {"blank", blank, COUNT(blank), CARD_CONTACTS, false},
    {"mifare,type=4k", mifare, COUNT(mifare), CARD_ANTENNA, true},
    {"ndef", ndef, COUNT(ndef), CARD_ANTENNA, false},
    {"ntag", ntag, COUNT(ntag), CARD_ANTENNA, true},
    {"pkcs15", pkcs15, COUNT(pkcs15), CARD_CONTACTS, false},
    {"usim", usim, COUNT(usim), CARD_CONTACTS, false},
};

static struct card *load_ready(const struct ready_card *ready)
{
    struct card *card = load_named(ready->name);

    ck_assert(card_set_interface(card, ready->interface));
    return card;
}

/* Returns whether the last command was answered with success, or the frame with anything but a NAK. */
static bool succeeded(const struct ready_card *ready)
{
    if (ready->takes_frames)
        return answer_length > 1 || (answer_length == 1 && answer[0] == 0x0A);
    return answer_length >= 2 && answer[answer_length - 2] == 0x90;
}

START_TEST(test_commands)
{
    struct card *card = load_ready(&cards[_i]);

    for (size_t i = 0; i < cards[_i].count; i++) {
        send_command(card, cards[_i].commands[i]);
        ck_assert_msg(succeeded(&cards[_i]), "%s: %s", cards[_i].name, cards[_i].commands[i]);
    }
    ck_assert_msg(card_log.lines == 0, "%s", card_log.first);
    card_free(card);
}
END_TEST

/* Changes one byte or none. */
static void spoil(char *command, const char *text, uint32_t *state)
{
    size_t length = strlen(text), at = next_random(state) % (length / 3 + 1) * 3;

    strcpy(command, text);
    if (next_random(state) % 4 == 0)
        return;
    command[at] = "0123456789ABCDEF"[next_random(state) % 16];
    command[at + 1] = "0123456789ABCDEF"[next_random(state) % 16];
}

START_TEST(test_spoiled_commands)
{
    struct card *card = load_ready(&cards[_i]);
    uint32_t state = 15;
    char command[300];

    for (size_t i = 0; i < TRIES; i++) {
        spoil(command, cards[_i].commands[i % cards[_i].count], &state);
        send_command(card, command);
        ck_assert_msg(cards[_i].takes_frames ? answer_length > 0
                                             : answer_length >= 2 && answer[answer_length - 2] != 0x6F,
                      "%s: %s", command, card_log.first);
    }
    ck_assert_msg(card_log.lines == 0, "%s", card_log.first);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ready cards");
    TCase *tc = add_card_case(suite, "commands");

    tcase_add_loop_test(tc, test_commands, 0, COUNT(cards));
    tcase_add_loop_test(tc, test_spoiled_commands, 0, COUNT(cards));
    return run_suite(suite);
}
