/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's pcscd, which the simulator controls through the supervisor, the parent of both. */
#ifndef CARDRIG_RIG_SERVICE_H
#define CARDRIG_RIG_SERVICE_H

#include "base/error.h"
#include "rig/lifeline.h"
#include "rig/loop.h"

#include <stddef.h>

struct service;

struct service_host {
    void *arg;
    void (*starting)(void *arg); /* pcscd starts: the connected drivers are those of the previous one */
    bool (*ready)(void *arg);    /* returns whether the drivers of all plugged readers are ready */
    void (*answered)(void *arg, const char *error); /* the request is done (error is NULL) or has failed */
};

/* Connects to the supervisor through lifeline, which the caller keeps. Stops the loop when the supervisor
 * asks for that or has died. Returns NULL with errno on failure. */
struct service *service_new(struct loop *loop, int lifeline, const struct service_host *host);
void service_free(struct service *service);

/* Call this when a driver has connected, before it counts as connected. Handles all messages that have come
 * from the supervisor: it announces a pcscd before it starts it, so the announcement of this driver's pcscd
 * is among them, and must not disconnect this driver. */
void service_driver_connecting(struct service *service);

/* Call this when a driver has become ready. Tells the supervisor when all are. */
void service_driver_ready(struct service *service);

/* Call this when a card has drawn a random number. */
void service_random_drawn(struct service *service);

/* Asks the supervisor to carry out an action with pcscd; host.answered is called when it is done. Returns
 * false and sets *error if an earlier request is not done yet. */
bool service_request(struct service *service, enum service_action action, struct error *error);

enum service_state service_state(const struct service *service);
/* Returns a remark on how pcscd runs, or "". */
const char *service_note(const struct service *service);

#endif
