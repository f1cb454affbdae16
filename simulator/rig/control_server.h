/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: AF_UNIX, SOCK_STREAM, for our own user and root. A client sends lines, each of them a
 * JSON object, and gets one line with a JSON object in answer to each:
 *
 *   {"command": "status"}
 *   {"command": "insert", "slot": "0", "file": "/abs/card.lua"}
 *   {"command": "remove", "slot": "0"}
 *   {"command": "swap",   "slot": "0", "file": "/abs/card.lua"}
 *   {"command": "fault",  "slot": "0", "faults": ["mute", "wrong-edc*2"]}
 *   {"command": "plug",   "slot": "key"}
 *   {"command": "unplug", "slot": "key"}
 *   {"command": "service", "action": "restart"}
 *   {"command": "press",  "slot": "pinpad", "keys": ["1", "2", "ok"]}
 *   {"command": "wait",   "slot": "pinpad", "event": "pin"}
 *
 * slot is the number or name of a slot or, for plug and unplug, the name of a USB reader; it is optional if
 * there is only one. file is optional for insert: "" means the built-in card, and without file the card that
 * was in the slot last is inserted. icc/fault.c and icc/faults.md have the names of faults. pcscd adds a plugged reader, or
 * drops an unplugged one, soon after the answer: the status then shows "ready" as true, or
 * "driver_connected" as false. The service is the rig's pcscd. Its actions are "stop", "continue", "kill" and
 * "restart"; the answer, the rig's status, comes when the action is done. press and wait are for a reader
 * with a PIN pad, which slot names; the answer to wait comes when the reader asks for a PIN and no key is
 * waiting.
 *
 * The answer is {"ok": true, "result": ...} or {"ok": false, "error": "in words"}. A line has at most 65,535
 * bytes, without its newline.
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
    CONTROL_NOW,   /* the function returns the answer */
    CONTROL_LATER, /* control_server_answer gets the answer later, with the ticket */
    CONTROL_BUSY,  /* nothing has been done: ask again after the next call of control_server_answer */
};

/* Carries out the request in line (without its newline) and sets *when. Returns the answer with a newline,
 * which the caller frees, or NULL if *when is not CONTROL_NOW or there is no memory. */
typedef char *control_function(struct rig *rig, uint64_t ticket, const char *line, size_t length,
                               enum control_when *when);

/* Makes a server on the listening socket fd, which it takes over, also on failure. Returns NULL with errno on
 * failure. */
struct control_server *control_server_new(struct loop *loop, int fd, control_function *answer,
                                          struct rig *rig);
void control_server_free(struct control_server *server);

/* Sends answer, a line that the server takes over, to the client whose request has this ticket, if it is
 * still connected. With a NULL answer, disconnects the client. Then tries the requests that were
 * CONTROL_BUSY again. */
void control_server_answer(struct control_server *server, uint64_t ticket, char *answer);

/* Tries the requests that were CONTROL_BUSY again. */
void control_server_retry(struct control_server *server);

#endif
