/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults: what a card does wrong on purpose. A fault is set by its name. It fires at its opportunities: the
 * next one, the next N, or all from the Nth on; or at the Nth command that begins with a pattern. What counts
 * as an opportunity depends on the fault; faults.md lists this, and what PC/SC reports for each fault.
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

/* The fault skips `skip` opportunities, and then fires at `times`. */
struct fault_count {
    unsigned skip, times;
};

/* A fault for commands that begin with a pattern. */
struct fault_trigger {
    struct fault_count count; /* of matching commands; times 0: this entry is free */
    enum fault fault;
    bool counted; /* the current command has been counted */
    uint8_t value[FAULT_PATTERN_MAX], mask[FAULT_PATTERN_MAX];
    size_t length;
};

struct fault_table {
    struct {
        struct fault_count count;
        bool fresh; /* set since the current command came */
        bool now;   /* a trigger has matched: fires at the next opportunity */
    } set[FAULT_COUNT];
    struct fault_trigger trigger[FAULT_TRIGGER_MAX];
};

/* Any thread may set faults while another one uses the card. All zeros: no faults are set. */
struct faults {
    pthread_mutex_t lock; /* of the table */
    /* Whether the fault may fire. There are many opportunities, and most faults are never set: these need
     * no lock. */
    atomic_bool armed[FAULT_COUNT];
    struct fault_table table;
};

/* Returns the fault of this name, or FAULT_COUNT if there is none. */
enum fault fault_find(const char *name);

/* Returns the name of fault i, counted from 0, or NULL if there is none. */
const char *fault_name(unsigned i);

/* Returns whether the text up to the first '@', '*' or ':' is the name of a fault. */
bool fault_named(const char *text);

/*
 * Sets a fault as the text says: "NAME" once, "NAME*N" N times, "NAME@N" always from the Nth opportunity on,
 * "NAME@N*M" M times from the Nth on. "NAME*0" clears the fault, with and without patterns. With ":PATTERN"
 * at the end only commands that begin with the pattern count; "NAME@N:PATTERN" is then once, at the Nth such
 * command. Returns false with one line in error if the text is wrong or there are too many patterns.
 */
bool faults_set(struct faults *faults, const char *text, struct error *error);

/* Sets the faults of count texts. If one of them fails, none is set. */
bool faults_set_all(struct faults *faults, const char *const *text, size_t count, struct error *error);

/* Returns whether the fault may fire at one of the next opportunities. If not, the caller need not call
 * faults_fire at each of them. Takes no lock. */
bool faults_may_fire(const struct faults *faults, enum fault fault);

/* Counts one opportunity and returns whether the fault fires at it. */
bool faults_fire(struct faults *faults, enum fault fault);

/*
 * faults_command_came: a command has come, and the card will carry it out. faults_command_ran: the card has
 * carried it out. A fault that is set in between is for this command, and so is a fault whose pattern matches
 * it. When the opportunities of faults_fire() have already passed for the command, faults_fire_in_hand()
 * returns whether such a fault fires.
 */
void faults_command_came(struct faults *faults, const uint8_t *apdu, size_t length);
void faults_command_ran(struct faults *faults, const uint8_t *apdu, size_t length);
bool faults_fire_in_hand(struct faults *faults, enum fault fault);

#endif
