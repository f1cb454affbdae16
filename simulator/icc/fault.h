/*
 * Faults: what a card does wrong on purpose. A fault is set by its name and fires at its opportunities: at
 * the next one, at the next N, or from the Nth on. What an opportunity is depends on the fault; faults.md has
 * them all, with what PC/SC reports.
 */
#ifndef ICC_FAULT_H
#define ICC_FAULT_H

#include <stdbool.h>
#include <stddef.h>

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

#define FAULT_ALWAYS 0xFFFFFFFFu

struct faults {
    struct {
        unsigned skip, times; /* opportunities to let pass, and then to take */
    } set[FAULT_COUNT];
};

/* The fault of this name; FAULT_COUNT: there is none. */
enum fault fault_find(const char *name);
const char *fault_name(enum fault fault);

/*
 * Sets a fault as text says: "NAME" once, "NAME*N" N times, "NAME@N" from the Nth opportunity on, "NAME@N*M"
 * M times from the Nth on; "NAME*0" no more. False with a line in error.
 */
bool faults_set(struct faults *faults, const char *text, char *error, size_t error_size);

/* At an opportunity: whether the fault fires. */
bool faults_fire(struct faults *faults, enum fault fault);

#endif
