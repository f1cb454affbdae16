/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transport of APDUs by T=0: ISO/IEC 7816-3:2006, 12.2. These machines are above the TPDU machines of t0.h,
 * and below the application and the card script, neither of which needs to know T=0.
 *
 * Decisions where the standard leaves a choice or says nothing:
 *
 * - GET RESPONSE and ENVELOPE are interindustry commands. They have class 00 with the logical channel of
 *   the command that they serve (ISO/IEC 7816-4:2005, 5.1.1), and without its bits for secure messaging and
 *   chaining. A proprietary class codes its channel as the interindustry class without bit 8 does
 *   (GlobalPlatform Card Specification 2.3, 11.1.4; ETSI TS 102 221, 10.1.1). A caller may choose another
 *   class for GET RESPONSE: older cards, such as SIMs with their A0 C0, accept only that of the command.
 *
 * - After a case 4 command with status 9000, GET RESPONSE with Le follows (12.2.5, case 4S.2). If it brings
 *   no data, the result is the command's 9000, because the command was carried out. 62XX and 63XX are
 *   passed on without GET RESPONSE (case 4S.4).
 *
 * - After 61XX, GET RESPONSE fetches more data until there are Ne bytes. If the card has more than that,
 *   its last 61XX is passed on and tells how much. 6CXX is obeyed once per TPDU; a second one is passed on.
 *
 * - The Le of a case 4 command, and an Ne of more than 256, are not sent to the card, unless inside
 *   ENVELOPE. They are passed beside the TPDU, in t0_tpdu.ne. A card's program behind these machines thus
 *   gets the command that the application sent, and answers as it does in T=1.
 *
 * - The last ENVELOPE segment of a case 4E command never consists of Le alone: the card takes the command
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

#define T0_APDU_RESPONSE_MAX     (APDU_NE_MAX + 2)
#define T0_APDU_INS_GET_RESPONSE 0xC0
#define T0_APDU_INS_ENVELOPE     0xC2

/* TPDUs in a row without progress after which the interface device fails; a correct card needs 3 at
 * most. */
#define T0_APDU_STALL_MAX 8

enum t0_apdu_reason {
    T0_APDU_OK = 0,
    T0_APDU_BAD_COMMAND, /* apdu_decode rejects the command; nothing was sent */
    T0_APDU_BAD_RESULT,  /* a result that t0_ifd cannot return for this TPDU */
    T0_APDU_ENDLESS,     /* the card asks for one command after the other without delivering data */
};

/* Returns English text for a reason, as a static string. */
const char *t0_apdu_reason_text(enum t0_apdu_reason reason);

/* The class of GET RESPONSE: 00 to FF, or one of these. */
#define T0_APDU_CLASS_INTERINDUSTRY 0x100 /* interindustry; see the top of this file */
#define T0_APDU_CLASS_OF_COMMAND    0x101 /* the same, but a proprietary class is used unchanged */

/* Returns the class of a GET RESPONSE after a command of class cla. For which, see above. */
uint8_t t0_apdu_response_class(uint16_t which, uint8_t cla);

/*
 * Interface device
 */

struct t0_apdu_ifd {
    enum t0_apdu_reason reason;
    uint8_t response[T0_APDU_RESPONSE_MAX]; /* after T0_APDU_OK: data, SW1 SW2 */
    size_t response_length;
    /* private */
    int state;
    uint8_t command[APDU_COMMAND_MAX];
    size_t length;
    struct apdu_command apdu; /* points into command */
    uint16_t response_class;
    size_t at; /* ENVELOPE: bytes of command sent before this TPDU */
    struct t0_tpdu tpdu;
    bool reissued; /* this TPDU is a repetition after 6CXX */
    bool probing;  /* GET RESPONSE without a preceding 61XX */
    unsigned stalled;
};

/*
 * Starts the exchange of a command APDU of any case, of up to APDU_COMMAND_MAX bytes, which is copied.
 * response_class is the which of t0_apdu_response_class. From now on *ifd contains pointers into itself, so
 * it must not be moved.
 */
void t0_apdu_ifd_start(struct t0_apdu_ifd *ifd, uint16_t response_class, const uint8_t *command,
                       size_t length);

/*
 * Returns true, with the TPDU to exchange next in *tpdu. Its data belong to ifd and stay valid until the
 * result. Returns false when the exchange is over: ifd->reason is T0_APDU_OK and ifd->response is the
 * response, or ifd->reason says why it failed.
 *
 * There are never more than 66,000 * T0_APDU_STALL_MAX TPDUs. A correct card that uses full lengths needs
 * 258 + 256 at most.
 */
bool t0_apdu_ifd_next(struct t0_apdu_ifd *ifd, struct t0_tpdu *tpdu);

/* Takes the result of that TPDU: data and SW1 SW2. If exchanging the TPDU failed, the caller simply
 * stops. */
void t0_apdu_ifd_result(struct t0_apdu_ifd *ifd, const uint8_t *bytes, size_t length);

/*
 * Card
 */

struct t0_apdu_icc {
    /* private */
    int state;
    int pending;
    struct t0_tpdu tpdu;               /* the TPDU that completed the script's command; without data */
    uint8_t command[APDU_COMMAND_MAX]; /* for the script, or what ENVELOPE has brought so far */
    size_t command_length;
    size_t enveloped; /* bytes of command that ENVELOPE has brought so far */
    uint8_t response[T0_APDU_RESPONSE_MAX];
    size_t data_length; /* of response, without SW1 SW2 */
    size_t taken;
    uint8_t answer[T0_RESULT_MAX];
    size_t answer_length;
};

/* Call this after each reset of the card. Nothing is pending afterwards. */
void t0_apdu_icc_reset(struct t0_apdu_icc *icc);

/*
 * Returns whether the direction of a TPDU with this header is clear without knowledge of the card's
 * commands, and stores it in *direction. It is clear for GET RESPONSE and for a repeated command after 6CXX
 * while a response waits, and for ENVELOPE with data. Otherwise *direction is unchanged.
 */
bool t0_apdu_icc_direction(const struct t0_apdu_icc *icc, const uint8_t header[T0_HEADER_SIZE],
                           enum t0_direction *direction);

/*
 * Takes a TPDU as t0_icc has received it. tpdu->length must be P3 for data to the card, and 0 for data from
 * the card; otherwise the answer is 6700. t0_apdu_icc_next then returns one of two steps, and repeats it
 * until another function is called:
 *
 *   STEP_PROCESS  step.bytes is a command APDU for the script; pass its response to t0_apdu_icc_answer
 *   STEP_DONE     step.bytes is the answer for t0_icc_answer
 *
 * Rules:
 *
 * - The script gets a command in its shortest form with the Ne of the TPDU, or as ENVELOPE has brought it
 *   (more than 255 bytes of data).
 * - A case 2 command with fewer than P3 bytes to return is answered 6CXX, and the same header with P3=XX
 *   gets the response. One with more bytes to return is answered with P3 bytes and 61XX.
 * - If there are data to return after case 1, 3 or 4, the answer is 61XX. GET RESPONSE (INS C0, P1 P2 0000,
 *   of any class) gets up to P3 bytes, and 61XX while there are more. It gets 6CXX if P3 exceeds what is
 *   left.
 * - After a status of 9000 without data in case 3, GET RESPONSE gets the same status, because a case 4
 *   command of the interface device looks like this. A script therefore sees no GET RESPONSE right after
 *   its 9000.
 * - ENVELOPE (INS C2, P1 P2 0000, interindustry class) whose data begin an extended command with more than
 *   255 bytes of data starts a reassembly: the answer is 9000 until the command is complete, and 6700 if it
 *   cannot be such a command. Any other ENVELOPE goes to the script.
 * - Any other command discards what is pending. The script sees each command once.
 * - A status word without data is passed on unchanged, even 61XX and 6CXX. A GET RESPONSE after it goes to
 *   the script.
 */
void t0_apdu_icc_command(struct t0_apdu_icc *icc, const struct t0_tpdu *tpdu);
void t0_apdu_icc_next(struct t0_apdu_icc *icc, struct step *step);

/*
 * Takes the script's response, which is copied: 0 to 65,536 bytes of data, SW1 SW2. Returns false, without
 * effect, if no command waits for it or if it has another length.
 */
bool t0_apdu_icc_answer(struct t0_apdu_icc *icc, const uint8_t *bytes, size_t length);

#endif
