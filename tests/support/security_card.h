/* SPDX-License-Identifier: BSD-3-Clause */
/* The cards of tests/e2e/security.lua, which count what they are sent; and card events between two commands of
 * libscardmanage. For tests with attachment.h. */
#ifndef TESTS_SUPPORT_SECURITY_CARD_H
#define TESTS_SUPPORT_SECURITY_CARD_H

#include "scardmanage.h"

enum { CARD = 1, STRANGER = 2 }; /* serial numbers */

/* Puts a card into the reader. style: see security.lua; null for the default. */
void put_security_card(int serial, const char *style);

/* What has happened to the card in the reader, since it was inserted. Asked by another client. */
struct tally {
    unsigned serial, presented, proofs, questions;
    unsigned left, resetting_left, key_left; /* tries: of code 1, of its resetting code, of the key */
    unsigned power_ups;
};
struct tally get_tally(void);

/* Events. */
void reinsert_card(void);
void swap_for_stranger(void);
void remove_card(void);

/* Options with a function that asks for the serial number. */
scardmanage_options identifying_options(void);
/* Sets the options of m to these. */
void identify_cards(void);

/* Makes the event happen before the nth command that libscardmanage sends from now on, identification not
 * counted. */
void before_command(unsigned n, void (*event)(void));
/* Returns how many commands were sent since, and takes the event back if it has not happened. */
unsigned commands_sent(void);

/* Memory. The nth allocation of m from now on fails; 0: none does. */
void fail_allocation(unsigned n);
/* Returns how many there were, and makes all succeed again. */
unsigned allocations(void);
/* An allocator for m that counts its blocks, and fails the test if it gets back a block that contains the secret. */
extern const scardmanage_allocator watching_allocator;
extern long watched_blocks;
void watch_for(const char *secret);

#endif
