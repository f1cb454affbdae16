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
#include "icc/antenna.h"
#include "icc/card_name.h"
#include "icc/command.h"
#include "icc/match.h"
#include "icc/source.h"
#include "iso7816/atr.h"

struct sandbox;

#define SCRIPT_NAME_MAX 128

/* as_is"..." in a script puts this before the bytes. They then need not be a valid ATR. */
#define SCRIPT_AS_IS "as is: "

struct script_atr {
    uint8_t bytes[ATR_MAX];
    size_t length;
};

/* An argument that the script takes. The pointers point into the heap of the sandbox. */
struct script_argument {
    const char *key, *help;
};

/* What scripts of every kind have. */
struct script_head {
    const char *kind; /* "card" or "reader", for messages */
    char name[SCRIPT_NAME_MAX + 1];
    struct script_argument *arguments; /* in alphabetical order, in the heap of the sandbox */
    size_t argument_count;
};

/* A list of commands. */
struct script_list {
    struct script_command *commands; /* in the heap of the sandbox */
    size_t count;
    struct match_index index; /* of the commands, for match_command() */
};

#define SCRIPT_AID_MIN      5
#define SCRIPT_AID_MAX      16
#define SCRIPT_CHANNELS_MAX 19 /* beside the basic one */

struct script_application {
    uint8_t aid[SCRIPT_AID_MAX];
    size_t aid_length;
    struct script_command select; /* the answer to its selection */
    struct script_list list;
    bool is_default; /* selected after a reset */
};

struct script {
    struct script_head head;
    struct script_atr cold, warm; /* of a card with contacts; otherwise both are at_antenna */
    struct antenna antenna;
    struct script_atr
        at_antenna; /* the ATR that contactless readers make; length 0: the card has no antenna */
    bool has_contacts;
    struct script_function frame; /* of a storage card, for frames */
    uint8_t t1_ifsc;              /* 0: the script does not give it */
    struct script_function on_power;
    bool chaining;                           /* chained commands are joined */
    uint32_t ne_without_le;                  /* Ne of a command that has no Le */
    struct script_list list;                 /* those of the card itself */
    struct script_application *applications; /* by AID, in the heap of the sandbox */
    size_t application_count;
    unsigned channels; /* logical channels beside the basic one */
};

/*
 * Runs the script in the sandbox, with the arguments of `given`, and reads the table that it returns. given
 * may be NULL. Returns false with one line, "file:line: reason", in error if anything in the script is wrong.
 */
bool script_load(struct script *script, struct sandbox *sandbox, const struct source *source,
                 const struct card_name *given, struct error *error);

#endif
