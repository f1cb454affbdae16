/* SPDX-License-Identifier: BSD-3-Clause */
/* winscard_clnt.c of libpcsclite: contexts, and the handles that they have. */
#include "libpcsclite.h"

#include "failures.h"
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXTS_MAX 32

struct pcscd_state client_states[PCSCD_READERS];
static struct client_context contexts[CONTEXTS_MAX];
static struct client_mutex client_mutex; /* clientMutex */
static SCARDCONTEXT last_context;
static bool has_event[TRUTH_PARTIES]; /* the last request with a handle has returned it */

void client_begin(void)
{
    memset(client_states, 0, sizeof client_states);
    memset(contexts, 0, sizeof contexts);
    memset(has_event, 0, sizeof has_event);
    client_mutex.locked = false;
}

unsigned client_contexts(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        count += contexts[i].number != 0;
    return count;
}

/*
 * Contexts and handles
 */

static void lock(struct client_mutex *mutex)
{
    fiber_point();
    while (mutex->locked)
        fiber_wait(mutex, FIBER_FOREVER);
    mutex->locked = true;
}

static void unlock(struct client_mutex *mutex)
{
    mutex->locked = false;
    fiber_wake(mutex);
}

struct client_context *client_find_context(SCARDCONTEXT number)
{
    for (unsigned i = 0; i < CONTEXTS_MAX; i++)
        if (number != 0 && contexts[i].number == number)
            return &contexts[i];
    return NULL;
}

/* libpcsclite does not check whether the context was released while it waited for the mutex; its memory is
 * freed by then. */
static struct client_context *lock_found(struct client_context *context)
{
    if (context) {
        SCARDCONTEXT number = context->number;
        lock(&context->mutex);
        if (context->number != number) {
            fprintf(stderr, "model: a context is used while it is released\n");
            abort();
        }
    }
    unlock(&client_mutex);
    return context;
}

struct client_context *client_lock_context(SCARDCONTEXT number)
{
    lock(&client_mutex);
    return lock_found(client_find_context(number));
}

struct client_context *client_lock_handle(SCARDHANDLE number, const char **reader)
{
    struct client_context *context = NULL;
    lock(&client_mutex);
    for (unsigned i = 0; i < CONTEXTS_MAX && !context; i++)
        for (unsigned j = 0; contexts[i].number != 0 && number != 0 && j < PCSCD_HANDLES; j++)
            if (contexts[i].handles[j].number == number) {
                context = &contexts[i];
                *reader = context->handles[j].reader;
            }
    return lock_found(context);
}

void client_unlock(struct client_context *context)
{
    unlock(&context->mutex);
    fiber_point();
}

LONG client_add_handle(struct client_context *context, SCARDHANDLE handle, const char *reader)
{
    for (unsigned i = 0; i < PCSCD_HANDLES; i++)
        if (context->handles[i].number == 0) {
            context->handles[i].number = handle;
            snprintf(context->handles[i].reader, MAX_READERNAME, "%s", reader);
            return SCARD_S_SUCCESS;
        }
    return SCARD_E_NO_MEMORY;
}

void client_remove_handle(struct client_context *context, SCARDHANDLE handle)
{
    for (unsigned i = 0; i < PCSCD_HANDLES; i++)
        if (context->handles[i].number == handle)
            context->handles[i].number = 0;
}

bool client_lacks_memory(void)
{
    enum party actor = truth_actor();
    bool lacks = (actor == PARTY_A || actor == PARTY_B) && failures_happen_in_pcsc(has_event[actor]);
    if (lacks && client_log)
        fprintf(client_log, "%10llu          %c has no memory\n", (unsigned long long)scheduler_now_us(),
                actor == PARTY_A ? 'A' : 'B');
    return lacks;
}

void client_note_result(LONG rv)
{
    has_event[truth_actor()] = rv == SCARD_W_RESET_CARD || rv == SCARD_W_REMOVED_CARD;
}

LONG client_request(struct client_context *context, void (*serve)(struct pcscd_connection *, void *),
                    void *argument)
{
    return client_lacks_memory() ? SCARD_E_NO_MEMORY : pcscd_request(&context->connection, serve, argument);
}

static void establish(struct pcscd_connection *connection, void *argument)
{
    (void)connection;
    (void)argument;
}

LONG SCardEstablishContext(DWORD scope, LPCVOID reserved1, LPCVOID reserved2, LPSCARDCONTEXT number)
{
    (void)scope;
    (void)reserved1;
    (void)reserved2;
    if (!number)
        return SCARD_E_INVALID_PARAMETER;
    *number = 0;
    fiber_point();
    if (!pcscd_service.running && !pcscd_service.starts_for_client) /* SCardCheckDaemonAvailability() */
        return SCARD_E_NO_SERVICE;
    lock(&client_mutex);
    unsigned i = 0;
    while (i < CONTEXTS_MAX && contexts[i].number != 0)
        i++;
    bool lacks_memory = i == CONTEXTS_MAX || client_lacks_memory();
    LONG rv = lacks_memory ? SCARD_E_NO_MEMORY : SCARD_E_NO_SERVICE;
    if (!lacks_memory && pcscd_connect(&contexts[i].connection)) {
        rv = pcscd_request(&contexts[i].connection, establish, NULL);
        if (rv == SCARD_S_SUCCESS)
            *number = contexts[i].number = ++last_context;
        else
            pcscd_disconnect(&contexts[i].connection);
    }
    unlock(&client_mutex);
    return rv;
}

static void release(struct pcscd_connection *connection, void *argument)
{
    (void)argument;
    connection->released = true;
    pcscd_release_handles(connection);
}

LONG SCardReleaseContext(SCARDCONTEXT number)
{
    struct client_context *context = client_lock_context(number);
    if (!context)
        return SCARD_E_INVALID_HANDLE;
    LONG rv = pcscd_request(&context->connection, release, NULL);
    client_unlock(context);
    lock(&client_mutex);
    pcscd_disconnect(&context->connection);
    memset(context, 0, sizeof *context);
    unlock(&client_mutex);
    return rv;
}

LONG SCardIsValidContext(SCARDCONTEXT number)
{
    return client_find_context(number) ? SCARD_S_SUCCESS : SCARD_E_INVALID_HANDLE;
}
