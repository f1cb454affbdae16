/* SPDX-License-Identifier: BSD-3-Clause */
/* The analysis of an Answer-to-Reset, independent of the output format. Clauses are those of
 * ISO/IEC 7816-3:2006. */
#ifndef CARDRIG_CLI_ATR_ANALYSIS_H
#define CARDRIG_CLI_ATR_ANALYSIS_H

#include "iso7816/atr.h"
#include "iso7816/timing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An ATR and the result of atr_parse. */
struct analysis {
    const uint8_t *bytes; /* all bytes, including those that do not fit in atr.raw; owned by the caller */
    size_t length;
    struct atr atr;
    struct atr_error error;
    bool decoded; /* every field of atr is set, see atr_is_decoded */
};

/* Called once for each byte, in order, with the byte's name ("TA1"), position, value and meaning. The strings
 * are valid only during the call. */
typedef void analysis_byte_function(void *arg, const char *name, size_t position, uint8_t value,
                                    const char *meaning);

/* Calls function with arg for TS, T0 and the interface bytes, as far as they were parsed. */
void analysis_each_byte(const struct analysis *analysis, analysis_byte_function *function, void *arg);

/* Returns F/D, with the F and D that TA1 offers or their default values. */
double analysis_cycles_per_etu(const struct atr *atr);

/* Returns a static text, "the clock ...", which says whether and in which state the clock may be stopped. */
const char *analysis_clock_stop_text(enum atr_clock_stop clock_stop);

/* The size of a text of analysis_classes_text, with its NUL. */
#define ANALYSIS_TEXT_SIZE 200

/* Writes the classes of operating conditions in atr.classes: "class A (5 V), B (3 V)", or "" if it has
 * none. */
void analysis_classes_text(uint8_t classes, char out[ANALYSIS_TEXT_SIZE]);

/* Writes the historical bytes as text, with a dot for each byte that is not printable ASCII. */
void analysis_historical_text(const struct atr *atr, char text[ATR_HISTORICAL_MAX + 1]);

/*
 * The functions below require analysis.decoded
 */

/* Returns the position of TCK, whether or not it is present. */
size_t analysis_tck_position(const struct atr *atr);

/* Returns the correct TCK for the bytes before it. */
uint8_t analysis_tck_expected(const struct atr *atr);

/* Returns the static text "right", "wrong", "missing", "unexpected" (present, although only T=0 is offered)
 * or "not needed". */
const char *analysis_tck_verdict(const struct analysis *analysis);

/* Returns the first position after the ATR. */
size_t analysis_end_position(const struct atr *atr);

/* Returns whether the ATR offers protocol T=0 to T=15. */
bool analysis_offers(const struct atr *atr, unsigned protocol);

/* Returns whether the parameters of a protocol apply to the card. This also holds for a protocol that TA2
 * names but that no TD offers. */
bool analysis_concerns(const struct atr *atr, unsigned protocol);

/* F and D, and the resulting times. */
struct times {
    uint16_t f;
    uint8_t d;
    struct timing timing;
};

#define TIMES_MAX 2 /* the most entries that analysis_find_times writes */

/*
 * Writes the times for every F and D that may be in force after this ATR, and returns their number. In
 * negotiable mode these are first the default values, for a card without a PPS exchange, and then the values
 * of TA1, if they differ. In specific mode these are the values of TA1, or none if the parameters are
 * implicit.
 */
size_t analysis_find_times(const struct atr *atr, struct times out[TIMES_MAX]);

#endif
