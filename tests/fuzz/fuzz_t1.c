/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a block of T=1; as what comes in while a machine, of either role, is at work; and as what goes
 * wrong between two machines. */
#include "fuzz.h"
#include "line.h"
#include "t1_block_text.h"

#include "iso7816/t1.h"

#include <stdbool.h>

/* The bits of the first byte. */
#define FLAG_CARD 0x01u
#define FLAG_CRC  0x02u
#define FLAG_BOTH 0x04u
#define FLAG_WTX  0x08u
#define FLAG_IFS  0x10u

/* Calls from the line. */
enum { CALL_BLOCK = 3, CALL_ABORT, CALL_RESYNCH, CALL_IFS, CALL_WTX, CALL_START };

#define CWT  8203u
#define BWT  15371u
#define MUCH 600u /* longest command or answer */

static uint8_t *pattern(size_t length, uint8_t seed)
{
    uint8_t *bytes = malloc(length ? length : 1);
    CHECK(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(seed + i + i / 256);
    return bytes;
}

static void check_block(enum t1_edc edc, const uint8_t *data, size_t size)
{
    struct t1_block block;
    uint8_t *exact = exact_copy(data, size), again[T1_BLOCK_MAX];
    char text[64], small[8];
    enum t1_block_result result = t1_block_decode(edc, exact, size, &block);
    CHECK(t1_block_result_text(result)[0]);
    if (result == T1_BLOCK_OK || result == T1_BLOCK_BAD_VPP) {
        CHECK(size == T1_PROLOGUE_SIZE + (size_t)block.length + t1_edc_size(edc) && size <= T1_BLOCK_MAX);
        CHECK(block.length <= T1_INF_MAX && block.inf == exact + T1_PROLOGUE_SIZE);
        CHECK(((block.nad & 0x88) != 0) == (result == T1_BLOCK_BAD_VPP));
        CHECK(t1_nad_swap(t1_nad_swap(block.nad)) == block.nad || result == T1_BLOCK_BAD_VPP);
        CHECK(t1_block_encode(edc, block.nad, block.pcb, block.inf, block.length, again) == size);
        CHECK(memcmp(again, data, size) == 0);
        CHECK(block.pcb == (block.kind == T1_I_BLOCK ? t1_pcb_i(block.number, block.more)
                            : block.kind == T1_R_BLOCK
                                ? t1_pcb_r(block.number, block.complaint)
                                : t1_pcb_s(block.function, block.kind == T1_S_RESPONSE)));
        size_t length = t1_block_text(&block, text, sizeof text);
        CHECK(length > 0 && length < sizeof text && strlen(text) == length);
        CHECK(t1_block_text(&block, small, sizeof small) == length && strlen(small) < sizeof small);
        CHECK(edc == T1_CRC || t1_lrc(exact, size) == 0);
        for (size_t cut = 0; cut < size; cut++)
            CHECK(t1_block_decode(edc, exact, cut, &block) == T1_BLOCK_TRUNCATED);
    }
    free(exact);

    /* the same bytes one by one; what is complete has the length that decoding wants */
    struct t1_receiver receiver;
    t1_receiver_start(&receiver, edc);
    for (size_t i = 0; i < size; i++) {
        enum t1_receiver_state state = t1_receiver_byte(&receiver, data[i], true);
        if (state == T1_RECEIVER_SPOILT) {
            CHECK(i + 1 == T1_PROLOGUE_SIZE && data[i] > T1_INF_MAX);
            break;
        }
        CHECK(receiver.count == i + 1 && receiver.count <= T1_BLOCK_MAX);
        if (state == T1_RECEIVER_COMPLETE) {
            result = t1_block_decode(edc, receiver.bytes, receiver.count, &block);
            CHECK(result != T1_BLOCK_TRUNCATED && result != T1_BLOCK_TRAILING);
            break;
        }
    }
}

/* What a machine sends can be read by the peer, and keeps to its IFS. */
static void check_sent(const struct t1 *t1, const struct step *step)
{
    struct t1_block block;
    CHECK(step->length <= T1_BLOCK_MAX && step->guard == T1_BGT);
    CHECK(t1_block_decode(t1->parameters.edc, step->bytes, step->length, &block) == T1_BLOCK_OK);
    CHECK(block.kind != T1_I_BLOCK || block.length <= t1->ifs_out);
}

static void check_wait(const struct t1 *t1, uint32_t timeout)
{
    if (timeout == CWT)
        return;
    if (t1->parameters.role == T1_CARD)
        CHECK(timeout == T1_NO_TIMEOUT);
    else
        CHECK(timeout >= BWT && timeout % BWT == 0 && timeout / BWT <= 255);
}

/* ---- one machine ---- */

struct alone {
    struct t1 t1;
    struct line line;
    uint8_t *outgoing; /* lives as long as t1.h wants it to, no longer */
    size_t outgoing_length;
};

static void forget_outgoing(struct alone *alone)
{
    free(alone->outgoing);
    alone->outgoing = NULL;
}

static void start(struct alone *alone)
{
    uint8_t *command = pattern(alone->outgoing_length, 0x11);
    if (t1_transmit(&alone->t1, command, alone->outgoing_length)) {
        CHECK(!alone->outgoing);
        alone->outgoing = command;
    } else {
        free(command);
    }
}

static void receive_block(struct alone *alone)
{
    uint8_t out[T1_BLOCK_MAX], nad = line_byte(&alone->line), pcb = line_byte(&alone->line);
    size_t length = line_byte(&alone->line);
    length = length <= T1_INF_MAX ? length : T1_INF_MAX;
    const uint8_t *inf = line_bytes(&alone->line, &length);
    size_t size = t1_block_encode(alone->t1.parameters.edc, nad, pcb, inf, length, out);
    CHECK(size <= sizeof out);
    for (size_t i = 0; i < size; i++)
        t1_byte(&alone->t1, out[i], true);
}

/* True when the call did something. */
static bool call(struct alone *alone, uint8_t code)
{
    struct t1 *t1 = &alone->t1;
    switch (code) {
    case CALL_BLOCK:
        receive_block(alone);
        return true;
    case CALL_ABORT:
        return t1_request_abort(t1);
    case CALL_RESYNCH:
        return t1_resynchronise(t1);
    case CALL_IFS:
        return t1_request_ifs(t1, line_byte(&alone->line));
    case CALL_WTX:
        return t1_request_wtx(t1, line_byte(&alone->line));
    case CALL_START:
        if (t1->parameters.role == T1_CARD)
            CHECK(!t1_transmit(t1, NULL, 0) && !t1_listen(t1));
        else
            start(alone);
        return true;
    default:
        return false;
    }
}

static void take_event(struct alone *alone)
{
    struct line_event event = line_next(&alone->line);
    if (event.kind == LINE_CHARACTER)
        t1_byte(&alone->t1, event.byte, event.parity_ok);
    else if (event.kind == LINE_CALL)
        call(alone, event.byte);
    else
        t1_timeout(&alone->t1);
}

/* A command for the card: a call, or else an answer. */
static void process(struct alone *alone)
{
    struct line_event event = line_next(&alone->line);
    forget_outgoing(alone);
    if (event.kind == LINE_CALL && event.byte != CALL_BLOCK && event.byte != CALL_START &&
        call(alone, event.byte))
        return;
    alone->outgoing = pattern(alone->outgoing_length, event.byte);
    CHECK(t1_answer(&alone->t1, alone->outgoing, alone->outgoing_length));
    CHECK(!t1_answer(&alone->t1, alone->outgoing, alone->outgoing_length));
}

static void check_result(const struct t1 *t1, const struct step *step)
{
    CHECK(step->length <= t1->parameters.capacity);
    uint8_t *copy = exact_copy(step->bytes, step->length); /* all of it can be read */
    free(copy);
}

static void run(struct alone *alone)
{
    struct t1 *t1 = &alone->t1;
    struct step step;
    size_t room = (size_t)(alone->line.end - alone->line.at), after_end = 0;
    bool card = t1->parameters.role == T1_CARD, sent = false;
    for (size_t steps = 0;; steps++) {
        CHECK(steps < 3 * room + 64);
        bool ended = alone->line.at == alone->line.end;
        t1_next(t1, &step);
        CHECK(t1->ifs_in >= 1 && t1->ifs_in <= T1_INF_MAX && t1->ifs_out >= 1 && t1->ifs_out <= T1_INF_MAX);
        CHECK(t1->rx_length <= t1->parameters.capacity && t1_reason_text(t1->reason)[0]);
        if (step.kind == STEP_SEND) {
            CHECK(!sent); /* something was waited for before */
            check_sent(t1, &step);
            sent = true;
            continue;
        }
        if (step.kind == STEP_RECEIVE) {
            sent = false;
            check_wait(t1, step.timeout);
            if (ended && card && step.timeout == T1_NO_TIMEOUT)
                return;
            CHECK(!ended || ++after_end <= 4 * T1_ATTEMPTS);
            take_event(alone);
            continue;
        }
        if (step.kind == STEP_PROCESS) {
            CHECK(card);
            check_result(t1, &step);
            process(alone);
            continue;
        }
        CHECK(!card && (step.kind == STEP_FAILED) == (t1->reason != T1_NO_REASON));
        CHECK(!t1_needs_reset(t1) || step.kind == STEP_FAILED);
        if (step.kind == STEP_DONE)
            check_result(t1, &step);
        forget_outgoing(alone);
        if (ended)
            return;
        sent = false;
        take_event(alone);
    }
}

static void check_alone(struct t1_parameters *parameters, struct line line)
{
    struct alone alone = {.line = line};
    parameters->nad = line_byte(&alone.line);
    parameters->capacity = line_number(&alone.line) % 2048;
    alone.outgoing_length = line_number(&alone.line) % MUCH;
    parameters->buffer = malloc(parameters->capacity ? parameters->capacity : 1);
    CHECK(parameters->buffer);
    if (t1_init(&alone.t1, parameters)) {
        if (parameters->role == T1_CARD)
            CHECK(t1_listen(&alone.t1) && !t1_listen(&alone.t1));
        else
            start(&alone);
        run(&alone);
    }
    free(alone.outgoing);
    free(parameters->buffer);
}

/* ---- two machines ---- */

enum { PASS, DROP, BAD_PARITY, CUT };

struct both {
    struct t1 ifd, icc;
    struct line faults; /* one byte for each block, nothing wrong once they are used up */
    bool any_fault;
    bool wtx, ifs; /* the card asks for them before its answer */
};

/* Gives what one side sent to the other, which hears silence afterwards if it waits for more. */
static void deliver(struct both *both, const struct step *step, struct t1 *to)
{
    uint8_t fault = line_byte(&both->faults);
    size_t at = (size_t)(fault >> 2) % step->length, length = step->length;
    uint8_t bytes[T1_BLOCK_MAX];
    struct step next;
    memcpy(bytes, step->bytes, length);
    both->any_fault |= (fault & 3) != PASS;
    if ((fault & 3) == DROP)
        length = 0;
    if ((fault & 3) == CUT)
        length = at;
    for (size_t i = 0; i < length; i++)
        t1_byte(to, bytes[i], (fault & 3) != BAD_PARITY || i != at);
    struct t1 look = *to; /* asking counts as sending, so another one is asked */
    t1_next(&look, &next);
    if (next.kind == STEP_RECEIVE && next.timeout == CWT)
        t1_timeout(to);
}

static void check_both(struct t1_parameters *parameters, struct line line, uint8_t flags)
{
    struct both both = {.wtx = flags & FLAG_WTX, .ifs = flags & FLAG_IFS};
    size_t command_length = line_number(&line) % MUCH, answer_length = line_number(&line) % MUCH;
    uint8_t *command = pattern(command_length, 0x22), *answer = pattern(answer_length, 0x77);
    uint8_t *command_buffer = pattern(command_length, 0), *answer_buffer = pattern(answer_length, 0);
    struct step step;
    both.faults = line;
    parameters->role = T1_INTERFACE_DEVICE;
    parameters->buffer = answer_buffer;
    parameters->capacity = answer_length;
    bool good = t1_init(&both.ifd, parameters);
    parameters->role = T1_CARD;
    parameters->buffer = command_buffer;
    parameters->capacity = command_length;
    CHECK(t1_init(&both.icc, parameters) == good);
    if (!good)
        goto out;
    CHECK(t1_listen(&both.icc) && t1_transmit(&both.ifd, command, command_length));
    size_t limit = 64 * (command_length + answer_length + 64 + (size_t)(line.end - line.at));
    for (size_t steps = 0;; steps++) {
        CHECK(steps < limit);
        t1_next(&both.icc, &step);
        CHECK(step.kind != STEP_DONE && step.kind != STEP_FAILED);
        if (step.kind == STEP_PROCESS) {
            CHECK(step.length == command_length && memcmp(step.bytes, command, command_length) == 0);
            if (both.wtx)
                CHECK(t1_request_wtx(&both.icc, 3));
            else if (both.ifs)
                CHECK(t1_request_ifs(&both.icc, 200));
            else
                CHECK(t1_answer(&both.icc, answer, answer_length));
            both.ifs = both.ifs && both.wtx;
            both.wtx = false;
            continue;
        }
        if (step.kind == STEP_SEND) {
            check_sent(&both.icc, &step);
            deliver(&both, &step, &both.ifd);
            continue;
        }
        t1_next(&both.ifd, &step);
        if (step.kind == STEP_SEND) {
            check_sent(&both.ifd, &step);
            deliver(&both, &step, &both.icc);
        } else if (step.kind == STEP_RECEIVE) {
            t1_timeout(&both.ifd);
        } else {
            break;
        }
    }
    if (step.kind == STEP_DONE)
        CHECK(step.length == answer_length && memcmp(step.bytes, answer, answer_length) == 0);
    else
        CHECK(step.kind == STEP_FAILED && both.any_fault && both.ifd.reason >= T1_PEER_MUTE &&
              both.ifd.reason <= T1_RESYNCH_LIMIT); /* all fits, and nobody aborts */
out:
    free(command);
    free(answer);
    free(command_buffer);
    free(answer_buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_block(T1_LRC, data, size);
    check_block(T1_CRC, data, size);
    struct line line = {.at = data, .end = data + size};
    uint8_t flags = line_byte(&line);
    struct t1_parameters parameters = {.role = flags & FLAG_CARD ? T1_CARD : T1_INTERFACE_DEVICE,
                                       .edc = flags & FLAG_CRC ? T1_CRC : T1_LRC,
                                       .cwt = CWT,
                                       .bwt = BWT,
                                       .bgt = T1_BGT};
    parameters.ifsc = line_byte(&line);
    parameters.ifsd = line_byte(&line);
    parameters.announce_ifsd = line_byte(&line);
    if (flags & FLAG_BOTH)
        check_both(&parameters, line, flags);
    else
        check_alone(&parameters, line);
    return 0;
}
