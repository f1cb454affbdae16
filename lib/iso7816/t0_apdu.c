/* SPDX-License-Identifier: BSD-3-Clause */
#include "t0_apdu.h"

#include <string.h>

enum { CLA, INS, P1, P2, P3 };

const char *t0_apdu_reason_text(enum t0_apdu_reason reason)
{
    switch (reason) {
    case T0_APDU_OK:
        return "no error";
    case T0_APDU_BAD_COMMAND:
        return "not a command APDU";
    case T0_APDU_BAD_RESULT:
        return "the result does not fit the TPDU";
    case T0_APDU_ENDLESS:
        return "the card asks for further commands without end";
    }
    return "unknown error";
}

static bool is_interindustry(uint8_t cla)
{
    return (cla & 0xE0) == 0x00 || (cla & 0xC0) == 0x40;
}

/* Returns the interindustry class with the logical channel of cla, without secure messaging (bits 4 and
 * 3 of class 0X, bit 6 of 4X..7X) and chaining (bit 5). ISO/IEC 7816-4:2005, 5.1.1. */
static uint8_t interindustry_class(uint8_t cla)
{
    if (cla == 0xFF) /* not a class */
        return 0x00;
    if ((cla & 0x60) == 0x00)
        return cla & 0x03;
    return cla & 0x40 ? cla & 0x4F : 0x00;
}

uint8_t t0_apdu_response_class(uint16_t which, uint8_t cla)
{
    if (which <= 0xFF)
        return (uint8_t)which;
    return which == T0_APDU_CLASS_OF_COMMAND && !is_interindustry(cla) ? cla : interindustry_class(cla);
}

static uint8_t min_256(size_t n)
{
    return (uint8_t)(n < 256 ? n : 256); /* 256 is coded 00 */
}

static size_t from_256(uint8_t code)
{
    return code == 0 ? 256 : code;
}

/*
 * Interface device
 */

enum { IFD_COMMAND, IFD_ENVELOPE, IFD_GET_RESPONSE, IFD_DONE, IFD_FAILED };

static void ifd_fail(struct t0_apdu_ifd *ifd, enum t0_apdu_reason reason)
{
    ifd->reason = reason;
    ifd->response_length = 0;
    ifd->state = IFD_FAILED;
}

static void ifd_finish(struct t0_apdu_ifd *ifd, uint8_t sw1, uint8_t sw2)
{
    ifd->response[ifd->response_length++] = sw1;
    ifd->response[ifd->response_length++] = sw2;
    ifd->state = IFD_DONE;
}

static void ifd_tpdu(struct t0_apdu_ifd *ifd, uint8_t cla, uint8_t ins, enum t0_direction direction,
                     uint8_t p3)
{
    ifd->tpdu = (struct t0_tpdu){.header = {cla, ins, 0, 0, p3}, .direction = direction};
    ifd->tpdu.ne = direction == T0_FROM_CARD ? (uint32_t)from_256(p3) : 0;
    ifd->reissued = false;
}

/* 12.2.2 to 12.2.8: a command that fits into one TPDU is sent in short form, whatever its own form is. */
static void ifd_command(struct t0_apdu_ifd *ifd)
{
    const struct apdu_command *c = &ifd->apdu;
    enum t0_direction direction = c->nc == 0 && c->ne > 0 ? T0_FROM_CARD : T0_TO_CARD;

    ifd_tpdu(ifd, c->cla, c->ins, direction, direction == T0_FROM_CARD ? min_256(c->ne) : (uint8_t)c->nc);
    ifd->tpdu.header[P1] = c->p1;
    ifd->tpdu.header[P2] = c->p2;
    ifd->tpdu.data = c->data;
    ifd->tpdu.length = c->nc;
    ifd->tpdu.ne = c->ne;
    ifd->state = IFD_COMMAND;
}

static void ifd_envelope(struct t0_apdu_ifd *ifd)
{
    uint8_t cla = interindustry_class(ifd->apdu.cla);
    size_t rest = ifd->length - ifd->at;
    size_t n = rest < 255 ? rest : 255;

    if (ifd->apdu.ne > 0 && rest - n == 2)
        n--; /* do not send Le alone: the card would take the command without it for complete */
    ifd_tpdu(ifd, cla, T0_APDU_INS_ENVELOPE, T0_TO_CARD, (uint8_t)n);
    ifd->tpdu.data = ifd->command + ifd->at;
    ifd->tpdu.length = n;
    ifd->state = IFD_ENVELOPE;
}

static void ifd_get_response(struct t0_apdu_ifd *ifd, size_t available)
{
    size_t wanted = ifd->apdu.ne - ifd->response_length;

    ifd_tpdu(ifd, t0_apdu_response_class(ifd->response_class, ifd->apdu.cla), T0_APDU_INS_GET_RESPONSE,
             T0_FROM_CARD, min_256(available < wanted ? available : wanted));
    ifd->state = IFD_GET_RESPONSE;
}

void t0_apdu_ifd_start(struct t0_apdu_ifd *ifd, uint16_t response_class, const uint8_t *command,
                       size_t length)
{
    ifd->reason = T0_APDU_OK;
    ifd->response_class = response_class;
    ifd->response_length = 0;
    ifd->length = 0;
    ifd->at = 0;
    ifd->reissued = false;
    ifd->probing = false;
    ifd->stalled = 0;
    if (length <= sizeof ifd->command && length > 0) {
        memcpy(ifd->command, command, length);
        ifd->length = length;
    }
    if (apdu_decode(ifd->command, ifd->length, &ifd->apdu, NULL) != APDU_OK)
        ifd_fail(ifd, T0_APDU_BAD_COMMAND);
    else if (ifd->apdu.nc > 255)
        ifd_envelope(ifd);
    else
        ifd_command(ifd);
}

bool t0_apdu_ifd_next(struct t0_apdu_ifd *ifd, struct t0_tpdu *tpdu)
{
    if (ifd->state == IFD_DONE || ifd->state == IFD_FAILED)
        return false;
    *tpdu = ifd->tpdu;
    return true;
}

/* Counts a TPDU without progress. Fails and returns false if there have been too many in a row. */
static bool ifd_may_go_on(struct t0_apdu_ifd *ifd)
{
    if (++ifd->stalled <= T0_APDU_STALL_MAX)
        return true;
    ifd_fail(ifd, T0_APDU_ENDLESS);
    return false;
}

/* Handles an answer to the whole command, or to a GET RESPONSE after it, with n bytes of data. */
static void ifd_answered(struct t0_apdu_ifd *ifd, size_t n, uint8_t sw1, uint8_t sw2)
{
    bool case_4 = ifd->state != IFD_GET_RESPONSE && ifd->apdu.nc > 0 && ifd->apdu.ne > 0;

    if (n > 0)
        ifd->probing = false;
    if (sw1 == 0x6C && n == 0 && ifd->tpdu.direction == T0_FROM_CARD && !ifd->reissued) {
        /* 12.2.3, case 2S.3 */
        if (ifd_may_go_on(ifd)) {
            ifd->tpdu.header[P3] = sw2;
            ifd->tpdu.ne = (uint32_t)from_256(sw2);
            ifd->reissued = true;
        }
    } else if (sw1 == 0x61 && ifd->response_length < ifd->apdu.ne) {
        /* 12.2.5, case 4S.3; 12.2.6, case 2E.2 */
        ifd->probing = false;
        if (n > 0 || ifd_may_go_on(ifd))
            ifd_get_response(ifd, from_256(sw2));
    } else if (case_4 && sw1 == 0x90 && sw2 == 0x00) {
        /* 12.2.5, case 4S.2 */
        ifd->probing = true;
        ifd_get_response(ifd, ifd->apdu.ne);
    } else if (ifd->probing) {
        ifd_finish(ifd, 0x90, 0x00);
    } else {
        ifd_finish(ifd, sw1, sw2);
    }
}

void t0_apdu_ifd_result(struct t0_apdu_ifd *ifd, const uint8_t *bytes, size_t length)
{
    size_t most = ifd->tpdu.direction == T0_FROM_CARD ? from_256(ifd->tpdu.header[P3]) : 0;
    size_t n, room;
    uint8_t sw1, sw2;

    if (ifd->state == IFD_DONE || ifd->state == IFD_FAILED)
        return;
    if (length < 2 || length > most + 2) {
        ifd_fail(ifd, T0_APDU_BAD_RESULT);
        return;
    }
    n = length - 2;
    sw1 = bytes[n];
    sw2 = bytes[n + 1];

    if (ifd->state == IFD_ENVELOPE && ifd->at + ifd->tpdu.length < ifd->length) {
        /* 12.2.7, case 3E.2: any status but 9000 ends the command, such as 6D00 from a card without
         * ENVELOPE */
        ifd->at += ifd->tpdu.length;
        if (sw1 == 0x90 && sw2 == 0x00)
            ifd_envelope(ifd);
        else
            ifd_finish(ifd, sw1, sw2);
        return;
    }

    /* After 6CXX the card may return more than was asked for: the first Ne bytes count (12.2.3, case
     * 2S.3). */
    room = ifd->apdu.ne - ifd->response_length;
    if (n > room)
        n = room;
    if (n > 0) {
        memcpy(ifd->response + ifd->response_length, bytes, n);
        ifd->response_length += n;
        ifd->stalled = 0;
    }
    ifd_answered(ifd, n, sw1, sw2);
}

/*
 * Card
 */

enum { ICC_IDLE, ICC_PROCESS, ICC_ANSWER };

enum {
    PENDING_NOTHING,
    PENDING_RESPONSE, /* data for GET RESPONSE */
    PENDING_REISSUE,  /* data for the same command again, with the right P3 */
    PENDING_STATUS,   /* 9000 to what may be a case 4 command, for GET RESPONSE */
};

void t0_apdu_icc_reset(struct t0_apdu_icc *icc)
{
    icc->state = ICC_IDLE;
    icc->pending = PENDING_NOTHING;
    icc->enveloped = 0;
    icc->command_length = 0;
    icc->data_length = 0;
    icc->taken = 0;
    icc->answer_length = 0;
}

static bool is_instruction(const uint8_t *header, uint8_t ins)
{
    return header[INS] == ins && header[P1] == 0 && header[P2] == 0;
}

static bool is_envelope(const uint8_t *header)
{
    return is_instruction(header, T0_APDU_INS_ENVELOPE) && is_interindustry(header[CLA]);
}

static bool is_for_get_response(const struct t0_apdu_icc *icc, const uint8_t *header)
{
    return (icc->pending == PENDING_RESPONSE || icc->pending == PENDING_STATUS) &&
           is_instruction(header, T0_APDU_INS_GET_RESPONSE);
}

static bool is_for_reissue(const struct t0_apdu_icc *icc, const uint8_t *header)
{
    return icc->pending == PENDING_REISSUE && memcmp(header, icc->tpdu.header, P3) == 0;
}

bool t0_apdu_icc_direction(const struct t0_apdu_icc *icc, const uint8_t header[T0_HEADER_SIZE],
                           enum t0_direction *direction)
{
    if (is_for_get_response(icc, header) || is_for_reissue(icc, header))
        *direction = T0_FROM_CARD;
    else if (is_envelope(header) && (header[P3] > 0 || icc->enveloped > 0))
        *direction = T0_TO_CARD;
    else
        return false;
    return true;
}

/* Appends the status to the n bytes of data in the answer, and ends the answer. */
static void icc_status(struct t0_apdu_icc *icc, size_t n, uint8_t sw1, uint8_t sw2)
{
    icc->answer[n] = sw1;
    icc->answer[n + 1] = sw2;
    icc->answer_length = n + 2;
    icc->state = ICC_ANSWER;
}

static void icc_command_status(struct t0_apdu_icc *icc, size_t n)
{
    icc_status(icc, n, icc->response[icc->data_length], icc->response[icc->data_length + 1]);
}

/* Answers with n bytes of the response, and with its status, or 61XX if bytes are left. Answers 6CXX if
 * there are fewer than n bytes. */
static void icc_deliver(struct t0_apdu_icc *icc, size_t n)
{
    size_t left = icc->data_length - icc->taken;

    if (n > left) {
        icc_status(icc, 0, 0x6C, min_256(left));
        return;
    }
    memcpy(icc->answer, icc->response + icc->taken, n);
    icc->taken += n;
    icc->pending = n < left ? PENDING_RESPONSE : PENDING_NOTHING;
    if (n < left)
        icc_status(icc, n, 0x61, min_256(left - n));
    else
        icc_command_status(icc, n);
}

static void icc_begin_command(struct t0_apdu_icc *icc, const struct t0_tpdu *tpdu)
{
    icc->tpdu = *tpdu;
    icc->tpdu.data = NULL;
    icc->pending = PENDING_NOTHING;
    icc->enveloped = 0;
    icc->state = ICC_PROCESS;
}

/* Returns whether data begin an extended command that does not fit into a TPDU. 7 bytes alone would be a
 * case 2E. */
static bool begins_long_command(const uint8_t *data, size_t length)
{
    return length >= 8 && data[4] == 0 && data[5] != 0;
}

static void icc_envelope(struct t0_apdu_icc *icc, const struct t0_tpdu *tpdu)
{
    struct apdu_command command;
    enum apdu_result result = APDU_TOO_LONG;

    if (tpdu->length > 0 && tpdu->length <= sizeof icc->command - icc->enveloped) {
        memcpy(icc->command + icc->enveloped, tpdu->data, tpdu->length);
        icc->enveloped += tpdu->length;
        result = apdu_decode(icc->command, icc->enveloped, &command, NULL);
    }
    icc->pending = PENDING_NOTHING;
    if (result == APDU_OK) {
        icc->command_length = icc->enveloped;
        icc_begin_command(icc, tpdu);
    } else if (result == APDU_DATA_SHORT || result == APDU_LE_SHORT) {
        icc_status(icc, 0, 0x90, 0x00);
    } else {
        /* Too many data, or none too early: a segment without data says that nothing follows (ISO/IEC
         * 7816-4:2005, 7.6.2). */
        icc->enveloped = 0;
        icc_status(icc, 0, 0x67, 0x00);
    }
}

static void icc_plain(struct t0_apdu_icc *icc, const struct t0_tpdu *tpdu)
{
    const uint8_t *header = tpdu->header;
    struct apdu_command command = {.cla = header[CLA],
                                   .ins = header[INS],
                                   .p1 = header[P1],
                                   .p2 = header[P2],
                                   .data = tpdu->data,
                                   .nc = tpdu->length,
                                   .ne = tpdu->ne <= APDU_NE_MAX ? tpdu->ne : APDU_NE_MAX};

    if (tpdu->direction == T0_FROM_CARD && command.ne < from_256(header[P3]))
        command.ne = (uint32_t)from_256(header[P3]);
    apdu_shortest_case(command.nc, command.ne, &command.kind);
    apdu_encode(&command, icc->command, sizeof icc->command, &icc->command_length);
    icc_begin_command(icc, tpdu);
}

void t0_apdu_icc_command(struct t0_apdu_icc *icc, const struct t0_tpdu *tpdu)
{
    const uint8_t *header = tpdu->header;
    bool from_card = tpdu->direction == T0_FROM_CARD;
    size_t size = t0_tpdu_size(header, tpdu->direction);

    if (tpdu->length != (from_card ? 0 : size)) {
        icc_status(icc, 0, 0x67, 0x00);
    } else if (from_card && is_for_get_response(icc, header)) {
        if (icc->pending == PENDING_RESPONSE) {
            icc_deliver(icc, size);
        } else {
            icc->pending = PENDING_NOTHING;
            icc_command_status(icc, 0);
        }
    } else if (from_card && is_for_reissue(icc, header) && header[P3] == min_256(icc->data_length)) {
        icc_deliver(icc, size);
    } else if (!from_card && is_envelope(header) &&
               (icc->enveloped > 0 || begins_long_command(tpdu->data, tpdu->length))) {
        icc_envelope(icc, tpdu);
    } else {
        icc_plain(icc, tpdu);
    }
}

void t0_apdu_icc_next(struct t0_apdu_icc *icc, struct step *step)
{
    *step = (struct step){.kind = STEP_FAILED};
    if (icc->state == ICC_PROCESS)
        *step = (struct step){.kind = STEP_PROCESS, .bytes = icc->command, .length = icc->command_length};
    else if (icc->state == ICC_ANSWER)
        *step = (struct step){.kind = STEP_DONE, .bytes = icc->answer, .length = icc->answer_length};
}

bool t0_apdu_icc_answer(struct t0_apdu_icc *icc, const uint8_t *bytes, size_t length)
{
    bool from_card = icc->tpdu.direction == T0_FROM_CARD;
    size_t size;

    if (icc->state != ICC_PROCESS || length < 2 || length > sizeof icc->response)
        return false;
    memcpy(icc->response, bytes, length);
    icc->data_length = length - 2;
    icc->taken = 0;
    size = t0_tpdu_size(icc->tpdu.header, icc->tpdu.direction);
    if (icc->data_length == 0) {
        if (!from_card && size > 0 && bytes[0] == 0x90 && bytes[1] == 0x00)
            icc->pending = PENDING_STATUS;
        icc_command_status(icc, 0);
    } else if (!from_card) {
        icc->pending = PENDING_RESPONSE;
        icc_status(icc, 0, 0x61, min_256(icc->data_length));
    } else if (icc->data_length >= size) {
        icc_deliver(icc, size);
    } else {
        icc->pending = PENDING_REISSUE;
        icc_status(icc, 0, 0x6C, min_256(icc->data_length));
    }
    return true;
}
