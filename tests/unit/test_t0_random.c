/* SPDX-License-Identifier: BSD-3-Clause */
/* T=0: both ends together with random commands; garbage; runs of characters. */
#include "iso7816/apdu.h"
#include "iso7816/t0.h"
#include "iso7816/t0_apdu.h"

#include "bytes.h"
#include "count.h"
#include "must.h"
#include "next_random.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- both ends together ---- */

struct ends {
    struct t0_apdu_ifd ifd;
    struct t0_apdu_icc icc;
    /* what the script got, and what it answers */
    uint8_t seen[APDU_COMMAND_MAX];
    size_t seen_length;
    unsigned runs;
    uint8_t response[T0_APDU_RESPONSE_MAX];
    size_t response_length;
    uint32_t seed;
};

/* What is pending between the machines of one TPDU: characters that one sent and the other has not had. */
struct wire {
    uint8_t bytes[400];
    size_t length, at;
};

static void wire_send(struct wire *wire, const struct step *step)
{
    must(wire->at == wire->length); /* half duplex */
    must(step->length <= sizeof wire->bytes);
    memcpy(wire->bytes, step->bytes, step->length);
    wire->length = step->length;
    wire->at = 0;
}

/* The card gets the header or the whole command from t0_icc. */
static void card_process(struct ends *e, struct t0_icc *icc, const struct step *step,
                         enum t0_direction direction, uint32_t ne)
{
    struct t0_tpdu tpdu = {.length = step->length - 5, .ne = ne};
    struct step answer;

    memcpy(tpdu.header, step->bytes, 5);
    tpdu.direction = direction;
    if (!t0_apdu_icc_direction(&e->icc, tpdu.header, &tpdu.direction))
        tpdu.direction = direction;
    must(tpdu.direction == direction);
    if (direction == T0_TO_CARD && t0_icc_take(icc))
        return;
    tpdu.data = tpdu.length > 0 ? step->bytes + 5 : NULL;
    t0_apdu_icc_command(&e->icc, &tpdu);
    t0_apdu_icc_next(&e->icc, &answer);
    if (answer.kind == STEP_PROCESS) {
        e->runs++;
        memcpy(e->seen, answer.bytes, answer.length);
        e->seen_length = answer.length;
        must(t0_apdu_icc_answer(&e->icc, e->response, e->response_length));
        t0_apdu_icc_next(&e->icc, &answer);
    }
    must(answer.kind == STEP_DONE);
    must(t0_icc_answer(icc, answer.bytes, answer.length));
}

static void exchange_tpdu(struct ends *e, const struct t0_tpdu *tpdu)
{
    const struct t0_ifd_config ifd_config = {9600, 12, 0};
    const struct t0_icc_config icc_config = {next_random(&e->seed) % 4 == 0 ? T0_ACK_EACH : T0_ACK_ALL,
                                             next_random(&e->seed) % 4 == 0 ? next_random(&e->seed) % 40 : 0};
    struct t0_ifd ifd;
    struct t0_icc icc;
    struct wire to_card = {.length = 0}, from_card = {.length = 0};
    struct step step;
    bool card_waits;

    t0_ifd_start(&ifd, &ifd_config, tpdu);
    t0_icc_start(&icc, &icc_config);
    for (;;) {
        for (t0_ifd_next(&ifd, &step); step.kind == STEP_SEND; t0_ifd_next(&ifd, &step))
            wire_send(&to_card, &step);
        if (step.kind == STEP_DONE)
            break;
        must(step.kind == STEP_RECEIVE);
        for (card_waits = false; !card_waits && from_card.at == from_card.length;) {
            t0_icc_next(&icc, &step);
            if (step.kind == STEP_SEND)
                wire_send(&from_card, &step);
            else if (step.kind == STEP_PROCESS)
                card_process(e, &icc, &step, tpdu->direction, tpdu->ne);
            else if (step.kind == STEP_RECEIVE && to_card.at < to_card.length)
                t0_icc_byte(&icc, to_card.bytes[to_card.at++], true);
            else
                card_waits = true;
        }
        must(!card_waits);
        t0_ifd_byte(&ifd, from_card.bytes[from_card.at++], true);
    }
    must(from_card.at == from_card.length);
    must(to_card.at == to_card.length);
    t0_apdu_ifd_result(&e->ifd, step.bytes, step.length);
    t0_icc_next(&icc, &step);
    must(step.kind == STEP_DONE);
}

static size_t random_length(uint32_t *seed, size_t max)
{
    switch (next_random(seed) % 32) {
    case 0:
        return next_random(seed) % (max + 1);
    case 1:
        return max - next_random(seed) % 3;
    case 2:
    case 3:
        return 250 + next_random(seed) % 20;
    case 4:
        return 500 + next_random(seed) % 20;
    case 5:
    case 6:
    case 7:
    case 8:
        return next_random(seed) % 300;
    default:
        return next_random(seed) % 20;
    }
}

static uint8_t random_instruction(uint32_t *seed)
{
    for (;;) {
        uint8_t ins = (uint8_t)next_random(seed);

        if ((ins & 0xF0) != 0x60 && (ins & 0xF0) != 0x90 && ins != 0xC0 && ins != 0xC2)
            return ins;
    }
}

/* What the script should see: the command in its shortest form. */
static size_t expected_command(const struct apdu_command *command, const uint8_t *bytes, size_t length,
                               uint8_t *out)
{
    struct apdu_command c = *command;
    size_t len;

    if (c.nc > 255) {
        memcpy(out, bytes, length);
        return length;
    }
    must(apdu_shortest_case(c.nc, c.ne, &c.kind) == APDU_OK);
    must(apdu_encode(&c, out, APDU_COMMAND_MAX, &len) == APDU_OK);
    return len;
}

/* What the application should get: no more than Ne bytes, and by 61XX how many are left. */
static size_t expected_response(const struct apdu_command *command, const uint8_t *response, size_t length,
                                uint8_t *out)
{
    size_t n = length - 2, ne = command->ne, left;

    if (n <= ne) {
        memcpy(out, response, length);
        return length;
    }
    left = n - ne;
    memcpy(out, response, ne);
    out[ne] = 0x61;
    out[ne + 1] = (uint8_t)(left < 256 ? left : 256);
    return ne + 2;
}

START_TEST(both_ends)
{
    static const uint16_t statuses[] = {0x9000, 0x9000, 0x9000, 0x6283, 0x63C2,
                                        0x6A82, 0x6F00, 0x9F10, 0x9001};
    const char *wanted = getenv("T0_EXCHANGES");
    unsigned long count = wanted != NULL ? strtoul(wanted, NULL, 10) : 50000, bytes_moved = 0;
    struct ends *e = exact(sizeof *e);
    uint8_t *bytes = exact(APDU_COMMAND_MAX), *expected = exact(APDU_COMMAND_MAX);

    e->seed = 0x7816;
    t0_apdu_icc_reset(&e->icc);
    for (unsigned long i = 0; i < count; i++) {
        struct apdu_command c = {.cla = (uint8_t)next_random(&e->seed),
                                 .ins = random_instruction(&e->seed),
                                 .p1 = (uint8_t)next_random(&e->seed),
                                 .p2 = (uint8_t)next_random(&e->seed),
                                 .data = bytes + 7};
        bool extended = next_random(&e->seed) % 2;
        size_t length, len;
        uint16_t status = statuses[next_random(&e->seed) % COUNT(statuses)];
        struct t0_tpdu tpdu;
        unsigned tpdu_count = 0;

        if (next_random(&e->seed) % 2)
            c.nc = random_length(&e->seed, extended ? 65535 : 255) % (extended ? 65536 : 256);
        if (next_random(&e->seed) % 2)
            c.ne = (uint32_t)(random_length(&e->seed, extended ? 65536 : 256) % (extended ? 65537 : 257));
        for (size_t k = 0; k < c.nc; k++)
            bytes[7 + k] = (uint8_t)next_random(&e->seed);
        must(apdu_shortest_case(c.nc, c.ne, &c.kind) == APDU_OK);
        if (extended && c.kind >= APDU_CASE_2S && c.kind <= APDU_CASE_4S)
            c.kind = (enum apdu_case)(c.kind + APDU_CASE_2E - APDU_CASE_2S);
        must(apdu_encode(&c, bytes, APDU_COMMAND_MAX, &length) == APDU_OK);
        must(apdu_decode(bytes, length, &c, NULL) == APDU_OK);

        len = next_random(&e->seed) % 3 == 0 ? 0 : random_length(&e->seed, 65536);
        if (next_random(&e->seed) % 4 == 0)
            len = c.ne;
        for (size_t k = 0; k < len; k++)
            e->response[k] = (uint8_t)next_random(&e->seed);
        e->response[len] = (uint8_t)(status >> 8);
        e->response[len + 1] = (uint8_t)status;
        e->response_length = len + 2;

        e->runs = 0;
        t0_apdu_ifd_start(&e->ifd, T0_APDU_CLASS_INTERINDUSTRY, bytes, length);
        while (t0_apdu_ifd_next(&e->ifd, &tpdu)) {
            exchange_tpdu(e, &tpdu);
            must(++tpdu_count < 258 + 257 + 3);
        }
        must(e->ifd.reason == T0_APDU_OK);
        must(e->runs == 1);
        len = expected_command(&c, bytes, length, expected);
        must(e->seen_length == len);
        must(memcmp(e->seen, expected, len) == 0);
        len = expected_response(&c, e->response, e->response_length, expected);
        must(e->ifd.response_length == len);
        must(memcmp(e->ifd.response, expected, len) == 0);
        bytes_moved += length + len;
    }
    printf("T=0: %lu exchanges, %lu bytes, seed 7816\n", count, bytes_moved);
    free(e);
    free(bytes);
    free(expected);
}
END_TEST

/* ---- garbage ---- */

START_TEST(garbage_tpdus)
{
    uint32_t seed = 0xBAD5EED;
    static const uint8_t likely[] = {0x60, 0xB0, 0x4F, 0x61, 0x90, 0x6C, 0x00, 0xC0};

    for (int round = 0; round < 20000; round++) {
        const struct t0_ifd_config ifd_config = {9600, 12, 1 + next_random(&seed) % 8};
        const struct t0_icc_config icc_config = {next_random(&seed) % 2 ? T0_ACK_ALL : T0_ACK_EACH,
                                                 next_random(&seed) % 50};
        uint8_t noise[300];
        struct t0_tpdu tpdu = {.header = {0, 0xB0, 0, 0, (uint8_t)next_random(&seed)}, .data = noise};
        struct t0_ifd ifd;
        struct t0_icc icc;
        struct step step;
        int steps = 0;

        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)next_random(&seed);
        tpdu.direction = next_random(&seed) % 2 ? T0_TO_CARD : T0_FROM_CARD;
        tpdu.length = tpdu.direction == T0_TO_CARD ? tpdu.header[4] : 0;
        t0_ifd_start(&ifd, &ifd_config, &tpdu);
        do {
            t0_ifd_next(&ifd, &step);
            t0_ifd_byte(&ifd,
                        next_random(&seed) % 8 ? likely[next_random(&seed) % 3]
                                               : likely[next_random(&seed) % 8],
                        true);
            must(++steps < 800);
        } while (step.kind != STEP_DONE && step.kind != STEP_FAILED);

        t0_icc_start(&icc, &icc_config);
        steps = 0;
        do {
            t0_icc_next(&icc, &step);
            t0_icc_byte(&icc, (uint8_t)next_random(&seed), true);
            if (next_random(&seed) % 2)
                t0_icc_take(&icc);
            if (step.kind == STEP_PROCESS)
                t0_icc_answer(&icc, noise, next_random(&seed) % sizeof noise);
            must(++steps < 3000);
        } while (step.kind != STEP_DONE && step.kind != STEP_FAILED);
    }
}
END_TEST

/* So many of the bytes to come, each as likely to end a run early as not. */
static size_t some_of(size_t left, uint32_t *seed)
{
    size_t count = 1 + next_random(seed) % (next_random(seed) % 2 ? 5 : left);

    return count < left ? count : left;
}

static void assert_same_step(const struct step *a, const struct step *b)
{
    must(a->kind == b->kind && a->length == b->length && a->timeout == b->timeout && a->most == b->most);
    must(a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
    must((a->kind == STEP_RECEIVE) == (a->most > 0));
}

/* Two machines each that get the same: one each character by itself, one several at once. */
START_TEST(runs_are_as_single_characters)
{
    uint32_t seed = 0x816;
    int done = 0, failed = 0, processed = 0;

    for (int round = 0; round < 50000; round++) {
        const struct t0_ifd_config ifd_config = {9600, 12, 3};
        const struct t0_icc_config icc_config = {T0_ACK_ALL, 0};
        uint8_t bytes[300] = {0};
        struct t0_tpdu tpdu = {.header = {0, 0xB0, 0, 0, (uint8_t)next_random(&seed)},
                               .direction = T0_FROM_CARD};
        struct t0_ifd ifd, single_ifd;
        struct t0_icc icc, single_icc;
        struct step step, single_step;
        size_t count = t0_tpdu_size(tpdu.header, T0_FROM_CARD) + 3, now;
        bool parity_ok = next_random(&seed) % 4 != 0, take = next_random(&seed) % 2;

        for (size_t i = 1; i < count; i++)
            bytes[i] = (uint8_t)(next_random(&seed) >> 4);
        bytes[0] = next_random(&seed) % 8 ? 0xB0 : 0x4F;
        bytes[count - 2] = 0x90;
        count -= next_random(&seed) % 8 ? 0 : next_random(&seed) % count;
        t0_ifd_start(&ifd, &ifd_config, &tpdu);
        t0_ifd_start(&single_ifd, &ifd_config, &tpdu);
        t0_ifd_next(&ifd, &step);
        t0_ifd_next(&single_ifd, &single_step);
        assert_same_step(&step, &single_step);
        for (size_t at = 0; at < count; at += now) {
            now = some_of(count - at, &seed);
            t0_ifd_bytes(&ifd, bytes + at, now, parity_ok || at + now < count);
            for (size_t i = at; i < at + now; i++)
                t0_ifd_byte(&single_ifd, bytes[i], parity_ok || i + 1 < count);
            t0_ifd_next(&ifd, &step);
            t0_ifd_next(&single_ifd, &single_step);
            assert_same_step(&step, &single_step);
            must(ifd.reason == single_ifd.reason);
        }
        done += step.kind == STEP_DONE;
        failed += step.kind == STEP_FAILED;

        t0_icc_start(&icc, &icc_config);
        t0_icc_start(&single_icc, &icc_config);
        bytes[4] = (uint8_t)next_random(&seed);
        count = next_random(&seed) % sizeof bytes;
        for (size_t at = 0; at < count; at += now) {
            now = some_of(count - at, &seed);
            t0_icc_bytes(&icc, bytes + at, now, parity_ok || at + now < count);
            for (size_t i = at; i < at + now; i++)
                t0_icc_byte(&single_icc, bytes[i], parity_ok || i + 1 < count);
            t0_icc_next(&icc, &step);
            t0_icc_next(&single_icc, &single_step);
            assert_same_step(&step, &single_step);
            must(icc.reason == single_icc.reason);
            if (take)
                must(t0_icc_take(&icc) == t0_icc_take(&single_icc));
            processed += step.kind == STEP_PROCESS;
            for (; step.kind == STEP_PROCESS || step.kind == STEP_SEND;) {
                t0_icc_next(&icc, &step);
                t0_icc_next(&single_icc, &single_step);
                assert_same_step(&step, &single_step);
                if (step.kind == STEP_PROCESS)
                    break;
            }
        }
    }
    must(done > 1000 && failed > 1000 && processed > 1000);
}
END_TEST

START_TEST(garbage_apdus)
{
    struct t0_apdu_ifd *ifd = exact(sizeof *ifd);
    struct t0_apdu_icc *icc = exact(sizeof *icc);
    uint8_t *noise = exact(T0_APDU_RESPONSE_MAX);
    static const uint8_t sw1s[] = {0x90, 0x61, 0x6C, 0x61, 0x6C, 0x62, 0x60, 0x00};
    static const uint8_t classes[] = {0x00, 0x00, 0x00, 0x80};
    static const uint8_t instructions[] = {0xC0, 0xC2, 0xB0, 0xC2};
    uint32_t seed = 0xBADBEEF;

    for (size_t i = 0; i < T0_APDU_RESPONSE_MAX; i++)
        noise[i] = (uint8_t)next_random(&seed);
    t0_apdu_icc_reset(icc);
    for (int round = 0; round < 20000; round++) {
        uint8_t command[300], result[T0_RESULT_MAX + 4];
        struct t0_tpdu tpdu;
        struct step step;
        unsigned steps = 0;

        for (size_t i = 0; i < sizeof command; i++)
            command[i] = (uint8_t)(next_random(&seed) % 3 ? 0 : next_random(&seed));
        t0_apdu_ifd_start(ifd, T0_APDU_CLASS_INTERINDUSTRY, command, 4 + next_random(&seed) % 12);
        while (t0_apdu_ifd_next(ifd, &tpdu)) {
            size_t len = next_random(&seed) % 4 ? 2 : next_random(&seed) % sizeof result;

            memset(result, 0x33, sizeof result);
            if (len >= 2 && len <= sizeof result) {
                result[len - 2] = sw1s[next_random(&seed) % sizeof sw1s];
                result[len - 1] = (uint8_t)(next_random(&seed) % 3);
            }
            t0_apdu_ifd_result(ifd, result, len);
            must(++steps < 66000 * T0_APDU_STALL_MAX);
        }

        tpdu =
            (struct t0_tpdu){.header = {classes[next_random(&seed) % 4], instructions[next_random(&seed) % 4],
                                        0, 0, (uint8_t)next_random(&seed)},
                             .direction = next_random(&seed) % 2 ? T0_TO_CARD : T0_FROM_CARD,
                             .data = command};
        command[4] = 0;
        tpdu.length = tpdu.direction == T0_TO_CARD ? tpdu.header[4] : 0;
        t0_apdu_icc_command(icc, &tpdu);
        t0_apdu_icc_next(icc, &step);
        if (step.kind == STEP_PROCESS && next_random(&seed) % 8 != 0)
            must(
                t0_apdu_icc_answer(icc, noise, 2 + next_random(&seed) % (next_random(&seed) % 2 ? 3 : 1000)));
        t0_apdu_icc_next(icc, &step);
        must(step.kind == STEP_PROCESS || step.kind == STEP_DONE);
        if (step.kind == STEP_DONE)
            must(step.length >= 2 &&
                 step.length <=
                     (tpdu.direction == T0_TO_CARD ? 0 : t0_tpdu_size(tpdu.header, T0_FROM_CARD)) + 2);
    }
    /* ENVELOPE without end */
    t0_apdu_icc_reset(icc);
    memset(noise, 0, 255);
    noise[5] = noise[6] = 0xFF;
    for (int i = 0; i < 600; i++) {
        struct t0_tpdu tpdu = {
            .header = {0, 0xC2, 0, 0, 255}, .direction = T0_TO_CARD, .data = noise, .length = 255};
        struct step step;

        t0_apdu_icc_command(icc, &tpdu);
        t0_apdu_icc_next(icc, &step);
        must(step.kind == STEP_DONE);
        /* 257 segments are 65,535 bytes; with the next one the command is too long */
        must(step.bytes[0] == (i % 258 == 257 ? 0x67 : 0x90));
    }
    free(ifd);
    free(icc);
    free(noise);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("t0_random");
    TCase *tc = tcase_create("random");

    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, both_ends);
    tcase_add_test(tc, garbage_tpdus);
    tcase_add_test(tc, runs_are_as_single_characters);
    tcase_add_test(tc, garbage_apdus);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
