/* SPDX-License-Identifier: BSD-3-Clause */
/* Units and commands of file access. */
#include "file_access.h"

#include <string.h>

/* How much longer secure messaging may make a command or a response. */
#define SECURE_MESSAGING_MAX 256

scardmanage_result file_run(struct file_call *c, uint32_t allowed_flags, scardmanage_unit *unit,
                            bool is_repeatable)
{
    if (c->flags & ~allowed_flags)
        return SCARDMANAGE_E_INVALIDARG;
    if ((c->flags & SCARDMANAGE_FL_SECURE_MESSAGING) && !c->f->options.wrap)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    c->is_repeatable = is_repeatable || (c->flags & SCARDMANAGE_FL_REPEATABLE);
    return interface_object_run(&c->f->base, unit, c, c->is_repeatable);
}

struct command file_command(const struct file_call *c, uint8_t ins, unsigned p1p2, const uint8_t *data,
                            size_t data_length, size_t expected)
{
    return (struct command){.cla = (uint8_t)c->f->options.cla,
                            .ins = ins,
                            .p1 = (uint8_t)(p1p2 >> 8),
                            .p2 = (uint8_t)p1p2,
                            .data = data,
                            .data_length = data_length,
                            .expected = (uint32_t)expected};
}

uint8_t *file_reserve(struct file_call *c, size_t size)
{
    return allocator_allocate(&c->f->base.m->allocator, size);
}

void file_release(struct file_call *c, uint8_t *memory, size_t size)
{
    if (!memory)
        return;
    platform_wipe(memory, size);
    allocator_release(&c->f->base.m->allocator, memory);
}

void file_bytes_free(struct file_call *c, struct file_bytes *bytes)
{
    file_release(c, bytes->bytes, bytes->size);
    memset(bytes, 0, sizeof *bytes);
}

scardmanage_result file_bytes_grow(struct file_call *c, struct file_bytes *bytes, size_t length)
{
    struct file_bytes larger = {NULL, bytes->length, 2 * bytes->size + length};
    if (bytes->size - bytes->length >= length)
        return SCARDMANAGE_S_OK;
    if (bytes->length > FILE_BYTES_MAX)
        return SCARDMANAGE_E_UNEXPECTED;
    larger.bytes = file_reserve(c, larger.size);
    if (!larger.bytes)
        return SCARDMANAGE_E_OUTOFMEMORY;
    if (bytes->length > 0)
        memcpy(larger.bytes, bytes->bytes, bytes->length);
    file_release(c, bytes->bytes, bytes->size);
    *bytes = larger;
    return SCARDMANAGE_S_OK;
}

/*
 * Secure messaging
 */

static scardmanage_result success_or_failure(scardmanage_result result)
{
    return result > 0 ? SCARDMANAGE_E_FAIL : result;
}

/* Wraps the command, sends it, and unwraps the response, all in one block of memory. */
static scardmanage_result exchange_wrapped(struct file_call *c, const struct command *command,
                                           uint8_t *memory, size_t room, uint8_t **plain,
                                           size_t *plain_length)
{
    const scardmanage_file_options *options = &c->f->options;
    uint8_t *apdu = memory, *wrapped = memory + room, *response = memory + 2 * room;
    size_t wrapped_length = room, response_length = room;
    size_t length = command_encode(command, apdu);
    *plain = memory + 3 * room;
    *plain_length = room;
    scardmanage_result result = success_or_failure(
        options->wrap(options->secure_messaging_context, apdu, length, wrapped, &wrapped_length));
    if (result == SCARDMANAGE_S_OK && (wrapped_length == 0 || wrapped_length > room))
        result = SCARDMANAGE_E_FAIL;
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_transmit(c->f->base.m, wrapped, wrapped_length, response, &response_length);
    if (result == SCARDMANAGE_S_OK)
        result = success_or_failure(options->unwrap(options->secure_messaging_context, response,
                                                    response_length, *plain, plain_length));
    return result == SCARDMANAGE_S_OK && *plain_length > room ? SCARDMANAGE_E_FAIL : result;
}

static scardmanage_result send_wrapped(struct file_call *c, const struct command *command,
                                       struct file_answer *answer)
{
    size_t size = command_size(command);
    size_t room = (size > command->expected ? size : command->expected) + SECURE_MESSAGING_MAX + 2;
    uint8_t *memory = size > 0 ? file_reserve(c, 4 * room) : NULL;
    uint8_t *plain = NULL;
    size_t length = 0;
    if (!memory)
        return size > 0 ? SCARDMANAGE_E_OUTOFMEMORY : SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = exchange_wrapped(c, command, memory, room, &plain, &length);
    if (result == SCARDMANAGE_S_OK && (length < 2 || length - 2 > command->expected))
        result = SCARDMANAGE_E_UNEXPECTED;
    if (result == SCARDMANAGE_S_OK) {
        answer->length = length - 2;
        answer->status_word = (uint16_t)(plain[length - 2] << 8 | plain[length - 1]);
        if (answer->length > 0)
            memcpy(answer->data, plain, answer->length);
        interface_object_set_status_word(&c->f->base, answer->status_word);
    }
    file_release(c, memory, 4 * room);
    return result;
}

/*
 * Commands
 */

static scardmanage_result send_command(struct file_call *c, const struct command *command,
                                       struct file_answer *answer)
{
    answer->length = 0;
    if (c->flags & SCARDMANAGE_FL_SECURE_MESSAGING)
        return send_wrapped(c, command, answer);
    scardmanage_result result =
        interface_object_send(&c->f->base, command, command->expected > 0 ? answer->data : NULL,
                              command->expected > 0 ? &answer->length : NULL);
    answer->status_word = interface_object_status_word(&c->f->base);
    return result;
}

/* After a failure: nobody knows what is selected. Also a unit that is not repeatable starts over if it has changed
 * nothing. */
static scardmanage_result fail(struct file_call *c, scardmanage_result result)
{
    c->f->selected.is_known = false;
    return c->is_repeatable || c->has_changed ? result : interface_object_start_over(&c->f->base, result);
}

scardmanage_result file_send(struct file_call *c, const struct command *command, struct file_answer *answer)
{
    scardmanage_result result = send_command(c, command, answer);
    uint32_t length = answer->status_word & 0xFF ? answer->status_word & 0xFF : 256u;
    bool is_wrong_length = result == SCARDMANAGE_S_OK && (answer->status_word & 0xFF00) == 0x6C00 &&
                           command->expected > 0 && length != command->expected;
    if (is_wrong_length && !(c->flags & SCARDMANAGE_FL_SECURE_MESSAGING)) {
        struct command again = *command;
        again.expected = length;
        result = send_command(c, &again, answer);
    }
    if (result != SCARDMANAGE_S_OK)
        return fail(c, result);
    object_get_mark(c->f->base.m, &c->f->selected.mark);
    return SCARDMANAGE_S_OK;
}

/* Returns whether the command may have been sent. If the call no longer waits, it may even be sent later. */
static bool may_have_been_sent(struct file_call *c, uint64_t commands_before, scardmanage_result result)
{
    struct card_mark mark;
    object_get_mark(c->f->base.m, &mark);
    return result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_TIMEOUT ||
           result == SCARDMANAGE_E_CANCELLED || mark.commands != commands_before;
}

scardmanage_result file_send_change(struct file_call *c, const struct command *command)
{
    struct file_answer answer = {0};
    struct card_mark before;
    object_get_mark(c->f->base.m, &before);
    scardmanage_result result = send_command(c, command, &answer);
    c->has_changed |= may_have_been_sent(c, before.commands, result);
    if (result != SCARDMANAGE_S_OK)
        return fail(c, result);
    object_get_mark(c->f->base.m, &c->f->selected.mark);
    return status_word_result(answer.status_word, STATUS_OF_WRITE);
}
