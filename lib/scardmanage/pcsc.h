/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface to PC/SC. All calls to the resource manager go through here. The functions use types of
 * fixed width and return HRESULTs; E_NO_SERVICE is the only code for a lost connection. The differences
 * between pcsc-lite, Windows and macOS stay in pcsc.c and platform.c.
 */
#ifndef SCARDMANAGE_PCSC_H
#define SCARDMANAGE_PCSC_H

#include "scardmanage.h"

#include <stdbool.h>

#define PCSC_READER_MAX 256 /* bytes of a reader name, with the terminating zero; pcsc-lite allows 128 */

/* T=0 or T=1; PC/SC chooses. */
#define PCSC_PROTOCOL_ANY (SCARDMANAGE_PROTOCOL_T0 | SCARDMANAGE_PROTOCOL_T1)

struct pcsc_atr {
    uint8_t bytes[SCARDMANAGE_ATR_MAX];
    uint8_t length;
};

/* What SCardGetStatusChange() returns for a reader. */
struct pcsc_reader_state {
    bool present;
    bool mute;        /* present, but did not answer to reset */
    bool exclusive;   /* a client has connected exclusively */
    uint32_t counter; /* the event counter, which changes with each removal and insertion */
    struct pcsc_atr atr;
};

/* A reader in the list of all readers. */
struct pcsc_reader {
    char name[PCSC_READER_MAX];
    struct pcsc_reader_state state;
};

#define PCSC_READERS_MAX 64 /* pcsc-lite allows 16 */

/* What SCardStatus() returns for a handle. */
struct pcsc_card {
    char reader[PCSC_READER_MAX];
    scardmanage_state state;
    uint32_t protocol;
    uint32_t counter;
    struct pcsc_atr atr;
};

scardmanage_result pcsc_establish_context(SCARDCONTEXT *context);
void pcsc_release_context(SCARDCONTEXT context);

/* Reads the state of a reader. Does not touch the card, and does not wait for other clients.
 * Returns E_READER_UNAVAILABLE if there is no such reader or it cannot be reached. */
scardmanage_result pcsc_get_reader_state(SCARDCONTEXT context, const char *reader,
                                         struct pcsc_reader_state *state);

/* Waits until the state of the reader differs from *state, or for timeout_ms milliseconds. Returns
 * S_OK in both cases. If state is null, waits until a reader comes or goes. Other clients may make
 * it miss a change, so read the state again now and then. */
scardmanage_result pcsc_wait_for_change(SCARDCONTEXT context, const char *reader,
                                        const struct pcsc_reader_state *state, uint32_t timeout_ms);

/* Lists all readers and their states, at most PCSC_READERS_MAX. */
scardmanage_result pcsc_get_readers(SCARDCONTEXT context, struct pcsc_reader readers[PCSC_READERS_MAX],
                                    size_t *count);

/* Waits until the readers or their states differ from those that pcsc_get_readers() returned, or for
 * timeout_ms milliseconds. Returns S_OK in both cases. May miss a change, as pcsc_wait_for_change(). */
scardmanage_result pcsc_wait_for_any_change(SCARDCONTEXT context, const struct pcsc_reader *readers,
                                            size_t count, uint32_t timeout_ms);

/* Replaces the name by that of the only reader whose name is the same except for the numbers that
 * the service appends. Returns E_READER_UNAVAILABLE if there is no such reader, or more than one. */
scardmanage_result pcsc_find_same_model(SCARDCONTEXT context, char reader[PCSC_READER_MAX]);

/* share is EXCLUSIVE or SHARED; protocols is a mask of SCARDMANAGE_PROTOCOL_ bits. */
scardmanage_result pcsc_connect(SCARDCONTEXT context, const char *reader, scardmanage_share share,
                                uint32_t protocols, SCARDHANDLE *handle);

/* Connects to the reader without its card. */
scardmanage_result pcsc_connect_direct(SCARDCONTEXT context, const char *reader, SCARDHANDLE *handle);
/* SCardControl(). *output_length: the size of output, then the number of bytes received. */
scardmanage_result pcsc_control(SCARDHANDLE handle, uint32_t code, const uint8_t *input, size_t input_length,
                                uint8_t *output, size_t *output_length);

/* step is LEAVE, WARM or COLD. */
scardmanage_result pcsc_reconnect(SCARDHANDLE handle, scardmanage_share share, uint32_t protocols,
                                  scardmanage_step step);
scardmanage_result pcsc_disconnect(SCARDHANDLE handle, scardmanage_disposition disposition);
/* Returns E_SHARING_VIOLATION at once if another client holds a transaction. Other codes only show
 * whether the handle is dead. */
scardmanage_result pcsc_probe_transaction(SCARDHANDLE handle);
scardmanage_result pcsc_begin_transaction(SCARDHANDLE handle);
scardmanage_result pcsc_end_transaction(SCARDHANDLE handle, scardmanage_disposition disposition);

/* Sets *card to zero on failure. */
scardmanage_result pcsc_get_status(SCARDHANDLE handle, struct pcsc_card *card);
/* Both lengths must fit a DWORD. */
scardmanage_result pcsc_transmit(SCARDHANDLE handle, uint32_t protocol, const uint8_t *command,
                                 size_t command_length, uint8_t *response, size_t *response_length);

#endif
