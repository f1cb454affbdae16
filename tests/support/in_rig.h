/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests with libcheck that run in a rig, as the command of 'cardrig run': its card taken out and put in. */
#ifndef TESTS_SUPPORT_IN_RIG_H
#define TESTS_SUPPORT_IN_RIG_H

#include <check.h>
#include <winscard.h>

/* The end of main(): runs the suite; the exit status says how it went. Not in a rig it says so, and
 * fails. In a build tree cardrig lies beside this program, and need not be in PATH. */
int run_suite_in_rig(Suite *suite);

/* The reader's state at once, with its event counter: that of insertions and removals. */
SCARD_READERSTATE reader_state(SCARDCONTEXT context, const char *reader);
unsigned event_counter(const SCARD_READERSTATE *state);

/* Runs cardrig insert, remove or swap, with a card of fixtures/ or none (NULL), and waits until PC/SC has
 * reported it. */
void move_card(SCARDCONTEXT context, const char *reader, const char *verb, const char *card);

#endif
