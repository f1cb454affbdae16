/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as a card script. The script ends with the first NUL; what follows are commands for the card, each
 * with its length in one byte before it. A text that begins with '%' is not a script but a command pattern in
 * one.
 *
 * A script may take its time, so the watchdog is set to a fraction of what it is elsewhere. It needs to be
 * the main thread that gets its signal, and libFuzzer has another one.
 */
#include "base/error.h"
#include "fuzz.h"

#include "icc/script.h"
#include "icc/script_card.h"
#include "icc/watchdog.h"

#include <pthread.h>

static void give_random(void *arg, uint8_t *out, size_t length)
{
    uint32_t *state = arg;
    for (size_t i = 0; i < length; i++) {
        *state = *state * 1664525 + 1013904223;
        out[i] = (uint8_t)(*state >> 24);
    }
}

static void check_line(const char *line)
{
    CHECK(strlen(line) < 1024);
    for (; *line; line++)
        CHECK((unsigned char)*line >= 0x20 && *line != 0x7F);
}

static void take_line(void *arg, const char *line)
{
    (void)arg;
    check_line(line);
}

static void command(struct card *card, const uint8_t *bytes, size_t length)
{
    static uint8_t response[CARD_RESPONSE_MAX];
    uint8_t *copy = exact_copy(bytes, length);
    size_t response_length;
    card_command(card, copy, length, response, sizeof response, &response_length);
    bool takes_frames = card_interface(card) == CARD_ANTENNA && *card_antenna(card)->storage;
    CHECK(response_length <= sizeof response && (response_length == 0 || !card_dead(card)));
    CHECK(takes_frames || card_dead(card) || response_length >= 2);
    struct apdu_command decoded;
    if (!takes_frames && apdu_decode(copy, length, &decoded, NULL) == APDU_OK && response_length > 0 &&
        !card_dead(card))
        CHECK(response_length - 2 <= (decoded.ne > 0 ? decoded.ne : card_script(card)->ne_without_le));
    free(copy);
}

static void power(struct card *card, enum card_power how)
{
    uint8_t atr[ATR_MAX];
    size_t length;
    card_power(card, how, atr, &length);
    if (length > 0)
        CHECK(how != CARD_OFF && length <= sizeof atr); /* which may be as it is */
}

/* Uses the card by its antenna if it has one. */
static void choose_interface(struct card *card)
{
    const struct antenna *antenna = card_antenna(card);
    CHECK(card_set_interface(card, antenna ? CARD_ANTENNA : CARD_CONTACTS));
    if (!antenna)
        return;
    size_t length;
    struct atr atr;
    const uint8_t *bytes = card_atr(card, CARD_COLD, &length);
    CHECK(atr_parse(bytes, length, &atr, NULL) == ATR_OK);
    CHECK(!antenna_check_uid(antenna) && (*antenna->storage || !antenna_check_ats(antenna)));
}

static void use(struct card *card, const uint8_t *commands, size_t size)
{
    static const uint8_t fixed[][12] = {{0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x00, 0x01, 0x00},
                                        {0x80, 0x10, 0x00, 0x00, 0x04}};
    CHECK(card_name(card)[0] && strlen(card_name(card)) <= 128 && card_t1_ifsc(card) != 255);
    check_line(card_name(card));
    power(card, CARD_COLD);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        command(card, fixed[i], fixed[i][4] == 0x05 ? 11 : 5);
    power(card, CARD_WARM);
    for (int left = 4; size > 0 && left > 0; left--) {
        size_t length = commands[0] < size ? commands[0] : size - 1;
        command(card, commands + 1, length);
        commands += 1 + length;
        size -= 1 + length;
    }
    power(card, CARD_OFF);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, WATCHDOG_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &signals,
                    NULL); /* threads to come inherit this; the watchdog lets it into this one */
    watchdog_set_limit(2, 4);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "return{atr='3B00',commands={{[==[", after[] = "]==],'9000'}}}";
    uint32_t seed = 1;
    const struct card_host host = {.arg = &seed, .random = give_random, .log = take_line};
    bool pattern = size > 0 && data[0] == '%';
    size_t end = strnlen((const char *)data, size);
    char *script = malloc(sizeof before + end + sizeof after);
    struct error error;
    CHECK(script);
    size_t length = 0;
    if (pattern) {
        memcpy(script, before, length = sizeof before - 1);
        memcpy(script + length, data + 1, end - 1);
        length += end - 1;
        memcpy(script + length, after, sizeof after - 1);
        length += sizeof after - 1;
    } else if (end > 0) {
        memcpy(script, data, length = end);
    }
    char *exact = exact_copy(script, length);
    free(script);
    struct card *card = card_load_text("fuzz.lua", exact, length, &host, &error);
    free(exact); /* it is not needed any longer */
    if (card) {
        choose_interface(card);
        size_t used = end < size ? end + 1 : size;
        use(card, data + used, size - used);
        card_free(card);
    } else {
        CHECK(strncmp(error.text, "fuzz.lua:", 9) == 0);
        check_line(error.text);
    }
    return 0;
}
