/* SPDX-License-Identifier: BSD-3-Clause */
/* The hook sees what is sent, without what is secret. */
#include "hook.h"

#include <string.h>

/* Returns whether a command has a PIN in its data: ISO/IEC 7816-4:2013, table 4. */
static bool has_code(const uint8_t *command, size_t length)
{
    if (length <= 5)
        return false;
    switch (command[1]) {
    case 0x20: /* VERIFY */
    case 0x21:
    case 0x24: /* CHANGE REFERENCE DATA */
    case 0x25:
    case 0x26: /* DISABLE VERIFICATION REQUIREMENT */
    case 0x28: /* ENABLE VERIFICATION REQUIREMENT */
    case 0x2C: /* RESET RETRY COUNTER */
    case 0x2D:
        return true;
    default:
        return false;
    }
}

size_t hook_room(const struct attachment *at, size_t command_length)
{
    return at->hook.function ? command_length + 5 : 0;
}

static void call(struct attachment *at, scardmanage_event *event)
{
    event->size = sizeof *event;
    event->session = attachment_session(at);
    at->hook.function(event, at->hook.context);
}

/* Sets the bytes of copy that are secret to 0, and returns their number. command is the command of the caller, or a
 * part of a chain. */
static size_t mask(const struct attachment *at, const uint8_t *command, uint8_t *copy, size_t length)
{
    size_t begin = at->io.secret_offset, end = begin + at->io.secret_length;
    bool is_whole = command == at->buffer;
    if (has_code(command, length) || (at->io.secret_length > 0 && !is_whole && length > 5)) {
        begin = 4; /* with Lc, which says how long a PIN is */
        end = length;
    } else if (!is_whole || at->io.secret_length == 0) {
        return 0;
    }
    memset(copy + begin, 0, end - begin);
    return end - begin;
}

void hook_command(struct attachment *at, const uint8_t *command, size_t length)
{
    scardmanage_event event = {.kind = SCARDMANAGE_EVENT_COMMAND, .length = length};
    if (!at->hook.function)
        return;
    uint8_t *copy = at->buffer + at->io.command_length + at->io.response_capacity;
    memcpy(copy, command, length);
    event.hidden = mask(at, command, copy, length);
    event.bytes = copy;
    call(at, &event);
    platform_wipe(copy, length);
}

void hook_response(struct attachment *at, scardmanage_result result, const uint8_t *response, size_t length,
                   uint64_t start)
{
    scardmanage_event event = {.kind = SCARDMANAGE_EVENT_RESPONSE, .result = result, .bytes = response};
    if (!at->hook.function)
        return;
    event.hidden = at->io.secret_length > 0 && length > 2 ? length - 2 : 0;
    event.bytes += event.hidden;
    event.length = length - event.hidden;
    event.elapsed_us = platform_now_us() - start;
    call(at, &event);
}

void hook_step(struct attachment *at, scardmanage_step step, scardmanage_result result, uint64_t start)
{
    scardmanage_event event = {.kind = SCARDMANAGE_EVENT_STEP, .step = step, .result = result};
    if (!at->hook.function)
        return;
    event.elapsed_us = platform_now_us() - start;
    call(at, &event);
}

scardmanage_result scardmanage_set_hook(scardmanage *m, scardmanage_hook *function, void *context)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->hook.function = function;
    m->hook.context = context;
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}
