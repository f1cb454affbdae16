/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of another PC/SC service (the one that PCSCLITE_CSOCK_NAME names, or the
 * system's), for the card in one of its readers. libpcsclite is loaded when the first
 * client is made. Its calls can block for as long as the service likes: they are made in a
 * thread of the client's own, and who waits for one is back when the time is up, or at once
 * when the client is interrupted.
 *
 * The functions are for one thread at a time, except pcsc_client_interrupt.
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
    PCSC_NO_CARD, /* in the reader; or it was taken out since pcsc_client_connect */
    PCSC_MUTE,    /* the card does not answer to reset */
    PCSC_IN_USE,  /* by another program */
    PCSC_NO_READER,
    PCSC_NO_SERVICE,
    PCSC_FAILED,
    PCSC_LATE,        /* the time is up */
    PCSC_INTERRUPTED, /* by pcsc_client_interrupt */
};

/* What is in the reader. */
struct pcsc_look {
    bool present;
    uint32_t counter; /* of insertions and removals */
};

/* For the reader of that name, or else the only one whose name begins with it. It need not
 * be there. NULL with error: libpcsclite cannot be loaded, or memory or threads are short.
 * */
struct pcsc_client *pcsc_client_new(const char *reader, struct error *error);

/* Lets the card go, which loses power, and frees the client: soon, nobody waits for that.
 * NULL is allowed. */
void pcsc_client_free(struct pcsc_client *client);

/* Waits, for limit_ms at most, until the clients that were freed are gone. False: a PC/SC service does not
 * let go of one, and the process must end by _exit(). */
bool pcsc_clients_await(int limit_ms);

/* From any thread: has the call that is under way, and each that is yet to come, return
 * PCSC_INTERRUPTED. */
void pcsc_client_interrupt(struct pcsc_client *client);

/* Waits until the client is interrupted: then true; or for that time. */
bool pcsc_client_pause(struct pcsc_client *client, int milliseconds);

/* Why the last call failed, in words. Until the next call. */
const char *pcsc_client_error(struct pcsc_client *client);

/* The reader's full name, as far as it is known, else the one that was given. Until the
 * next call. */
const char *pcsc_client_reader(struct pcsc_client *client);

/*
 * All of these take no longer than limit_ms.
 */

/* Looks at the reader: at once, or when something is not as it was at the last look, or
 * timeout_ms have passed. */
enum pcsc_result pcsc_client_look(struct pcsc_client *client, int timeout_ms, int limit_ms,
                                  struct pcsc_look *look);

/* Takes the card for itself. PCSC_MUTE: it is there, and pcsc_client_reset can be tried. */
enum pcsc_result pcsc_client_connect(struct pcsc_client *client, int limit_ms);

/*
 * Resets the card, cold or warm, connecting to it first if that has not been done.
 * protocol: T, which is to be in use then; or PCSC_ANY_PROTOCOL. atr has room for 33 bytes;
 * *active is T, or PCSC_ANY_PROTOCOL for one that is neither.
 */
#define PCSC_ANY_PROTOCOL 0xFF
enum pcsc_result pcsc_client_reset(struct pcsc_client *client, bool cold, uint8_t protocol, int limit_ms,
                                   uint8_t *atr, size_t *atr_length, uint8_t *active);

/* Sends a command in the protocol that is in use; *response_length is what there is room
 * for, and then what came. */
enum pcsc_result pcsc_client_transmit(struct pcsc_client *client, const uint8_t *command, size_t length,
                                      int limit_ms, uint8_t *response, size_t *response_length);

#endif
