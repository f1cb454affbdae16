/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls the functions of a card script.
 */
#ifndef CARDRIG_ICC_HANDLER_H
#define CARDRIG_ICC_HANDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

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
    unsigned channel;
    bool is_secure;
    const struct script_application *application; /* that is selected; NULL: none */
};

/* Pushes the command as a handler gets it, a table. Must run inside a protected call. */
void handler_push_command(lua_State *L, const struct handler_command *command);

enum handler_result {
    HANDLER_ANSWERED,
    HANDLER_PASSED, /* it leaves the command to another one */
    HANDLER_FAILED
};

/*
 * Calls the handler of entry and writes its answer, data and status word, at most capacity bytes, to resp. A
 * handler that returns false passes the command on to the next entry of index that matches the command's bytes at
 * `matched`. index may be NULL: then there is none.
 *
 * Returns HANDLER_PASSED with the entry in *next if that is not a handler, and with NULL if there is none. Returns
 * HANDLER_FAILED with one line in error if there is no answer; resp may have been written to even then.
 */
enum handler_result handler_answer(struct sandbox *sandbox, const struct script_command *entry,
                                   const struct match_index *index, const uint8_t *matched,
                                   const struct handler_command *command, uint8_t *resp, size_t capacity,
                                   size_t *resp_length, const struct script_command **next,
                                   struct error *error);

/* Calls the function for frames, if the script has one, and writes its answer, at most capacity bytes, to resp. Sets
 * *resp_length to 0 if there is none. Returns false with one line in error if the call fails. */
bool handler_frame(struct sandbox *sandbox, const struct script_function *function, const uint8_t *frame,
                   size_t length, uint8_t *resp, size_t capacity, size_t *resp_length, struct error *error);

#endif
