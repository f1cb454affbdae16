/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls the functions of a card script.
 */
#ifndef CARDRIG_ICC_HANDLER_H
#define CARDRIG_ICC_HANDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "icc/card.h"
#include "icc/script.h"
#include "iso7816/apdu.h"

/* Calls on_power if the script has it. Returns false with one line, "file:line: reason", in error if the
 * call fails. */
bool handler_power(struct sandbox *sandbox, const struct script_function *on_power, enum card_power how,
                   struct error *error);

/* A command for a handler: length bytes at raw, and the same decoded. */
struct handler_command {
    const uint8_t *raw;
    size_t length;
    struct apdu_command decoded;
};

/*
 * Calls the handler of entry and writes its answer, data and status word, at most capacity bytes, to resp.
 * Returns false with one line in error if there is no answer; resp may have been written to even then.
 */
bool handler_answer(struct sandbox *sandbox, const struct script_command *entry,
                    const struct handler_command *command, uint8_t *resp, size_t capacity,
                    size_t *resp_length, struct error *error);

#endif
