/* SPDX-License-Identifier: BSD-3-Clause */
#include "cards.h"

#include "base/error.h"
#include "icc/watchdog.h"

#include "bytes.h"
#include "next_random.h"

#include <stdio.h>
#include <string.h>

struct card_log card_log;
uint32_t host_seed;
uint8_t answer[CARD_RESPONSE_MAX];
size_t answer_length;

static void give_random(void *unused, uint8_t *bytes, size_t length)
{
    (void)unused;
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(next_random(&host_seed) >> 11);
}

static void keep_line(void *unused, const char *line)
{
    (void)unused;
    ck_assert_uint_lt(strlen(line), 1024);
    ck_assert_ptr_null(strchr(line, '\n'));
    if (card_log.lines++ == 0)
        strcpy(card_log.first, line);
    strcpy(card_log.last, line);
}

const struct card_host test_host = {.random = give_random, .log = keep_line};

static void set_up_host(void)
{
    card_log = (struct card_log){0};
    host_seed = 7816;
    /* longer than the default: sanitizers slow the instructions down, and most tests are not about
     * the limit */
    watchdog_set_limit(WATCHDOG_TICK_MS, 20 * WATCHDOG_TICKS);
}

TCase *add_card_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, set_up_host, NULL);
    tcase_set_timeout(tc, 300);
    suite_add_tcase(suite, tc);
    return tc;
}

struct card *load_card(const char *text)
{
    struct error error;
    struct card *card = card_load_text("test.lua", text, strlen(text), &test_host, &error);

    ck_assert_msg(card != NULL, "%s", error.text);
    return card;
}

struct card *load_commands(const char *before, const char *commands)
{
    static char text[4096];

    ck_assert_int_lt(
        snprintf(text, sizeof text, "%s\nreturn { atr = '3B 00', commands = {\n%s } }", before, commands),
        (int)sizeof text);
    return load_card(text);
}

void assert_refused(const char *text, const char *expected)
{
    struct error error;
    struct card *card = card_load_text("test.lua", text, strlen(text), &test_host, &error);

    ck_assert_ptr_null(card);
    ck_assert_str_eq(error.text, expected);
}

struct card *load_named(const char *name)
{
    struct error error;
    struct card *card = card_load(name, &test_host, &error);

    ck_assert_msg(card != NULL, "%s", error.text);
    return card;
}

struct card *load_fixture(const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/cards/%s", FIXTURES_DIR, name);
    return load_named(path);
}

void send_command(struct card *card, const char *hex)
{
    uint8_t bytes[512];
    size_t length = from_hex(hex, bytes, sizeof bytes);

    card_command(card, bytes, length, answer, sizeof answer, &answer_length);
}

void assert_answer(struct card *card, const char *hex, const char *expected)
{
    char found[1024];

    send_command(card, hex);
    ck_assert_uint_lt(answer_length, 300);
    hex_encode(answer, answer_length, found, sizeof found, ' ');
    ck_assert_msg(strcmp(found, expected) == 0, "%s: answer '%s', expected '%s' (%s)", hex, found, expected,
                  card_log.last);
}

void assert_atr(struct card *card, enum card_power how, const char *expected)
{
    uint8_t atr[ATR_MAX];
    char found[3 * ATR_MAX];
    size_t length;

    card_power(card, how, atr, &length);
    hex_encode(atr, length, found, sizeof found, ' ');
    ck_assert_str_eq(found, expected);
}

void assert_logged(const char *expected)
{
    ck_assert_str_eq(card_log.last, expected);
}

void assert_log_contains(const char *expected)
{
    ck_assert_msg(strstr(card_log.last, expected) != NULL, "'%s' is not in '%s'", expected, card_log.last);
}
