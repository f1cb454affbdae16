/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of card scripts (simulator/cards/lib/fs.lua), by commands and the status words that answer them. */
#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>

struct step {
    const char *command, *answer;
};

static const char card_text[] =
    "local apdu, fs, pins = require 'apdu', require 'fs', require 'pins'\n"
    "local PUK = pins.new { value = '9876', tries = 2 }\n"
    "local PIN = pins.new { value = '1234', tries = 2, unblocked_by = PUK }\n"
    "local files = fs.new {\n"
    "  pins = { [0x81] = PIN }, room = 2000,\n"
    "  files = {\n"
    "    { id = 0x2F00, data = 'hello' },\n"
    "    { id = 0x2F01, sfi = 30, data = 'secret', access = { read = PIN, default = 'never' } },\n"
    "    { id = 0x2F02, data = '\\xFF\\xFF\\xF0', write = 'and' },\n"
    "    { id = 0x2F03, data = '\\xFF\\x01', write = 'once', access = { write = 1, read = 'always' } },\n"
    "    { id = 0x5000, name = hex 'F0 01 02', files = {\n"
    "      { id = 0x5001, structure = 'fixed', record_size = 2, max_records = 3, records = { 'A1', 'B2' } },\n"
    "      { id = 0x5002, structure = 'variable', max_records = 3, records = { 'abc', 'd' } },\n"
    "      { id = 0x5003, structure = 'cyclic', record_size = 1, max_records = 3, records = { '3', '2', '1' } },\n"
    "      { id = 0x5100, files = { { id = 0x5101, sfi = false, data = 'deep' } } },\n"
    "    } },\n"
    "    { id = 0x6000, name = hex 'F0 01 03', access = 'never', files = {} },\n"
    "    { id = 0x6001, access = function(f, operation) return operation == 'create_ef' end, files = {} },\n"
    "  },\n"
    "}\n"
    "return { atr = '3B 00', on_power = function() files:reset() end,\n"
    "  commands = files:commands { { '80 01', function() return string.pack('>I2', files:current().id) end } } }";

/* Selects the DF 5000. */
#define SELECT_DF                                                                                            \
    {                                                                                                        \
        "00 A4 00 0C 02 50 00", "90 00"                                                                      \
    }

#define MF_FCP    "82 01 38 83 02 3F 00 8A 01 05 8C 08 7F 00 00 00 00 00 00 00"
#define HELLO_FCP "82 01 01 80 02 00 05 83 02 2F 00 88 00 8A 01 05 8C 08 7F 00 00 00 00 00 00 00"

static const struct step selects[] = {
    {"80 01 00 00 00", "3F 00 90 00"},
    {"00 A4 00 00 00", "6F 14 " MF_FCP " 90 00"},
    {"00 A4 00 04 02 3F 00 00", "62 14 " MF_FCP " 90 00"},
    {"00 A4 00 00 02 2F 00 00", "6F 1A " HELLO_FCP " 90 00"},
    {"00 A4 00 00 02 2F 00", "90 00"},
    {"80 01 00 00 00", "2F 00 90 00"},
    {"00 A4 00 0C 02 50 01", "6A 82"}, /* two levels down */
    {"80 01 00 00 00", "2F 00 90 00"}, /* nothing has changed */
    {"00 A4 02 0C 02 50 00", "6A 82"}, /* not an EF */
    {"00 A4 01 0C 02 50 00", "90 00"},
    {"00 A4 01 0C 02 50 01", "6A 82"}, /* not a DF */
    {"00 A4 02 0C 02 50 01", "90 00"},
    {"00 A4 00 0C 02 60 00", "90 00"}, /* next to the current DF */
    {"00 A4 00 0C 02 2F 00", "90 00"},
    {"00 A4 08 0C 06 50 00 51 00 51 01", "90 00"},
    {"80 01 00 00 00", "51 01 90 00"},
    {"00 A4 03 0C", "90 00"}, /* from the DF of the EF */
    {"80 01 00 00 00", "50 00 90 00"},
    {"00 A4 09 0C 04 51 00 51 01", "90 00"},
    {"00 A4 09 0C 04 51 00 51 01", "6A 82"}, /* the path begins in 5100 now */
    {"00 A4 08 0C 03 50 00 51", "6A 87"},
    {"00 A4 08 0C 04 2F 00 2F 00", "6A 82"}, /* an EF is no directory */
    {"00 A4 00 0C 01 2F", "6A 87"},
    {"00 A4 03 0C 02 3F 00", "6A 87"},
    {"00 A4 05 0C 02 2F 00", "6A 86"},
    {"00 A4 00 08 02 2F 00 00", "6A 86"}, /* no FMD */
    {"00 A4 00 1C 02 2F 00", "6A 86"},
    {"00 A4 00 0E 02 2F 00", "6A 86"}, /* the next one is for names */
    {"00 A4 00 0C", "90 00"},
    {"00 A4 03 0C", "6A 82"}, /* the MF has no parent */
};

static const struct step names[] = {
    {"00 A4 04 0C 03 F0 01 02", "90 00"},
    {"80 01 00 00 00", "50 00 90 00"},
    {"00 A4 04 0C 02 F0 01", "90 00"}, /* the first */
    {"80 01 00 00 00", "50 00 90 00"},
    {"00 A4 04 0E 02 F0 01", "90 00"}, /* the next */
    {"80 01 00 00 00", "60 00 90 00"},
    {"00 A4 04 0E 02 F0 01", "6A 82"},
    {"00 A4 04 0F 02 F0 01", "90 00"}, /* the previous */
    {"80 01 00 00 00", "50 00 90 00"},
    {"00 A4 04 0F 02 F0 01", "6A 82"},
    {"00 A4 04 0D 02 F0 01", "90 00"}, /* the last */
    {"80 01 00 00 00", "60 00 90 00"},
    {"00 A4 04 0C 04 F0 01 02 00", "6A 82"},
    {"00 A4 04 00 03 F0 01 02 00",
     "6F 19 82 01 38 83 02 50 00 84 03 F0 01 02 8A 01 05 8C 08 7F 00 00 00 00 00 00 00 90 00"},
};

static const struct step binaries[] = {
    {"00 B0 00 00 00", "69 86"},
    {"00 A4 00 0C 02 2F 00", "90 00"},
    {"00 B0 00 00 00", "68 65 6C 6C 6F 90 00"},
    {"00 B0 00 01 02", "65 6C 90 00"},
    {"00 B0 00 03 08", "6C 6F 62 82"},
    {"00 B0 00 05 01", "6B 00"},
    {"00 B0 00 00", "67 00"},
    {"00 D6 00 01 01 41", "90 00"},
    {"00 D6 00 04 02 41 42", "6A 84"},
    {"00 D6 00 05 01 41", "6B 00"},
    {"00 D6 00 00", "67 00"},
    {"00 B0 00 00 05", "68 41 6C 6C 6F 90 00"},
    {"00 D0 00 01 01 82", "90 00"}, /* or */
    {"00 B0 00 01 01", "C3 90 00"},
    {"00 0E 00 01 01 03", "90 00"},
    {"00 B0 00 00 05", "68 00 00 6C 6F 90 00"},
    {"00 0E 00 03", "90 00"},
    {"00 B0 00 00 05", "68 00 00 00 00 90 00"},
    {"00 0E 00 01 01 06", "6B 00"},
    {"00 B0 82 00 03", "FF FF F0 90 00"}, /* the short identifier, which selects */
    {"80 01 00 00 00", "2F 02 90 00"},
    {"00 D0 00 00 01 0F", "90 00"}, /* and */
    {"00 B0 00 00 03", "0F FF F0 90 00"},
    {"00 B0 9D 00 00", "6A 82"},
    {"00 B0 C2 00 00", "6A 86"},
    {"00 B1 00 00 03 54 01 01 00", "53 02 FF F0 90 00"},
    {"00 B1 00 00 03 54 01 01 03", "53 01 FF 90 00"},
    {"00 B1 2F 00 03 54 01 00 03", "53 01 68 90 00"},
    {"00 D7 00 02 06 54 01 02 53 01 77", "90 00"},
    {"00 B1 00 02 03 54 01 02 00", "53 01 77 90 00"},
    {"00 B1 00 00 02 53 00 00", "6A 80"},
    {"00 B2 01 04 00", "69 81"},
    SELECT_DF,
    {"00 B0 81 00 00", "69 81"},
};

static const struct step records[] = {
    {"00 B2 01 04 00", "69 86"},
    SELECT_DF,
    {"00 B2 01 0C 00", "41 31 90 00"},
    {"00 B2 02 04 00", "42 32 90 00"},
    {"00 B2 03 04 00", "6A 83"},
    {"00 B2 00 00 00", "41 31 90 00"}, /* the first, the next, none, and the current one */
    {"00 B2 00 02 00", "42 32 90 00"},
    {"00 B2 00 02 00", "6A 83"},
    {"00 B2 00 04 00", "42 32 90 00"},
    {"00 B2 00 03 00", "41 31 90 00"},
    {"00 B2 00 01 00", "42 32 90 00"},
    {"00 B2 41 01 00", "41 31 90 00"}, /* by identifier */
    {"00 B2 43 01 00", "6A 83"},
    {"00 B2 01 05 00", "41 31 42 32 90 00"},
    {"00 B2 01 06 00", "42 32 41 31 90 00"},
    {"00 B2 01 07 00", "6A 86"},
    {"00 B2 01 04", "67 00"},
    {"00 B2 01 04 01 00 00", "6A 87"},
    {"00 DC 01 04 02 41 39", "90 00"},
    {"00 DC 01 04 01 41", "67 00"},
    {"00 DC 03 04 02 41 41", "6A 83"},
    {"00 D2 02 04 02 00 05", "90 00"},
    {"00 B2 01 05 00", "41 39 42 37 90 00"},
    {"00 E2 00 00 02 43 33", "90 00"},
    {"00 E2 00 00 02 43 33", "6A 84"},
    {"00 E2 01 00 02 43 33", "6A 86"},
    {"00 0C 01 04", "90 00"},
    {"00 B2 01 05 00", "00 00 42 37 43 33 90 00"},
    {"00 A2 01 04 01 33 00", "03 90 00"},
    {"00 A2 03 05 01 33 00", "03 90 00"},
    {"00 A2 01 04 01 39 00", "62 82"},
    {"00 A2 01 06 01 39 00", "6A 81"},
    {"00 B2 01 14 00", "61 62 63 90 00"}, /* variable */
    {"00 DC 02 14 03 64 65 66", "90 00"},
    {"00 B2 02 04 00", "64 65 66 90 00"},
    {"00 B2 01 1C 00", "33 90 00"}, /* cyclic: the newest first */
    {"00 E2 00 18 01 34", "90 00"},
    {"00 B2 01 05 00", "34 33 32 90 00"},
    {"00 DC 00 03 01 35", "90 00"}, /* the oldest becomes the newest */
    {"00 B2 01 05 00", "35 34 33 90 00"},
    {"00 B0 00 00 00", "69 81"},
    {"00 A4 02 04 02 50 03 00",
     "62 20 82 06 06 41 00 01 00 03 80 02 00 03 83 02 50 03 88 01 18 8A 01 05 8C 08 7F 00 00 00 00 00 00 00 90 00"},
};

static const struct step pins[] = {
    {"00 B0 9E 00 00", "69 82"},
    {"00 20 00 01 04 31 32 33 34", "6A 88"},
    {"00 20 01 81 04 31 32 33 34", "6A 86"},
    {"00 20 00 81", "63 C2"},
    {"00 20 00 81 04 31 31 31 31", "63 C1"},
    {"00 20 00 81 04 31 32 33 34", "90 00"},
    {"00 B0 9E 00 00", "73 65 63 72 65 74 90 00"},
    {"00 D6 9E 00 01 00", "69 82"},
    {"00 D0 83 00 01 11", "90 00"},
    {"00 D0 83 00 01 12", "69 85"}, /* was written */
    {"00 D6 83 00 01 11", "69 82"}, /* not named */
    {"00 20 FF 81", "90 00"},
    {"00 B0 9E 00 00", "69 82"},
    {"00 24 00 81 08 31 32 33 34 35 35 35 35", "90 00"},
    {"00 24 00 81 04 31 32 33 34", "67 00"},
    {"00 20 00 81 04 31 32 33 34", "63 C1"},
    {"00 20 00 81 04 31 32 33 34", "63 C0"},
    {"00 20 00 81 04 35 35 35 35", "69 83"},
    {"00 2C 00 81 08 39 38 37 35 31 32 33 34", "63 C1"},
    {"00 2C 00 81 08 39 38 37 36 31 32 33 34", "90 00"},
    {"00 20 00 81 04 31 32 33 34", "90 00"},
    {"00 2C 01 81 04 39 38 37 36", "90 00"},
    {"00 A4 02 04 02 2F 01 00",
     "62 1B 82 01 01 80 02 00 06 83 02 2F 01 88 01 F0 8A 01 05 8C 08 7F FF FF FF FF FF FF 91 90 00"},
};

#define CREATE_EF(id) "62 0B 82 01 01 80 02 00 04 83 02 " id
#define CREATE_DF(id) "62 07 82 01 38 83 02 " id

static const struct step creations[] = {
    {"00 E0 00 00 0D " CREATE_EF("12 0A"), "90 00"},
    {"80 01 00 00 00", "12 0A 90 00"},
    {"00 D6 00 00 04 01 02 03 04", "90 00"},
    {"00 B0 8A 02 02", "03 04 90 00"}, /* its short identifier comes from its identifier */
    {"00 E0 00 00 0D " CREATE_EF("12 0A"), "6A 89"},
    {"00 E0 01 00 0D " CREATE_EF("12 0B"), "6A 86"},
    {"00 E0 00 00 0D " CREATE_EF("3F 00"), "6A 80"},
    {"00 E0 00 00 0C 62 0B 82 01 01 80 02 00 04 83 02 12", "6A 80"},
    {"00 E0 00 00 09 62 07 82 01 01 83 02 12 0B", "6A 80"},             /* no size */
    {"00 E0 00 00 0D 62 0B 82 01 01 80 02 FF FF 83 02 12 0B", "6A 84"}, /* no room */
    {"00 E0 00 00 0D 62 0B 82 01 11 80 02 00 04 83 02 12 0B", "6A 80"}, /* not a kind of the standard */
    {"00 E0 00 00 0E 62 0C 82 01 38 83 02 12 0C 84 03 F0 01 02", "6A 8A"},
    {"00 E0 00 00 10 62 0E 82 01 01 80 02 00 04 83 02 12 0B 88 01 99", "6A 80"},
    {"00 E0 00 00 09 " CREATE_DF("12 0B"), "90 00"},
    {"80 01 00 00 00", "12 0B 90 00"},
    {"00 E0 00 00 0D " CREATE_EF("12 0B"), "6A 89"}, /* as the DF itself */
    {"00 E0 00 00 14 62 12 82 05 02 41 00 02 03 83 02 12 0C 8C 05 0B 00 90 FF 00", "6A 80"},
    {"00 E0 00 00 13 62 11 82 05 02 41 00 02 03 83 02 12 0C 8C 04 07 FF 91 00", "90 00"},
    {"00 B2 01 04 00", "6A 83"},
    {"00 E2 00 00 02 00 00", "69 82"}, /* write: never */
    {"00 E4 00 00", "69 82"},          /* not named */
    {"00 A4 00 0C 02 60 00", "90 00"},
    {"00 E0 00 00 0D " CREATE_EF("12 0A"), "69 82"},
    {"00 A4 08 0C 02 60 01", "90 00"},
    {"00 E0 00 00 0D " CREATE_EF("12 0A"), "90 00"},
    {"00 A4 03 0C", "90 00"},
    {"00 A4 08 0C 02 60 01", "90 00"},
    {"00 E0 00 00 09 " CREATE_DF("12 0B"), "69 82"},
};

/* ISO/IEC 7816-4, "file descriptor byte" */
static const struct step descriptors[] = {
    {"00 E0 00 00 0D 62 0B 82 01 41 80 02 00 04 83 02 12 0A", "90 00"}, /* shareable */
    {"00 A4 02 04 02 12 0A 00",
     "62 1B 82 01 41 80 02 00 04 83 02 12 0A 88 01 50 8A 01 05 8C 08 7F 00 00 00 00 00 00 00 90 00"},
    {"00 E0 00 00 0D 62 0B 82 01 09 80 02 00 04 83 02 12 0B", "90 00"}, /* an internal EF */
    {"00 A4 02 04 02 12 0B 00",
     "62 1B 82 01 09 80 02 00 04 83 02 12 0B 88 01 58 8A 01 05 8C 08 7F 00 00 00 00 00 00 00 90 00"},
    {"00 E0 00 00 0D 62 0B 82 05 45 41 00 08 03 83 02 12 0C", "90 00"}, /* variable, of TLVs */
    {"00 A4 02 04 02 12 0C 00",
     "62 20 82 06 45 41 00 08 00 00 80 02 00 00 83 02 12 0C 88 01 60 8A 01 05 8C 08 7F 00 00 00 00 00 00 00 90 00"},
    {"00 E0 00 00 09 62 07 82 01 78 83 02 12 0D", "90 00"}, /* a DF, shareable */
    {"00 A4 00 04 02 12 0D 00", "62 14 82 01 78 83 02 12 0D 8A 01 05 8C 08 7F 00 00 00 00 00 00 00 90 00"},
    {"00 A4 00 0C 02 3F 00", "90 00"},
    {"00 E0 00 00 0D 62 0B 82 01 39 80 02 00 04 83 02 12 0E", "6A 80"}, /* data objects: BER-TLV */
    {"00 E0 00 00 0D 62 0B 82 01 3A 80 02 00 04 83 02 12 0E", "6A 80"}, /* SIMPLE-TLV */
    {"00 E0 00 00 0D 62 0B 82 01 81 80 02 00 04 83 02 12 0E", "6A 80"}, /* reserved */
    {"00 E0 00 00 0D 62 0B 82 01 00 80 02 00 04 83 02 12 0E", "6A 80"}, /* no structure */
};

static const struct step life_cycles[] = {
    {"00 A4 00 0C 02 2F 00", "90 00"},
    {"00 04 00 00", "90 00"},
    {"00 B0 00 00 00", "69 85"},
    {"00 A4 00 0C 02 2F 00", "62 83"},
    {"00 44 00 00", "90 00"},
    {"00 B0 00 00 01", "68 90 00"},
    {"00 E8 00 00", "90 00"},
    {"00 B0 00 00 01", "69 85"},
    {"00 44 00 00", "69 85"},
    {"00 A4 00 0C 02 2F 00", "62 85"},
    {"00 E6 00 00", "69 81"},
    {"00 E4 00 00", "90 00"},
    {"80 01 00 00 00", "3F 00 90 00"},
    {"00 A4 00 0C 02 2F 00", "6A 82"},
    {"00 E4 00 00", "69 85"}, /* the MF */
    {"00 04 00 00", "69 85"},
    {"00 04 00 00 02 50 00", "90 00"}, /* a DF: all that is in it */
    {"00 A4 08 0C 06 50 00 51 00 51 01", "90 00"},
    {"00 B0 00 00 00", "69 85"},
    {"00 E0 00 00 0D " CREATE_EF("12 0A"), "69 85"},
    {"00 E4 08 00 02 50 00", "90 00"},
    {"00 A4 08 0C 02 50 00", "6A 82"},
    {"00 E4 00 01", "6A 86"},
    {"00 E0 00 00 10 62 0E 82 01 01 80 02 00 01 83 02 12 0A 8A 01 01", "90 00"},
    {"00 A4 02 04 02 12 0A 00",
     "62 1B 82 01 01 80 02 00 01 83 02 12 0A 88 01 50 8A 01 01 8C 08 7F 00 00 00 00 00 00 00 90 00"},
    {"00 44 00 00", "90 00"},
};

static const struct {
    const struct step *steps;
    size_t count;
} tables[] = {
    {selects, COUNT(selects)},
    {names, COUNT(names)},
    {binaries, COUNT(binaries)},
    {records, COUNT(records)},
    {pins, COUNT(pins)},
    {creations, COUNT(creations)},
    {descriptors, COUNT(descriptors)},
    {life_cycles, COUNT(life_cycles)},
};

START_TEST(test_steps)
{
    struct card *card = load_card(card_text);

    assert_atr(card, CARD_COLD, "3B 00");
    for (size_t i = 0; i < tables[_i].count; i++)
        assert_answer(card, tables[_i].steps[i].command, tables[_i].steps[i].answer);
    ck_assert_uint_eq(card_log.lines, 0);
    card_free(card);
}
END_TEST

START_TEST(test_reset)
{
    struct card *card = load_card(card_text);

    assert_atr(card, CARD_COLD, "3B 00");
    assert_answer(card, "00 20 00 81 04 31 32 33 34", "90 00");
    assert_answer(card, "00 A4 00 0C 02 50 00", "90 00");
    assert_atr(card, CARD_WARM, "3B 00");
    assert_answer(card, "80 01 00 00 00", "3F 00 90 00");
    assert_answer(card, "00 20 00 81", "63 C2");
    card_free(card);
}
END_TEST

/* Files use up the room, even empty ones. */
START_TEST(test_room)
{
    struct card *card = load_card(card_text);
    char command[100];
    unsigned id = 0x4000;

    do {
        ck_assert_uint_lt(id, 0x4040);
        snprintf(command, sizeof command, "00 E0 00 00 0D 62 0B 82 01 01 80 02 00 00 83 02 %02X %02X",
                 id >> 8, id & 0xFF);
        send_command(card, command);
        id++;
    } while (answer_length == 2 && answer[0] == 0x90);
    ck_assert_uint_eq(answer[0] << 8 | answer[1], 0x6A84);
    ck_assert_uint_gt(id, 0x4008);
    card_free(card);
}
END_TEST

/* Any data in CREATE FILE gives a status word, and no error in the script. */
START_TEST(test_garbage)
{
    static const char good[] =
        "62 1B 82 05 02 41 00 02 03 83 02 12 0C 88 01 50 8A 01 05 8C 08 7F 00 00 00 00 00 00 00";
    struct card *card = load_card(card_text);
    char command[sizeof good + 20];

    for (size_t i = 0; i + 1 < sizeof good; i += 3) {
        for (unsigned value = 0; value < 256; value += 5) {
            snprintf(command, sizeof command, "00 E0 00 00 1D %s", good);
            command[15 + i] = "0123456789ABCDEF"[value >> 4];
            command[15 + i + 1] = "0123456789ABCDEF"[value & 15];
            send_command(card, command);
            ck_assert_uint_eq(answer_length, 2);
            ck_assert_msg(answer[0] == 0x6A || answer[0] == 0x90, "%s: %02X %02X", command, answer[0],
                          answer[1]);
            send_command(card, "00 E4 00 00");
        }
    }
    ck_assert_uint_eq(card_log.lines, 0);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs");
    TCase *tc = add_card_case(suite, "commands");

    tcase_add_loop_test(tc, test_steps, 0, COUNT(tables));
    tcase_add_test(tc, test_reset);
    tcase_add_test(tc, test_room);
    tcase_add_test(tc, test_garbage);
    return run_suite(suite);
}
