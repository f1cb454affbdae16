/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcsclite in memory: contexts and handles of this process. */
#ifndef CARDRIG_MODEL_LIBPCSCLITE_H
#define CARDRIG_MODEL_LIBPCSCLITE_H

#include "pcscd.h"

#include <stdio.h>

/* A mutex of a thread of the client. */
struct client_mutex {
    bool locked;
};

/* SCONTEXTMAP in winscard_clnt.c. */
struct client_context {
    SCARDCONTEXT number; /* 0: free */
    struct pcscd_connection connection;
    struct client_mutex mutex;
    bool cancellable;
    struct {
        SCARDHANDLE number; /* 0: free */
        char reader[MAX_READERNAME];
    } handles[PCSCD_HANDLES];
};

extern FILE *client_log; /* of requests; null for none */

/* The states that were read last, by whichever thread: readerStates. */
extern struct pcscd_state client_states[PCSCD_READERS];

void client_begin(void);
/* Returns how many contexts there are. */
unsigned client_contexts(void);

struct client_context *client_find_context(SCARDCONTEXT number); /* or null */
/* Both return null if there is no such context or handle. */
struct client_context *client_lock_context(SCARDCONTEXT number);
struct client_context *client_lock_handle(SCARDHANDLE number, const char **reader);
void client_unlock(struct client_context *context);
LONG client_add_handle(struct client_context *context, SCARDHANDLE handle, const char *reader);
void client_remove_handle(struct client_context *context, SCARDHANDLE handle);

/* Returns whether a call of A or B fails because it gets no memory. That is likely after an event: what the library does
 * then is rare enough. */
bool client_lacks_memory(void);
void client_note_result(LONG rv); /* of a request with a handle */
/* pcscd_request(), unless there is no memory for the message. */
LONG client_request(struct client_context *context, void (*serve)(struct pcscd_connection *, void *),
                    void *argument);

/* In the service: sends the states to the client. */
void client_copy_states(void);
/* getReaderStates() */
LONG client_read_states(struct client_context *context);
/* Returns the index in client_states, or -1. */
int client_find_reader(const char *name);

#endif
