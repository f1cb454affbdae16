/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protocol and parameters selection: ISO/IEC 7816-3:2006, clause 9.
 *
 * Request and response have the same form: PPSS (FF), PPS0 (presence of the next three, and T), PPS1 (Fi and
 * Di as in TA1), PPS2 (use of SPU), PPS3 (reserved), PCK (the exclusive-or of all is 0). An exchange may only
 * come right after an ATR in negotiable mode; it runs with F=372, D=1.
 *
 * Two machines, pps_ifd and pps_icc, are used as step.h says.
 */
#ifndef CARDRIG_ISO7816_PPS_H
#define CARDRIG_ISO7816_PPS_H

#include "atr.h"
#include "step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PPS_MAX  6
#define PPS_PPSS 0xFF

/* Bits of PPS0 (9.2). */
#define PPS_PPS1 0x10u
#define PPS_PPS2 0x20u
#define PPS_PPS3 0x40u

enum pps_reason {
    PPS_OK = 0,
    PPS_MUTE,             /* not one byte came within the initial waiting time */
    PPS_TRUNCATED,        /* some came, and then no more */
    PPS_PARITY,           /* a character with wrong parity */
    PPS_NOT_PPSS,         /* the first byte is not FF */
    PPS_RFU,              /* bit 8 of PPS0 is not 0 */
    PPS_BAD_PCK,          /* the exclusive-or of all bytes is not 0 */
    PPS_TOO_LONG,         /* bytes follow PCK */
    PPS_PROTOCOL_CHANGED, /* the response names another protocol than the request */
    PPS_PPS1_CHANGED,     /* PPS1 is neither left out nor the one requested; or is there uncalled for */
    PPS_PPS2_CHANGED,     /* likewise */
    PPS_PPS3_CHANGED,     /* likewise */
    PPS_BAD_REQUEST,      /* asked for: a protocol over 14 or reserved values in PPS1 */
    PPS_REFUSED,          /* card side: this card does not answer the request */
};

struct pps {
    uint8_t protocol;         /* T, 0..15 */
    uint8_t present;          /* PPS_PPS1.. */
    uint8_t pps1, pps2, pps3; /* 0 when not present */
};

/* What is in force after a successful exchange. */
struct pps_outcome {
    uint8_t protocol;
    uint16_t f; /* 372 and 1 when there is no PPS1 in the response */
    uint8_t d;
    uint8_t spu; /* PPS2; 0 when not in the response: SPU is not used */
};

/* English text for a reason, static. */
const char *pps_reason_text(enum pps_reason reason);

/*
 * Writes request or response with its PCK; returns the length, 3 to 6. The protocol is cut to four bits,
 * present to the three defined. ISO/IEC 7816-3:2006, 9.2.
 */
size_t pps_build(const struct pps *pps, uint8_t out[PPS_MAX]);

/*
 * How many bytes are still to come after the first length ones: exactly when PPS0 is among them, otherwise at
 * least. 0: complete. Only PPS0 is looked at.
 */
size_t pps_missing(const uint8_t *bytes, size_t length);

/*
 * Reads a whole request or response. Checked in this order: PPS_NOT_PPSS, PPS_TRUNCATED, PPS_TOO_LONG,
 * PPS_BAD_PCK, PPS_RFU. *out is all zero unless PPS_OK. ISO/IEC 7816-3:2006, 9.2.
 */
enum pps_reason pps_parse(const uint8_t *bytes, size_t length, struct pps *out);

/*
 * Whether a response makes the exchange successful, ISO/IEC 7816-3:2006, 9.3: it names the protocol of the
 * request, and each of PPS1 to PPS3 is what was requested or left out. Leaving out PPS1 chooses F=372, D=1.
 *
 * PPS_OK fills *out. Otherwise PPS_..._CHANGED, or PPS_BAD_REQUEST for an echoed PPS1 with reserved values,
 * and *out is all zero; the interface device shall then deactivate the contacts (9.1).
 */
enum pps_reason pps_judge(const struct pps *request, const struct pps *response, struct pps_outcome *out);

/*
 * Interface device
 */

struct pps_ifd {
    enum pps_reason reason;     /* after STEP_FAILED */
    struct pps_outcome outcome; /* after STEP_DONE */
    /* private */
    int state;
    uint32_t guard;
    struct pps request;
    uint8_t bytes[PPS_MAX]; /* request, then response */
    size_t length;
};

/*
 * Begins an exchange: the request, and the guard time of the interface device (timing.h). Steps: SEND,
 * RECEIVE with 9600 etu per character, then DONE with the bytes of the response and x->outcome, or FAILED
 * with x->reason. A response is read to its end before it is judged, unless it begins with something else
 * than FF or has a parity error. PPS_BAD_REQUEST fails at once.
 */
void pps_ifd_start(struct pps_ifd *x, const struct pps *request, uint32_t guard);
void pps_ifd_next(struct pps_ifd *x, struct step *step);
/* What a STEP_RECEIVE brought (step.h); at any other time these do nothing. */
void pps_ifd_bytes(struct pps_ifd *x, const uint8_t *bytes, size_t count, bool parity_ok);
void pps_ifd_byte(struct pps_ifd *x, uint8_t byte, bool parity_ok);
void pps_ifd_timeout(struct pps_ifd *x);

/*
 * Card
 */

/* What a card says to a request. */
enum pps_answer {
    PPS_ACCEPT,          /* the same bytes; but a PPS1 with reserved values is left out */
    PPS_ACCEPT_DEFAULTS, /* PPS1 is left out: the protocol yes, F and D no */
    PPS_REFUSE,          /* nothing: clause 9 has no answer that says no, so refusing is being mute (9.1) */
};

struct pps_icc {
    enum pps_reason reason;     /* after STEP_FAILED */
    struct pps request;         /* from STEP_PROCESS on */
    struct pps_outcome outcome; /* after STEP_DONE */
    /* private */
    int state;
    uint8_t bytes[PPS_MAX]; /* request, then response */
    size_t length;
};

/*
 * Begins to wait, without limit, for the first character after an ATR. Steps: RECEIVE until the request is
 * complete, PROCESS with its bytes, SEND, then DONE with the bytes of the response: from now on x->outcome is
 * in force. An erroneous request is not answered (9.1).
 *
 * FAILED with PPS_NOT_PPSS is no mistake: the interface device wants no PPS, and the byte that went in is the
 * first one of the first protocol offered. After any other reason the card waits for a reset.
 */
void pps_icc_start(struct pps_icc *x);
void pps_icc_next(struct pps_icc *x, struct step *step);
void pps_icc_bytes(struct pps_icc *x, const uint8_t *bytes, size_t count, bool parity_ok);
void pps_icc_byte(struct pps_icc *x, uint8_t byte, bool parity_ok);
void pps_icc_timeout(struct pps_icc *x);
/* The card's decision, after STEP_PROCESS; at any other time it does nothing. */
void pps_icc_answer(struct pps_icc *x, enum pps_answer answer);

/*
 * What a card with this ATR should answer: REFUSE for a protocol that it does not offer, ACCEPT_DEFAULTS for
 * F or D outside of what lies between the default values and those of TA1 (9.2), otherwise ACCEPT.
 */
enum pps_answer pps_policy(const struct pps *request, const struct atr *atr);

#ifdef __cplusplus
}
#endif

#endif
