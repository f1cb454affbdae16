/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls the functions of a reader script. Any thread may. */
#ifndef CARDRIG_RIG_READER_CALL_H
#define CARDRIG_RIG_READER_CALL_H

#include "icc/antenna.h"
#include "rig/reader_globals.h"
#include "rig/reader_script.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function of the script may ask for so many operations in one call. */
#define READER_OPERATIONS_MAX 1000

/* What a function is told of the slot, and how it reaches card and PIN pad. */
struct reader_slot {
    unsigned number;
    bool present, powered;
    int protocol; /* T, or -1: none is in use */
    const uint8_t *atr;
    size_t atr_length;
    const struct antenna *antenna; /* of a card at an antenna; otherwise NULL */
    /* Carries out what a function asks for. Returns NULL and the response, for which there is room for
     * LINK_MAX_RESPONSE bytes, or why there is none, in a word. The script's lock is not held. */
    const char *(*perform)(void *arg, enum reader_operation operation, const uint8_t *input,
                           size_t input_length, uint8_t *response, size_t *length);
    void *arg;
};

enum reader_result {
    READER_PASSED,   /* the script leaves it to the reader's own code */
    READER_ANSWERED, /* with *length bytes of output */
    READER_REFUSED,  /* the reader does not support it */
    READER_FAILED,   /* there is no answer; an error in the script has been logged */
};

/* Carries out a control code. out has room for capacity bytes. */
enum reader_result reader_call_control(struct reader_script *script, const struct reader_slot *slot,
                                       uint32_t code, const uint8_t *input, size_t input_length, uint8_t *out,
                                       size_t capacity, size_t *length);

/* Shows the script a command before the card gets it. */
enum reader_result reader_call_command(struct reader_script *script, const struct reader_slot *slot,
                                       const uint8_t *command, size_t command_length, uint8_t *out,
                                       size_t capacity, size_t *length);

#endif
