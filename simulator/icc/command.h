/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command of a card script: its pattern and its answer.
 */
#ifndef CARDRIG_ICC_COMMAND_H
#define CARDRIG_ICC_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "icc/pattern.h"

/* A Lua function of the script; handler.h calls it. */
struct script_function {
    int ref;  /* in the Lua registry; LUA_NOREF: no function */
    int line; /* where the function begins, for messages */
};

/* One entry of the script's list of commands. Its pointers point into the heap of the sandbox. */
struct script_command {
    struct pattern pattern;
    const uint8_t *answer; /* data and status word; NULL: the handler answers */
    size_t answer_length;
    struct script_function handler;
    int number; /* position in the list, from 1 */
};

#endif
