/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig's pcscd as the simulator sees it: through the process that supervises both. */
#ifndef CARDRIG_RIG_SERVICE_H
#define CARDRIG_RIG_SERVICE_H

#include "base/error.h"
#include "rig/lifeline.h"
#include "rig/loop.h"

#include <stddef.h>

struct service;

struct service_host {
    void *arg;
    void (*starting)(void *arg); /* drivers that are connected are those of an earlier pcscd */
    bool (*ready)(void *arg);    /* whether each reader that is plugged in has its driver connected */
    void (*answered)(void *arg, const char *error); /* the request of service_request; NULL: it was done */
};

/* lifeline stays the caller's. The loop is stopped when the supervisor says so, or has died. NULL with
 * errno. */
struct service *service_new(struct loop *loop, int lifeline, const struct service_host *host);
void service_free(struct service *service);

/* To be called when a driver connects, before it is one of those that there are: takes in what the
 * supervisor has said by now, since it says that it starts a pcscd before it does. */
void service_driver_connecting(struct service *service);

/* To be called when a driver has become ready: tells the supervisor when the last one has. */
void service_driver_ready(struct service *service);

/* To be called when something random was drawn. */
void service_random_drawn(struct service *service);

/* Has the supervisor do something with pcscd; host.answered comes later. False with error: it was asked for
 * something that is not done yet. */
bool service_request(struct service *service, enum service_action action, struct error *error);

enum service_state service_state(const struct service *service);
/* How pcscd runs, in words, where that is worth saying; else "". */
const char *service_note(const struct service *service);

#endif
