/* SPDX-License-Identifier: BSD-3-Clause */
/* A PC/SC client of a long run: its calls are on the board, its commands have answers that differ from all
 * others. */
#ifndef CARDRIG_SOAK_CLIENT_H
#define CARDRIG_SOAK_CLIENT_H

#include "board.h"

#include <reader.h>
#include <winscard.h>

#define CLIENT_IDENTITY 8

struct client {
    struct board *board;
    struct board_line *line;
    uint64_t random;
    SCARDCONTEXT context;
    SCARDHANDLE card;
    DWORD protocol;
    bool known; /* the card behind the handle has answered, with this identity: */
    uint8_t identity[CLIENT_IDENTITY];
};

/* A PC/SC call, on the board. */
#define CALL(client, function, ...)                                                                          \
    (board_enter((client)->line, #function), client_returned((client), function(__VA_ARGS__)))
LONG client_returned(struct client *client, LONG result);

/* A number from 0 to limit - 1; the next ones for a seed are always the same. */
unsigned client_below(struct client *client, unsigned limit);

/* Connects, shared. */
LONG client_connect(struct client *client, const char *reader);

/* Sends a command with data that no other has. SCARD_S_SUCCESS: the answer is right. A wrong one, or one from
 * another card than the first on this handle, has been reported, and is SCARD_F_UNKNOWN_ERROR. */
LONG client_transmit(struct client *client);

#endif
