/*
 * The control socket: AF_UNIX, SOCK_STREAM, for this user and root. A client sends lines, each a JSON object,
 * and gets for each a line with a JSON object:
 *
 *   {"command": "status"}
 *   {"command": "insert", "slot": "0", "file": "/abs/card.lua"}    slot: optional where there is only one
 *   {"command": "remove", "slot": "0"}                             file: optional for insert: "" is the
 * built-in
 *   {"command": "swap",   "slot": "0", "file": "/abs/card.lua"}          card, none the card that was in last
 *   {"command": "fault",  "slot": "0", "faults": ["mute", "wrong-edc*2"]}          as icc/fault.h has them
 *
 *   {"command": "plug",   "slot": "key"}      a reader on USB, by its name or one of its slots; optional
 * where
 *   {"command": "unplug", "slot": "key"}      there is only one. pcscd takes it in and lets it go soon after:
 * then "ready" of status is true, "driver_connected" false
 *
 * The answer is {"ok": true, ...} or {"ok": false, "error": "in words"}. A line may have 65,535 bytes.
 */
#ifndef CARDRIG_RIG_CONTROL_SERVER_H
#define CARDRIG_RIG_CONTROL_SERVER_H

#include "rig/loop.h"
#include "rig/rig.h"

#define CONTROL_LINE_MAX 65536 /* with the newline */

struct control_server;

/* fd is a listening socket, taken over. NULL with errno. */
struct control_server *control_server_new(struct loop *loop, int fd, struct rig *rig);
void control_server_free(struct control_server *server);

#endif
