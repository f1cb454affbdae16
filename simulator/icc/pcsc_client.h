/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of another PC/SC service, for the card in one of its readers. The service is the one that
 * PCSCLITE_CSOCK_NAME names, or the system's. The first client loads libpcsclite. Its calls can block without
 * limit, so each client makes them in a thread of its own. A function here returns when its time limit is
 * reached, or at once when the client is interrupted.
 *
 * Only one thread at a time may use a client. pcsc_client_interrupt is the exception.
 */
#ifndef CARDRIG_ICC_PCSC_CLIENT_H
#define CARDRIG_ICC_PCSC_CLIENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pcsc_client;

enum pcsc_result {
    PCSC_OK,
    PCSC_NO_CARD, /* the reader is empty, or the card was removed since pcsc_client_connect */
    PCSC_MUTE,    /* the card does not answer the reset */
    PCSC_IN_USE,  /* another program uses the card */
    PCSC_NO_READER,
    PCSC_NO_SERVICE,
    PCSC_FAILED,
    PCSC_LATE,        /* the time limit was reached */
    PCSC_INTERRUPTED, /* pcsc_client_interrupt was called */
};

/* The state of the reader. */
struct pcsc_client_reader_state {
    bool present;
    uint32_t counter; /* the reader's event counter: insertions and removals */
};

/* Returns a new client for the reader of that name, or else for the only reader whose name begins with it.
 * The reader need not exist yet. Returns NULL with error if libpcsclite cannot be loaded, or if memory or
 * threads run out. */
struct pcsc_client *pcsc_client_new(const char *reader, struct error *error);

/* Powers the card off, disconnects from it and frees the client. The client's thread does this; the function
 * does not wait for it. client may be NULL. */
void pcsc_client_close(struct pcsc_client *client);

/* Waits at most limit_ms until the threads of all closed clients have ended. Returns false if one is still in
 * a call to a PC/SC service; the process must then end with _exit(). */
bool pcsc_clients_await(int limit_ms);

/* Makes the call in progress and every later one return PCSC_INTERRUPTED. May be called from any thread. */
void pcsc_client_interrupt(struct pcsc_client *client);

/* Waits for that time. Returns true, at once, if the client is interrupted. */
bool pcsc_client_pause(struct pcsc_client *client, int milliseconds);

/* Returns a text that says why the last call failed. It is valid until the next call. */
const char *pcsc_client_error(struct pcsc_client *client);

/* Returns the reader's full name, or the name given to pcsc_client_new while the full name is not known. It
 * is valid until the next call. */
const char *pcsc_client_reader(struct pcsc_client *client);

/*
 * Each of the following functions takes at most limit_ms; then it returns PCSC_LATE.
 */

/* Reads the state of the reader. Returns as soon as it differs from what the last call has read, or after
 * timeout_ms; the first call returns at once. */
enum pcsc_result pcsc_client_wait_for_change(struct pcsc_client *client, int timeout_ms, int limit_ms,
                                             struct pcsc_client_reader_state *state);

/* Connects to the card for exclusive use. Returns PCSC_MUTE if a card is present, but unresponsive;
 * pcsc_client_reset may still succeed. */
enum pcsc_result pcsc_client_connect(struct pcsc_client *client, int limit_ms);

/*
 * Resets the card, cold or warm. Connects to it first if necessary. protocol is the protocol to use
 * afterwards: 0 for T=0, 1 for T=1, or PCSC_CLIENT_ANY_PROTOCOL. atr has room for 33 bytes. Sets *active
 * to the protocol in use: 0, 1, or PCSC_CLIENT_ANY_PROTOCOL if it is neither.
 */
#define PCSC_CLIENT_ANY_PROTOCOL 0xFF
enum pcsc_result pcsc_client_reset(struct pcsc_client *client, bool cold, uint8_t protocol, int limit_ms,
                                   uint8_t *atr, size_t *atr_length, uint8_t *active);

/* Sends a command in the protocol in use. *response_length is the size of response before the call, and the
 * length of the response after it. A longer response is cut off. */
enum pcsc_result pcsc_client_transmit(struct pcsc_client *client, const uint8_t *command, size_t length,
                                      int limit_ms, uint8_t *response, size_t *response_length);

#endif
