/*
 * A card script, read and checked: everything that its table says, in a form that needs no Lua to look at.
 */
#ifndef ICC_SCRIPT_H
#define ICC_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/sandbox.h"
#include "icc/source.h"
#include "iso7816/atr.h"

#define SCRIPT_NAME_MAX 128

/* A function of the script, for handler.h. */
struct script_function {
    int ref;  /* in the registry; LUA_NOREF if there is none */
    int line; /* where it begins, for messages */
};

/* One of the commands. What it points to is in the heap of the sandbox. */
struct script_command {
    const uint8_t *value, *mask; /* the pattern: `len` bytes, compared where the mask has bits */
    size_t len;
    const uint8_t *answer; /* data and status word; NULL if the handler makes it */
    size_t answer_len;
    struct script_function handler;
    int number; /* in the list, from 1 */
};

struct script_atr {
    uint8_t bytes[ATR_MAX];
    size_t len;
};

struct script {
    char name[SCRIPT_NAME_MAX + 1];
    struct script_atr cold, warm;
    uint8_t t1_ifsc; /* 0: not given */
    struct script_function on_power;
    struct script_command *commands; /* in the heap of the sandbox */
    size_t command_count;
};

/*
 * Runs the script in the sandbox and reads the table that it returns. False with one line, "file:line:
 * reason", in `error` when anything is wrong with it.
 */
bool script_load(struct script *script, struct sandbox *sandbox, const struct source *source, char *error,
                 size_t error_size);

/* The first command whose pattern is a prefix of this command APDU; NULL if none is. */
const struct script_command *script_match(const struct script *script, const uint8_t *apdu, size_t len);

#endif
