/* SPDX-License-Identifier: BSD-3-Clause */
#include "cards.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <winscard.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

const struct cards_kind cards_kinds[CARDS] = {
    [CARD_RED] = {"red", ATR_RED, ATR_RED, ANY},
    [CARD_TWIN] = {"twin", ATR_RED, ATR_RED, ANY},
    [CARD_BLUE] = {"blue", ATR_BLUE, ATR_BLUE, ANY},
    [CARD_GREEN] = {"green", ATR_GREEN, ATR_GREEN, SCARD_PROTOCOL_T0},
    [CARD_CHANGING] = {"changing", ATR_COLD, ATR_WARM, ANY},
};

const uint8_t cards_command[5] = {0x80, 0x10, 0x00, 0x00, CARDS_ANSWER - 2};

/* The historical bytes are "red", "blu", "green", "cold" and "warm". */
static const struct {
    enum cards_atr bit;
    uint8_t length, bytes[9];
} atrs[] = {
    {ATR_RED, 9, {0x3B, 0x93, 0x96, 0x80, 0x01, 0x72, 0x65, 0x64, 0xF7}},
    {ATR_BLUE, 9, {0x3B, 0x93, 0x96, 0x80, 0x01, 0x62, 0x6C, 0x75, 0xFF}},
    {ATR_GREEN, 7, {0x3B, 0x05, 0x67, 0x72, 0x65, 0x65, 0x6E}},
    {ATR_COLD, 9, {0x3B, 0x84, 0x80, 0x01, 0x63, 0x6F, 0x6C, 0x64, 0x01}},
    {ATR_WARM, 6, {0x3B, 0x04, 0x77, 0x61, 0x72, 0x6D}},
};

static const char script[] =
    "local id, count = random(%d), 0\n"
    "return {\n"
    "  name = \"%s\",\n"
    "  atr = { cold = \"%s\", warm = \"%s\" },\n"
    "  on_power = function() count = 0 end,\n"
    "  commands = { { \"80 10\", function()\n"
    "    count = count + 1\n"
    "    return string.pack(\"B\", %u) .. id .. string.pack(\">I2\", count), 0x9000\n"
    "  end } },\n"
    "}\n";

static void atr_text(enum cards_atr bit, char text[32])
{
    *text = '\0';
    for (unsigned i = 0; i < sizeof atrs / sizeof atrs[0]; i++)
        for (unsigned j = 0; atrs[i].bit == bit && j < atrs[i].length; j++)
            sprintf(text + 2 * j, "%02X", atrs[i].bytes[j]);
}

bool cards_write(const char *folder)
{
    for (unsigned i = 0; i < CARDS; i++) {
        char path[PATH_MAX], cold[32], warm[32];
        snprintf(path, sizeof path, "%s/%s.lua", folder, cards_kinds[i].name);
        atr_text(cards_kinds[i].cold, cold);
        atr_text(cards_kinds[i].warm, warm);
        FILE *file = fopen(path, "we");
        if (!file)
            return false;
        fprintf(file, script, CARDS_IDENTITY, cards_kinds[i].name, cold, warm, i);
        if (fclose(file) != 0)
            return false;
    }
    return true;
}

void cards_remove(const char *folder)
{
    for (unsigned i = 0; i < CARDS; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s.lua", folder, cards_kinds[i].name);
        unlink(path);
    }
}

unsigned cards_atr_bit(const uint8_t *atr, size_t length)
{
    for (unsigned i = 0; i < sizeof atrs / sizeof atrs[0]; i++)
        if (atrs[i].length == length && memcmp(atrs[i].bytes, atr, length) == 0)
            return atrs[i].bit;
    return 0;
}

size_t cards_atr_bytes(enum cards_atr bit, uint8_t *atr)
{
    for (unsigned i = 0; i < sizeof atrs / sizeof atrs[0]; i++)
        if (atrs[i].bit == bit) {
            memcpy(atr, atrs[i].bytes, atrs[i].length);
            return atrs[i].length;
        }
    return 0;
}

unsigned cards_atr_protocols(unsigned bit)
{
    if (bit == 0)
        return 0;
    return bit == ATR_GREEN || bit == ATR_WARM ? SCARD_PROTOCOL_T0 : ANY;
}
