/* SPDX-License-Identifier: BSD-3-Clause */
/* T=1: the transcripts of transcripts/t1-*.txt, played with our machine on either side. */
#include "iso7816/t1.h"
#include "t1_block_text.h"

#include "bytes.h"
#include "count.h"
#include "run_suite.h"
#include "t1_parameters.h"
#include "transcript.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct play {
    const struct transcript *transcript;
    const struct transcript_line *line; /* where it is */
    struct t1_parameters parameters;
    bool begun;
    struct t1 t1;
    struct step step;
    uint8_t buffer[64];
    uint8_t data[64];    /* what was given to the machine has to stay */
    uint32_t multiplier; /* that BWT must have */
};

static bool is_card(const struct play *play)
{
    return play->parameters.role == T1_CARD;
}

/* For messages: file and line, and which side is ours. */
#define AT       "%s:%u, as %s: "
#define IN(play) (play)->transcript->file, (play)->line->number, is_card(play) ? "card" : "interface device"

/* Bytes as transcripts write them: upper case, with one blank between them. */
static size_t read_bytes(const struct play *play, const char *hex, uint8_t *bytes, size_t capacity)
{
    char text[3 * 64];
    size_t length = from_hex(hex, bytes, capacity);
    ck_assert_int_eq(hex_encode(bytes, length, text, sizeof text, ' '), HEX_OK);
    ck_assert_msg(strcmp(text, hex) == 0, AT "written otherwise: %s", IN(play), hex);
    return length;
}

static void assert_next_step(struct play *play, enum step_kind kind)
{
    t1_next(&play->t1, &play->step);
    ck_assert_msg(play->step.kind == kind, AT "step is %d, reason %s", IN(play), (int)play->step.kind,
                  t1_reason_text(play->t1.reason));
}

static void assert_step_bytes(struct play *play, const uint8_t *bytes, size_t length)
{
    ck_assert_msg(
        play->step.length == length && (length == 0 || memcmp(play->step.bytes, bytes, length) == 0),
        AT "step has %zu bytes, %02X %02X ...", IN(play), play->step.length,
        play->step.length > 0 ? play->step.bytes[0] : 0, play->step.length > 1 ? play->step.bytes[1] : 0);
}

static void assert_timeout(struct play *play, uint32_t timeout)
{
    ck_assert_msg(play->step.timeout == timeout, AT "time-out is %u, not %u", IN(play),
                  (unsigned)play->step.timeout, (unsigned)timeout);
}

/* An interface device that still waits gets its time-out. */
static void let_time_pass(struct play *play)
{
    t1_next(&play->t1, &play->step);
    if (play->step.kind == STEP_RECEIVE && !is_card(play)) {
        assert_timeout(play, BWT * play->multiplier);
        t1_timeout(&play->t1);
        play->multiplier = 1;
        t1_next(&play->t1, &play->step);
    }
}

/* A block of ours: it must come out. */
static void assert_sends_block(struct play *play, const uint8_t *bytes, size_t length)
{
    let_time_pass(play);
    ck_assert_msg(play->step.kind == STEP_SEND, AT "not sent, step %d, reason %s", IN(play),
                  (int)play->step.kind, t1_reason_text(play->t1.reason));
    assert_step_bytes(play, bytes, length);
    ck_assert_msg(play->step.guard == 22, AT "guard time is %u", IN(play), (unsigned)play->step.guard);
    if (bytes[1] == 0xE3)
        play->multiplier = bytes[3] > 0 ? bytes[3] : 1;
}

/* A block of the other side: our machine must wait for it, and gets it unless it is lost. */
static void receive_block(struct play *play, const uint8_t *bytes, size_t length)
{
    bool spoilt = play->line->text[1] == '!';
    assert_next_step(play, STEP_RECEIVE);
    assert_timeout(play, is_card(play) ? T1_NO_TIMEOUT : BWT * play->multiplier);
    if (play->line->text[1] == '?')
        return;
    for (size_t i = 0; i < length; i++) {
        t1_byte(&play->t1, (uint8_t)(bytes[i] ^ (spoilt && i == length - 1 ? 0x40 : 0)), true);
        if (i < length - 1) {
            assert_next_step(play, STEP_RECEIVE);
            assert_timeout(play, CWT);
        }
    }
    play->multiplier = 1;
    if (spoilt) {
        assert_next_step(play, STEP_RECEIVE); /* for silence */
        assert_timeout(play, CWT);
        t1_byte(&play->t1, 0, true);
        assert_next_step(play, STEP_RECEIVE);
        t1_timeout(&play->t1);
    }
}

/* "> I(0,0): 00 ...": the bytes must be what their name says. */
static void play_block(struct play *play)
{
    const char *text = play->line->text, *hex = strstr(text, "): ");
    uint8_t bytes[64];
    struct t1_block block;
    char name[32];

    ck_assert_msg(hex && strchr(" !?", text[1]) && text[2] == ' ', AT "no block: %s", IN(play), text);
    size_t length = read_bytes(play, hex + 3, bytes, sizeof bytes);
    ck_assert_msg(t1_block_decode(T1_LRC, bytes, length, &block) == T1_BLOCK_OK, AT "not a block: %s",
                  IN(play), text);
    t1_block_text(&block, name, sizeof name);
    ck_assert_msg(strncmp(text + 3, name, strlen(name)) == 0 && text + 3 + strlen(name) == hex + 1,
                  AT "%s is %s", IN(play), text, name);
    if (is_card(play) == (text[0] == '<'))
        assert_sends_block(play, bytes, length);
    else
        receive_block(play, bytes, length);
}

static void transmit_command(struct play *play, const char *hex)
{
    ck_assert(t1_transmit(&play->t1, play->data, read_bytes(play, hex, play->data, sizeof play->data)));
}

static void assert_gets(struct play *play, const char *hex, enum step_kind kind)
{
    uint8_t bytes[64];
    size_t length = read_bytes(play, hex, bytes, sizeof bytes);
    assert_next_step(play, kind);
    assert_step_bytes(play, bytes, length);
}

static void assert_gets_answer(struct play *play, const char *hex)
{
    assert_gets(play, hex, STEP_DONE);
}

static void assert_fails(struct play *play, const char *reason)
{
    let_time_pass(play);
    assert_next_step(play, STEP_FAILED);
    ck_assert_msg(strcmp(t1_reason_text(play->t1.reason), reason) == 0, AT "failed: %s", IN(play),
                  t1_reason_text(play->t1.reason));
    ck_assert_int_eq(t1_needs_reset(&play->t1), play->t1.reason <= T1_BABBLE);
}

static uint8_t read_byte(const struct play *play, const char *hex)
{
    uint8_t byte;
    ck_assert_uint_eq(read_bytes(play, hex, &byte, 1), 1);
    return byte;
}

static void request_ifs(struct play *play, const char *hex)
{
    ck_assert(t1_request_ifs(&play->t1, read_byte(play, hex)));
}

static void request_wtx(struct play *play, const char *hex)
{
    ck_assert(t1_request_wtx(&play->t1, read_byte(play, hex)));
}

static void resynchronise(struct play *play, const char *nothing)
{
    ck_assert_str_eq(nothing, "");
    ck_assert(t1_resynchronise(&play->t1));
}

static void request_abort(struct play *play, const char *nothing)
{
    ck_assert_str_eq(nothing, "");
    ck_assert(t1_request_abort(&play->t1));
}

static void assert_gets_command(struct play *play, const char *hex)
{
    assert_gets(play, hex, STEP_PROCESS);
}

static void give_answer(struct play *play, const char *hex)
{
    ck_assert(t1_answer(&play->t1, play->data, read_bytes(play, hex, play->data, sizeof play->data)));
}

static void set_ifs(struct play *play, const char *hex)
{
    ck_assert_msg(!play->begun, AT "too late", IN(play));
    play->parameters.ifsc = play->parameters.ifsd = read_byte(play, hex);
}

static void set_announced_ifs(struct play *play, const char *hex)
{
    ck_assert_msg(!play->begun, AT "too late", IN(play));
    play->parameters.announce_ifsd = read_byte(play, hex);
}

enum { DEVICE = 1, CARD = 2, BEFORE = 4 };

static const struct {
    const char *words;
    unsigned when; /* on which sides, and whether before our machine begins */
    void (*play)(struct play *play, const char *rest);
} lines_mean[] = {
    {"IFS ", DEVICE | CARD | BEFORE, set_ifs},
    {"device announces IFS ", DEVICE | CARD | BEFORE, set_announced_ifs},
    {"device transmits ", DEVICE, transmit_command},
    {"device gets", DEVICE, assert_gets_answer},
    {"device fails: ", DEVICE, assert_fails},
    {"device requests IFS ", DEVICE, request_ifs},
    {"device resynchronises", DEVICE, resynchronise},
    {"device aborts", DEVICE, request_abort},
    {"card gets", CARD, assert_gets_command},
    {"card answers", CARD, give_answer},
    {"card requests WTX ", CARD, request_wtx},
    {"card requests IFS ", CARD, request_ifs},
    {"card aborts", CARD, request_abort},
};

static void begin(struct play *play)
{
    if (play->begun)
        return;
    ck_assert(t1_init(&play->t1, &play->parameters));
    ck_assert_int_eq(t1_listen(&play->t1), is_card(play));
    play->begun = true;
}

static void play_line(struct play *play)
{
    const char *text = play->line->text;
    if (text[0] == '>' || text[0] == '<') {
        begin(play);
        play_block(play);
        return;
    }
    for (int i = 0; i < COUNT(lines_mean); i++) {
        size_t length = strlen(lines_mean[i].words);
        if (strncmp(text, lines_mean[i].words, length) != 0)
            continue;
        const char *rest = text + length;
        if (!(lines_mean[i].when & BEFORE))
            begin(play);
        if (lines_mean[i].when & (is_card(play) ? CARD : DEVICE))
            lines_mean[i].play(play, rest + (*rest == ' '));
        return;
    }
    ck_abort_msg(AT "a line that means nothing: %s", IN(play), text);
}

/* Whether its first line says that it is not for our side. */
static bool is_for_the_other_side(const struct transcript *transcript, enum t1_role role)
{
    return strcmp(transcript->lines[0].text, role == T1_CARD ? "only device" : "only card") == 0;
}

static bool is_for_one_side(const struct transcript *transcript)
{
    return strncmp(transcript->lines[0].text, "only ", 5) == 0;
}

static void play_transcript(const struct transcript *transcript, enum t1_role role)
{
    struct play play = {.transcript = transcript, .multiplier = 1};
    play.parameters = parameters_for(role, play.buffer, sizeof play.buffer);
    if (is_for_the_other_side(transcript, role))
        return;
    for (int i = is_for_one_side(transcript); i < transcript->count; i++) {
        play.line = &transcript->lines[i];
        play_line(&play);
    }
    ck_assert(play.begun);
}

static struct transcripts scenarios, rules;

START_TEST(scenario_as_interface_device)
{
    play_transcript(&scenarios.transcripts[_i], T1_INTERFACE_DEVICE);
}
END_TEST

START_TEST(scenario_as_card)
{
    play_transcript(&scenarios.transcripts[_i], T1_CARD);
}
END_TEST

START_TEST(rule_as_interface_device)
{
    play_transcript(&rules.transcripts[_i], T1_INTERFACE_DEVICE);
}
END_TEST

START_TEST(rule_as_card)
{
    play_transcript(&rules.transcripts[_i], T1_CARD);
}
END_TEST

static Suite *transcripts_suite(void)
{
    Suite *suite = suite_create("t1_transcripts");
    TCase *tc = tcase_create("transcripts");

    tcase_add_loop_test(tc, scenario_as_interface_device, 0, scenarios.count);
    tcase_add_loop_test(tc, scenario_as_card, 0, scenarios.count);
    tcase_add_loop_test(tc, rule_as_interface_device, 0, rules.count);
    tcase_add_loop_test(tc, rule_as_card, 0, rules.count);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    scenarios = transcripts_read(TRANSCRIPTS_DIR "/t1-scenarios.txt");
    rules = transcripts_read(TRANSCRIPTS_DIR "/t1-rules.txt");
    int status = run_suite(transcripts_suite());
    transcripts_free(&scenarios);
    transcripts_free(&rules);
    return status;
}
