/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notices that the client has gone whose call a thread of pcscd carries out. pcscd does not tell a driver who
 * calls, and looks at a client's connection only between two of its calls. The driver is in the same process: it
 * sees all connections of clients, and which of them pcscd's threads wait for. One that a thread waits for is not
 * the one of the call, because that client's thread is in the call.
 */
#ifndef CARDRIG_DRIVER_CLIENTS_H
#define CARDRIG_DRIVER_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_MAX 256

struct clients {
    size_t count; /* 0: it is not known who calls */
    struct {
        int fd;
        uint64_t socket; /* its number: a descriptor may be closed, and then be another connection */
    } connections[CLIENTS_MAX];
};

/* Notes who may have made the call that the calling thread carries out: all clients that are connected. */
void clients_note(struct clients *clients);

/* Returns whether all those that may have made the call have hung up. The calling thread must be the one that has
 * noted them. Never waits. Returns false while that is not known: without /proc, and while another client that
 * hangs on is in a call, too. */
bool clients_have_gone(struct clients *clients);

#endif
