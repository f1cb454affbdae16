/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Answer-to-Reset: ISO/IEC 7816-3:2006, clause 8.
 *
 * Bytes are decoded characters, so TS is 3B (direct convention) or 3F (inverse convention). Positions count
 * from 0: byte 0 is TS, byte 1 is T0. Groups of interface bytes count from 1 as in the standard (TA1), so
 * TAi is group[i - 1].ta.
 */
#ifndef CARDRIG_ISO7816_ATR_H
#define CARDRIG_ISO7816_ATR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ATR_MAX            33 /* TS and at most 32 more (8.2.1) */
#define ATR_GROUPS_MAX     31 /* if T0 is followed only by TD bytes */
#define ATR_HISTORICAL_MAX 15
#define ATR_T15            15 /* in TD: not a protocol; the next group is global (8.2.3) */
#define ATR_NO_PROTOCOL    0xFF

enum atr_convention {
    ATR_DIRECT = 0x3B,
    ATR_INVERSE = 0x3F,
};

/* Bits of atr_group.present, as in the high half of T0 and TD (8.2.2). */
#define ATR_TA 0x01u
#define ATR_TB 0x02u
#define ATR_TC 0x04u
#define ATR_TD 0x08u

struct atr_group {
    uint8_t present; /* ATR_TA to ATR_TD; a byte that is not present is 0 */
    uint8_t ta, tb, tc, td;
};

/* The content of an ATR, without the bytes that follow from it (T0, presence bits, TCK). */
struct atr_layout {
    enum atr_convention convention;
    uint8_t group_count; /* groups with at least one byte */
    uint8_t historical_count;
    struct atr_group group[ATR_GROUPS_MAX];
    uint8_t historical[ATR_HISTORICAL_MAX];
};

enum atr_edc {
    ATR_EDC_LRC = 0,
    ATR_EDC_CRC = 1,
};

/* The clock stop indicator X (8.3). */
enum atr_clock_stop {
    ATR_CLOCK_STOP_NONE = 0, /* the clock may not be stopped */
    ATR_CLOCK_STOP_LOW = 1,
    ATR_CLOCK_STOP_HIGH = 2,
    ATR_CLOCK_STOP_ANY = 3,
};

/* The class indicator Y (8.3). */
#define ATR_CLASS_A 0x01u /* 5 V */
#define ATR_CLASS_B 0x02u /* 3 V */
#define ATR_CLASS_C 0x04u /* 1.8 V */

/*
 * Deviations of real cards that leave the ATR readable. If a value is reserved for future use (RFU), the
 * decoded field keeps its default, and the raw value is in the layout.
 */
enum atr_warning {
    ATR_WARN_FI_RFU,         /* TA1: Fi is RFU; f, d and fmax_khz keep the default */
    ATR_WARN_DI_RFU,         /* TA1: Di is RFU; f, d and fmax_khz keep the default */
    ATR_WARN_TB1_DEPRECATED, /* TB1 is present; ignored */
    ATR_WARN_TB2_DEPRECATED, /* TB2 is present; ignored */
    ATR_WARN_TA2_RFU,        /* TA2: bits 7 and 6 are not 0 */
    ATR_WARN_TA2_PROTOCOL,   /* TA2 names a protocol that no TD offers */
    ATR_WARN_WI_RFU,         /* TC2 is 00 */
    ATR_WARN_PROTOCOL_RFU,   /* a TD offers one of T=2 to T=13, which are reserved */
    ATR_WARN_PROTOCOL_ORDER, /* protocols, including T=15, are not in ascending order */
    ATR_WARN_IFSC_RFU,       /* first TA for T=1 is 00 or FF */
    ATR_WARN_BWI_RFU,        /* first TB for T=1: BWI is over 9 */
    ATR_WARN_EDC_RFU,        /* first TC for T=1: bits 8 to 2 are not 0; bit 1 is used */
    ATR_WARN_CLASS_RFU,      /* first TA for T=15: undefined class indicator */
    ATR_WARNING_COUNT,
};

struct atr {
    uint8_t raw[ATR_MAX];
    size_t length; /* of raw */

    struct atr_layout layout;
    size_t historical_at; /* position of the first historical byte; the layout has their number */
    bool tck_required;    /* a protocol other than T=0 is named, so the ATR must have a TCK (8.2.5) */
    bool tck_present;
    uint8_t tck; /* as received, correct or not; 0 if not present */

    /* The protocols offered (8.2.3): T=0 if there is no TD1. T=15 is never one of them. */
    uint16_t protocols; /* bit n set: T=n is offered */
    uint8_t protocol_count;
    uint8_t protocol[15];   /* in the order offered, without repetition */
    uint8_t first_protocol; /* protocol[0], or ATR_NO_PROTOCOL if only T=15 is named */
    bool has_t15;           /* a TD names T=15; it matters for the guard time (8.3) */

    /* Global interface bytes (8.3). */
    uint8_t fi, di;           /* codes in TA1, default 1 and 1; set even if RFU */
    uint16_t f;               /* clock rate conversion integer, default 372; never 0 */
    uint8_t d;                /* baud rate adjustment integer, default 1; never 0 */
    uint16_t fmax_khz;        /* highest clock frequency in kHz, default 5000 */
    uint8_t extra_guard_time; /* N of TC1, default 0; 255 has a special meaning */
    bool specific;            /* TA2 is present: specific mode; otherwise negotiable mode */
    uint8_t specific_protocol;
    bool mode_changeable;     /* specific mode only: a warm reset may change the mode */
    bool implicit_parameters; /* specific mode only: the etu is not the one of TA1 */
    uint8_t classes;          /* ATR_CLASS_A..C, default A */
    enum atr_clock_stop clock_stop;
    uint8_t spu; /* first TB for T=15: use of contact C6, as coded; default 0 (none) */

    /* T=0 (10.2) */
    uint8_t wi; /* waiting time integer, 1..255, default 10 */

    /* T=1 (11.4.2 to 11.4.4); these have their defaults even if T=1 is not offered */
    uint8_t ifsc; /* 1..254, default 32 */
    uint8_t cwi;  /* 0..15, default 13 */
    uint8_t bwi;  /* 0..9, default 4 */
    enum atr_edc edc;

    uint32_t warnings;                     /* bit w set: warning w of enum atr_warning applies */
    uint8_t warning_at[ATR_WARNING_COUNT]; /* position of the first byte that warning w concerns */
};

enum atr_result {
    ATR_OK = 0,
    /* The ATR cannot be decoded: */
    ATR_EMPTY,
    ATR_BAD_TS,
    ATR_TRUNCATED, /* an announced byte is missing; more bytes may complete the ATR */
    ATR_TOO_LONG,  /* more than 32 bytes after TS, present or announced */
    /* The ATR violates the standard, but is fully decoded: */
    ATR_TRAILING,       /* bytes after the end */
    ATR_TCK_UNEXPECTED, /* ATR_TRAILING by one byte, which would be the correct TCK */
    ATR_TCK_MISSING,
    ATR_T15_FIRST, /* TD1 names T=15 */
    ATR_TCK_WRONG,
};

struct atr_error {
    enum atr_result result;
    size_t position;    /* of the wrong byte, or where the missing byte should be */
    const char *reason; /* English text without figures; static */
    const char *clause; /* of ISO/IEC 7816-3:2006, such as "8.2.5"; static */
    /* The figures for atr_error_text: */
    uint8_t missing; /* ATR_TRUNCATED: ATR_TA to ATR_TD, or 0 for T0 or a historical byte */
    uint8_t group;   /* ATR_TRUNCATED: i of the missing TAi..TDi, or 0 */
    size_t expected; /* the correct TCK, or the number of historical bytes announced */
    size_t found;    /* TS or TCK as received, or the number of bytes present */
};

/*
 * Decodes an ATR of length bytes. ISO/IEC 7816-3:2006, 8.1 to 8.3, 10.2, 11.4.
 *
 * bytes  may be NULL if length is 0; must not lie inside *out
 * out    is always written, and is complete if atr_is_decoded(result). After any other error it holds
 *        what was read before the error; all other fields have their defaults.
 * error  receives what is wrong and where, or the result ATR_OK; may be NULL
 *
 * Returns the first error that applies, in this order: ATR_EMPTY, ATR_BAD_TS, ATR_TOO_LONG for length
 * itself, ATR_TRUNCATED or ATR_TOO_LONG byte by byte, ATR_TRAILING, ATR_TCK_UNEXPECTED or ATR_TCK_MISSING,
 * ATR_T15_FIRST, ATR_TCK_WRONG. So after ATR_TCK_WRONG nothing else is wrong, and a caller may accept the
 * ATR.
 *
 * After ATR_EMPTY, ATR_TRUNCATED and ATR_TCK_MISSING, at least one more byte must follow.
 */
enum atr_result atr_parse(const uint8_t *bytes, size_t length, struct atr *out, struct atr_error *error);

/*
 * Returns the minimum length of an ATR that begins with these bytes, including its TCK. The result is
 * greater than length until the ATR is complete. For an interface device that receives byte by byte.
 * ISO/IEC 7816-3:2006, 8.2.
 */
size_t atr_announced(const uint8_t *bytes, size_t length);

/* Returns whether atr_parse fills its struct completely with this result: ATR_OK, ATR_TRAILING to
 * ATR_TCK_WRONG. */
bool atr_is_decoded(enum atr_result result);

/*
 * Returns the protocol that the card uses without a PPS exchange: the one of TA2 in specific mode,
 * otherwise the first one offered, which may be ATR_NO_PROTOCOL. ISO/IEC 7816-3:2006, 6.3.1.
 */
uint8_t atr_default_protocol(const struct atr *atr);

/*
 * Stores the F and D that are in force after the ATR without a PPS exchange: those of TA1 in specific mode,
 * unless TA2 says that they are implicit; otherwise 372 and 1. ISO/IEC 7816-3:2006, 8.3.
 */
void atr_default_speed(const struct atr *atr, uint16_t *f, uint8_t *d);

/*
 * Returns the TCK for length bytes from TS to the last byte before TCK: the exclusive-or of all bytes but
 * TS. ISO/IEC 7816-3:2006, 8.2.5. Returns 0 for a whole ATR with a correct TCK.
 */
uint8_t atr_check_byte(const uint8_t *bytes, size_t length);

/*
 * Writes one line for people, such as "byte 4: TCK is 12, expected 34 (ISO/IEC 7816-3:2006, 8.2.5)".
 *
 * Returns the length of the whole text without its NUL, like snprintf. A text whose length is capacity or
 * more is cut off. The text always ends with a NUL unless capacity is 0.
 */
size_t atr_error_text(const struct atr_error *error, char *buf, size_t capacity);

/* The same for a warning of atr. The text is empty if atr->warnings does not have the bit. */
size_t atr_warning_text(const struct atr *atr, enum atr_warning warning, char *buf, size_t capacity);

#endif
