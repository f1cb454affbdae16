/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults: what a card does wrong on purpose. A fault is set by its name and fires at its opportunities: at
 * the next one, at the next N, or from the Nth on; or at the Nth command that begins with a pattern. What an
 * opportunity is depends on the fault; faults.md has them all, with what PC/SC reports.
 */
#ifndef CARDRIG_ICC_FAULT_H
#define CARDRIG_ICC_FAULT_H

#include "base/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault {
    /* at a reset, or at a command */
    FAULT_MUTE,
    FAULT_SLOW,
    /* at a reset */
    FAULT_WRONG_TCK,
    FAULT_OVERLONG_ATR,
    /* at a PPS request */
    FAULT_PPS_REFUSED,
    FAULT_PPS_GARBLED,
    FAULT_PPS_IGNORED,
    /* at a command in T=0 */
    FAULT_NULL_FLOOD,
    FAULT_WRONG_PROCEDURE_BYTE,
    /* at a block that the card sends in T=1 */
    FAULT_WRONG_EDC,
    FAULT_LOST_BLOCK,
    FAULT_WRONG_SEQUENCE_NUMBER,
    /* at a command in T=1 */
    FAULT_WTX,
    FAULT_IFS_CHANGE,
    FAULT_ABORT,
    FAULT_RESYNCHRONISATION,
    FAULT_EMPTY_ANSWER,
    /* at a command */
    FAULT_REMOVAL,
    FAULT_POWER_LOSS,
    FAULT_ONE_BYTE_ANSWER,
    FAULT_OVERLONG_ANSWER,
    /* at a character that the card sends */
    FAULT_PARITY_ERROR,
    FAULT_COUNT
};

#define FAULT_ALWAYS      0xFFFFFFFFu
#define FAULT_PATTERN_MAX 64 /* bytes */
#define FAULT_TRIGGER_MAX 32

/* How many opportunities to let pass, and then to take. */
struct fault_count {
    unsigned skip, times;
};

/* A fault for commands that begin with a pattern. */
struct fault_trigger {
    struct fault_count count; /* of such commands; without times it is free */
    enum fault fault;
    bool counted; /* the command in hand */
    uint8_t value[FAULT_PATTERN_MAX], mask[FAULT_PATTERN_MAX];
    size_t length;
};

struct fault_table {
    struct {
        struct fault_count count;
        bool fresh; /* set while the card carried out the command in hand */
        bool now;   /* a trigger's command has come: fires at the next opportunity */
    } set[FAULT_COUNT];
    struct fault_trigger trigger[FAULT_TRIGGER_MAX];
};

/* Any thread may set faults while the card is at work in another. All zeros is none. */
struct faults {
    pthread_mutex_t lock; /* of the table */
    atomic_bool
        armed[FAULT_COUNT]; /* whether the fault may fire: most never do, and there are many opportunities */
    struct fault_table table;
};

/* The fault of this name; FAULT_COUNT: there is none. */
enum fault fault_find(const char *name);

/* The name of the i-th fault; NULL: there are no more. */
const char *fault_name(unsigned i);

/* Whether a text begins with the name of a fault, and what goes on as faults_set reads it. */
bool fault_named(const char *text);

/*
 * Sets a fault as text says: "NAME" once, "NAME*N" N times, "NAME@N" from the Nth opportunity on, "NAME@N*M"
 * M times from the Nth on; "NAME*0" no more. With ":PATTERN" after it only commands that begin with the
 * pattern count, and "NAME@N:PATTERN" is the Nth of these alone. False with a line in error.
 */
bool faults_set(struct faults *faults, const char *text, struct error *error);

/* The same for a list of texts: all of them are set, or, where one is wrong, none. */
bool faults_set_all(struct faults *faults, const char *const *text, size_t count, struct error *error);

/* Whether the fault may fire, at some opportunity to come: where not, there is no need to ask at each. */
bool faults_may_fire(const struct faults *faults, enum fault fault);

/* At an opportunity: whether the fault fires. */
bool faults_fire(struct faults *faults, enum fault fault);

/*
 * A command has come that the card will carry out; and it has carried it out. The faults that were set in
 * between are for this command, and so are those whose pattern it begins with: where the opportunities that
 * faults_fire() is asked at have passed, faults_fire_in_hand() says whether such a fault fires.
 */
void faults_command_came(struct faults *faults, const uint8_t *apdu, size_t length);
void faults_command_ran(struct faults *faults, const uint8_t *apdu, size_t length);
bool faults_fire_in_hand(struct faults *faults, enum fault fault);

#endif
