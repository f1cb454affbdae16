/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers that are Lua scripts, in the sandbox of the cards (icc/sandbox.h): a table that says what the
 * reader is, and functions for control codes and commands. cardrig-reader-script(5) describes the table.
 *
 * All slots of a reader share the script's machine. Any thread may call its functions (reader_call.h); the
 * lock of the script lets one at a time run.
 */
#ifndef CARDRIG_RIG_READER_SCRIPT_H
#define CARDRIG_RIG_READER_SCRIPT_H

#include "base/error.h"
#include "icc/script.h"
#include "rig/pin_pad_options.h"
#include "rig/random.h"
#include "rig/reader_options.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READER_OUTPUT_MAX                                                                                    \
    0x8000 /* the longest output of a control code that a script can declare, in bytes */

/* What the rig provides to a script. Both functions may be called from any thread, and may be NULL. */
struct reader_script_host {
    void *arg;
    void (*log)(void *arg, const char *line);
    void (*random_drawn)(void *arg);
    uint64_t seed; /* of the script's random numbers */
};

/* A change of an entry in a list of tags, lengths and values. */
struct reader_change {
    uint8_t tag;
    bool removed;
    uint8_t length;
    uint8_t value[255];
};

/* What the script says of the list of features, or of properties. */
struct reader_list {
    enum { READER_LIST_OWN, READER_LIST_CHANGED, READER_LIST_WHOLE, READER_LIST_NONE } kind;
    struct reader_change *changes; /* in ascending order of their tags */
    size_t change_count;
    const uint8_t *bytes; /* the whole list */
    size_t length;
};

#define READER_ALL_SLOTS (-1)
#define READER_NO_SLOT   (-2)

/* What the script does for a control code. */
struct reader_code {
    uint32_t code;
    enum { READER_CODE_CALLED, READER_CODE_ANSWERED, READER_CODE_REFUSED } kind;
    struct script_function function;
    const uint8_t *answer;
    size_t answer_length;
};

struct reader_script {
    pthread_mutex_t lock; /* held while the machine runs, and for all fields below */
    struct sandbox *sandbox;
    struct reader_script_host host;
    struct rig_random random;

    /* The rest is read from the script. The pointers point into the heap of the sandbox: not if it is dead. */
    struct script_head head;
    struct reader_list features, properties;
    struct reader_code *codes;
    size_t code_count;
    struct script_function control; /* for codes that are not in the list */
    struct script_function command; /* for each command before the card gets it */
    struct pin_pad_options pin_pad;
    int antenna; /* the number of the slot that has one, READER_ALL_SLOTS or READER_NO_SLOT */
};

/* Returns whether the slot has an antenna instead of contacts. */
bool reader_script_has_antenna(const struct reader_script *script, unsigned slot);

/* No call may be in progress. script may be NULL. */
void reader_script_free(struct reader_script *script);

/* Makes the call in progress, and all later ones, fail soon. */
void reader_script_interrupt(struct reader_script *script);

#endif
