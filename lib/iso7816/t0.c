/* SPDX-License-Identifier: BSD-3-Clause */
#include "t0.h"

#include "timing.h"

#include <string.h>

#define INS 1
#define P3  4

const char *t0_reason_text(enum t0_reason reason)
{
    switch (reason) {
    case T0_OK:
        return "no error";
    case T0_BAD_TPDU:
        return "the data do not fit P3";
    case T0_MUTE:
        return "the waiting time ran out";
    case T0_PARITY:
        return "parity error";
    case T0_BAD_PROCEDURE:
        return "wrong procedure byte";
    case T0_TOO_MANY_NULLS:
        return "too many NULL procedure bytes";
    }
    return "unknown error";
}

size_t t0_tpdu_size(const uint8_t header[T0_HEADER_SIZE], enum t0_direction direction)
{
    return direction == T0_FROM_CARD && header[P3] == 0 ? T0_DATA_MAX : header[P3];
}

enum t0_tpdu_result t0_tpdu_decode(const uint8_t *bytes, size_t length, struct t0_tpdu *out)
{
    size_t found;

    memset(out, 0, sizeof *out);
    if (length < T0_HEADER_SIZE - 1)
        return T0_TPDU_TOO_SHORT;
    found = length > T0_HEADER_SIZE ? length - T0_HEADER_SIZE : 0;
    if (found > 0 && found < bytes[P3])
        return T0_TPDU_DATA_SHORT;
    bool le = found > 1 && found == bytes[P3] + 1u;
    if (found > 0 && found > bytes[P3] && !le)
        return T0_TPDU_DATA_LONG;
    found -= le;
    memcpy(out->header, bytes, length < T0_HEADER_SIZE ? length : T0_HEADER_SIZE);
    out->direction = length == T0_HEADER_SIZE ? T0_FROM_CARD : T0_TO_CARD;
    out->data = found > 0 ? bytes + T0_HEADER_SIZE : NULL;
    out->length = found;
    out->ne = out->direction == T0_FROM_CARD ? (uint32_t)t0_tpdu_size(out->header, T0_FROM_CARD)
              : le                           ? T0_DATA_MAX
              : found > 0                    ? T0_NE_UNKNOWN
                                             : 0;
    return le ? T0_TPDU_LE : T0_TPDU_OK;
}

const char *t0_tpdu_result_text(enum t0_tpdu_result result)
{
    switch (result) {
    case T0_TPDU_OK:
        return "no error";
    case T0_TPDU_TOO_SHORT:
        return "the TPDU ends inside the header";
    case T0_TPDU_DATA_SHORT:
        return "fewer bytes of data than P3 says";
    case T0_TPDU_DATA_LONG:
        return "more bytes of data than P3 says";
    case T0_TPDU_LE:
        return "an Le behind the data, which a TPDU does not have: the answer is fetched by GET RESPONSE";
    }
    return "unknown error";
}

/*
 * Interface device
 */

enum { IFD_HEADER, IFD_PROCEDURE, IFD_SEND, IFD_RECEIVE, IFD_SW2, IFD_DONE, IFD_FAILED };

static void ifd_fail(struct t0_ifd *ifd, enum t0_reason reason)
{
    ifd->reason = reason;
    ifd->state = IFD_FAILED;
}

void t0_ifd_start(struct t0_ifd *ifd, const struct t0_ifd_config *config, const struct t0_tpdu *tpdu)
{
    memset(ifd, 0, sizeof *ifd);
    ifd->config = *config;
    memcpy(ifd->header, tpdu->header, sizeof ifd->header);
    ifd->direction = tpdu->direction;
    ifd->size = t0_tpdu_size(tpdu->header, tpdu->direction);
    ifd->state = IFD_HEADER;
    if (tpdu->length != (tpdu->direction == T0_TO_CARD ? ifd->size : 0))
        ifd_fail(ifd, T0_BAD_TPDU);
    else if (tpdu->length > 0)
        memcpy(ifd->data, tpdu->data, tpdu->length);
}

/* Returns how many of the next characters belong to the machine's present state. */
static size_t ifd_wants(const struct t0_ifd *ifd)
{
    return ifd->state == IFD_RECEIVE ? ifd->grant : 1;
}

void t0_ifd_next(struct t0_ifd *ifd, struct step *step)
{
    *step = (struct step){.kind = STEP_FAILED};
    switch (ifd->state) {
    case IFD_HEADER:
        *step = (struct step){.kind = STEP_SEND,
                              .bytes = ifd->header,
                              .length = sizeof ifd->header,
                              .guard = ifd->config.guard};
        ifd->state = IFD_PROCEDURE;
        break;
    case IFD_SEND:
        *step = (struct step){.kind = STEP_SEND,
                              .bytes = ifd->data + ifd->done,
                              .length = ifd->grant,
                              .guard = ifd->config.guard};
        ifd->done += ifd->grant;
        ifd->state = IFD_PROCEDURE;
        break;
    case IFD_PROCEDURE:
    case IFD_RECEIVE:
    case IFD_SW2:
        *step = (struct step){.kind = STEP_RECEIVE, .timeout = ifd->config.wwt, .most = ifd_wants(ifd)};
        break;
    case IFD_DONE:
        /* The data of a command to the card are not part of its result. */
        *step = (struct step){.kind = STEP_DONE, .bytes = ifd->data, .length = ifd->done + 2};
        break;
    default:
        break;
    }
}

/* Returns whether byte is 6X or 9X. The caller has already handled 60. */
static bool is_sw1(uint8_t byte)
{
    return (byte & 0xF0) == 0x60 || (byte & 0xF0) == 0x90;
}

/* Returns INS xor FF: the ACK for one byte (10.3.3). */
static uint8_t complement(uint8_t ins)
{
    return (uint8_t)~ins;
}

static void ifd_grant(struct t0_ifd *ifd, size_t bytes)
{
    ifd->grant = bytes;
    ifd->state = ifd->direction == T0_TO_CARD ? IFD_SEND : IFD_RECEIVE;
}

static void ifd_procedure(struct t0_ifd *ifd, uint8_t byte)
{
    size_t rest = ifd->size - ifd->done;

    if (byte == T0_NULL) {
        ifd->nulls++;
        if (ifd->config.null_limit > 0 && ifd->nulls > ifd->config.null_limit)
            ifd_fail(ifd, T0_TOO_MANY_NULLS);
    } else if (is_sw1(byte)) {
        if (ifd->direction == T0_TO_CARD)
            ifd->done = 0;
        ifd->data[ifd->done] = byte;
        ifd->state = IFD_SW2;
    } else if (byte == ifd->header[INS] && rest > 0) {
        ifd_grant(ifd, rest);
    } else if (byte == ifd->header[INS] && !ifd->idle_ack) {
        /* "All remaining data, if any": if there are none, only once, or a card could go on for ever. */
        ifd->idle_ack = true;
    } else if (byte == complement(ifd->header[INS]) && rest > 0) {
        ifd_grant(ifd, 1);
    } else {
        ifd->procedure = byte;
        ifd_fail(ifd, T0_BAD_PROCEDURE);
    }
}

static bool ifd_receives(const struct t0_ifd *ifd)
{
    return ifd->state == IFD_PROCEDURE || ifd->state == IFD_RECEIVE || ifd->state == IFD_SW2;
}

/* Takes characters with the right parity, not more than ifd_wants. */
static void ifd_take(struct t0_ifd *ifd, const uint8_t *bytes, size_t count)
{
    if (ifd->state == IFD_PROCEDURE) {
        ifd_procedure(ifd, bytes[0]);
    } else if (ifd->state == IFD_RECEIVE) {
        memcpy(ifd->data + ifd->done, bytes, count);
        ifd->done += count;
        ifd->grant -= count;
        if (ifd->grant == 0)
            ifd->state = IFD_PROCEDURE;
    } else {
        ifd->data[ifd->done + 1] = bytes[0];
        ifd->state = IFD_DONE;
    }
}

void t0_ifd_bytes(struct t0_ifd *ifd, const uint8_t *bytes, size_t count, bool parity_ok)
{
    size_t right = parity_ok ? count : count - 1;

    while (right > 0 && ifd_receives(ifd)) {
        size_t wanted = ifd_wants(ifd), now = right < wanted ? right : wanted;

        ifd_take(ifd, bytes, now);
        bytes += now;
        right -= now;
    }
    if (!parity_ok && ifd_receives(ifd))
        ifd_fail(ifd, T0_PARITY);
}

void t0_ifd_byte(struct t0_ifd *ifd, uint8_t byte, bool parity_ok)
{
    t0_ifd_bytes(ifd, &byte, 1, parity_ok);
}

void t0_ifd_timeout(struct t0_ifd *ifd)
{
    if (ifd_receives(ifd))
        ifd_fail(ifd, T0_MUTE);
}

/*
 * Card
 */

enum { ICC_HEADER, ICC_ASK_HEADER, ICC_TAKE, ICC_TAKE_DATA, ICC_ASK_COMMAND, ICC_GIVE, ICC_DONE, ICC_FAILED };

void t0_icc_start(struct t0_icc *icc, const struct t0_icc_config *config)
{
    memset(icc, 0, sizeof *icc);
    icc->config = *config;
    icc->state = ICC_HEADER;
}

static void icc_send(struct step *step, const uint8_t *bytes, size_t length)
{
    *step = (struct step){.kind = STEP_SEND, .bytes = bytes, .length = length, .guard = TIMING_GUARD};
}

/* Sends NULL bytes one by one, because each of them means that time passes. */
static bool icc_send_null(struct t0_icc *icc, struct step *step)
{
    static const uint8_t null = T0_NULL;

    if (icc->nulls == 0)
        return false;
    icc->nulls--;
    icc_send(step, &null, 1);
    return true;
}

static uint8_t icc_ack(const struct t0_icc *icc)
{
    return icc->ack == T0_ACK_ALL ? icc->command[INS] : complement(icc->command[INS]);
}

/* Sends the next ACK for data to the card, or hands over the command when all data are there. */
static void icc_take_next(struct t0_icc *icc, struct step *step)
{
    size_t rest = T0_HEADER_SIZE + (size_t)icc->command[P3] - icc->received;

    if (rest == 0) {
        icc->state = ICC_ASK_COMMAND;
        t0_icc_next(icc, step);
        return;
    }
    icc->grant = icc->ack == T0_ACK_ALL ? rest : 1;
    icc->state = ICC_TAKE_DATA;
    icc->out[0] = icc_ack(icc);
    icc_send(step, icc->out, 1);
}

/* Sends the next ACK with its data from the card, or SW1 SW2 when all data are sent. */
static void icc_give_next(struct t0_icc *icc, struct step *step)
{
    size_t rest = icc->answer_length - 2 - icc->sent;
    size_t n = icc->ack == T0_ACK_ALL ? rest : 1;

    if (rest == 0) {
        icc->state = ICC_DONE;
        icc_send(step, icc->answer + icc->sent, 2);
        return;
    }
    icc->out[0] = icc_ack(icc);
    memcpy(icc->out + 1, icc->answer + icc->sent, n);
    icc->sent += n;
    icc_send(step, icc->out, 1 + n);
}

static bool icc_receives(const struct t0_icc *icc)
{
    return icc->state == ICC_HEADER || icc->state == ICC_TAKE_DATA;
}

static size_t icc_wants(const struct t0_icc *icc)
{
    return icc->state == ICC_HEADER ? T0_HEADER_SIZE - icc->received : icc->grant;
}

void t0_icc_next(struct t0_icc *icc, struct step *step)
{
    *step = (struct step){.kind = STEP_FAILED};
    switch (icc->state) {
    case ICC_HEADER:
    case ICC_TAKE_DATA:
        *step = (struct step){.kind = STEP_RECEIVE, .timeout = TIMING_NEVER, .most = icc_wants(icc)};
        break;
    case ICC_ASK_HEADER:
    case ICC_ASK_COMMAND:
        *step = (struct step){.kind = STEP_PROCESS, .bytes = icc->command, .length = icc->received};
        break;
    case ICC_TAKE:
        if (!icc_send_null(icc, step))
            icc_take_next(icc, step);
        break;
    case ICC_GIVE:
        if (!icc_send_null(icc, step))
            icc_give_next(icc, step);
        break;
    case ICC_DONE:
        *step = (struct step){.kind = STEP_DONE};
        break;
    default:
        break;
    }
}

/* Takes characters with the right parity, not more than icc_wants. */
static void icc_take(struct t0_icc *icc, const uint8_t *bytes, size_t count)
{
    memcpy(icc->command + icc->received, bytes, count);
    icc->received += count;
    if (icc->state == ICC_TAKE_DATA) {
        icc->grant -= count;
        if (icc->grant == 0)
            icc->state = ICC_TAKE;
    } else if (icc->received == T0_HEADER_SIZE) {
        icc->state = ICC_ASK_HEADER;
    }
}

static void icc_fail(struct t0_icc *icc, enum t0_reason reason)
{
    icc->reason = reason;
    icc->state = ICC_FAILED;
}

void t0_icc_bytes(struct t0_icc *icc, const uint8_t *bytes, size_t count, bool parity_ok)
{
    size_t right = parity_ok ? count : count - 1;

    if (right > 0 && icc_receives(icc))
        icc_take(icc, bytes, right < icc_wants(icc) ? right : icc_wants(icc));
    if (!parity_ok && icc_receives(icc))
        icc_fail(icc, T0_PARITY);
}

void t0_icc_byte(struct t0_icc *icc, uint8_t byte, bool parity_ok)
{
    t0_icc_bytes(icc, &byte, 1, parity_ok);
}

void t0_icc_timeout(struct t0_icc *icc)
{
    if (icc_receives(icc))
        icc_fail(icc, T0_MUTE);
}

void t0_icc_nulls(struct t0_icc *icc, uint32_t count)
{
    icc->config.nulls = count;
}

bool t0_icc_take(struct t0_icc *icc)
{
    if (icc->state != ICC_ASK_HEADER)
        return false;
    icc->ack = icc->config.ack;
    icc->nulls = icc->config.nulls;
    icc->state = ICC_TAKE;
    return true;
}

bool t0_icc_answer(struct t0_icc *icc, const uint8_t *bytes, size_t length)
{
    size_t most;

    if (icc->state != ICC_ASK_HEADER && icc->state != ICC_ASK_COMMAND)
        return false;
    most = icc->state == ICC_ASK_HEADER ? t0_tpdu_size(icc->command, T0_FROM_CARD) : 0;
    if (length < 2 || length > most + 2)
        return false;
    memcpy(icc->answer, bytes, length);
    icc->answer_length = length;
    icc->ack = length == most + 2 ? icc->config.ack : T0_ACK_EACH;
    icc->nulls = icc->config.nulls;
    icc->state = ICC_GIVE;
    return true;
}
