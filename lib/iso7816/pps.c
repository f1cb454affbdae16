/* SPDX-License-Identifier: BSD-3-Clause */
#include "pps.h"

#include "timing.h"

#include <string.h>

#define PRESENT (PPS_PPS1 | PPS_PPS2 | PPS_PPS3)

const char *pps_reason_text(enum pps_reason reason)
{
    switch (reason) {
    case PPS_OK:
        return "no error";
    case PPS_MUTE:
        return "no answer to the PPS request";
    case PPS_TRUNCATED:
        return "the PPS message ends before PCK";
    case PPS_PARITY:
        return "parity error in the PPS message";
    case PPS_NOT_PPSS:
        return "the PPS message does not begin with FF";
    case PPS_RFU:
        return "bit 8 of PPS0 is not 0";
    case PPS_BAD_PCK:
        return "PCK is wrong";
    case PPS_TOO_LONG:
        return "bytes follow PCK";
    case PPS_PROTOCOL_CHANGED:
        return "the PPS response names another protocol";
    case PPS_PPS1_CHANGED:
        return "PPS1 of the response is not that of the request";
    case PPS_PPS2_CHANGED:
        return "PPS2 of the response is not that of the request";
    case PPS_PPS3_CHANGED:
        return "PPS3 of the response is not that of the request";
    case PPS_BAD_REQUEST:
        return "protocol or parameters that no PPS request may ask for";
    case PPS_REFUSED:
        return "the card does not answer this PPS request";
    }
    return "unknown error";
}

static uint8_t xor_of(const uint8_t *bytes, size_t length)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum ^= bytes[i];
    return sum;
}

size_t pps_build(const struct pps *pps, uint8_t out[PPS_MAX])
{
    size_t at = 0;

    out[at++] = PPS_PPSS;
    out[at++] = (uint8_t)((pps->present & PRESENT) | (pps->protocol & 0x0F));
    if (pps->present & PPS_PPS1)
        out[at++] = pps->pps1;
    if (pps->present & PPS_PPS2)
        out[at++] = pps->pps2;
    if (pps->present & PPS_PPS3)
        out[at++] = pps->pps3;
    out[at] = xor_of(out, at);
    return at + 1;
}

size_t pps_missing(const uint8_t *bytes, size_t length)
{
    size_t total = 3;

    if (length >= 2) {
        total += (bytes[1] & PPS_PPS1) != 0;
        total += (bytes[1] & PPS_PPS2) != 0;
        total += (bytes[1] & PPS_PPS3) != 0;
    }
    return length < total ? total - length : 0;
}

enum pps_reason pps_parse(const uint8_t *bytes, size_t length, struct pps *out)
{
    size_t at = 2;

    memset(out, 0, sizeof *out);
    if (length > 0 && bytes[0] != PPS_PPSS)
        return PPS_NOT_PPSS;
    if (pps_missing(bytes, length) > 0)
        return PPS_TRUNCATED;
    if (length > PPS_MAX || pps_missing(bytes, length - 1) == 0)
        return PPS_TOO_LONG;
    if (xor_of(bytes, length) != 0)
        return PPS_BAD_PCK;
    if (bytes[1] & 0x80)
        return PPS_RFU;
    out->protocol = bytes[1] & 0x0F;
    out->present = bytes[1] & PRESENT;
    if (out->present & PPS_PPS1)
        out->pps1 = bytes[at++];
    if (out->present & PPS_PPS2)
        out->pps2 = bytes[at++];
    if (out->present & PPS_PPS3)
        out->pps3 = bytes[at++];
    return PPS_OK;
}

/* Returns whether PPS1, PPS2 or PPS3 of a response is left out, or is requested and the same (9.3). */
static bool is_absent_or_echo(const struct pps *request, const struct pps *response, uint8_t presence_bit,
                              uint8_t wanted, uint8_t got)
{
    if (!(response->present & presence_bit))
        return true;
    return (request->present & presence_bit) && wanted == got;
}

enum pps_reason pps_check_response(const struct pps *request, const struct pps *response,
                                   struct pps_outcome *out)
{
    uint16_t f = TIMING_FD;
    uint8_t d = TIMING_DD;

    memset(out, 0, sizeof *out);
    if (response->protocol != request->protocol)
        return PPS_PROTOCOL_CHANGED;
    if (!is_absent_or_echo(request, response, PPS_PPS1, request->pps1, response->pps1))
        return PPS_PPS1_CHANGED;
    if (!is_absent_or_echo(request, response, PPS_PPS2, request->pps2, response->pps2))
        return PPS_PPS2_CHANGED;
    if (!is_absent_or_echo(request, response, PPS_PPS3, request->pps3, response->pps3))
        return PPS_PPS3_CHANGED;
    if ((response->present & PPS_PPS1) && !timing_factors(response->pps1, &f, &d))
        return PPS_BAD_REQUEST;
    out->protocol = response->protocol;
    out->f = f;
    out->d = d;
    out->spu = response->present & PPS_PPS2 ? response->pps2 : 0;
    return PPS_OK;
}

enum { SENDING, RECEIVING, PROCESSING, DONE, FAILED };

/*
 * Interface device
 */

static void ifd_fail(struct pps_ifd *ifd, enum pps_reason reason)
{
    ifd->reason = reason;
    ifd->state = FAILED;
}

void pps_ifd_start(struct pps_ifd *ifd, const struct pps *request, uint32_t guard)
{
    uint16_t f;
    uint8_t d;

    memset(ifd, 0, sizeof *ifd);
    ifd->request = *request;
    ifd->guard = guard;
    ifd->state = SENDING;
    ifd->length = pps_build(request, ifd->bytes);
    if (request->protocol >= ATR_T15 || (request->present & ~PRESENT) != 0 ||
        ((request->present & PPS_PPS1) && !timing_factors(request->pps1, &f, &d)))
        ifd_fail(ifd, PPS_BAD_REQUEST);
}

void pps_ifd_next(struct pps_ifd *ifd, struct step *step)
{
    *step = (struct step){.kind = STEP_FAILED};
    switch (ifd->state) {
    case SENDING:
        *step =
            (struct step){.kind = STEP_SEND, .bytes = ifd->bytes, .length = ifd->length, .guard = ifd->guard};
        ifd->state = RECEIVING;
        ifd->length = 0;
        break;
    case RECEIVING:
        *step = (struct step){.kind = STEP_RECEIVE, .timeout = TIMING_INITIAL_WAIT, .most = 1};
        break;
    case DONE:
        *step = (struct step){.kind = STEP_DONE, .bytes = ifd->bytes, .length = ifd->length};
        break;
    default:
        break;
    }
}

static void ifd_check_response(struct pps_ifd *ifd)
{
    struct pps response;
    enum pps_reason reason = pps_parse(ifd->bytes, ifd->length, &response);

    if (reason == PPS_OK)
        reason = pps_check_response(&ifd->request, &response, &ifd->outcome);
    if (reason != PPS_OK)
        ifd_fail(ifd, reason);
    else
        ifd->state = DONE;
}

void pps_ifd_byte(struct pps_ifd *ifd, uint8_t byte, bool parity_ok)
{
    if (ifd->state != RECEIVING)
        return;
    if (!parity_ok) {
        ifd_fail(ifd, PPS_PARITY);
        return;
    }
    ifd->bytes[ifd->length++] = byte;
    if (ifd->bytes[0] != PPS_PPSS)
        ifd_fail(ifd, PPS_NOT_PPSS);
    else if (pps_missing(ifd->bytes, ifd->length) == 0)
        ifd_check_response(ifd);
}

void pps_ifd_bytes(struct pps_ifd *ifd, const uint8_t *bytes, size_t count, bool parity_ok)
{
    for (size_t i = 0; i < count; i++)
        pps_ifd_byte(ifd, bytes[i], parity_ok || i + 1 < count);
}

void pps_ifd_timeout(struct pps_ifd *ifd)
{
    if (ifd->state == RECEIVING)
        ifd_fail(ifd, ifd->length == 0 ? PPS_MUTE : PPS_TRUNCATED);
}

/*
 * Card
 */

static void icc_fail(struct pps_icc *icc, enum pps_reason reason)
{
    icc->reason = reason;
    icc->state = FAILED;
}

void pps_icc_start(struct pps_icc *icc)
{
    memset(icc, 0, sizeof *icc);
    icc->state = RECEIVING;
}

void pps_icc_next(struct pps_icc *icc, struct step *step)
{
    *step = (struct step){.kind = STEP_FAILED};
    switch (icc->state) {
    case RECEIVING:
        *step = (struct step){.kind = STEP_RECEIVE,
                              .timeout = icc->length == 0 ? TIMING_NEVER : TIMING_INITIAL_WAIT,
                              .most = 1};
        break;
    case PROCESSING:
        *step = (struct step){.kind = STEP_PROCESS, .bytes = icc->bytes, .length = icc->length};
        break;
    case SENDING:
        *step = (struct step){
            .kind = STEP_SEND, .bytes = icc->bytes, .length = icc->length, .guard = TIMING_GUARD};
        icc->state = DONE;
        break;
    case DONE:
        *step = (struct step){.kind = STEP_DONE, .bytes = icc->bytes, .length = icc->length};
        break;
    default:
        break;
    }
}

void pps_icc_byte(struct pps_icc *icc, uint8_t byte, bool parity_ok)
{
    enum pps_reason reason;

    if (icc->state != RECEIVING)
        return;
    if (!parity_ok) {
        icc_fail(icc, PPS_PARITY);
        return;
    }
    icc->bytes[icc->length++] = byte;
    if (icc->bytes[0] != PPS_PPSS) {
        icc_fail(icc, PPS_NOT_PPSS);
        return;
    }
    if (pps_missing(icc->bytes, icc->length) > 0)
        return;
    reason = pps_parse(icc->bytes, icc->length, &icc->request);
    if (reason != PPS_OK)
        icc_fail(icc, reason);
    else
        icc->state = PROCESSING;
}

void pps_icc_bytes(struct pps_icc *icc, const uint8_t *bytes, size_t count, bool parity_ok)
{
    for (size_t i = 0; i < count; i++)
        pps_icc_byte(icc, bytes[i], parity_ok || i + 1 < count);
}

void pps_icc_timeout(struct pps_icc *icc)
{
    if (icc->state == RECEIVING)
        icc_fail(icc, icc->length == 0 ? PPS_MUTE : PPS_TRUNCATED);
}

void pps_icc_answer(struct pps_icc *icc, enum pps_answer answer)
{
    struct pps response = icc->request;
    uint16_t f;
    uint8_t d;

    if (icc->state != PROCESSING)
        return;
    if (answer == PPS_REFUSE) {
        icc_fail(icc, PPS_REFUSED);
        return;
    }
    if (answer == PPS_ACCEPT_DEFAULTS || !timing_factors(response.pps1, &f, &d))
        response.present &= (uint8_t)~PPS_PPS1;
    icc->length = pps_build(&response, icc->bytes);
    icc->state = SENDING;
    pps_check_response(&icc->request, &response, &icc->outcome);
}

static bool between(unsigned value, unsigned a, unsigned b)
{
    return a < b ? value >= a && value <= b : value >= b && value <= a;
}

enum pps_answer pps_policy(const struct pps *request, const struct atr *atr)
{
    uint16_t f;
    uint8_t d;

    if (request->protocol >= ATR_T15 || !(atr->protocols & 1u << request->protocol))
        return PPS_REFUSE;
    if (!(request->present & PPS_PPS1))
        return PPS_ACCEPT;
    if (!timing_factors(request->pps1, &f, &d) || !between(f, TIMING_FD, atr->f) ||
        !between(d, TIMING_DD, atr->d))
        return PPS_ACCEPT_DEFAULTS;
    return PPS_ACCEPT;
}
