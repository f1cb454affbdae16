/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls the hook of the caller, if there is one: see scardmanage_set_hook(). In the thread of the attachment. */
#ifndef SCARDMANAGE_HOOK_INTERNAL_H
#define SCARDMANAGE_HOOK_INTERNAL_H

#include "internal.h"

/* Before a command is sent, and after PC/SC has returned; start is when it was sent. */
void hook_command(struct attachment *at, const uint8_t *command, size_t length);
void hook_response(struct attachment *at, scardmanage_result result, const uint8_t *response, size_t length,
                   uint64_t start);
/* After a step of a reconnect, which began at start. */
void hook_step(struct attachment *at, scardmanage_step step, scardmanage_result result, uint64_t start);

/* How many bytes of at->buffer, after those of the command and the response, hook_command() needs. A command
 * that the library makes of that of the caller is at most a Le longer, and GET RESPONSE has 5 bytes. */
size_t hook_room(const struct attachment *at, size_t command_length);

#endif
