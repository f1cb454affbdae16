/* SPDX-License-Identifier: BSD-3-Clause */
#include "interface_object.h"

#include <string.h>

/* Room for response data that nobody has asked for, so that such a card still gets its status word across. */
#define UNEXPECTED_DATA_MAX 256

/* Returns the number of the current attachment, or 0 if there is none. */
static uint64_t current_attachment(scardmanage *m)
{
    struct card_mark mark;
    object_get_mark(m, &mark);
    return mark.attachment;
}

scardmanage_result interface_object_create(scardmanage *m, size_t size, struct interface_object **out)
{
    uint64_t attachment = current_attachment(m);
    if (attachment == 0)
        return SCARDMANAGE_E_INVALID_HANDLE;
    struct interface_object *object = allocator_allocate(&m->allocator, size);
    if (!object)
        return SCARDMANAGE_E_OUTOFMEMORY;
    object->m = m;
    object->attachment = attachment;
    object->size = size;
    object_retain(m);
    *out = object;
    return SCARDMANAGE_S_OK;
}

void interface_object_free(struct interface_object *object)
{
    if (!object)
        return;
    scardmanage *m = object->m;
    platform_wipe(object, object->size);
    allocator_release(&m->allocator, object);
    object_release(m);
}

bool interface_object_is_attached(struct interface_object *object)
{
    return current_attachment(object->m) == object->attachment;
}

struct guarded_unit {
    struct interface_object *object;
    scardmanage_unit *unit;
    void *context;
    scardmanage_result loss; /* as in the object, when the unit has returned */
};

/* Another thread may have attached the object to something else while the unit waited for its turn. */
static scardmanage_result run_for_attachment(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct guarded_unit *guarded = context;
    if (current_attachment(m) != guarded->object->attachment)
        return SCARDMANAGE_E_INVALID_HANDLE;
    guarded->object->loss = SCARDMANAGE_S_OK;
    scardmanage_result result = guarded->unit(m, report, guarded->context);
    guarded->loss = guarded->object->loss;
    return result;
}

scardmanage_result interface_object_run(struct interface_object *object, scardmanage_unit *unit,
                                        void *context, bool repeatable)
{
    struct guarded_unit guarded = {object, unit, context, SCARDMANAGE_S_OK};
    if (!interface_object_is_attached(object))
        return SCARDMANAGE_E_INVALID_HANDLE;
    scardmanage_result result =
        scardmanage_run(object->m, run_for_attachment, &guarded, repeatable, NULL, NULL);
    /* the unit of the caller, if this is a part of it, has to decide for itself whether it starts over */
    bool is_lost = result == SCARDMANAGE_E_SESSION_LOST && guarded.loss != SCARDMANAGE_S_OK;
    return is_lost ? guarded.loss : result;
}

void interface_object_set_status_word(struct interface_object *object, uint16_t status_word)
{
    platform_lock(&object->m->mutex);
    object->status_word = status_word;
    platform_unlock(&object->m->mutex);
}

static scardmanage_result read_response(struct interface_object *object, const struct command *command,
                                        const uint8_t *response, size_t response_length, uint8_t *data,
                                        size_t *length)
{
    if (response_length < 2)
        return SCARDMANAGE_E_UNEXPECTED;
    response_length -= 2;
    interface_object_set_status_word(
        object, (uint16_t)(response[response_length] << 8 | response[response_length + 1]));
    if (!data)
        return SCARDMANAGE_S_OK;
    if (response_length > command->expected)
        return SCARDMANAGE_E_UNEXPECTED;
    memcpy(data, response, response_length);
    *length = response_length;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result transmit(struct interface_object *object, const uint8_t *apdu, size_t length,
                                   uint8_t *response, size_t *response_length)
{
    struct card_mark before, after;
    object_get_mark(object->m, &before);
    scardmanage_result result = scardmanage_transmit(object->m, apdu, length, response, response_length);
    object_get_mark(object->m, &after);
    bool may_follow = result == SCARDMANAGE_E_TIMEOUT || result == SCARDMANAGE_E_CANCELLED;
    object->was_sent = may_follow || after.commands != before.commands;
    /* which means something else in the interfaces */
    return result == SCARDMANAGE_E_NOT_TRANSACTED ? SCARDMANAGE_W_UNRESPONSIVE_CARD : result;
}

scardmanage_result interface_object_send(struct interface_object *object, const struct command *command,
                                         uint8_t *data, size_t *length)
{
    const scardmanage_allocator *allocator = &object->m->allocator;
    size_t command_length = command_size(command);
    size_t response_length =
        (command->expected > UNEXPECTED_DATA_MAX ? command->expected : UNEXPECTED_DATA_MAX) + 2;
    if (command_length == 0)
        return SCARDMANAGE_E_INVALIDARG;
    size_t size = command_length + response_length;
    uint8_t *apdu = allocator_allocate(allocator, size);
    if (!apdu)
        return SCARDMANAGE_E_OUTOFMEMORY;
    uint8_t *response = apdu + command_length;
    command_encode(command, apdu);
    scardmanage_result result = transmit(object, apdu, command_length, response, &response_length);
    if (result == SCARDMANAGE_S_OK)
        result = read_response(object, command, response, response_length, data, length);
    platform_wipe(apdu, size);
    allocator_release(allocator, apdu);
    return result;
}

scardmanage_result interface_object_start_over(struct interface_object *object, scardmanage_result result)
{
    if (!outcome_is_loss(result) && !outcome_harder_step_may_cure(result))
        return result;
    object->loss = result;
    return SCARDMANAGE_E_SESSION_LOST;
}

uint16_t interface_object_status_word(struct interface_object *object)
{
    platform_lock(&object->m->mutex);
    uint16_t status_word = object->status_word;
    platform_unlock(&object->m->mutex);
    return status_word;
}
