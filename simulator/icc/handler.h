/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calling the functions of a card script.
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

/* Calls on_power, if the script has it. False with one line, "file:line: reason", in `error` if that fails.
 */
bool handler_power(struct sandbox *sandbox, const struct script_function *on_power, enum card_power how,
                   struct error *error);

/* A command for a handler: `decoded` is what the `length` bytes at `raw` mean. */
struct handler_command {
    const uint8_t *raw;
    size_t length;
    struct apdu_command decoded;
};

/*
 * Calls the handler of `entry`, and takes data and status word as its answer, at most `capacity` bytes.
 * False with one line in `error` if there is no answer; then `resp` may have been written to all the same.
 */
bool handler_answer(struct sandbox *sandbox, const struct script_command *entry,
                    const struct handler_command *command, uint8_t *resp, size_t capacity,
                    size_t *resp_length, struct error *error);

#endif
