/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection between the simulator and its supervisor, the process that is also pcscd's parent: AF_UNIX,
 * SOCK_SEQPACKET, one message per packet. It closes when the process at the other end dies.
 */
#ifndef CARDRIG_RIG_LIFELINE_H
#define CARDRIG_RIG_LIFELINE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum lifeline_type {
    /* to the simulator */
    LIFELINE_END,    /* end normally */
    LIFELINE_STATE,  /* value: the state of pcscd, an enum service_state; text: a remark on how it runs */
    LIFELINE_ANSWER, /* the request is done; text: empty, or why it failed */
    /* to the supervisor */
    LIFELINE_SERVING, /* the simulator has begun to serve */
    LIFELINE_READY,   /* the drivers of all plugged readers are ready, after SERVICE_STARTING */
    LIFELINE_DRAWN,   /* a random number has been drawn */
    LIFELINE_REQUEST, /* value: an enum service_action; the next request must wait for the answer */
};

enum service_state { SERVICE_STARTING, SERVICE_RUNNING, SERVICE_STOPPED, SERVICE_DOWN };
enum service_action { SERVICE_STOP, SERVICE_CONTINUE, SERVICE_KILL, SERVICE_RESTART };

struct lifeline_message {
    uint8_t type, value;
    uint8_t start;  /* with SERVICE_STARTING and LIFELINE_READY: the number of the start of pcscd */
    char text[509]; /* ends with a NUL */
};

/* Sends a message without waiting. Returns false with errno if the other end has died or does not read. */
bool lifeline_send(int fd, const struct lifeline_message *message);

/* Receives a message without waiting. Returns 1 for a message, 0 if the other end has died, and -1 if there
 * is no message. */
int lifeline_receive(int fd, struct lifeline_message *message);

const char *service_state_name(enum service_state state);

/* Finds the action of that name. Returns false and sets *error if there is none. */
bool service_action_find(const char *name, enum service_action *action, struct error *error);

#endif
