/* SPDX-License-Identifier: BSD-3-Clause */
/* T=1: a machine that gets anything, and the same by single characters and by runs of them. */
#include "iso7816/t1.h"

#include "bytes.h"
#include "must.h"
#include "next_random.h"
#include "run_suite.h"
#include "t1_parameters.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Asks for steps as long as the machine gives some that need no answer; it must come to rest at once. */
static int sent_before_rest(struct t1 *t1, size_t capacity, uint32_t *seed)
{
    struct step step;
    uint8_t sum = 0;
    int sent = 0;

    for (int i = 0; i < 4; i++) {
        t1_next(t1, &step);
        for (size_t k = 0; k < step.length; k++)
            sum ^= step.bytes[k];
        switch (step.kind) {
        case STEP_SEND:
            sent++;
            must(step.length >= 4);
            must(step.length <= T1_BLOCK_MAX);
            break;
        case STEP_RECEIVE:
            must(step.timeout > 0);
            break;
        default:
            must(step.length <= capacity);
            break;
        }
    }
    must(sent <= 1);
    *seed += sum & 1; /* so that the bytes are read */
    *seed |= 1u << 30;
    return sent;
}

static void garbage(enum t1_role role, enum t1_edc edc, uint32_t seed, unsigned operations)
{
    static const uint8_t pcbs[] = {0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0x81, 0x92, 0xC0, 0xC1,
                                   0xC2, 0xC3, 0xE0, 0xE1, 0xE2, 0xE3, 0xC4, 0x10, 0xA0, 0x8F};
    size_t capacity = 300;
    int sent = 0;
    uint8_t *buffer = exact(capacity), data[700], block[T1_BLOCK_MAX];
    struct t1 t1;
    struct t1_parameters p = parameters_for(role, buffer, capacity);

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)next_random(&seed);
    p.edc = edc;
    p.announce_ifsd = seed % 2 != 0 ? 200 : 0;
    must(t1_init(&t1, &p));
    t1_listen(&t1);
    for (unsigned i = 0; i < operations; i++) {
        uint32_t r = next_random(&seed) >> 3;
        size_t length;
        uint8_t pcb;

        switch (r % 16) {
        case 0:
            t1_timeout(&t1);
            break;
        case 1:
            for (uint32_t k = 0; k < r / 16 % 300; k++)
                t1_byte(&t1, (uint8_t)next_random(&seed), next_random(&seed) % 64 != 0);
            break;
        case 2:
            t1_byte(&t1, (uint8_t)(r >> 8), (r & 16) != 0);
            break;
        case 3:
            t1_request_wtx(&t1, (uint8_t)(r >> 8));
            t1_request_ifs(&t1, (uint8_t)(r >> 9));
            break;
        case 4:
            if (r / 16 % 8 == 0)
                t1_request_abort(&t1);
            if (r / 16 % 32 == 1)
                t1_resynchronise(&t1);
            break;
        case 5:
        case 6:
            t1_transmit(&t1, data, r / 16 % sizeof data);
            t1_answer(&t1, data, r / 16 % sizeof data);
            break;
        default:
            pcb = pcbs[r / 16 % sizeof pcbs];
            length = (pcb & 0x80) == 0 ? (r >> 12) % 40 : (pcb & 0x41) == 0x41 ? 1 : 0;
            if (r % 256 == 15)
                length = (r >> 12) % 255;
            length = t1_block_encode(edc, 0, pcb, data + (r >> 12) % 400, length, block);
            for (size_t k = 0; k < length; k++)
                t1_byte(&t1, block[k], true);
            break;
        }
        sent += sent_before_rest(&t1, capacity, &seed);
        if (t1_needs_reset(&t1)) {
            must(t1_init(&t1, &p));
            t1_listen(&t1);
        }
    }
    must(sent > 100);
    free(buffer);
}

START_TEST(garbage_in)
{
    for (uint32_t round = 1; round <= 10; round++) {
        garbage(T1_INTERFACE_DEVICE, T1_LRC, _i * 1000 + round * 2654435761u, 4000);
        garbage(T1_CARD, T1_CRC, _i * 1000 + round * 2654435761u + 7, 4000);
        garbage(T1_CARD, T1_LRC, _i * 1000 + round * 2654435761u + 9, 4000);
    }
}
END_TEST

/* Two machines that get the same: one each character by itself, one as many at once as come. */
struct twins {
    struct t1 single, run;
    uint8_t single_buffer[300], run_buffer[300];
    size_t most; /* of the last STEP_RECEIVE, less the characters since; */
    uint32_t timeout;
    unsigned received; /* blocks without error */
};

static void assert_same_step(struct twins *twins)
{
    struct step single, run;

    t1_next(&twins->single, &single);
    t1_next(&twins->run, &run);
    must(single.kind == run.kind && single.length == run.length && single.most == run.most);
    must(single.timeout == run.timeout && single.guard == run.guard);
    must(single.length == 0 || memcmp(single.bytes, run.bytes, run.length) == 0);
    must(memcmp(&twins->single.counters, &twins->run.counters, sizeof twins->run.counters) == 0);
    must(twins->single.reason == twins->run.reason);
    must((single.kind == STEP_RECEIVE) == (single.most > 0));
    must(single.most <= 1 || single.timeout == CWT); /* the first of a block has another limit */
    twins->most = single.most;
    twins->timeout = single.timeout;
}

/* What may be taken at once is under one time limit, as long as all is right. */
static void assert_same_limit(struct twins *twins)
{
    size_t most = twins->most;
    uint32_t timeout = twins->timeout;

    assert_same_step(twins);
    must(most <= 1 || twins->timeout == timeout);
    if (most > 1)
        must(twins->most == most - 1);
}

static void give_both(struct twins *twins, const uint8_t *bytes, size_t count, bool parity_ok, uint32_t *seed)
{
    for (size_t i = 0; i < count; i++)
        t1_byte(&twins->single, bytes[i], parity_ok || i + 1 < count);
    for (size_t at = 0, now; at < count; at += now) {
        now = 1 + next_random(seed) % (next_random(seed) % 2 ? 8 : count);
        now = now < count - at ? now : count - at;
        t1_bytes(&twins->run, bytes + at, now, parity_ok || at + now < count);
    }
    assert_same_step(twins);
}

/* A block, in good order or not, and more behind it. */
static void give_both_a_block(struct twins *twins, uint32_t *seed)
{
    static const uint8_t pcbs[] = {0x00, 0x20, 0x40, 0x60, 0x80, 0x90, 0x81, 0xC0, 0xC1, 0xC3, 0xE0, 0xE1};
    uint8_t inf[T1_INF_MAX], bytes[2 * T1_BLOCK_MAX];
    uint8_t pcb = pcbs[next_random(seed) % sizeof pcbs];
    size_t length = (pcb & 0x80) == 0 ? next_random(seed) % 33 : (pcb & 0x41) == 0x41;

    for (size_t i = 0; i < sizeof inf; i++)
        inf[i] = (uint8_t)(next_random(seed) >> 5);
    if (next_random(seed) % 16 == 0)
        length = next_random(seed) % sizeof inf;
    length = t1_block_encode(twins->run.parameters.edc, 0, pcb, inf, length, bytes);
    if (next_random(seed) % 8 == 0)
        bytes[next_random(seed) % length] ^= (uint8_t)next_random(seed);
    for (; next_random(seed) % 8 == 0 && length < sizeof bytes; length++)
        bytes[length] = (uint8_t)next_random(seed);
    give_both(twins, bytes, length, next_random(seed) % 16 != 0, seed);
}

static void begin_twins(struct twins *twins, enum t1_role role, enum t1_edc edc)
{
    struct t1_parameters p = parameters_for(role, twins->single_buffer, sizeof twins->single_buffer);

    twins->received += (unsigned)twins->run.counters.blocks_received;
    p.edc = edc;
    must(t1_init(&twins->single, &p));
    p.buffer = twins->run_buffer;
    must(t1_init(&twins->run, &p));
    t1_listen(&twins->single);
    t1_listen(&twins->run);
}

START_TEST(runs_are_as_single_characters)
{
    enum t1_role role = _i % 2 ? T1_CARD : T1_INTERFACE_DEVICE;
    enum t1_edc edc = _i / 2 ? T1_CRC : T1_LRC;
    struct twins twins = {.received = 0};
    uint32_t seed = 4711 + (uint32_t)_i;
    uint8_t data[400];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(next_random(&seed) >> 3);
    begin_twins(&twins, role, edc);
    for (unsigned i = 0; i < 100000; i++) {
        size_t length = next_random(&seed) % sizeof data;
        switch (next_random(&seed) % 8) {
        case 0:
            t1_timeout(&twins.single);
            t1_timeout(&twins.run);
            break;
        case 1:
            give_both(&twins, data, length, next_random(&seed) % 2 != 0, &seed);
            break;
        case 2:
        case 3:
            must(t1_transmit(&twins.single, data, length) == t1_transmit(&twins.run, data, length));
            must(t1_answer(&twins.single, data, length) == t1_answer(&twins.run, data, length));
            break;
        default:
            give_both_a_block(&twins, &seed);
        }
        assert_same_step(&twins);
        if (next_random(&seed) % 4 == 0) {
            give_both(&twins, (const uint8_t *)"\0\x40\x09", 3, true, &seed);
            for (int more = 0; more < 9; more++) {
                t1_byte(&twins.single, data[more], true);
                t1_bytes(&twins.run, data + more, 1, true);
                assert_same_limit(&twins);
            }
        }
        if (t1_needs_reset(&twins.run))
            begin_twins(&twins, role, edc);
    }
    begin_twins(&twins, role, edc);
    must(twins.received > 1000);
}
END_TEST

static Suite *garbage_suite(void)
{
    Suite *suite = suite_create("t1_garbage");
    TCase *tc = tcase_create("garbage");

    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, garbage_in, 0, 2);
    suite_add_tcase(suite, tc);

    tc = tcase_create("runs of characters");
    tcase_add_loop_test(tc, runs_are_as_single_characters, 0, 4);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(garbage_suite());
}
