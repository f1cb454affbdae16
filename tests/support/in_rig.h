/* SPDX-License-Identifier: BSD-3-Clause */
/* For libcheck tests that run in a rig, as the command of 'cardrig run', and that move its card. */
#ifndef TESTS_SUPPORT_IN_RIG_H
#define TESTS_SUPPORT_IN_RIG_H

#include <check.h>
#include <winscard.h>

/* Runs the suite, and returns the exit status for main(). Outside a rig, prints an error and
 * returns a failure. Finds cardrig beside this program even if PATH does not have it, as in a build
 * tree. */
int run_suite_in_rig(Suite *suite);

/* Returns the current state of the reader. Its event counter counts insertions and removals. */
SCARD_READERSTATE reader_state(SCARDCONTEXT context, const char *reader);
unsigned event_counter(const SCARD_READERSTATE *state);

/* Runs cardrig insert, remove or swap, with a card of fixtures/ or without one (null). Waits until
 * PC/SC has reported the card event. */
void move_card(SCARDCONTEXT context, const char *reader, const char *verb, const char *card);

#endif
