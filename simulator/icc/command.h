/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One of a card script's commands: its pattern, and what answers it.
 */
#ifndef CARDRIG_ICC_COMMAND_H
#define CARDRIG_ICC_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "icc/pattern.h"

/* A function of the script, for handler.h. */
struct script_function {
    int ref;  /* in the registry; LUA_NOREF if there is none */
    int line; /* where it begins, for messages */
};

/* One of the commands. What it points to is in the heap of the sandbox. */
struct script_command {
    struct pattern pattern;
    const uint8_t *answer; /* data and status word; NULL if the handler makes it */
    size_t answer_length;
    struct script_function handler;
    int number; /* in the list, from 1 */
};

#endif
