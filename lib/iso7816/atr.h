/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Answer-to-Reset: ISO/IEC 7816-3:2006, clause 8.
 *
 * Bytes are the decoded ones, so TS is 3B (direct convention) or 3F (inverse convention). Positions count
 * from 0, so byte 0 is TS, byte 1 is T0. Interface byte groups count from 1 as in the standard (TA1), hence
 * TAi is group[i - 1].ta.
 */
#ifndef CARDRIG_ISO7816_ATR_H
#define CARDRIG_ISO7816_ATR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATR_MAX            33 /* TS and at most 32 more (8.2.1) */
#define ATR_GROUPS_MAX     31 /* T0 and then nothing but TD bytes */
#define ATR_HISTORICAL_MAX 15
#define ATR_T15            15 /* in TD: no protocol, the next group is global (8.2.3) */
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
    uint8_t present; /* ATR_TA..ATR_TD; bytes not present are 0 */
    uint8_t ta, tb, tc, td;
};

/* What an ATR consists of, without the bytes that follow from the rest (T0, presence bits, TCK). */
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
 * Deviations that real cards have and that leave the ATR readable. Where a value is reserved for future use
 * (RFU), the decoded field keeps its default and the raw one is in the layout.
 */
enum atr_warning {
    ATR_WARN_FI_RFU,         /* TA1: Fi is RFU; f, d and fmax_khz keep the default */
    ATR_WARN_DI_RFU,         /* TA1: Di is RFU; likewise */
    ATR_WARN_TB1_DEPRECATED, /* TB1 is there; to be ignored */
    ATR_WARN_TB2_DEPRECATED, /* TB2 is there; to be ignored */
    ATR_WARN_TA2_RFU,        /* TA2: bits 7 and 6 are not 0 */
    ATR_WARN_TA2_PROTOCOL,   /* TA2 names a protocol that no TD offers */
    ATR_WARN_WI_RFU,         /* TC2 is 00 */
    ATR_WARN_PROTOCOL_RFU,   /* a TD offers one of T=2 to T=13, all reserved */
    ATR_WARN_PROTOCOL_ORDER, /* protocols, T=15 among them, are not in ascending order */
    ATR_WARN_IFSC_RFU,       /* first TA for T=1 is 00 or FF */
    ATR_WARN_BWI_RFU,        /* first TB for T=1: BWI is over 9 */
    ATR_WARN_EDC_RFU,        /* first TC for T=1: bits 8 to 2 are not 0; bit 1 is heeded */
    ATR_WARN_CLASS_RFU,      /* first TA for T=15: no class indicator that is defined */
    ATR_WARNING_COUNT,
};

struct atr {
    uint8_t raw[ATR_MAX];
    size_t length; /* of raw */

    struct atr_layout layout;
    size_t historical_at; /* position of the first historical byte; their number is in the layout */
    bool tck_required;    /* something else than T=0 is named, so a TCK belongs to this ATR (8.2.5) */
    bool tck_present;
    uint8_t tck; /* as received, right or wrong; 0 when not present */

    /* What is offered (8.2.3): T=0 when there is no TD1. T=15 is never among these. */
    uint16_t protocols; /* bit n set: T=n is offered */
    uint8_t protocol_count;
    uint8_t protocol[15];   /* in the order offered, each once */
    uint8_t first_protocol; /* protocol[0], or ATR_NO_PROTOCOL when only T=15 is named */
    bool has_t15;           /* a TD names T=15; it matters for the guard time (8.3) */

    /* Global interface bytes (8.3). */
    uint8_t fi, di;           /* codes of TA1, default 1 and 1; also when RFU */
    uint16_t f;               /* clock rate conversion integer, default 372; never 0 */
    uint8_t d;                /* baud rate adjustment integer, default 1; never 0 */
    uint16_t fmax_khz;        /* highest clock frequency in kHz, default 5000 */
    uint8_t extra_guard_time; /* N of TC1, default 0; 255 has a meaning of its own */
    bool specific;            /* TA2 is there: specific mode; otherwise negotiable mode */
    uint8_t specific_protocol;
    bool mode_changeable;     /* specific mode only: a warm reset may change the mode */
    bool implicit_parameters; /* specific mode only: the etu is not what TA1 says */
    uint8_t classes;          /* ATR_CLASS_A..C, default A */
    enum atr_clock_stop clock_stop;
    uint8_t spu; /* first TB for T=15: use of contact C6, as coded; default 0 (none) */

    /* T=0 (10.2) */
    uint8_t wi; /* waiting time integer, 1..255, default 10 */

    /* T=1 (11.4.2 to 11.4.4), default values also when it is not offered */
    uint8_t ifsc; /* 1..254, default 32 */
    uint8_t cwi;  /* 0..15, default 13 */
    uint8_t bwi;  /* 0..9, default 4 */
    enum atr_edc edc;

    uint32_t warnings;                     /* bit w set: enum atr_warning w applies */
    uint8_t warning_at[ATR_WARNING_COUNT]; /* position of the byte that warning w is first about */
};

enum atr_result {
    ATR_OK = 0,
    /* Not decodable: */
    ATR_EMPTY,
    ATR_BAD_TS,
    ATR_TRUNCATED, /* a byte that was announced is missing; more bytes may complete the ATR */
    ATR_TOO_LONG,  /* over 32 bytes after TS, there or announced */
    /* Against the standard, but fully decoded all the same: */
    ATR_TRAILING,       /* bytes after the end */
    ATR_TCK_UNEXPECTED, /* like ATR_TRAILING, but what trails is one byte that would be the right TCK */
    ATR_TCK_MISSING,
    ATR_T15_FIRST, /* TD1 names T=15 */
    ATR_TCK_WRONG,
};

struct atr_error {
    enum atr_result result;
    size_t position;    /* of the byte at fault, or where the missing one should be */
    const char *reason; /* fixed English text without figures; static */
    const char *clause; /* of ISO/IEC 7816-3:2006, such as "8.2.5"; static */
    /* For the figures in atr_error_text: */
    uint8_t missing; /* ATR_TRUNCATED: ATR_TA..ATR_TD, or 0 for T0 or a historical byte */
    uint8_t group;   /* ATR_TRUNCATED: i of the missing TAi..TDi, or 0 */
    size_t expected; /* TCK that would be right; or number of historical bytes announced */
    size_t found;    /* TS or TCK as received; or number of bytes there */
};

/*
 * Reads an ATR of length bytes. ISO/IEC 7816-3:2006, 8.1 to 8.3, 10.2, 11.4.
 *
 * bytes  may be NULL when length is 0, and must not lie inside *out
 * out    always written; complete when atr_is_decoded(result). After another error it holds what was read
 *        before it, with every field not reached at its default.
 * error  receives what is wrong and where, result ATR_OK when nothing is; may be NULL
 *
 * Checked in this order, the first error wins: ATR_EMPTY, ATR_BAD_TS, ATR_TOO_LONG for length itself,
 * ATR_TRUNCATED or ATR_TOO_LONG byte by byte, ATR_TRAILING, ATR_TCK_UNEXPECTED or ATR_TCK_MISSING,
 * ATR_T15_FIRST, ATR_TCK_WRONG. So after ATR_TCK_WRONG nothing else is wrong, and a caller may choose to
 * accept the ATR.
 *
 * ATR_EMPTY, ATR_TRUNCATED and ATR_TCK_MISSING mean that at least one more byte is to come.
 */
enum atr_result atr_parse(const uint8_t *bytes, size_t length, struct atr *out, struct atr_error *error);

/*
 * How many bytes an ATR has at least that begins with these, its TCK included: more than length as long as
 * it is not complete. For an interface device that receives byte by byte. ISO/IEC 7816-3:2006, 8.2.
 */
size_t atr_announced(const uint8_t *bytes, size_t length);

/* Whether atr_parse fills its struct completely with this result: ATR_OK, ATR_TRAILING to ATR_TCK_WRONG. */
bool atr_is_decoded(enum atr_result result);

/*
 * The protocol that the card uses when nothing is chosen: that of TA2 in specific mode, else the first one
 * offered, which may be ATR_NO_PROTOCOL. ISO/IEC 7816-3:2006, 6.3.1.
 */
uint8_t atr_default_protocol(const struct atr *atr);

/*
 * F and D in force after the ATR when there is no PPS exchange: those of TA1 in specific mode, unless TA2
 * says that they are implicit; else 372 and 1. ISO/IEC 7816-3:2006, 8.3.
 */
void atr_default_speed(const struct atr *atr, uint16_t *f, uint8_t *d);

/*
 * The TCK for an ATR of length bytes from TS to the last byte before TCK: the exclusive-or of all but TS.
 * ISO/IEC 7816-3:2006, 8.2.5. It is 0 for a whole ATR whose TCK is right.
 */
uint8_t atr_check_byte(const uint8_t *bytes, size_t length);

/*
 * One line for people, such as "byte 4: TCK is 12, expected 34 (ISO/IEC 7816-3:2006, 8.2.5)".
 *
 * Returns the length of the whole text without its NUL, like snprintf: cut to fit when that is capacity or
 * more, always ended by a NUL when capacity is not 0.
 */
size_t atr_error_text(const struct atr_error *error, char *buf, size_t capacity);

/* The same for a warning of atr; empty when atr->warnings has no such bit. */
size_t atr_warning_text(const struct atr *atr, enum atr_warning warning, char *buf, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
