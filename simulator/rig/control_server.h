/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: AF_UNIX, SOCK_STREAM, for this user and root. A client sends lines, each a JSON object,
 * and gets for each a line with a JSON object:
 *
 *   {"command": "status"}
 *   {"command": "insert", "slot": "0", "file": "/abs/card.lua"}
 *   {"command": "remove", "slot": "0"}
 *   {"command": "swap",   "slot": "0", "file": "/abs/card.lua"}
 *   {"command": "fault",  "slot": "0", "faults": ["mute", "wrong-edc*2"]}
 *   {"command": "plug",   "slot": "key"}
 *   {"command": "unplug", "slot": "key"}
 *   {"command": "service", "action": "restart"}
 *
 * slot is a slot's number or name, or, for plug and unplug, the name of a reader on USB; it is optional where
 * there is only one. file is optional for insert: "" is the built-in card, none the card that was in last.
 * Faults are named as in icc/fault.h. pcscd takes in a reader that was plugged in, and lets go of one that
 * was unplugged, soon after: then "ready" of status is true, or "driver_connected" false. The service,
 * which is the rig's pcscd, can be asked to stop, continue, be killed ("kill") and restart; it is answered
 * with the rig's status when that is done.
 *
 * The answer is {"ok": true, ...} or {"ok": false, "error": "in words"}. A line may have 65,535 bytes.
 */
#ifndef CARDRIG_RIG_CONTROL_SERVER_H
#define CARDRIG_RIG_CONTROL_SERVER_H

#include "rig/loop.h"

#include <stddef.h>
#include <stdint.h>

#define CONTROL_LINE_MAX 65536 /* with the newline */

struct rig;
struct control_server;

enum control_when {
    CONTROL_NOW,   /* the answer is there */
    CONTROL_LATER, /* control_server_answer comes, with the ticket */
    CONTROL_BUSY,  /* nothing has been done: to be asked again when another answer has come late */
};

/* Does what a line (without its newline) asks for. Returns the answer with a newline, for the caller to free;
 * NULL: out of memory, or it is not there now. */
typedef char *control_function(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                               enum control_when *when);

/* fd is a listening socket, taken over. NULL with errno. */
struct control_server *control_server_new(struct loop *loop, int fd, control_function *answer,
                                          struct rig *rig);
void control_server_free(struct control_server *server);

/* Answers the client whose request has this ticket, if it is still there, with a line that is taken over
 * (NULL: it is hung up on); then has another look at the requests that have waited for their turn. */
void control_server_answer(struct control_server *server, uint64_t ticket, char *answer);

#endif
