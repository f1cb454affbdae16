/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam to PC/SC. Every call to the resource manager goes through here, with fixed-width types
 * and HRESULTs. E_NO_SERVICE is the one code for a lost connection. What differs between pcsc-lite,
 * Windows and macOS stays in pcsc.c and platform.c.
 */
#ifndef SCARDMANAGE_PCSC_H
#define SCARDMANAGE_PCSC_H

#include "scardmanage.h"

#include <stdbool.h>

#define PCSC_READER_MAX 256 /* bytes of a reader's name, with the terminating zero; pcsc-lite allows 128 */

/* T=0 or T=1, as the reader prefers. */
#define PCSC_PROTOCOL_ANY (SCARDMANAGE_PROTOCOL_T0 | SCARDMANAGE_PROTOCOL_T1)

struct pcsc_atr {
    uint8_t bytes[SCARDMANAGE_ATR_MAX];
    uint8_t length;
};

/* What SCardGetStatusChange() says of a reader. */
struct pcsc_reader_state {
    bool present;
    bool mute;        /* present, but did not answer to reset */
    bool exclusive;   /* one client has connected exclusively */
    uint32_t counter; /* the event counter: changes with every removal and insertion */
    struct pcsc_atr atr;
};

/* What SCardStatus() says of a handle's card. */
struct pcsc_card {
    char reader[PCSC_READER_MAX];
    scardmanage_state state;
    uint32_t protocol;
    uint32_t counter;
    struct pcsc_atr atr;
};

scardmanage_result pcsc_establish_context(SCARDCONTEXT *context);
void pcsc_release_context(SCARDCONTEXT context);

/* Neither touches the card nor waits for other clients. E_READER_UNAVAILABLE if there is no such
 * reader, or it cannot be reached. */
scardmanage_result pcsc_get_reader_state(SCARDCONTEXT context, const char *reader,
                                         struct pcsc_reader_state *state);

/* Waits until the reader's state is no longer this one, or for so many milliseconds; S_OK in both
 * cases. state null: until a reader comes or goes. Another client may make it miss a change, so ask
 * for the state again now and then. */
scardmanage_result pcsc_wait_for_change(SCARDCONTEXT context, const char *reader,
                                        const struct pcsc_reader_state *state, uint32_t timeout_ms);

/* Replaces reader by the only reader whose name is the same except for the numbers that the service
 * appends. E_READER_UNAVAILABLE if there is none, or several. */
scardmanage_result pcsc_find_same_model(SCARDCONTEXT context, char reader[PCSC_READER_MAX]);

/* share: EXCLUSIVE or SHARED. protocols: bits. */
scardmanage_result pcsc_connect(SCARDCONTEXT context, const char *reader, scardmanage_share share,
                                uint32_t protocols, SCARDHANDLE *handle);

/* step: LEAVE, WARM or COLD. */
scardmanage_result pcsc_reconnect(SCARDHANDLE handle, scardmanage_share share, uint32_t protocols,
                                  scardmanage_step step);
scardmanage_result pcsc_disconnect(SCARDHANDLE handle, scardmanage_disposition disposition);
/* E_SHARING_VIOLATION at once if another client holds a transaction. Of any other code only whether
 * the handle is dead counts. */
scardmanage_result pcsc_probe_transaction(SCARDHANDLE handle);
scardmanage_result pcsc_begin_transaction(SCARDHANDLE handle);
scardmanage_result pcsc_end_transaction(SCARDHANDLE handle, scardmanage_disposition disposition);

/* On failure *card is all zero. */
scardmanage_result pcsc_get_status(SCARDHANDLE handle, struct pcsc_card *card);
/* Both lengths fit a DWORD. */
scardmanage_result pcsc_transmit(SCARDHANDLE handle, uint32_t protocol, const uint8_t *command,
                                 size_t command_length, uint8_t *response, size_t *response_length);

#endif
