/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card script, read and checked: everything that its table says, in a form that needs no Lua to look at.
 */
#ifndef CARDRIG_ICC_SCRIPT_H
#define CARDRIG_ICC_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "icc/command.h"
#include "icc/match.h"
#include "icc/sandbox.h"
#include "icc/source.h"
#include "iso7816/atr.h"

#define SCRIPT_NAME_MAX 128

/* What as_is"..." of a script puts before the bytes of an ATR that need not be one. */
#define SCRIPT_AS_IS "as is: "

struct script_atr {
    uint8_t bytes[ATR_MAX];
    size_t length;
};

struct script {
    char name[SCRIPT_NAME_MAX + 1];
    struct script_atr cold, warm;
    uint8_t t1_ifsc; /* 0: not given */
    struct script_function on_power;
    struct script_command *commands; /* in the heap of the sandbox */
    size_t command_count;
    struct match_index index; /* of them, for match_command() */
};

/*
 * Runs the script in the sandbox and reads the table that it returns. False with one line, "file:line:
 * reason", in `error` when anything is wrong with it.
 */
bool script_load(struct script *script, struct sandbox *sandbox, const struct source *source,
                 struct error *error);

#endif
