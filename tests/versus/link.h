/* SPDX-License-Identifier: BSD-3-Clause */
/* The way to the card: all in which the two programs differ. One is over PC/SC itself (bare.c), the other
 * over libscardmanage (managed.c).
 *
 * Functions return 0 or the 32 bits of a code of PC/SC or libscardmanage. */
#ifndef CARDRIG_VERSUS_LINK_H
#define CARDRIG_VERSUS_LINK_H

#include <stddef.h>
#include <stdint.h>

struct link;

/* How long a call may take in the eyes of the program, in milliseconds: a user is waiting. */
#define LINK_LIMIT_MS 1000

/* What the program returns itself for a wrong answer of the card: no code of PC/SC has this value. */
#define LINK_WRONG_ANSWER 0xA0010001u

/* What brings the card to the state that the program needs; called with the card locked. */
typedef uint32_t link_prepare(struct link *link, void *context);

/* To the card in the reader, which stays the right one, in T=1 and prepared. */
uint32_t link_open(const char *reader, link_prepare *prepare, void *context, struct link **out);

void link_close(struct link *link);

uint32_t link_lock(struct link *link);
uint32_t link_unlock(struct link *link);

/* *length: room in answer, then bytes received. */
uint32_t link_transmit(struct link *link, const uint8_t *command, size_t command_len, uint8_t *answer,
                       size_t *length);

/* Called after any of the others has failed: back to the card, prepared, and locked as before. May fail, and
 * is called again then. */
uint32_t link_recover(struct link *link);

#endif
