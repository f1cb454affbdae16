/* SPDX-License-Identifier: BSD-3-Clause */
/* For libcheck tests that run in a rig, as the command of 'cardrig run', and that move its card. */
#ifndef TESTS_SUPPORT_IN_RIG_H
#define TESTS_SUPPORT_IN_RIG_H

#include <check.h>
#include <winscard.h>

/* Runs the suite, and returns the exit status for main(). Outside a rig, prints an error and
 * returns a failure. */
int run_suite_in_rig(Suite *suite);

/* Returns the current state of the reader. Its event counter counts insertions and removals. */
SCARD_READERSTATE reader_state(SCARDCONTEXT context, const char *reader);
unsigned event_counter(const SCARD_READERSTATE *state);

/* Inserts, removes or swaps the card, with a card of fixtures/ or without one (null). Waits until
 * PC/SC has reported the card event; the second one does not. */
void move_card(SCARDCONTEXT context, const char *reader, const char *verb, const char *card);
void move_card_unnoticed(const char *verb, const char *card);
/* Sets a fault, as cardrig-fault(1) takes it. */
void set_fault(const char *fault);

#endif
