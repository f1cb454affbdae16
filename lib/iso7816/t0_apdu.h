/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How APDUs travel over T=0: ISO/IEC 7816-3:2006, 12.2. These machines lie above the TPDU machines of t0.h
 * and below application and card script, which need not know that there is T=0.
 *
 * Decisions, where the standard leaves room or is silent:
 *
 * - GET RESPONSE and ENVELOPE are interindustry commands, of class 00 with the logical channel of the command
 *   that they serve (ISO/IEC 7816-4:2005, 5.1.1), and without its bits for secure messaging and chaining. A
 *   proprietary class has its channel where the interindustry class without bit 8 has its own
 *   (GlobalPlatform Card Specification 2.3, 11.1.4; ETSI TS 102 221, 10.1.1). GET RESPONSE may be asked to
 *   have another class: cards from before that, such as SIMs with their A0 C0, take only that of the
 *   command.
 * - Case 4 answered 9000: GET RESPONSE with Le follows (12.2.5, case 4S.2). When it brings no data, the
 *   command's 9000 stands, since the command was carried out. 62XX and 63XX are passed on without GET
 *   RESPONSE (case 4S.4).
 * - A response with 61XX is continued by GET RESPONSE until there are Ne bytes; what is left then is
 *   reported by the last 61XX, which is passed on. 6CXX is obeyed once per command; a second one is passed
 *   on.
 * - The Le of a case 4 command, and an Ne of more than 256, do not travel to the card (unless inside
 *   ENVELOPE). They are beside the TPDU in t0_tpdu.ne, so that a card's program behind these machines is
 *   given the command that the application sent, and answers as it does in T=1.
 * - ENVELOPE segments of a case 4E command never leave Le alone in the last one: the card takes the command
 *   for complete (as case 3E) when Lc bytes of data are there and Le has not begun.
 */
#ifndef CARDRIG_ISO7816_T0_APDU_H
#define CARDRIG_ISO7816_T0_APDU_H

#include "apdu.h"
#include "step.h"
#include "t0.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define T0_APDU_RESPONSE_MAX     (APDU_NE_MAX + 2)
#define T0_APDU_INS_GET_RESPONSE 0xC0
#define T0_APDU_INS_ENVELOPE     0xC2

/* TPDUs in a row that bring nothing forward before the interface device gives up; 3 is most in good faith. */
#define T0_APDU_STALL_MAX 8

enum t0_apdu_reason {
    T0_APDU_OK = 0,
    T0_APDU_BAD_COMMAND, /* apdu_decode refuses the command; nothing was sent */
    T0_APDU_BAD_RESULT,  /* a result that t0_ifd cannot have for this TPDU */
    T0_APDU_ENDLESS,     /* the card asks for one command after the other and delivers nothing */
};

/* English text for a reason, static. */
const char *t0_apdu_reason_text(enum t0_apdu_reason reason);

/* The class of GET RESPONSE: 00 to FF, or one of these. */
#define T0_APDU_CLASS_INTERINDUSTRY 0x100 /* see above */
#define T0_APDU_CLASS_OF_COMMAND    0x101 /* likewise, but a proprietary class is used as it is */

/* The class of a GET RESPONSE after a command of class cla. */
uint8_t t0_apdu_response_class(uint16_t which, uint8_t cla);

/*
 * Interface device
 */

struct t0_apdu_ifd {
    enum t0_apdu_reason reason;
    uint8_t response[T0_APDU_RESPONSE_MAX]; /* when done: data, SW1 SW2 */
    size_t response_length;
    /* private */
    int state;
    uint8_t command[APDU_COMMAND_MAX];
    size_t length;
    struct apdu_command apdu; /* into command */
    uint16_t response_class;
    size_t at; /* ENVELOPE: bytes of command sent before this TPDU */
    struct t0_tpdu tpdu;
    bool reissued; /* this TPDU is a repetition after 6CXX */
    bool probing;  /* GET RESPONSE without a 61XX */
    unsigned stalled;
};

/*
 * Begins the exchange of a command APDU of any case, up to APDU_COMMAND_MAX bytes, which is copied.
 * response_class is that of t0_apdu_response_class. From now on *x has pointers into itself and must stay
 * where it is.
 */
void t0_apdu_ifd_start(struct t0_apdu_ifd *x, uint16_t response_class, const uint8_t *command, size_t length);

/*
 * True: *tpdu is to be exchanged next; its data are x's and stay valid until the result. False: it is over,
 * with x->reason T0_APDU_OK and x->response, or with another reason.
 *
 * There are never more than 66,000 * T0_APDU_STALL_MAX TPDUs, and a card in good faith that uses full
 * lengths needs 258 + 256 at most.
 */
bool t0_apdu_ifd_next(struct t0_apdu_ifd *x, struct t0_tpdu *tpdu);

/* What came of that TPDU: data and SW1 SW2. When the exchange failed, the caller just stops. */
void t0_apdu_ifd_result(struct t0_apdu_ifd *x, const uint8_t *bytes, size_t length);

/*
 * Card
 */

struct t0_apdu_icc {
    /* private */
    int state;
    int pending;
    struct t0_tpdu tpdu;               /* the one that gave the command to the script; without data */
    uint8_t command[APDU_COMMAND_MAX]; /* for the script, or what ENVELOPE brought so far */
    size_t command_length;
    size_t enveloped; /* bytes of command that ENVELOPE brought so far */
    uint8_t response[T0_APDU_RESPONSE_MAX];
    size_t data_length; /* of response, without SW1 SW2 */
    size_t taken;
    uint8_t answer[T0_RESULT_MAX];
    size_t answer_length;
};

/* After each reset of the card: nothing is pending. */
void t0_apdu_icc_reset(struct t0_apdu_icc *x);

/*
 * Whether the direction of a TPDU with this header is clear without knowing the card's commands: GET RESPONSE
 * and a command after 6CXX while a response waits, ENVELOPE with data. Otherwise false, *direction is not
 * written.
 */
bool t0_apdu_icc_direction(const struct t0_apdu_icc *x, const uint8_t header[T0_HEADER_SIZE],
                           enum t0_direction *direction);

/*
 * Takes a TPDU as t0_icc received it (tpdu->length must be P3 to the card, 0 from it; otherwise the answer is
 * 6700). Then t0_apdu_icc_next has one of two steps, which it repeats until the next call of another
 * function:
 *   STEP_PROCESS  step.bytes is a command APDU for the script; its response goes to t0_apdu_icc_answer
 *   STEP_DONE     step.bytes is the answer for t0_icc_answer
 *
 * - A command is given in its shortest form with the Ne of the TPDU; or as ENVELOPE brought it (more than 255
 *   bytes of data).
 * - Case 2 with fewer than P3 bytes to return: 6CXX, and the same header with P3=XX gets the response. With
 *   more: P3 bytes and 61XX.
 * - Data to return after case 1, 3 or 4: 61XX. GET RESPONSE (INS C0, P1 P2 0000, of any class) gets up to P3
 *   bytes, and 61XX while there are more; 6CXX when P3 is over what is left.
 * - A status of 9000 without data after case 3: GET RESPONSE gets the same status, since a case 4 of the
 *   interface device looks like this. So a script sees no GET RESPONSE right after its 9000.
 * - ENVELOPE (INS C2, P1 P2 0000, interindustry class) whose data begin an extended command with over 255
 *   bytes of data begins a reassembly: 9000 until it is complete. What cannot be such a command: 6700. Any
 *   other ENVELOPE is for the script.
 * - Any other command drops what is pending. The script sees each command once.
 * - A status word without data passes unchanged, 61XX and 6CXX too; GET RESPONSE after it is for the script.
 */
void t0_apdu_icc_command(struct t0_apdu_icc *x, const struct t0_tpdu *tpdu);
void t0_apdu_icc_next(struct t0_apdu_icc *x, struct step *step);

/*
 * The script's response, which is copied: 0 to 65,536 bytes of data, SW1 SW2. False, and nothing happens,
 * when no command waits for it or it has another length.
 */
bool t0_apdu_icc_answer(struct t0_apdu_icc *x, const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
