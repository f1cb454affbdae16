/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a TPDU of T=0 and as what comes in while it is exchanged, on either side; as what TPDUs bring
 * while an APDU is exchanged, on either side; and an APDU from end to end. */
#include "fuzz.h"
#include "line.h"

#include "iso7816/t0.h"
#include "iso7816/t0_apdu.h"
#include "iso7816/timing.h"

#include <stdbool.h>

#define WWT   9600u
#define GUARD 13u

static bool is_status(uint8_t sw1)
{
    return ((sw1 & 0xF0) == 0x60 && sw1 != T0_NULL) || (sw1 & 0xF0) == 0x90;
}

static void fill(uint8_t *bytes, size_t length, uint8_t seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(seed + i + i / 256);
}

/* ---- TPDUs ---- */

static void check_ifd(struct line line)
{
    static const struct t0_tpdu nothing;
    uint8_t flags = line_byte(&line), *exact;
    const struct t0_ifd_config config = {.wwt = WWT, .guard = GUARD, .null_limit = flags & 0x7F};
    size_t length = line_byte(&line) + (flags & 0x80 ? T0_HEADER_SIZE : 0u);
    const uint8_t *bytes = line_bytes(&line, &length);
    size_t sent = 0, received = 0, room = (size_t)(line.end - line.at);
    struct t0_tpdu tpdu;
    struct t0_ifd x;
    struct step step;
    bool last_was_send = false;

    exact = exact_copy(bytes, length);
    enum t0_tpdu_result result = t0_tpdu_decode(exact, length, &tpdu);
    CHECK(t0_tpdu_result_text(result)[0]);
    if (result != T0_TPDU_OK && result != T0_TPDU_LE) {
        CHECK(tpdu.direction == nothing.direction && !tpdu.data && tpdu.length == 0);
        free(exact);
        return;
    }
    CHECK(memcmp(tpdu.header, exact, length < T0_HEADER_SIZE ? length : T0_HEADER_SIZE) == 0);
    CHECK(length >= T0_HEADER_SIZE || tpdu.header[4] == 0);
    CHECK(tpdu.length == (length > T0_HEADER_SIZE ? length - T0_HEADER_SIZE - (result == T0_TPDU_LE) : 0));
    CHECK(tpdu.data == (tpdu.length ? exact + T0_HEADER_SIZE : NULL));
    CHECK(tpdu.length == 0 || tpdu.length == t0_tpdu_size(tpdu.header, tpdu.direction));

    t0_ifd_start(&x, &config, &tpdu);
    free(exact); /* copied */
    for (size_t steps = 0;; steps++) {
        CHECK(steps <= 2 * room + 4);
        t0_ifd_next(&x, &step);
        if (step.kind == STEP_SEND) {
            CHECK(step.guard == GUARD && step.length > 0 && !last_was_send);
            sent += step.length;
            CHECK(sent <= T0_HEADER_SIZE + tpdu.length);
            last_was_send = true;
        } else if (step.kind == STEP_RECEIVE) {
            CHECK(step.timeout == WWT);
            struct line_event event = line_next(&line);
            if (event.kind == LINE_CHARACTER) {
                t0_ifd_byte(&x, event.byte, event.parity_ok);
                received++;
            } else {
                t0_ifd_timeout(&x);
            }
            last_was_send = false;
        } else {
            break;
        }
    }
    if (step.kind == STEP_DONE) {
        size_t most = tpdu.direction == T0_FROM_CARD ? t0_tpdu_size(tpdu.header, tpdu.direction) : 0;
        CHECK(step.length >= 2 && step.length <= most + 2 && step.length <= received);
        CHECK(is_status(step.bytes[step.length - 2]));
        CHECK(config.null_limit == 0 || x.nulls <= config.null_limit);
    } else {
        CHECK(step.kind == STEP_FAILED && x.reason != T0_OK && t0_reason_text(x.reason)[0]);
    }
}

static void check_icc(struct line line)
{
    static uint8_t answer[T0_RESULT_MAX + 1];
    uint8_t flags = line_byte(&line);
    const struct t0_icc_config config = {.ack = flags & 1 ? T0_ACK_EACH : T0_ACK_ALL,
                                         .nulls = line_byte(&line)};
    size_t sent = 0, received = 0, processed = 0, most = 2 * config.nulls + 2 * T0_DATA_MAX + 2;
    struct t0_icc x;
    struct step step;
    bool taken = false;
    fill(answer, sizeof answer, 0xA0);
    t0_icc_start(&x, &config);
    for (;;) {
        t0_icc_next(&x, &step);
        if (step.kind == STEP_SEND) {
            CHECK(step.guard == TIMING_GUARD && step.length > 0 && step.length <= T0_DATA_MAX + 1);
            CHECK(processed > 0 && (sent += step.length) <= most);
        } else if (step.kind == STEP_RECEIVE) {
            CHECK(step.timeout == TIMING_NEVER && received < T0_COMMAND_MAX);
            struct line_event event = line_next(&line);
            received += event.kind == LINE_CHARACTER;
            if (event.kind == LINE_CHARACTER)
                t0_icc_byte(&x, event.byte, event.parity_ok);
            else
                t0_icc_timeout(&x);
        } else if (step.kind == STEP_PROCESS) {
            CHECK(step.length == received && ++processed <= 2);
            CHECK(step.length == T0_HEADER_SIZE + (taken ? (size_t)step.bytes[4] : 0));
            struct line_event event = line_next(&line);
            if (event.kind == LINE_CALL && event.byte == 3) {
                CHECK(t0_icc_take(&x) == !taken);
                if (!taken) {
                    taken = true;
                    continue;
                }
            }
            size_t length = event.kind == LINE_CALL ? line_number(&line) % sizeof answer : 2;
            size_t data = taken ? 0 : t0_tpdu_size(step.bytes, T0_FROM_CARD);
            bool fits = length >= 2 && length <= data + 2;
            uint8_t *exact = exact_copy(answer, length);
            CHECK(t0_icc_answer(&x, exact, length) == fits);
            free(exact);
            CHECK(fits || t0_icc_answer(&x, answer, 2));
            CHECK(!t0_icc_answer(&x, answer, 2) && !t0_icc_take(&x));
        } else {
            break;
        }
    }
    CHECK(step.kind == STEP_DONE || (step.kind == STEP_FAILED && x.reason != T0_OK));
    CHECK(step.kind == STEP_FAILED || (sent >= 2 && processed > 0));
}

/* ---- APDUs ---- */

static void check_apdu_ifd(struct line line)
{
    static struct t0_apdu_ifd x;
    static uint8_t result[T0_RESULT_MAX];
    struct apdu_command command;
    struct t0_tpdu tpdu;
    size_t length = line_number(&line);
    const uint8_t *bytes = line_bytes(&line, &length);
    uint8_t *exact = exact_copy(bytes, length);
    bool good = apdu_decode(exact, length, &command, NULL) == APDU_OK;
    size_t ne = good ? command.ne : 0, count = 0;
    size_t limit = (size_t)(line.end - line.at) + APDU_COMMAND_MAX / 254 + T0_APDU_STALL_MAX;
    t0_apdu_ifd_start(&x, T0_APDU_CLASS_INTERINDUSTRY, exact, length);
    free(exact);
    while (t0_apdu_ifd_next(&x, &tpdu)) {
        CHECK(good && ++count <= limit);
        size_t most = tpdu.direction == T0_FROM_CARD ? t0_tpdu_size(tpdu.header, tpdu.direction) : 0;
        CHECK(tpdu.length ==
              (tpdu.direction == T0_FROM_CARD ? 0 : t0_tpdu_size(tpdu.header, tpdu.direction)));
        CHECK((tpdu.length > 0) == (tpdu.data != NULL));
        for (size_t i = 0; i < tpdu.length; i++)
            CHECK(memchr(x.command, tpdu.data[i], length)); /* it can be read, and is of the command */
        if (line.at == line.end) {
            t0_apdu_ifd_result(&x, (const uint8_t[]){0x90, 0x00}, 2);
            continue;
        }
        /* SW1 SW2, and how many bytes of data: FF are all there can be, more than there can be are among the
         * rest */
        uint8_t sw1 = line_byte(&line), sw2 = line_byte(&line);
        size_t data = line_byte(&line);
        data = data == 0xFF ? most : data;
        fill(result, data, sw2);
        result[data] = sw1;
        result[data + 1] = sw2;
        exact = exact_copy(result, data + 2);
        t0_apdu_ifd_result(&x, exact, data + 2);
        free(exact);
        CHECK(data <= most ? x.reason != T0_APDU_BAD_RESULT : x.reason == T0_APDU_BAD_RESULT);
    }
    CHECK(t0_apdu_reason_text(x.reason)[0]);
    if (x.reason == T0_APDU_OK)
        CHECK(good && x.response_length >= 2 && x.response_length <= ne + 2);
    else
        CHECK((x.reason == T0_APDU_BAD_COMMAND) == !good && x.response_length == 0);
}

static void check_apdu_icc(struct line line)
{
    static struct t0_apdu_icc x;
    static uint8_t data[255], response[T0_APDU_RESPONSE_MAX + 1];
    struct apdu_command command;
    struct step step, again;
    t0_apdu_icc_reset(&x);
    t0_apdu_icc_next(&x, &step);
    CHECK(step.kind == STEP_FAILED && !t0_apdu_icc_answer(&x, response, 2));
    for (unsigned left = 64; line.at < line.end && left > 0; left--) {
        uint8_t flags = line_byte(&line);
        struct t0_tpdu tpdu = {.direction = T0_TO_CARD, .ne = (flags >> 4) * 0x1111u};
        size_t length = T0_HEADER_SIZE, given;
        const uint8_t *header = line_bytes(&line, &length);
        memcpy(tpdu.header, header, length);
        if (flags & 1)
            tpdu.direction = T0_FROM_CARD;
        if (t0_apdu_icc_direction(&x, tpdu.header, &tpdu.direction))
            flags &= 0xFE;
        if (tpdu.direction == T0_TO_CARD && !(flags & 2)) {
            tpdu.length = given = tpdu.header[4];
            const uint8_t *bytes = line_bytes(&line, &given);
            fill(data, sizeof data, flags);
            if (given > 0)
                memcpy(data, bytes, given);
        }
        uint8_t *exact = exact_copy(data, tpdu.length);
        tpdu.data = tpdu.length ? exact : NULL;
        t0_apdu_icc_command(&x, &tpdu);
        free(exact);
        t0_apdu_icc_next(&x, &step);
        if (step.kind == STEP_PROCESS) {
            CHECK(apdu_decode(step.bytes, step.length, &command, NULL) == APDU_OK);
            t0_apdu_icc_next(&x, &again);
            CHECK(again.kind == STEP_PROCESS && again.bytes == step.bytes && again.length == step.length);
            /* the length in one byte or two, the status in two */
            length = flags & 4 ? line_number(&line) + (flags >> 7) * 3u : line_byte(&line);
            fill(response, length, flags);
            if (length >= 2) {
                response[length - 2] = line_byte(&line);
                response[length - 1] = line_byte(&line);
            }
            bool fits = length >= 2 && length <= T0_APDU_RESPONSE_MAX;
            CHECK(t0_apdu_icc_answer(&x, response, length) == fits);
            CHECK(fits || t0_apdu_icc_answer(&x, response, 2));
            t0_apdu_icc_next(&x, &step);
        }
        size_t most = tpdu.direction == T0_FROM_CARD ? t0_tpdu_size(tpdu.header, tpdu.direction) : 0;
        CHECK(step.kind == STEP_DONE && step.length >= 2 && step.length <= most + 2);
        CHECK(!t0_apdu_icc_answer(&x, response, 2));
        if (flags & 8)
            t0_apdu_icc_reset(&x);
    }
}

/* ---- from end to end ---- */

struct both {
    struct t0_apdu_ifd apdu_ifd;
    struct t0_apdu_icc apdu_icc;
    struct t0_icc icc;
    struct t0_icc_config icc_config;
    struct apdu_command command;
    const uint8_t *response; /* of the card's script */
    size_t response_length;
    unsigned processed;
    bool plain;  /* nothing of the command can be mistaken for something else */
    uint32_t ne; /* of the TPDU */
    uint8_t queue[2048];
    size_t queued, read;
};

/* The script. It does not learn which form was used. */
static void script(struct both *both, const struct step *step)
{
    struct apdu_command got;
    CHECK(apdu_decode(step->bytes, step->length, &got, NULL) == APDU_OK);
    both->processed++;
    if (both->plain) {
        CHECK(got.cla == both->command.cla && got.ins == both->command.ins && got.p1 == both->command.p1 &&
              got.p2 == both->command.p2 && got.nc == both->command.nc && got.ne == both->command.ne);
        CHECK(got.nc == 0 || memcmp(got.data, both->command.data, got.nc) == 0);
    }
    CHECK(t0_apdu_icc_answer(&both->apdu_icc, both->response, both->response_length));
}

/* A TPDU, as far as it has come: data to the card are taken first. */
static void process(struct both *both, const struct step *step)
{
    struct t0_tpdu tpdu = {.direction = T0_TO_CARD, .ne = both->ne};
    struct step next;
    memcpy(tpdu.header, step->bytes, T0_HEADER_SIZE);
    if (step->length == T0_HEADER_SIZE) {
        if (!t0_apdu_icc_direction(&both->apdu_icc, tpdu.header, &tpdu.direction))
            tpdu.direction = both->command.nc == 0 && both->command.ne > 0 ? T0_FROM_CARD : T0_TO_CARD;
        if (tpdu.direction == T0_TO_CARD && tpdu.header[4] > 0) {
            CHECK(t0_icc_take(&both->icc));
            return;
        }
    } else {
        tpdu.data = step->bytes + T0_HEADER_SIZE;
        tpdu.length = step->length - T0_HEADER_SIZE;
    }
    t0_apdu_icc_command(&both->apdu_icc, &tpdu);
    t0_apdu_icc_next(&both->apdu_icc, &next);
    if (next.kind == STEP_PROCESS) {
        script(both, &next);
        t0_apdu_icc_next(&both->apdu_icc, &next);
    }
    CHECK(next.kind == STEP_DONE && t0_icc_answer(&both->icc, next.bytes, next.length));
}

/* The card, until it waits. */
static void let_card_go(struct both *both)
{
    struct step step;
    for (;;) {
        t0_icc_next(&both->icc, &step);
        if (step.kind == STEP_SEND) {
            CHECK(both->queued + step.length <= sizeof both->queue);
            memcpy(both->queue + both->queued, step.bytes, step.length);
            both->queued += step.length;
        } else if (step.kind == STEP_PROCESS) {
            process(both, &step);
        } else {
            return;
        }
    }
}

/* False when it failed. */
static bool exchange(struct both *both, const struct t0_tpdu *tpdu)
{
    static const struct t0_ifd_config config = {.wwt = WWT, .guard = GUARD};
    struct t0_ifd ifd;
    struct step step;
    both->queued = both->read = 0;
    both->ne = tpdu->ne;
    t0_ifd_start(&ifd, &config, tpdu);
    t0_icc_start(&both->icc, &both->icc_config);
    for (;;) {
        t0_ifd_next(&ifd, &step);
        if (step.kind == STEP_SEND) {
            for (size_t i = 0; i < step.length; i++) {
                t0_icc_byte(&both->icc, step.bytes[i], true);
                let_card_go(both);
            }
        } else if (step.kind == STEP_RECEIVE) {
            if (both->read < both->queued)
                t0_ifd_byte(&ifd, both->queue[both->read++], true);
            else
                t0_ifd_timeout(&ifd);
        } else {
            break;
        }
    }
    CHECK(step.kind == STEP_DONE || !both->plain);
    if (step.kind != STEP_DONE)
        return false;
    CHECK(both->read == both->queued || !both->plain);
    t0_apdu_ifd_result(&both->apdu_ifd, step.bytes, step.length);
    return true;
}

static void check_both(struct line line)
{
    static const uint8_t status[][2] = {{0x90, 0x00}, {0x6A, 0x82}, {0x62, 0x83},
                                        {0x91, 0x04}, {0x63, 0x00}, {0x9F, 0x10}};
    static struct both both;
    static uint8_t response[T0_APDU_RESPONSE_MAX];
    uint8_t flags = line_byte(&line);
    const uint8_t *sw = status[(flags >> 1) % (sizeof status / sizeof status[0])];
    size_t data = line_number(&line), length = SIZE_MAX, count = 0;
    struct t0_tpdu tpdu;
    both.icc_config =
        (struct t0_icc_config){.ack = flags & 1 ? T0_ACK_EACH : T0_ACK_ALL, .nulls = line_byte(&line)};
    const uint8_t *bytes = line_bytes(&line, &length);
    if (apdu_decode(bytes, length, &both.command, NULL) != APDU_OK)
        return;
    fill(response, data, flags);
    response[data] = sw[0];
    response[data + 1] = sw[1];
    both.response = response;
    both.response_length = data + 2;
    both.processed = 0;
    both.plain = !is_status(both.command.ins) && both.command.ins != T0_NULL &&
                 both.command.ins != T0_APDU_INS_GET_RESPONSE && both.command.ins != T0_APDU_INS_ENVELOPE;
    t0_apdu_icc_reset(&both.apdu_icc);
    t0_apdu_ifd_start(&both.apdu_ifd, T0_APDU_CLASS_INTERINDUSTRY, bytes, length);
    while (t0_apdu_ifd_next(&both.apdu_ifd, &tpdu)) {
        CHECK(++count <= APDU_COMMAND_MAX / 254 + APDU_NE_MAX / 256 + 4);
        if (!exchange(&both, &tpdu))
            return;
    }
    if (!both.plain)
        return;
    CHECK(both.apdu_ifd.reason == T0_APDU_OK && both.processed == 1);
    size_t got = both.apdu_ifd.response_length;
    CHECK(got >= 2 && got - 2 == (data < both.command.ne ? data : both.command.ne));
    CHECK(memcmp(both.apdu_ifd.response, response, got - 2) == 0);
    if (data <= both.command.ne)
        CHECK(memcmp(both.apdu_ifd.response + got - 2, sw, 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct line line = {.at = data + 1, .end = data + size};
    switch (data[0] % 5) {
    case 0:
        check_ifd(line);
        break;
    case 1:
        check_icc(line);
        break;
    case 2:
        check_apdu_ifd(line);
        break;
    case 3:
        check_apdu_icc(line);
        break;
    default:
        check_both(line);
        break;
    }
    return 0;
}
