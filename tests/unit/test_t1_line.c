/* SPDX-License-Identifier: BSD-3-Clause */
/* T=1: two machines, and a bad line between them. */
#include "iso7816/t1.h"

#include "bytes.h"
#include "count.h"
#include "must.h"
#include "next_random.h"
#include "run_suite.h"
#include "slow_crc.h"
#include "t1_parameters.h"

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum fault {
    FAULT_BIT,
    FAULT_BITS,
    FAULT_BURST,
    FAULT_PARITY,
    FAULT_LOST,
    FAULT_BYTE_LOST,
    FAULT_CUT,
    FAULT_TWICE,
    FAULT_NOISE,
    FAULT_COUNT
};

struct line {
    uint32_t seed;
    uint32_t one_in; /* blocks that get a fault; 0: none */
    enum t1_edc edc;
    uint64_t blocks, faults;
};

static bool chance(struct line *line, uint32_t one_in)
{
    return one_in > 0 && next_random(&line->seed) % one_in == 0;
}

/* Whether a receiver must take these bytes for a block, going by the standard alone. */
static bool looks_right(enum t1_edc edc, const uint8_t *bytes, size_t length, size_t parity_at, size_t *end)
{
    size_t covered;
    uint8_t lrc = 0;

    if (length < 4 || bytes[2] == 0xFF)
        return false;
    covered = 3u + bytes[2];
    *end = covered + (edc == T1_CRC ? 2 : 1);
    if (length < *end || parity_at < *end)
        return false;
    if (edc == T1_CRC)
        return slow_crc(bytes, covered) == (bytes[covered] | bytes[covered + 1] << 8);
    for (size_t i = 0; i <= covered; i++)
        lrc ^= bytes[i];
    return lrc == 0;
}

/*
 * Carries a block to the other side, perhaps with a fault. Faults that the EDC can't show are left out: what
 * arrives is the block, or does not look like one.
 */
static void carry(struct line *line, const uint8_t *block, size_t length, struct t1 *to)
{
    uint8_t bytes[2 * T1_BLOCK_MAX + 1];
    size_t n = length, parity_at = SIZE_MAX, at, end;

    line->blocks++;
    memcpy(bytes, block, length);
    if (chance(line, line->one_in)) {
        line->faults++;
        at = next_random(&line->seed) % length;
        switch ((enum fault)(next_random(&line->seed) % FAULT_COUNT)) {
        case FAULT_BIT:
            bytes[at] ^= (uint8_t)(1u << next_random(&line->seed) % 8);
            break;
        case FAULT_BITS:
            for (int i = 0; i < 3; i++)
                bytes[next_random(&line->seed) % length] ^= (uint8_t)(1u << next_random(&line->seed) % 8);
            break;
        case FAULT_BURST:
            for (size_t i = at; i < length && i < at + 8; i++)
                bytes[i] = (uint8_t)(next_random(&line->seed) >> 7);
            break;
        case FAULT_PARITY:
            parity_at = at;
            bytes[at] ^= (uint8_t)(next_random(&line->seed) % 2);
            break;
        case FAULT_LOST:
            n = 0;
            break;
        case FAULT_BYTE_LOST:
            memmove(bytes + at, bytes + at + 1, length - at - 1);
            n = length - 1;
            break;
        case FAULT_CUT:
            n = at;
            break;
        case FAULT_TWICE:
            memcpy(bytes + length, block, length);
            n = 2 * length;
            break;
        case FAULT_NOISE:
            memmove(bytes + at + 1, bytes + at, length - at);
            bytes[at] = (uint8_t)(next_random(&line->seed) >> 9);
            n = length + 1;
            break;
        case FAULT_COUNT:
            break;
        }
        if (looks_right(line->edc, bytes, n, parity_at, &end) &&
            (end != length || memcmp(bytes, block, length) != 0)) {
            memcpy(bytes, block, length);
            n = length;
        }
    }
    for (size_t i = 0; i < n; i++)
        t1_byte(to, bytes[i], i != parity_at);
}

static const struct run {
    const char *name;
    enum t1_edc edc;
    uint32_t one_in;
    bool aborts;
    bool must_work;
} runs[] = {
    {"LRC, no faults", T1_LRC, 0, false, true},
    {"CRC, no faults, chains aborted", T1_CRC, 0, true, false},
    {"LRC, a fault in 200 blocks", T1_LRC, 200, false, true},
    {"CRC, a fault in 200 blocks", T1_CRC, 200, false, true},
    {"LRC, a fault in 12 blocks, chains aborted", T1_LRC, 12, true, false},
    {"CRC, a fault in 12 blocks", T1_CRC, 12, false, false},
    {"LRC, a fault in 3 blocks", T1_LRC, 3, false, false},
    {"CRC, a fault in 3 blocks, chains aborted", T1_CRC, 3, true, false},
};

struct pair {
    struct line line;
    const struct run *run;
    struct t1 device, card;
    uint8_t *got_by_device, *got_by_card, *command, *answer;
    size_t command_length, answer_length;
    unsigned answered; /* times that the card got the command and answered it */
};

#define ANSWER_MAX  65538
#define COMMAND_MAX 65544

static void reset(struct pair *pair)
{
    struct t1_parameters p = parameters_for(T1_CARD, pair->got_by_card, COMMAND_MAX);

    p.edc = pair->run->edc;
    p.ifsc = chance(&pair->line, 2) ? 254 : (uint8_t)(1 + next_random(&pair->line.seed) % 254);
    must(t1_init(&pair->card, &p));
    must(t1_listen(&pair->card));
    p.role = T1_INTERFACE_DEVICE;
    p.buffer = pair->got_by_device;
    p.capacity = ANSWER_MAX;
    p.announce_ifsd = chance(&pair->line, 2) ? 254 : 0;
    must(t1_init(&pair->device, &p));
}

/* Lets the card react until it waits for a block; carries what it sends. */
static void card_turn(struct pair *pair)
{
    struct step step;

    for (;;) {
        t1_next(&pair->card, &step);
        switch (step.kind) {
        case STEP_RECEIVE:
            if (step.timeout == T1_NO_TIMEOUT)
                return;
            t1_timeout(&pair->card);
            break;
        case STEP_SEND:
            carry(&pair->line, step.bytes, step.length, &pair->device);
            return;
        case STEP_PROCESS:
            must(step.length == pair->command_length);
            must_say(step.length == 0 || memcmp(step.bytes, pair->command, step.length) == 0,
                     "the card got another command");
            if (chance(&pair->line, 16))
                must(t1_request_wtx(&pair->card, (uint8_t)next_random(&pair->line.seed)));
            else if (chance(&pair->line, 16))
                must(t1_request_ifs(&pair->card, (uint8_t)(1 + next_random(&pair->line.seed) % 254)));
            else if (pair->run->aborts && chance(&pair->line, 64))
                must(t1_request_abort(&pair->card));
            else if (++pair->answered > 0)
                must(t1_answer(&pair->card, pair->answer, pair->answer_length));
            break;
        default:
            ck_abort_msg("a card got step %d", (int)step.kind);
        }
    }
}

/* Until the interface device has done what was started. */
static enum step_kind exchange(struct pair *pair, struct step *step)
{
    size_t limit = 1000 + 200 * (pair->command_length + pair->answer_length);

    for (size_t i = 0; i < limit; i++) {
        t1_next(&pair->device, step);
        switch (step->kind) {
        case STEP_SEND:
            if (pair->run->aborts && chance(&pair->line, 200))
                t1_request_abort(chance(&pair->line, 2) ? &pair->device : &pair->card);
            if (!pair->run->must_work && chance(&pair->line, 2000))
                t1_resynchronise(&pair->device);
            carry(&pair->line, step->bytes, step->length, &pair->card);
            card_turn(pair);
            break;
        case STEP_RECEIVE:
            t1_timeout(&pair->device);
            break;
        default:
            return step->kind;
        }
    }
    ck_abort_msg("no end after %zu steps", limit);
    return STEP_FAILED;
}

static size_t random_length(struct line *line, size_t min, size_t max)
{
    uint32_t r = next_random(&line->seed) >> 4;

    if (r % 4000 == 0)
        return max;
    if (r % 2000 == 1)
        return min + (r >> 8) % (max - min + 1);
    if (r % 10 == 0)
        return min + (r >> 8) % 600;
    return min + (r >> 8) % 40;
}

/* Only the first bytes and the last differ each time: 65,538 random bytes would take longer than the
 * exchange. */
static void randomise(struct line *line, uint8_t *bytes, size_t length)
{
    size_t at = next_random(&line->seed) % length;

    for (size_t i = 0; i < 16; i++)
        bytes[(at + i) % length] = (uint8_t)(next_random(&line->seed) >> 11);
    for (size_t i = 0; i < 8 && i < length; i++)
        bytes[i] = (uint8_t)(next_random(&line->seed) >> 13);
    bytes[length - 1] = (uint8_t)(next_random(&line->seed) >> 5);
}

static uint32_t number_from(const char *variable, uint32_t otherwise)
{
    const char *text = getenv(variable);

    return text != NULL && *text != '\0' ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

START_TEST(bad_line)
{
    uint32_t exchanges = number_from("T1_EXCHANGES", 800000) / COUNT(runs);
    uint32_t seed = number_from("T1_SEED", 20061101);
    struct pair pair = {.run = &runs[_i]};
    uint64_t worked = 0, again = 0, failed[T1_IFS_REFUSED + 1] = {0}, resynchs = 0, bytes = 0;
    struct step step;

    pair.line = (struct line){.seed = seed + (uint32_t)_i, .one_in = runs[_i].one_in, .edc = runs[_i].edc};
    pair.got_by_device = exact(ANSWER_MAX);
    pair.got_by_card = exact(COMMAND_MAX);
    pair.command = exact(COMMAND_MAX);
    pair.answer = exact(ANSWER_MAX);
    for (size_t i = 0; i < ANSWER_MAX; i++)
        pair.command[i] = pair.answer[ANSWER_MAX - 1 - i] = (uint8_t)next_random(&pair.line.seed);
    reset(&pair);
    for (uint32_t i = 0; i < exchanges; i++) {
        enum step_kind end;
        uint64_t resynchs_before;

        pair.command_length = random_length(&pair.line, 4, COMMAND_MAX);
        pair.answer_length = random_length(&pair.line, 2, ANSWER_MAX);
        randomise(&pair.line, pair.command, pair.command_length);
        randomise(&pair.line, pair.answer, pair.answer_length);
        pair.answered = 0;
        if (chance(&pair.line, 16)) {
            must(t1_request_ifs(&pair.device, (uint8_t)(1 + next_random(&pair.line.seed) % 254)));
            end = exchange(&pair, &step);
            must(step.length == 0);
            if (pair.run->must_work)
                must(end == STEP_DONE);
        }
        if (t1_needs_reset(&pair.device))
            reset(&pair);
        resynchs_before = pair.device.counters.resynchs;
        must(t1_transmit(&pair.device, pair.command, pair.command_length));
        end = exchange(&pair, &step);
        resynchs += pair.device.counters.resynchs - resynchs_before;
        if (end == STEP_DONE) {
            must(step.length == pair.answer_length);
            must_say(memcmp(step.bytes, pair.answer, step.length) == 0, "the device got another answer");
            must(pair.answered >= 1);
            worked++;
            again += pair.answered > 1;
            /* only a resynchronisation makes the card get a command twice */
            must(pair.answered == 1 || pair.device.counters.resynchs > resynchs_before);
            bytes += pair.command_length + pair.answer_length;
        } else {
            must_say(!pair.run->must_work, "%s: exchange %" PRIu32 " failed: %s", pair.run->name, i,
                     t1_reason_text(pair.device.reason));
            must(pair.device.reason != T1_NO_REASON);
            must(pair.device.reason != T1_BABBLE);
            must(pair.device.reason != T1_TOO_LONG);
            if (!pair.run->aborts) {
                must(pair.device.reason != T1_ABORTED_BY_US);
                must(pair.device.reason != T1_ABORTED_BY_PEER);
            }
            /* without faults, only what was asked for */
            if (pair.run->one_in == 0)
                must(!t1_needs_reset(&pair.device));
            failed[pair.device.reason]++;
            if (t1_needs_reset(&pair.device))
                reset(&pair);
        }
    }
    must(worked > exchanges / 2);
    printf(
        "t1: %s: %" PRIu32 " exchanges, seed %" PRIu32 ": %" PRIu64 " worked (%" PRIu64 " bytes), %" PRIu64
        " blocks, %" PRIu64 " faults, %" PRIu64 " resynchronisations, answered more than once %" PRIu64 "\n",
        runs[_i].name, exchanges, seed, worked, bytes, pair.line.blocks, pair.line.faults, resynchs, again);
    for (int i = 0; i <= T1_IFS_REFUSED; i++)
        if (failed[i] > 0)
            printf("t1:     %" PRIu64 " failed: %s\n", failed[i], t1_reason_text((enum t1_reason)i));
    fflush(stdout);
    free(pair.got_by_device);
    free(pair.got_by_card);
    free(pair.command);
    free(pair.answer);
}
END_TEST

START_TEST(counters_count)
{
    uint8_t buffer[64], *answer = buffer;
    struct pair pair = {.run = &runs[0]};
    struct step step;

    pair.line.seed = 5;
    pair.got_by_device = exact(ANSWER_MAX);
    pair.got_by_card = exact(COMMAND_MAX);
    pair.command = exact(64);
    pair.answer = answer;
    memset(buffer, 7, sizeof buffer);
    pair.command_length = 64;
    pair.answer_length = 64;
    reset(&pair);
    ck_assert(t1_resynchronise(&pair.device));
    ck_assert_int_eq(exchange(&pair, &step), STEP_DONE);
    for (int i = 0; i < 100; i++) {
        ck_assert(t1_transmit(&pair.device, pair.command, 64));
        ck_assert_int_eq(exchange(&pair, &step), STEP_DONE);
    }
    ck_assert_uint_eq(pair.device.counters.resynchs, 1);
    ck_assert_uint_eq(pair.card.counters.resynchs, 1);
    ck_assert_uint_eq(pair.device.counters.blocks_sent, pair.card.counters.blocks_received);
    ck_assert_uint_eq(pair.card.counters.blocks_sent, pair.device.counters.blocks_received);
    ck_assert_uint_eq(pair.device.counters.blocks_sent, pair.device.counters.blocks_received);
    ck_assert_uint_gt(pair.device.counters.wtx, 0);
    ck_assert_uint_eq(pair.device.counters.wtx, pair.card.counters.wtx);
    ck_assert_uint_eq(pair.device.counters.last_multiplier, pair.card.counters.last_multiplier);
    ck_assert_uint_eq(pair.device.counters.invalid + pair.card.counters.invalid, 0);
    ck_assert_uint_eq(pair.device.counters.retransmissions + pair.card.counters.retransmissions, 0);
    ck_assert_uint_eq(pair.device.counters.timeouts + pair.device.counters.aborts, 0);
    /* one block gets lost on its way to the card, one is spoilt on its way back */
    ck_assert(t1_transmit(&pair.device, pair.command, 64));
    t1_next(&pair.device, &step);
    ck_assert_int_eq(step.kind, STEP_SEND);
    ck_assert_int_eq(exchange(&pair, &step), STEP_DONE);
    ck_assert_uint_eq(pair.device.counters.timeouts, 1);
    ck_assert_uint_eq(pair.device.counters.retransmissions, 1);
    free(pair.got_by_device);
    free(pair.got_by_card);
    free(pair.command);
}
END_TEST

static Suite *line_suite(void)
{
    Suite *suite = suite_create("t1_line");
    TCase *tc = tcase_create("line");

    tcase_set_timeout(tc, 0); /* T1_EXCHANGES may ask for any number */
    tcase_add_loop_test(tc, bad_line, 0, COUNT(runs));
    tcase_add_test(tc, counters_count);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(line_suite());
}
