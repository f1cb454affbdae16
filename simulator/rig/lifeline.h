/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line between the simulator and the process that supervises it, which is pcscd's parent, too: AF_UNIX,
 * SOCK_SEQPACKET, a message a packet. When it closes, the other end has died.
 */
#ifndef CARDRIG_RIG_LIFELINE_H
#define CARDRIG_RIG_LIFELINE_H

#include <stdbool.h>
#include <stdint.h>

enum lifeline_type {
    /* to the simulator */
    LIFELINE_END,    /* end, in good order */
    LIFELINE_STATE,  /* pcscd is in this state now, an enum service_state; text: how it runs */
    LIFELINE_ANSWER, /* the request was carried out, or, with text, was not: why */
    /* to the supervisor */
    LIFELINE_SERVING, /* it has begun to serve */
    LIFELINE_READY,   /* each reader that is plugged in has its driver connected: since SERVICE_STARTING */
    LIFELINE_DRAWN,   /* something random was drawn */
    LIFELINE_REQUEST, /* do this, an enum service_action; the next one comes only after the answer */
};

enum service_state { SERVICE_STARTING, SERVICE_RUNNING, SERVICE_STOPPED, SERVICE_DOWN };
enum service_action { SERVICE_STOP, SERVICE_CONTINUE, SERVICE_KILL, SERVICE_RESTART };

struct lifeline_message {
    uint8_t type, value;
    uint8_t start;  /* SERVICE_STARTING, LIFELINE_READY: which start of pcscd it is about */
    char text[509]; /* ended by a 0 */
};

/* Never waits. False with errno: the other end has died, or does not read. */
bool lifeline_send(int fd, const struct lifeline_message *message);

/* Never waits. 1: a message has come; 0: the other end has died; -1: nothing there. */
int lifeline_receive(int fd, struct lifeline_message *message);

const char *service_state_name(enum service_state state);

/* The name of the i-th action; NULL: there are no more. */
const char *service_action_name(unsigned i);

#endif
