/* SPDX-License-Identifier: BSD-3-Clause */
/* The service itself: it starts, stops and ends, accepts clients, and handles their requests. */
#include "pcscd.h"
#include "truth.h"

#include <string.h>

#define CLIENTS_MAX 32

struct pcscd pcscd_service;
static struct pcscd_connection *clients[CLIENTS_MAX];

void pcscd_begin(void)
{
    memset(&pcscd_service, 0, sizeof pcscd_service);
    memset(clients, 0, sizeof clients);
}

/* pcscd numbers the readers that it finds at its start in the order in which the rig has them. */
void pcscd_start(void)
{
    pcscd_service.running = true;
    pcscd_service.stopped = pcscd_service.starts_for_client = false;
    pcscd_service.incarnation++;
    truth_service();
    for (unsigned i = 0; i < sizeof card_slots / sizeof card_slots[0]; i++)
        if (card_slots[i].plugged)
            reader_add(&card_slots[i]);
}

void pcscd_stop(void)
{
    truth_service();
    pcscd_service.stopped = true;
}

void pcscd_continue(void)
{
    pcscd_service.stopped = false;
    truth_now.noticed_us = scheduler_now_us();
    fiber_wake(&pcscd_service);
}

void pcscd_end(bool starts_for_client)
{
    truth_service();
    truth_now.lost++;
    truth_now.service_ends++;
    for (unsigned i = 0; i < PCSCD_READERS; i++) {
        struct pcscd_reader *reader = &pcscd_service.readers[i];
        if (!reader->exists)
            continue;
        fiber_discard(reader->thread);
        card_close(reader->slot);
        fiber_wake(&reader->driver); /* requests that wait for it end, too */
        fiber_wake(&reader->power_lock);
    }
    memset(pcscd_service.readers, 0, sizeof pcscd_service.readers);
    pcscd_service.running = pcscd_service.stopped = false;
    pcscd_service.starts_for_client = starts_for_client;
    fiber_wake(&pcscd_service);
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (clients[i])
            fiber_wake(clients[i]);
}

/*
 * Clients
 */

static bool is_connected(const struct pcscd_connection *connection)
{
    return pcscd_service.running && connection->incarnation == pcscd_service.incarnation;
}

bool pcscd_connect(struct pcscd_connection *connection)
{
    fiber_point();
    if (!pcscd_service.running && pcscd_service.starts_for_client)
        pcscd_start();
    if (!pcscd_service.running)
        return false;
    unsigned i = 0;
    while (i < CLIENTS_MAX && clients[i])
        i++;
    if (i == CLIENTS_MAX)
        return false;
    memset(connection, 0, sizeof *connection);
    connection->open = true;
    connection->incarnation = pcscd_service.incarnation;
    clients[i] = connection;
    return true;
}

/* A client that is there releases its context first, so nothing is left to clean up. */
void pcscd_disconnect(struct pcscd_connection *connection)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (clients[i] == connection)
            clients[i] = NULL;
    connection->open = false;
}

/*
 * Requests
 */

/* The service has ended. The fiber of a client goes on in the client; those of the service are discarded. */
static _Noreturn void end_request(void)
{
    struct pcscd_connection *connection = fiber_local();
    longjmp(connection->end, 1);
}

_Noreturn void pcscd_hang_up(struct pcscd_connection *connection)
{
    connection->incarnation = 0;
    end_request();
}

static void stay_while_stopped(unsigned incarnation)
{
    while (pcscd_service.running && pcscd_service.incarnation == incarnation && pcscd_service.stopped)
        fiber_wait(&pcscd_service, FIBER_FOREVER);
    if (!pcscd_service.running || pcscd_service.incarnation != incarnation)
        end_request();
}

static unsigned own_incarnation(void)
{
    const struct pcscd_connection *connection = fiber_local();
    return connection ? connection->incarnation : pcscd_service.incarnation;
}

void pcscd_point(void)
{
    unsigned incarnation = own_incarnation();
    fiber_point();
    stay_while_stopped(incarnation);
}

void pcscd_wait(const void *on, uint64_t until_us)
{
    unsigned incarnation = own_incarnation();
    fiber_wait(on, until_us);
    stay_while_stopped(incarnation);
}

void pcscd_sleep(uint64_t us)
{
    unsigned incarnation = own_incarnation();
    fiber_sleep(us);
    stay_while_stopped(incarnation);
}

void pcscd_lock(struct pcscd_mutex *mutex)
{
    unsigned ticket = mutex->tickets++;
    pcscd_point();
    while (mutex->serves != ticket)
        pcscd_wait(mutex, FIBER_FOREVER);
}

void pcscd_unlock(struct pcscd_mutex *mutex)
{
    mutex->serves++;
    fiber_wake(mutex);
}

LONG pcscd_request(struct pcscd_connection *connection, void (*serve)(struct pcscd_connection *, void *),
                   void *argument)
{
    fiber_point();
    if (!is_connected(connection)) /* send() returns EPIPE */
        return SCARD_E_NO_SERVICE;
    /* without an answer, read() returns 0, or ECONNRESET if the service had not read the request */
    volatile bool was_read = !pcscd_service.stopped;
    void *before = fiber_local();
    fiber_set_local(connection);
    if (setjmp(connection->end) != 0) {
        fiber_set_local(before);
        return was_read ? SCARD_F_COMM_ERROR : SCARD_W_SECURITY_VIOLATION;
    }
    pcscd_point();
    was_read = true;
    serve(connection, argument);
    pcscd_point();
    fiber_set_local(before);
    return SCARD_S_SUCCESS;
}

LONG pcscd_receive_signal(struct pcscd_connection *connection, uint64_t until_us, LONG *signal)
{
    fiber_point();
    while (is_connected(connection) && !connection->signalled)
        if (!fiber_wait(connection, until_us))
            break;
    if (connection->signalled) {
        connection->signalled = false;
        *signal = connection->signal;
        return SCARD_S_SUCCESS;
    }
    return is_connected(connection) ? SCARD_E_TIMEOUT : SCARD_F_COMM_ERROR;
}

void pcscd_signal_event(void)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct pcscd_connection *connection = clients[i];
        if (!connection || !connection->registered || !is_connected(connection))
            continue;
        connection->registered = false;
        connection->signalled = true;
        connection->signal = SCARD_S_SUCCESS;
        fiber_wake(connection);
    }
}

/*
 * Readers that come and go
 */

static struct pcscd_reader *reader_of_slot(const struct slot *slot)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].exists && pcscd_service.readers[i].slot == slot)
            return &pcscd_service.readers[i];
    return NULL;
}

static void notice_readers(void *argument)
{
    (void)argument;
    struct pcscd_connection nobody = {.incarnation = pcscd_service.incarnation};
    fiber_set_local(&nobody);
    if (setjmp(nobody.end) != 0)
        return;
    stay_while_stopped(nobody.incarnation);
    for (unsigned i = 0; i < sizeof card_slots / sizeof card_slots[0]; i++) {
        struct pcscd_reader *reader = reader_of_slot(&card_slots[i]);
        if (reader && (!card_slots[i].plugged || reader->plugging != card_slots[i].plugging))
            reader_remove(reader);
        else if (!reader && card_slots[i].plugged)
            reader_add(&card_slots[i]);
    }
}

void pcscd_notice_readers(void)
{
    if (pcscd_service.running)
        fiber_start("pcscd's thread for readers", notice_readers, NULL);
}
