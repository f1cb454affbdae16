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

/* What the program itself returns, beside codes of PC/SC: */
#define LINK_SESSION_LOST 0xA0100001u /* another program has selected its application; as in scardmanage.h */
#define LINK_WRONG_ANSWER 0xA0010001u
#define LINK_ENDED        0xA0010002u
#define LINK_WRONG_PIN    0x8010006Bu
#define LINK_PIN_BLOCKED  0x8010006Cu

/* Functions of the program, called with the card locked. */
typedef uint32_t link_function(struct link *link, void *context);
struct link_functions {
    /* Asks the card for its serial number. *length: room, then bytes received. */
    uint32_t (*identify)(struct link *link, uint8_t *serial, size_t *length);
    link_function *prepare; /* brings the card to the state that the program needs */
    void *context;          /* for prepare */
};

/* To the card in the reader, which stays the right one, in T=1. */
uint32_t link_open(const char *reader, const struct link_functions *functions, struct link **out);
void link_close(struct link *link);

/* Gets back to the card if need be, prepares it, locks it, calls the unit, and unlocks it. May fail, also because the
 * unit does, and is called again then. */
uint32_t link_run(struct link *link, link_function *unit, void *context);

/* In a function of the program. *length: room in answer, then bytes received. */
uint32_t link_transmit(struct link *link, const uint8_t *command, size_t command_len, uint8_t *answer,
                       size_t *length);

#endif
