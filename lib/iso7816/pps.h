/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protocol and parameters selection: ISO/IEC 7816-3:2006, clause 9.
 *
 * Request and response have the same form: PPSS (FF), PPS0 (presence of the next three, and T), PPS1 (Fi
 * and Di as in TA1), PPS2 (use of SPU), PPS3 (reserved), PCK (makes the exclusive-or of all bytes 0). An
 * exchange is allowed only right after an ATR in negotiable mode. It uses F=372 and D=1.
 *
 * step.h says how to use the two machines pps_ifd and pps_icc.
 */
#ifndef CARDRIG_ISO7816_PPS_H
#define CARDRIG_ISO7816_PPS_H

#include "atr.h"
#include "step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PPS_MAX  6
#define PPS_PPSS 0xFF

/* Bits of PPS0 (9.2). */
#define PPS_PPS1 0x10u
#define PPS_PPS2 0x20u
#define PPS_PPS3 0x40u

enum pps_reason {
    PPS_OK = 0,
    PPS_MUTE,             /* no byte came within the initial waiting time */
    PPS_TRUNCATED,        /* the message stopped before its end */
    PPS_PARITY,           /* a character with wrong parity */
    PPS_NOT_PPSS,         /* the first byte is not FF */
    PPS_RFU,              /* bit 8 of PPS0 is not 0 */
    PPS_BAD_PCK,          /* the exclusive-or of all bytes is not 0 */
    PPS_TOO_LONG,         /* bytes follow PCK */
    PPS_PROTOCOL_CHANGED, /* the response names another protocol than the request */
    PPS_PPS1_CHANGED,     /* PPS1 is not the one requested, or was not requested */
    PPS_PPS2_CHANGED,     /* the same for PPS2 */
    PPS_PPS3_CHANGED,     /* the same for PPS3 */
    PPS_BAD_REQUEST,      /* the request has a protocol over 14, or reserved bits or values */
    PPS_REFUSED,          /* card side: this card does not answer the request */
};

struct pps {
    uint8_t protocol;         /* T, 0..15 */
    uint8_t present;          /* PPS_PPS1, PPS_PPS2, PPS_PPS3 */
    uint8_t pps1, pps2, pps3; /* 0 when not present */
};

/* The protocol and parameters after a successful exchange. */
struct pps_outcome {
    uint8_t protocol;
    uint16_t f; /* 372 and 1 if the response has no PPS1 */
    uint8_t d;
    uint8_t spu; /* PPS2; 0 if the response has none: SPU is not used */
};

/* Returns English text for a reason, as a static string. */
const char *pps_reason_text(enum pps_reason reason);

/*
 * Writes a request or response with its PCK, and returns its length, 3 to 6. Only four bits of the protocol
 * and the three defined bits of present are used. ISO/IEC 7816-3:2006, 9.2.
 */
size_t pps_build(const struct pps *pps, uint8_t out[PPS_MAX]);

/*
 * Returns how many bytes must follow the first length bytes: the exact number if PPS0 is among them,
 * otherwise the minimum. 0 means that the message is complete. Only PPS0 is looked at.
 */
size_t pps_missing(const uint8_t *bytes, size_t length);

/*
 * Reads a whole request or response. Returns the first of these errors that applies: PPS_NOT_PPSS,
 * PPS_TRUNCATED, PPS_TOO_LONG, PPS_BAD_PCK, PPS_RFU. *out is all zero unless the result is PPS_OK. ISO/IEC
 * 7816-3:2006, 9.2.
 */
enum pps_reason pps_parse(const uint8_t *bytes, size_t length, struct pps *out);

/*
 * Returns whether a response makes the exchange successful, ISO/IEC 7816-3:2006, 9.3. It must name the
 * protocol of the request, and each of PPS1 to PPS3 must be as requested or left out. Leaving out PPS1
 * selects F=372, D=1.
 *
 * Returns PPS_OK and fills *out. Otherwise returns PPS_..._CHANGED, or PPS_BAD_REQUEST for an echoed PPS1
 * with reserved values, and *out is all zero; the interface device shall then deactivate the contacts
 * (9.1).
 */
enum pps_reason pps_check_response(const struct pps *request, const struct pps *response,
                                   struct pps_outcome *out);

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
 * Starts an exchange with this request. guard is the guard time of the interface device in etu (timing.h).
 * Steps: SEND, RECEIVE with 9600 etu per character, then DONE with the bytes of the response and
 * ifd->outcome, or FAILED with ifd->reason. A response is read to its end before it is checked, unless it
 * does not begin with FF or has a parity error. A request that is PPS_BAD_REQUEST fails at once.
 */
void pps_ifd_start(struct pps_ifd *ifd, const struct pps *request, uint32_t guard);
void pps_ifd_next(struct pps_ifd *ifd, struct step *step);
/* Take the result of a STEP_RECEIVE (step.h). At any other time, these functions do nothing. */
void pps_ifd_bytes(struct pps_ifd *ifd, const uint8_t *bytes, size_t count, bool parity_ok);
void pps_ifd_byte(struct pps_ifd *ifd, uint8_t byte, bool parity_ok);
void pps_ifd_timeout(struct pps_ifd *ifd);

/*
 * Card
 */

/* The card's decision on a request. */
enum pps_answer {
    PPS_ACCEPT,          /* echoes the request, but leaves out a PPS1 with reserved values */
    PPS_ACCEPT_DEFAULTS, /* leaves out PPS1: accepts the protocol, but not F and D */
    PPS_REFUSE,          /* does not answer: clause 9 has no negative answer (9.1) */
};

struct pps_icc {
    enum pps_reason reason;     /* after STEP_FAILED */
    struct pps request;         /* valid from STEP_PROCESS on */
    struct pps_outcome outcome; /* after STEP_DONE */
    /* private */
    int state;
    uint8_t bytes[PPS_MAX]; /* request, then response */
    size_t length;
};

/*
 * Starts to wait, without limit, for the first character after an ATR. Steps: RECEIVE until the request is
 * complete, PROCESS with its bytes, SEND, then DONE with the bytes of the response. From then on,
 * icc->outcome is in force. The card does not answer an erroneous request (9.1).
 *
 * FAILED with PPS_NOT_PPSS is not an error: the interface device does not want a PPS exchange, and the byte
 * received is the first one of the first protocol offered. After any other reason, the card waits for a
 * reset.
 */
void pps_icc_start(struct pps_icc *icc);
void pps_icc_next(struct pps_icc *icc, struct step *step);
void pps_icc_bytes(struct pps_icc *icc, const uint8_t *bytes, size_t count, bool parity_ok);
void pps_icc_byte(struct pps_icc *icc, uint8_t byte, bool parity_ok);
void pps_icc_timeout(struct pps_icc *icc);
/* Takes the card's decision after STEP_PROCESS. At any other time, this function does nothing. */
void pps_icc_answer(struct pps_icc *icc, enum pps_answer answer);

/*
 * Returns the answer that a card with this ATR should give: PPS_REFUSE if it does not offer the protocol,
 * PPS_ACCEPT_DEFAULTS if F or D is not between its default value and that of TA1 (9.2), otherwise
 * PPS_ACCEPT.
 */
enum pps_answer pps_policy(const struct pps *request, const struct atr *atr);

#endif
