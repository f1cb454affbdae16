/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card script, read and checked: the contents of its table as C data, which can be read without Lua.
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

/* as_is"..." in a script puts this before the bytes. They then need not be a valid ATR. */
#define SCRIPT_AS_IS "as is: "

struct script_atr {
    uint8_t bytes[ATR_MAX];
    size_t length;
};

struct script {
    char name[SCRIPT_NAME_MAX + 1];
    struct script_atr cold, warm;
    uint8_t t1_ifsc; /* 0: the script does not give it */
    struct script_function on_power;
    struct script_command *commands; /* in the heap of the sandbox */
    size_t command_count;
    struct match_index index; /* of the commands, for match_command() */
};

/*
 * Runs the script in the sandbox and reads the table that it returns. Returns false with one line,
 * "file:line: reason", in error if anything in the script is wrong.
 */
bool script_load(struct script *script, struct sandbox *sandbox, const struct source *source,
                 struct error *error);

#endif
