/* SPDX-License-Identifier: BSD-3-Clause */
/* What there is to know of an Answer-to-Reset, for whatever form it is put out in. Clauses are those of
 * ISO/IEC 7816-3:2006. */
#ifndef CARDRIG_CLI_ATR_ANALYSIS_H
#define CARDRIG_CLI_ATR_ANALYSIS_H

#include "iso7816/atr.h"
#include "iso7816/timing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An ATR and what atr_parse said about it. */
struct analysis {
    const uint8_t *bytes; /* all of them, also those that are too many for atr.raw; the caller's */
    size_t length;
    struct atr atr;
    struct atr_error error;
    bool decoded; /* atr is complete: atr_is_decoded */
};

/* Something that takes the bytes one after the other, each with its name, its place and its meaning. The
 * texts are there only until it returns. */
typedef void analysis_byte_function(void *arg, const char *name, size_t position, uint8_t value,
                                    const char *meaning);

/* Gives function, with arg, TS, T0 and the interface bytes, as far as they were read. */
void analysis_each_byte(const struct analysis *analysis, analysis_byte_function *function, void *arg);

/* With the F and D of atr: those that TA1 offers, or the default ones. */
double analysis_cycles_per_etu(const struct atr *atr);

/* What may be done to the clock: "the clock ...". The text is constant. */
const char *analysis_clock_stop_text(enum atr_clock_stop clock_stop);

/* For a text of analysis_classes_text, with its NUL. */
#define ANALYSIS_TEXT_SIZE 200

/* The classes of operating conditions, of atr.classes: "class A (5 V), B (3 V)"; "" if there are none. */
void analysis_classes_text(uint8_t classes, char out[ANALYSIS_TEXT_SIZE]);

/* The historical bytes: Latin letters, digits and the like; a dot for any other byte. */
void analysis_historical_text(const struct atr *atr, char text[ATR_HISTORICAL_MAX + 1]);

/*
 * Only of what is decoded
 */

/* Where TCK is or would be. */
size_t analysis_tck_position(const struct atr *atr);

/* The TCK that is right for the bytes before it. */
uint8_t analysis_tck_expected(const struct atr *atr);

/* "right", "wrong", "missing", "unexpected" (there, though only T=0 is offered) or "not needed".
 * The text is constant. */
const char *analysis_tck_verdict(const struct analysis *analysis);

/* The first position that does not belong to the ATR. */
size_t analysis_end_position(const struct atr *atr);

/* Whether a protocol, 0 to 15, is offered. */
bool analysis_offers(const struct atr *atr, unsigned protocol);

/* Whether the parameters of a protocol matter: TA2 can name one that is not offered. */
bool analysis_concerns(const struct atr *atr, unsigned protocol);

/* F and D, and the times that follow from them. */
struct times {
    uint16_t f;
    uint8_t d;
    struct timing timing;
};

#define TIMES_MAX 2 /* that analysis_find_times can find */

/*
 * For every F and D that may be in force after this ATR: those of TA1, and in negotiable mode first the
 * default ones, without a PPS exchange. None when they are implicit. Returns how many.
 */
size_t analysis_find_times(const struct atr *atr, struct times out[TIMES_MAX]);

#endif
