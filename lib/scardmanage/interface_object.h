/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the objects of all interfaces have in common. Such an object keeps the memory of its scardmanage, and
 * belongs to one attachment of it: after that has ended, the functions of the object return E_INVALID_HANDLE.
 */
#ifndef SCARDMANAGE_INTERFACE_OBJECT_H
#define SCARDMANAGE_INTERFACE_OBJECT_H

#include "command.h"
#include "internal.h"

/* The first member of the struct of each interface. */
struct interface_object {
    scardmanage *m;
    uint64_t attachment; /* the number of its attachment */
    size_t size;         /* of the whole struct */
    /* In a unit: */
    bool was_sent;           /* the last command may have reached the card */
    scardmanage_result loss; /* why the unit starts over, or S_OK */
    /* The last one that the card has returned; 0: none yet. Guarded by the mutex of m. */
    uint16_t status_word;
};

/* Creates an object of size bytes, which are 0 except for the members of struct interface_object. Returns
 * E_INVALID_HANDLE if m is not attached. */
scardmanage_result interface_object_create(scardmanage *m, size_t size, struct interface_object **out);
/* Overwrites the memory of the object, which may contain secrets. object may be null. */
void interface_object_free(struct interface_object *object);

/* Returns whether the attachment of the object has not ended. */
bool interface_object_is_attached(struct interface_object *object);

/* Runs a unit with scardmanage_run() and the options of m. Returns E_INVALID_HANDLE, without using the card, if
 * the attachment of the object has ended. */
scardmanage_result interface_object_run(struct interface_object *object, scardmanage_unit *unit,
                                        void *context, bool repeatable);

/* In a unit: sends a command, and sets the status word of the object. Overwrites the copies of the command and
 * the response that it makes.
 *
 *   data    receives the response data, up to command->expected bytes; null if command->expected is 0
 *   length  receives their length; may be null if data is
 *
 * Returns S_OK, whatever the status word is; a result of scardmanage_transmit(); E_INVALIDARG if the command is
 * too long; or E_UNEXPECTED if the card returns no status word, or more data than expected. */
scardmanage_result interface_object_send(struct interface_object *object, const struct command *command,
                                         uint8_t *data, size_t *length);

/* In a unit that has changed nothing on the card yet: returns what the unit returns after this failure. If the
 * session is lost, the unit is then called again. */
scardmanage_result interface_object_start_over(struct interface_object *object, scardmanage_result result);

uint16_t interface_object_status_word(struct interface_object *object);
void interface_object_set_status_word(struct interface_object *object, uint16_t status_word);

#endif
