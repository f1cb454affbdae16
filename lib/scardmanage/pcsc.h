/* SPDX-License-Identifier: BSD-3-Clause */
/* The PC/SC seam: every call to the resource manager goes through here, in fixed-width types and with
 * HRESULTs; E_NO_SERVICE is the one code for a connection that is lost; and what differs between pcsc-lite,
 * Windows and macOS stays in pcsc.c and platform.c. */
#ifndef SCARDMANAGE_PCSC_H
#define SCARDMANAGE_PCSC_H

#include "scardmanage.h"

#include <stdbool.h>

#define PCSC_READER_MAX 256 /* with the terminating zero; pcsc-lite itself takes 128 */

/* What pcsc-lite calls a protocol preference of the reader's own choice. */
#define PCSC_PROTOCOL_ANY (SCARDMANAGE_PROTOCOL_T0 | SCARDMANAGE_PROTOCOL_T1)

typedef struct pcsc_atr {
    uint8_t bytes[SCARDMANAGE_ATR_MAX];
    uint8_t length;
} pcsc_atr;

/* A look at a reader. Costs the card and other clients nothing, and does not wait for them. */
typedef struct pcsc_look {
    bool present;
    bool mute;        /* present, but did not answer to reset */
    bool exclusive;   /* one client has the reader for itself */
    uint32_t counter; /* moves with every removal and insertion */
    pcsc_atr atr;
} pcsc_look;

/* What a handle says of its card. */
typedef struct pcsc_card {
    char reader[PCSC_READER_MAX];
    scardmanage_state state;
    uint32_t protocol;
    uint32_t counter;
    pcsc_atr atr;
} pcsc_card;

scardmanage_result pcsc_open(SCARDCONTEXT *context);
void pcsc_close(SCARDCONTEXT context);

/* E_READER_UNAVAILABLE if there is no such reader, or it cannot be reached. */
scardmanage_result pcsc_look_at(SCARDCONTEXT context, const char *reader, pcsc_look *look);

/* Until the reader is no longer as it was seen, or so many milliseconds have passed: S_OK for both. look may
 * be null: until a reader comes or goes. Others may cause it to miss something, so look again now and then.
 */
scardmanage_result pcsc_wait(SCARDCONTEXT context, const char *reader, const pcsc_look *look,
                             uint32_t timeout_ms);

/* The only reader whose name is this one but for the numbers that the service appends: E_READER_UNAVAILABLE
 * if there is none, or there are several. */
scardmanage_result pcsc_find_alike(SCARDCONTEXT context, char reader[PCSC_READER_MAX]);

/* share: EXCLUSIVE or SHARED. protocols: bits. */
scardmanage_result pcsc_connect(SCARDCONTEXT context, const char *reader, scardmanage_share share,
                                uint32_t protocols, SCARDHANDLE *handle);

/* step: LEAVE, WARM or COLD. */
scardmanage_result pcsc_reconnect(SCARDHANDLE handle, scardmanage_share share, uint32_t protocols,
                                  scardmanage_step step);
scardmanage_result pcsc_disconnect(SCARDHANDLE handle, scardmanage_disposition disposition);
/* E_SHARING_VIOLATION while another client holds a transaction, at once. Any other code says nothing. */
scardmanage_result pcsc_probe(SCARDHANDLE handle);
scardmanage_result pcsc_begin(SCARDHANDLE handle);
scardmanage_result pcsc_end(SCARDHANDLE handle, scardmanage_disposition disposition);

/* On failure *card is all zero. */
scardmanage_result pcsc_status(SCARDHANDLE handle, pcsc_card *card);
/* Both lengths fit a DWORD. */
scardmanage_result pcsc_transmit(SCARDHANDLE handle, uint32_t protocol, const uint8_t *command,
                                 size_t command_len, uint8_t *response, size_t *response_len);

#endif
