/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a PPS message; as what an interface device hears after a request, and a card after its ATR;
 * and any request to a card with any ATR. */
#include "fuzz.h"
#include "line.h"

#include "iso7816/pps.h"
#include "iso7816/timing.h"

static void check_outcome(const struct pps *request, const struct pps_outcome *outcome)
{
    uint16_t f;
    uint8_t d;
    CHECK(outcome->protocol == request->protocol);
    CHECK(outcome->spu == 0 || ((request->present & PPS_PPS2) && outcome->spu == request->pps2));
    if (outcome->f != TIMING_FD || outcome->d != TIMING_DD)
        CHECK((request->present & PPS_PPS1) && timing_factors(request->pps1, &f, &d) && f == outcome->f &&
              d == outcome->d);
}

static void check_judgement(const struct pps *request, const struct pps *response)
{
    static const struct pps_outcome nothing;
    struct pps_outcome outcome;
    enum pps_reason reason = pps_check_response(request, response, &outcome);
    CHECK(reason == PPS_OK || (reason >= PPS_PROTOCOL_CHANGED && reason <= PPS_BAD_REQUEST));
    if (reason == PPS_OK)
        check_outcome(request, &outcome);
    else
        CHECK(memcmp(&outcome, &nothing, sizeof outcome) == 0);
}

static void check_message(const uint8_t *data, size_t size)
{
    static const struct pps nothing;
    struct pps pps;
    uint8_t *exact = exact_copy(data, size), again[PPS_MAX];
    enum pps_reason reason = pps_parse(exact, size, &pps);
    CHECK(pps_reason_text(reason)[0]);
    if (reason == PPS_OK) {
        CHECK(size >= 3 && size <= PPS_MAX && pps.protocol <= 15);
        CHECK(pps_build(&pps, again) == size && memcmp(again, data, size) == 0);
        for (size_t length = 0; length < size; length++) {
            struct pps part;
            size_t missing = pps_missing(exact, length);
            CHECK(length < 2 ? missing > 0 && missing <= size - length : missing == size - length);
            CHECK(pps_parse(exact, length, &part) == PPS_TRUNCATED);
        }
        CHECK(pps_missing(exact, size) == 0);
        check_judgement(&pps, &pps);
    } else {
        CHECK(reason == PPS_TRUNCATED || reason == PPS_NOT_PPSS || reason == PPS_RFU ||
              reason == PPS_BAD_PCK || reason == PPS_TOO_LONG);
        CHECK(memcmp(&pps, &nothing, sizeof pps) == 0);
    }
    free(exact);
}

/* Some that could not have been read from bytes are among them. */
static struct pps take_pps(struct line *line)
{
    return (struct pps){.protocol = line_byte(line),
                        .present = line_byte(line),
                        .pps1 = line_byte(line),
                        .pps2 = line_byte(line),
                        .pps3 = line_byte(line)};
}

static void check_ifd(struct line line)
{
    struct pps request = take_pps(&line), response;
    uint32_t guard = line_byte(&line);
    struct pps_ifd x;
    struct step step;
    struct pps_outcome outcome;
    size_t characters = 0, sends = 0;
    pps_ifd_start(&x, &request, guard);
    for (;;) {
        pps_ifd_next(&x, &step);
        if (step.kind == STEP_SEND) {
            CHECK(++sends == 1 && step.guard == guard && step.length <= PPS_MAX);
            CHECK(pps_parse(step.bytes, step.length, &response) == PPS_OK);
            CHECK(response.protocol == request.protocol && response.present == request.present);
            continue;
        }
        if (step.kind != STEP_RECEIVE)
            break;
        CHECK(step.timeout == TIMING_INITIAL_WAIT && sends == 1 && characters < PPS_MAX);
        struct line_event event = line_next(&line);
        if (event.kind == LINE_CHARACTER) {
            pps_ifd_byte(&x, event.byte, event.parity_ok);
            characters++;
        } else {
            pps_ifd_timeout(&x);
            pps_ifd_next(&x, &step);
            CHECK(step.kind == STEP_FAILED && x.reason == (characters ? PPS_TRUNCATED : PPS_MUTE));
        }
    }
    if (step.kind == STEP_DONE) {
        CHECK(step.length == characters && pps_parse(step.bytes, step.length, &response) == PPS_OK);
        CHECK(pps_check_response(&request, &response, &outcome) == PPS_OK);
        check_outcome(&request, &x.outcome);
    } else {
        CHECK(step.kind == STEP_FAILED && x.reason != PPS_OK && (sends || x.reason == PPS_BAD_REQUEST));
    }
    pps_ifd_byte(&x, 0xFF, true); /* nobody listens any longer */
    pps_ifd_timeout(&x);
    enum step_kind before = step.kind;
    pps_ifd_next(&x, &step);
    CHECK(step.kind == before);
}

static void check_icc(struct line line)
{
    enum pps_answer answer = (enum pps_answer)(line_byte(&line) % 3);
    struct pps_icc x;
    struct step step;
    struct pps response;
    struct pps_outcome outcome;
    size_t characters = 0, sends = 0, processed = 0;
    pps_icc_start(&x);
    for (;;) {
        pps_icc_next(&x, &step);
        if (step.kind == STEP_SEND) {
            CHECK(++sends == 1 && processed == 1 && step.guard == TIMING_GUARD && answer != PPS_REFUSE);
        } else if (step.kind == STEP_PROCESS) {
            CHECK(++processed == 1 && step.length == characters);
            CHECK(pps_parse(step.bytes, step.length, &response) == PPS_OK);
            CHECK(memcmp(&response, &x.request, sizeof response) == 0);
            pps_icc_answer(&x, answer);
        } else if (step.kind == STEP_RECEIVE) {
            CHECK(step.timeout == (characters ? TIMING_INITIAL_WAIT : TIMING_NEVER) && characters < PPS_MAX);
            struct line_event event = line_next(&line);
            characters += event.kind == LINE_CHARACTER;
            if (event.kind == LINE_CHARACTER)
                pps_icc_byte(&x, event.byte, event.parity_ok);
            else
                pps_icc_timeout(&x);
        } else {
            break;
        }
    }
    if (step.kind == STEP_FAILED) {
        CHECK(x.reason != PPS_OK && sends == 0 && (!processed || x.reason == PPS_REFUSED));
        return;
    }
    CHECK(step.kind == STEP_DONE && sends == 1 && step.length <= PPS_MAX);
    CHECK(pps_parse(step.bytes, step.length, &response) == PPS_OK);
    CHECK(pps_check_response(&x.request, &response, &outcome) == PPS_OK);
    CHECK(memcmp(&outcome, &x.outcome, sizeof outcome) == 0);
    check_outcome(&x.request, &x.outcome);
}

/* Both sides; the rest of the line is the card's ATR. */
static void check_both(struct line line)
{
    struct pps request = take_pps(&line);
    size_t length = SIZE_MAX;
    const uint8_t *bytes = line_bytes(&line, &length);
    struct atr atr;
    struct pps_ifd ifd;
    struct pps_icc icc;
    struct step step, other;
    atr_parse(bytes, length, &atr, NULL);
    pps_ifd_start(&ifd, &request, TIMING_GUARD);
    pps_icc_start(&icc);
    pps_ifd_next(&ifd, &step);
    if (step.kind != STEP_SEND)
        return;
    for (size_t i = 0; i < step.length; i++)
        pps_icc_byte(&icc, step.bytes[i], true);
    pps_icc_next(&icc, &other);
    CHECK(other.kind == STEP_PROCESS && other.length == step.length);
    enum pps_answer answer = pps_policy(&icc.request, &atr);
    CHECK(answer == PPS_REFUSE || (atr.protocols & 1u << request.protocol));
    pps_icc_answer(&icc, answer);
    pps_icc_next(&icc, &other);
    if (answer == PPS_REFUSE) {
        CHECK(other.kind == STEP_FAILED && icc.reason == PPS_REFUSED);
        return;
    }
    CHECK(other.kind == STEP_SEND);
    for (size_t i = 0; i < other.length; i++)
        pps_ifd_byte(&ifd, other.bytes[i], true);
    pps_ifd_next(&ifd, &step);
    CHECK(step.kind == STEP_DONE && memcmp(&ifd.outcome, &icc.outcome, sizeof ifd.outcome) == 0);
    if (answer == PPS_ACCEPT_DEFAULTS)
        CHECK(ifd.outcome.f == TIMING_FD && ifd.outcome.d == TIMING_DD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_message(data, size);
    if (size == 0)
        return 0;
    struct line line = {.at = data + 1, .end = data + size};
    switch (data[0] & 3) {
    case 0:
        check_ifd(line);
        break;
    case 1:
        check_icc(line);
        break;
    case 2:
        check_both(line);
        break;
    default: { /* FF begins a message, too */
        struct pps request = take_pps(&line), response = take_pps(&line);
        check_judgement(&request, &response);
        break;
    }
    }
    return 0;
}
