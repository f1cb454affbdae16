/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards from scripts, a host that keeps their log, and checks of their responses. */
#ifndef TESTS_SUPPORT_CARDS_H
#define TESTS_SUPPORT_CARDS_H

#include "icc/script_card.h"

#include <check.h>

/* What the cards have logged. */
struct card_log {
    unsigned lines;
    char first[1100], last[1100];
};

extern struct card_log card_log;
extern uint32_t host_seed; /* for the random numbers of the host */
extern const struct card_host test_host;

/* The last response. */
extern uint8_t answer[CARD_RESPONSE_MAX];
extern size_t answer_length;

/* Adds a test case. Its tests begin with an empty log and the same seed, and have a long timeout. */
TCase *add_card_case(Suite *suite, const char *name);

/* Steps. If a script is refused, the test fails. */
struct card *load_card(const char *text);
struct card *load_named(const char *name);   /* a file or a ready card, with arguments */
struct card *load_fixture(const char *name); /* from fixtures/cards */
/* Loads a card with these lines before the table, and these commands. */
struct card *load_commands(const char *before, const char *commands);
void send_command(struct card *card, const char *hex);

/* Checks. */
void assert_refused(const char *text, const char *expected);
void assert_answer(struct card *card, const char *hex, const char *expected);
void assert_atr(struct card *card, enum card_power how, const char *expected);
void assert_logged(const char *expected);
void assert_log_contains(const char *expected);

#endif
