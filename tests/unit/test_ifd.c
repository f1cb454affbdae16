/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface device and the contacts of a card, end to end: random commands to a card that echoes, with
 * random faults. What the protocols can recover from must not show; what they cannot must fail, as it should,
 * in bounded time.
 */
#include "base/error.h"
#include "ifd/ifd.h"

#include "icc/script_card.h"
#include "iso7816/hex.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ifd ifd;
static struct card *card;
static struct contacts *contacts;
static uint32_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(state >> 1) * below >> 31);
}

static void give_random(void *arg, uint8_t *out, size_t length)
{
    (void)arg;
    for (size_t i = 0; i < length; i++)
        out[i] = (uint8_t)draw(256);
}

/* Counts how often the script runs: at "80 01" it echoes, at "80 02" it says how often; "80 03" asks for the fault
 * that is its data, "80 04" for the one that "80 05" has named; "80 06" takes the seconds that are its data. */
static const char script[] =
    "local runs, named = 0\n"
    "return { atr = %s, commands = {\n"
    "{ \"80 01\", function(cmd) runs = runs + 1; return cmd.data, 0x9000 end },\n"
    "{ \"80 02\", function(cmd) return string.pack(\">I4\", runs), 0x9000 end },\n"
    "{ \"80 03\", function(cmd) fault(cmd.data) return \"\", 0x9000 end },\n"
    "{ \"80 04\", function(cmd) fault(named) return \"four\", 0x9000 end },\n"
    "{ \"80 05\", function(cmd) named = cmd.data return \"\", 0x9000 end },\n"
    "{ \"80 06\", function(cmd) takes(tonumber(cmd.data)) return \"six\", 0x9000 end } } }\n";

/* A card whose ATR is what this expression says; not powered yet. */
static void insert_as(const char *expression)
{
    char text[1000];
    struct error error;
    struct card_host host = {.random = give_random};
    snprintf(text, sizeof text, script, expression);
    card = card_load_text("test", text, strlen(text), &host, &error);
    ck_assert_msg(card != NULL, "%s", error.text);
    contacts = contacts_new(card);
    ifd_set_card(&ifd, contacts, NULL, "test");
}

static void insert(const char *atr)
{
    char expression[200];
    snprintf(expression, sizeof expression, "\"%s\"", atr);
    insert_as(expression);
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_OK);
}

static void set_up(void)
{
    ifd.options = (struct ifd_options){0};
    state = 4711;
}

static void tear_down(void)
{
    contacts_free(contacts);
    card_free(card);
}

static void set_fault(const char *text)
{
    struct error error;
    ck_assert_msg(faults_set(card_faults(card), text, &error), "%s", error.text);
}

static uint8_t command[APDU_COMMAND_MAX], response[CARD_RESPONSE_MAX];
static size_t response_length;

/* An echo of so many bytes, of random content, in the shortest coding. */
static enum ifd_result echo(uint8_t protocol, size_t length)
{
    static uint8_t data[APDU_NC_MAX];
    struct apdu_command apdu = {
        .cla = 0x80, .ins = 0x01, .data = data, .nc = length, .ne = length ? 65536 : 0};
    size_t command_length;
    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)draw(256);
    if (length > 0 && length <= 255 && draw(2))
        apdu.ne = 256;
    ck_assert_int_eq(apdu_shortest_case(apdu.nc, apdu.ne, &apdu.kind), APDU_OK);
    ck_assert_int_eq(apdu_encode(&apdu, command, sizeof command, &command_length), APDU_OK);
    enum ifd_result result =
        ifd_transmit(&ifd, protocol, command, command_length, response, sizeof response, &response_length);
    if (result == IFD_RESULT_OK) {
        ck_assert_uint_eq(response_length, length + 2);
        if (length)
            ck_assert_mem_eq(response, data, length);
        ck_assert_mem_eq(response + length, "\x90\x00", 2);
    }
    return result;
}

static uint32_t runs_of_the_script(uint8_t protocol)
{
    static const uint8_t ask[] = {0x80, 0x02, 0, 0, 4};
    ck_assert_int_eq(
        ifd_transmit(&ifd, protocol, ask, sizeof ask, response, sizeof response, &response_length),
        IFD_RESULT_OK);
    ck_assert_uint_eq(response_length, 6);
    return (uint32_t)response[0] << 24 | (uint32_t)response[1] << 16 | (uint32_t)response[2] << 8 |
           response[3];
}

static size_t some_length(void)
{
    uint32_t kind = draw(100);
    return kind < 90 ? draw(40) : kind < 98 ? draw(600) : kind < 99 ? draw(5000) : draw(65536);
}

static const struct {
    const char *atr;
    uint8_t protocol;
    const char *faults[8];
    bool repeats; /* commands may reach the card again, as resynchronisation brings with it */
} recoverable[] = {
    {"3B 00", 0, {"null-flood", "slow", "parity-error", "parity-error*3"}, false},
    {"3B 80 01 81",
     1,
     {"wrong-edc", "lost-block", "wrong-sequence-number", "wtx*2", "ifs-change", "parity-error", "slow"},
     false},
    {"3B 90 96 80 01 87", 1, {"wrong-edc*2", "lost-block", "parity-error"}, false},
    {"3B 90 96 80 01 87", 1, {"resynchronisation", "wrong-edc*3", "lost-block*2"}, true},
    {"3B 80 81 41 01 41", 1, {"wrong-edc", "wtx", "parity-error"}, false},
};

START_TEST(what_can_be_recovered_does_not_show)
{
    uint8_t protocol = recoverable[_i].protocol;
    const char *exchanges = getenv("IFD_EXCHANGES");
    unsigned count = exchanges ? (unsigned)atoi(exchanges) : 40000;
    unsigned faults = 0;
    while (faults < 8 && recoverable[_i].faults[faults])
        faults++;
    insert(recoverable[_i].atr);
    ck_assert_int_eq(ifd_set_protocol(&ifd, protocol), IFD_RESULT_OK);
    for (unsigned i = 0; i < count; i++) {
        /* before a first block without error there is no resynchronisation (rule 7.4.1) */
        if (i > 0 && draw(4) == 0)
            set_fault(recoverable[_i].faults[draw(faults)]);
        enum ifd_result result = echo(protocol, some_length());
        ck_assert_msg(result == IFD_RESULT_OK, "exchange %u: %s", i, ifd.last_error);
    }
    uint32_t ran = runs_of_the_script(protocol);
    ck_assert_uint_ge(ran, count);
    if (!recoverable[_i].repeats)
        ck_assert_uint_eq(ran, count);
    printf("%s: %u exchanges\n", recoverable[_i].atr, count);
}
END_TEST

/* What an exchange comes to. */
struct outcome {
    enum ifd_result result;
    uint64_t us;
    struct t1_counters t1;
    uint32_t sum; /* of the response */
};

static void no_report(void *arg, const char *line)
{
    (void)arg;
    ck_abort_msg("%s", line);
}

/* The same exchanges and faults each time. A fault that is too far off to fire makes characters go one by one. */
static void make_exchanges(int index, bool singly, FILE *traced, struct outcome *outcome, unsigned count)
{
    char path[40];
    struct error error;
    struct trace *trace = NULL;
    if (traced) {
        snprintf(path, sizeof path, "/dev/fd/%d", fileno(traced));
        trace = trace_open(path, no_report, NULL, &error);
        ck_assert_msg(trace != NULL, "%s", error.text);
    }
    state = 816;
    insert(recoverable[index].atr);
    ifd.line.trace = trace;
    ck_assert_int_eq(ifd_set_protocol(&ifd, recoverable[index].protocol), IFD_RESULT_OK);
    for (unsigned i = 0; i < count; i++) {
        const char *fault = recoverable[index].faults[draw(3)];
        if (singly)
            set_fault("parity-error@999999");
        if (i > 0 && draw(4) == 0 && strncmp(fault, "parity", 6) != 0)
            set_fault(fault);
        size_t length = trace ? draw(600) : some_length();
        outcome[i] =
            (struct outcome){echo(recoverable[index].protocol, length), ifd.last_us, ifd.counters.t1, 0};
        for (size_t at = 0; at < response_length; at++)
            outcome[i].sum = outcome[i].sum * 31 + response[at];
    }
    trace_close(trace);
    ifd.line.trace = NULL;
}

/* ck_assert writes to a file each time, which is slow. */
static void assert_same_outcomes(const struct outcome *a, const struct outcome *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (a[i].result != b[i].result || a[i].us != b[i].us || a[i].sum != b[i].sum ||
            memcmp(&a[i].t1, &b[i].t1, sizeof a[i].t1) != 0)
            ck_abort_msg("exchange %u: result %d and %d, %llu and %llu us", i, (int)a[i].result,
                         (int)b[i].result, (unsigned long long)a[i].us, (unsigned long long)b[i].us);
}

START_TEST(characters_go_at_once_or_one_by_one)
{
    static struct outcome runs[2000], singly[2000];
    make_exchanges(_i, false, NULL, runs, 2000);
    tear_down();
    make_exchanges(_i, true, NULL, singly, 2000);
    assert_same_outcomes(runs, singly, 2000);
}
END_TEST

START_TEST(a_trace_has_each_character)
{
    static struct outcome runs[50], singly[50];
    char a[300], b[300];
    unsigned lines = 0;
    FILE *runs_trace = tmpfile(), *singly_trace = tmpfile();
    ck_assert(runs_trace != NULL && singly_trace != NULL);
    make_exchanges(_i, false, runs_trace, runs, 50);
    tear_down();
    make_exchanges(_i, true, singly_trace, singly, 50);
    assert_same_outcomes(runs, singly, 50);
    rewind(runs_trace);
    rewind(singly_trace);
    for (; fgets(a, sizeof a, runs_trace); lines++)
        if (!fgets(b, sizeof b, singly_trace) || strcmp(a, b) != 0)
            ck_abort_msg("line %u: %s", lines, a);
    ck_assert(fgets(b, sizeof b, singly_trace) == NULL);
    ck_assert_uint_gt(lines, 10000);
    fclose(runs_trace);
    fclose(singly_trace);
}
END_TEST

static const struct {
    const char *atr;
    uint8_t protocol;
    const char *fault;
    enum ifd_result result;
    bool deactivated;
} beyond[] = {
    {"3B 00", 0, "mute", IFD_RESULT_MUTE, true},
    {"3B 00", 0, "power-loss", IFD_RESULT_MUTE, true},
    {"3B 00", 0, "removal", IFD_RESULT_MUTE, true},
    {"3B 00", 0, "wrong-procedure-byte", IFD_RESULT_GARBLED, true},
    {"3B 00", 0, "one-byte-answer", IFD_RESULT_MUTE, true},
    {"3B 00", 0, "overlong-answer", IFD_RESULT_GARBLED, true},
    {"3B 00", 0, "parity-error@1", IFD_RESULT_GARBLED, true},
    {"3B 80 01 81", 1, "mute", IFD_RESULT_MUTE, true},
    {"3B 80 01 81", 1, "removal", IFD_RESULT_MUTE, true},
    {"3B 80 01 81", 1, "lost-block@1", IFD_RESULT_MUTE, true},
    {"3B 80 01 81", 1, "wrong-edc@1", IFD_RESULT_GARBLED, true},
    {"3B 80 01 81", 1, "parity-error@1", IFD_RESULT_GARBLED, true},
    {"3B 80 01 81", 1, "resynchronisation@1", IFD_RESULT_GARBLED, true},
    {"3B 80 01 81", 1, "wtx@1", IFD_RESULT_MUTE, true},
    {"3B 80 01 81", 1, "overlong-answer", IFD_RESULT_GARBLED, false},
    {"3B 80 01 81", 1, "abort", IFD_RESULT_GARBLED, false},
};

START_TEST(what_cannot_fails_as_it_should)
{
    uint8_t protocol = beyond[_i].protocol;
    insert(beyond[_i].atr);
    ck_assert_int_eq(echo(protocol, 10), IFD_RESULT_OK);
    set_fault(beyond[_i].fault);
    ck_assert_int_eq(echo(protocol, 10), beyond[_i].result);
    ck_assert(ifd.last_error[0] != '\0');
    ck_assert_uint_lt(ifd.last_us, 2100000000u); /* of the card's time */
    ck_assert(ifd.powered != beyond[_i].deactivated);
    *card_faults(card) = (struct faults){0};
    if (beyond[_i].deactivated) {
        ck_assert_int_eq(echo(protocol, 10), IFD_RESULT_UNPOWERED);
        ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_OK);
        ck_assert_uint_eq(ifd.counters.cold, 2); /* without power there is no warm reset */
    }
    ck_assert_int_eq(echo(protocol, 10), IFD_RESULT_OK);
}
END_TEST

/* A command with a text as its data, or without data, for so many bytes. */
static enum ifd_result send_text(uint8_t protocol, uint8_t ins, const char *text, uint32_t ne)
{
    struct apdu_command apdu = {
        .cla = 0x80, .ins = ins, .data = (const uint8_t *)text, .nc = strlen(text), .ne = ne};
    size_t length;
    ck_assert_int_eq(apdu_shortest_case(apdu.nc, apdu.ne, &apdu.kind), APDU_OK);
    ck_assert_int_eq(apdu_encode(&apdu, command, sizeof command, &length), APDU_OK);
    return ifd_transmit(&ifd, protocol, command, length, response, sizeof response, &response_length);
}

/* Has the script ask for the fault while it carries out a command: with data to the card, or from it. */
static enum ifd_result ask_in_hand(uint8_t protocol, const char *fault, bool from_card)
{
    if (!from_card)
        return send_text(protocol, 0x03, fault, 0);
    ck_assert_int_eq(send_text(protocol, 0x05, fault, 0), IFD_RESULT_OK);
    return send_text(protocol, 0x04, "", 4);
}

START_TEST(a_handler_s_fault_hits_the_command_in_hand)
{
    uint8_t protocol = beyond[_i / 2].protocol;
    insert(beyond[_i / 2].atr);
    ck_assert_int_eq(echo(protocol, 10), IFD_RESULT_OK);
    ck_assert_int_eq(ask_in_hand(protocol, beyond[_i / 2].fault, _i % 2), beyond[_i / 2].result);
    *card_faults(card) = (struct faults){0};
    if (beyond[_i / 2].deactivated)
        ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_OK);
    ck_assert_int_eq(echo(protocol, 10), IFD_RESULT_OK);
}
END_TEST

START_TEST(a_pattern_s_fault_hits_the_command_it_names)
{
    uint8_t protocol = beyond[_i].protocol;
    char text[100];
    insert(beyond[_i].atr);
    snprintf(text, sizeof text, "%.*s@2:80 01 .. .0 05 68 6.", (int)strcspn(beyond[_i].fault, "@"),
             beyond[_i].fault);
    set_fault(text);
    ck_assert_int_eq(send_text(protocol, 0x01, "hello", 0), IFD_RESULT_OK);
    ck_assert_int_eq(send_text(protocol, 0x01, "Hello", 0), IFD_RESULT_OK);
    ck_assert_int_eq(send_text(protocol, 0x05, "hello", 0), IFD_RESULT_OK);
    if (!strchr(beyond[_i].fault, '@')) {
        ck_assert_int_eq(send_text(protocol, 0x01, "hello", 0), beyond[_i].result);
        if (beyond[_i].deactivated)
            ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_OK);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send_text(protocol, 0x01, "hello", 0), IFD_RESULT_OK);
}
END_TEST

/* What costs the card time, and nothing else: the time of a command without the fault, and with it
 * in hand. A card that takes its time uses nine tenths of what it has: WWT is 892.8 ms, BWT
 * 1,429.5 ms. */
static const struct {
    const char *atr;
    uint8_t protocol;
    const char *fault;
    uint64_t least_us;
} slowing[] = {
    {"3B 00", 0, "slow", 10 * 803500},         {"3B 00", 0, "null-flood", 100000},
    {"3B 80 01 81", 1, "slow", 10 * 1286500},  {"3B 80 01 81", 1, "wtx", 3 * 1286400},
    {"3B 80 01 81", 1, "ifs-change", 0},       {"3B 80 01 81", 1, "wrong-edc", 0},
    {"3B 80 01 81", 1, "lost-block", 1429000}, {"3B 80 01 81", 1, "wrong-sequence-number", 0},
};

START_TEST(a_fault_in_hand_takes_the_card_s_time)
{
    uint8_t protocol = slowing[_i / 2].protocol;
    const char *fault = slowing[_i / 2].fault;
    bool from_card = _i % 2;
    char none[40], once[40];
    snprintf(none, sizeof none, "%s*0", fault);
    snprintf(once, sizeof once, "%s*1", fault);
    insert(slowing[_i / 2].atr);
    ck_assert_int_eq(echo(protocol, 10), IFD_RESULT_OK); /* the first announces an IFSD to the card */
    ck_assert_int_eq(ask_in_hand(protocol, none, from_card), IFD_RESULT_OK);
    uint64_t without = ifd.last_us;
    ck_assert_int_eq(ask_in_hand(protocol, once, from_card), IFD_RESULT_OK);
    ck_assert_uint_gt(ifd.last_us, without + slowing[_i / 2].least_us);
    ck_assert_int_eq(ask_in_hand(protocol, none, from_card), IFD_RESULT_OK);
    if (strcmp(fault, "ifs-change") != 0) /* which lasts */
        ck_assert_uint_eq(ifd.last_us, without);
}
END_TEST

/* Returns how long a command took the card that says it takes so many seconds. */
static uint64_t work(uint8_t protocol, const char *seconds)
{
    uint8_t bytes[20] = {0x80, 0x06, 0, 0, (uint8_t)strlen(seconds)};
    memcpy(bytes + 5, seconds, strlen(seconds));
    size_t length = 5 + strlen(seconds) + (protocol == 1); /* with Le in T=1 */
    ck_assert_int_eq(ifd_transmit(&ifd, protocol, bytes, length, response, sizeof response, &response_length),
                     IFD_RESULT_OK);
    ck_assert_uint_ge(response_length, 2);
    return ifd.last_us;
}

static const struct {
    const char *seconds;
    uint64_t us;
} works[] = {{"0.004", 4000}, {"0.8", 800000}, {"3", 3000000}, {"30.5", 30500000}, {"600", 600000000}};

/* In NULL bytes or waiting time extensions, and without a wait of the reader's that is too long. */
START_TEST(a_card_that_works_asks_for_time)
{
    uint8_t protocol = _i % 2;
    uint64_t us = works[_i / 2].us;
    insert(protocol == 0 ? "3B 00" : "3B 80 01 81");
    work(protocol, "0"); /* the first announces an IFSD to the card */
    uint64_t least = work(protocol, "0"), took = work(protocol, works[_i / 2].seconds);
    ck_assert_uint_ge(took, us);
    ck_assert_uint_le(took, us + us / 100 + least + 100000);
    ck_assert_uint_eq(work(protocol, "0"), least); /* not for the next command */
}
END_TEST

/* A pace that takes down what it is asked for, and does not wait. */
static struct {
    int64_t first_us, last_us; /* 0: none */
    unsigned count;
    bool backwards;
} waits;

static void take_wait(void *arg, int64_t time_us)
{
    (void)arg;
    if (waits.count++ == 0)
        waits.first_us = time_us;
    waits.backwards = waits.backwards || time_us < waits.last_us;
    waits.last_us = time_us;
}

static const struct pace taking = {take_wait, NULL};

static void forget_waits(void)
{
    memset(&waits, 0, sizeof waits);
}

/* Of an operation, the last wait is for its end, whatever it took us. */
START_TEST(a_pace_waits_for_all_of_the_card_s_time)
{
    static const char *const faults[] = {"slow*0", "slow", "wtx*2", "mute", "parity-error*9", "null-flood"};
    for (uint8_t protocol = 0; protocol < 2; protocol++)
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            insert("3B 80 80 01 01");
            ifd_set_pace(&ifd, &taking);
            ifd.options.patience_ms = 60000;
            ck_assert_int_eq(ifd_set_protocol(&ifd, protocol), IFD_RESULT_OK);
            forget_waits();
            set_fault(faults[i]);
            echo(protocol, 300); /* with whatever result */
            ck_assert(waits.count > 1 && !waits.backwards);
            ck_assert_int_eq(waits.last_us, ifd.real_begun_us + (int64_t)ifd.last_us);
            ck_assert_int_gt(waits.first_us, ifd.real_begun_us);
            tear_down();
        }
    insert("3B 00"); /* for tear_down */
}
END_TEST

/* The next operation does not make up for what the last one did not wait for. */
START_TEST(each_operation_has_its_own_beginning)
{
    insert("3B 80 01 81");
    ifd_set_pace(&ifd, &taking);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(ifd_power_up(&ifd, i == 0 ? IFD_COLD : IFD_WARM), IFD_RESULT_OK);
        ck_assert_int_eq(waits.last_us, ifd.real_begun_us + (int64_t)ifd.last_us);
        ck_assert_int_eq(echo(1, 100), IFD_RESULT_OK);
        ck_assert_int_eq(waits.last_us, ifd.real_begun_us + (int64_t)ifd.last_us);
    }
}
END_TEST

/* A reader sees at once that its card is gone. */
START_TEST(a_pace_does_not_wait_for_a_card_that_is_gone)
{
    insert("3B 80 80 01 01");
    ifd_set_pace(&ifd, &taking);
    ck_assert_int_eq(ifd_set_protocol(&ifd, (uint8_t)_i), IFD_RESULT_OK);
    forget_waits();
    set_fault("removal");
    ck_assert_int_eq(echo((uint8_t)_i, 10), IFD_RESULT_MUTE);
    ck_assert_uint_gt(ifd.last_us, 800000);
    ck_assert_int_lt(waits.last_us, ifd.real_begun_us + 200000);
}
END_TEST

/* What is given up is waited for until then. */
START_TEST(a_pace_has_the_limit_of_our_time)
{
    static const char *const faults[] = {"wtx@1", "mute"};
    for (size_t i = 0; i < 2; i++) {
        insert("3B 80 01 81");
        ifd_set_pace(&ifd, &taking);
        ifd.options.patience_ms = 5000;
        set_fault(faults[i]);
        ck_assert_int_eq(echo(1, 10), IFD_RESULT_MUTE);
        ck_assert(ifd.overdue);
        ck_assert_int_eq(waits.last_us, ifd.real_begun_us + 5000000);
        tear_down();
    }
    insert("3B 00"); /* for tear_down */
}
END_TEST

/* Faults for which the command in hand is no opportunity stay for the next one. */
START_TEST(a_handler_s_fault_may_have_to_wait)
{
    insert("3B 80 01 81");
    ck_assert_int_eq(ask_in_hand(1, "wrong-tck", false), IFD_RESULT_OK);
    ck_assert_int_eq(ask_in_hand(1, "null-flood", false), IFD_RESULT_OK);
    ck_assert_int_eq(ask_in_hand(1, "mute@3", false), IFD_RESULT_OK); /* the first of its opportunities */
    ck_assert_int_eq(echo(1, 10), IFD_RESULT_OK);
    ck_assert_int_eq(echo(1, 10), IFD_RESULT_MUTE);
    *card_faults(card) = (struct faults){0};
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_OK);
    ck_assert_int_eq(ask_in_hand(1, "wrong-tck", false), IFD_RESULT_OK);
    ck_assert_int_ne(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_OK);
}
END_TEST

START_TEST(faults_without_end_end)
{
    static const char *const faults[] = {
        "wtx@1", "null-flood@1", "slow@1", "ifs-change@1", "abort@1", "wrong-sequence-number@1", "mute@1"};
    for (unsigned protocol = 0; protocol < 2; protocol++)
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            insert("3B 80 80 01 01");
            ck_assert_int_eq(ifd_set_protocol(&ifd, (uint8_t)protocol), IFD_RESULT_OK);
            set_fault(faults[i]);
            echo((uint8_t)protocol, 300); /* with whatever result */
            tear_down();
        }
    insert("3B 00"); /* for tear_down */
}
END_TEST

START_TEST(an_empty_slot)
{
    ifd_set_card(&ifd, NULL, NULL, "test");
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_NO_CARD);
    ck_assert_int_eq(ifd_power_down(&ifd), IFD_RESULT_NO_CARD);
    ck_assert_int_eq(ifd_set_protocol(&ifd, 0), IFD_RESULT_NO_CARD);
    ck_assert_int_eq(echo(0, 1), IFD_RESULT_NO_CARD);
    insert("3B 00");
}
END_TEST

START_TEST(a_card_without_power)
{
    insert("3B 00");
    ck_assert_int_eq(ifd_power_down(&ifd), IFD_RESULT_OK);
    ck_assert_int_eq(ifd_set_protocol(&ifd, 0), IFD_RESULT_UNPOWERED);
    ck_assert_int_eq(echo(0, 1), IFD_RESULT_UNPOWERED);
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert_int_eq(echo(1, 1), IFD_RESULT_WRONG_PROTOCOL);
    ck_assert_int_eq(echo(0, 1), IFD_RESULT_OK);
}
END_TEST

/* ATRs as they are, and for each kind of reader how the exchange goes. */
enum way { CONTACTS, WITHOUT, REFUSED };
static const struct {
    const char *atr;
    enum way way[3]; /* for each enum ifd_tck */
    uint8_t protocol;
} as_is[] = {
    {"3B 80 01 01", {WITHOUT, REFUSED, CONTACTS}, 1},
    {"3B 80 80 01 FF", {WITHOUT, REFUSED, CONTACTS}, 0},
    {"3B 80 01 81", {CONTACTS, CONTACTS, CONTACTS}, 1},
    {"3B 00", {CONTACTS, CONTACTS, CONTACTS}, 0},
    {"3B 84 80 01 10 11 20 03 36 90 00", {WITHOUT, WITHOUT, WITHOUT}, 1},
    {"35 39 32 00 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D",
     {WITHOUT, WITHOUT, WITHOUT},
     0},
    {"3B 80 0E 8E", {WITHOUT, WITHOUT, WITHOUT}, 1},       /* T=14 */
    {"3B 90 11 9E 0E 11", {WITHOUT, WITHOUT, WITHOUT}, 0}, /* specific: T=14 */
    {"3B 80 80 01", {WITHOUT, WITHOUT, WITHOUT}, 1},       /* no TCK */
    {"3B 04 01", {WITHOUT, WITHOUT, WITHOUT}, 0},
    {"3B", {WITHOUT, WITHOUT, WITHOUT}, 0},
    {"FF", {WITHOUT, WITHOUT, WITHOUT}, 0},
    {"", {REFUSED, REFUSED, REFUSED}, 0},
};

START_TEST(an_atr_as_it_is)
{
    char expression[200], found[3 * ATR_MAX];
    enum way way = as_is[_i / 3].way[_i % 3];
    uint8_t protocol = as_is[_i / 3].protocol;
    snprintf(expression, sizeof expression, "as_is\"%s\"", as_is[_i / 3].atr);
    insert_as(expression);
    ifd.options.tck = (enum ifd_tck)(_i % 3);
    enum ifd_result result = ifd_power_up(&ifd, IFD_COLD);
    if (way == REFUSED) {
        ck_assert_int_eq(result, *as_is[_i / 3].atr ? IFD_RESULT_GARBLED : IFD_RESULT_MUTE);
        ck_assert_uint_eq(ifd.atr.length, 0);
        return;
    }
    for (int reset = 0; reset < 2; reset++) {
        ck_assert_int_eq(result, IFD_RESULT_OK);
        hex_encode(ifd.atr.raw, ifd.atr.length, found, sizeof found, ' ');
        ck_assert_str_eq(found, as_is[_i / 3].atr);
        ck_assert_int_eq(ifd.as_is, way == WITHOUT);
        ck_assert_int_eq(ifd_set_protocol(&ifd, protocol), IFD_RESULT_OK);
        ck_assert_int_ne(ifd_set_protocol(&ifd, 2), IFD_RESULT_OK);
        for (size_t length = 1; length <= 65535; length = 2 * length + 1)
            ck_assert_int_eq(echo(protocol, length), IFD_RESULT_OK);
        ck_assert_int_eq(echo(IFD_RAW, 300), IFD_RESULT_OK);
        ck_assert_int_eq(echo(protocol ^ 1, 1), IFD_RESULT_WRONG_PROTOCOL);
        result = ifd_power_up(&ifd, IFD_WARM);
    }
}
END_TEST

START_TEST(raw_without_a_protocol)
{
    insert_as("as_is \"35 39\"");
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert_uint_eq(ifd_ready_protocol(&ifd), IFD_NO_PROTOCOL);
    ck_assert_int_eq(echo(0, 1), IFD_RESULT_WRONG_PROTOCOL);
    ck_assert_int_eq(echo(IFD_RAW, 10), IFD_RESULT_OK);
    ck_assert_uint_eq(ifd.protocol, IFD_NO_PROTOCOL);
    ifd.options.level = IFD_LEVEL_TPDU; /* there are no TPDUs */
    ck_assert_uint_eq(ifd_command_max(&ifd), APDU_COMMAND_MAX);
    ck_assert_int_eq(echo(IFD_RAW, 300), IFD_RESULT_OK);
}
END_TEST

/* Without contacts: what the answer to a command is then, and whether the card has to be reset. */
static const struct {
    const char *fault;
    enum ifd_result result;
    size_t length;
    bool in_hand; /* a script can ask for it while it answers */
} faults_without[] = {
    {"mute", IFD_RESULT_MUTE, 0, true},          {"removal", IFD_RESULT_MUTE, 0, true},
    {"power-loss", IFD_RESULT_MUTE, 0, true},    {"empty-answer", IFD_RESULT_OK, 0, true},
    {"one-byte-answer", IFD_RESULT_OK, 1, true}, {"overlong-answer", IFD_RESULT_GARBLED, 0, true},
    {"wrong-edc", IFD_RESULT_OK, 6, false},      {"null-flood", IFD_RESULT_OK, 6, false},
    {"parity-error", IFD_RESULT_OK, 6, false},
};

START_TEST(faults_without_contacts)
{
    insert_as("as_is \"35 39\"");
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_OK);
    for (int in_hand = 0; in_hand < 2; in_hand++) {
        *card_faults(card) = (struct faults){0};
        ck_assert_int_eq(send_text(IFD_RAW, 0x05, faults_without[_i].fault, 0), IFD_RESULT_OK);
        if (!in_hand)
            set_fault(faults_without[_i].fault);
        size_t length = faults_without[_i].length;
        ck_assert_int_eq(send_text(IFD_RAW, in_hand ? 0x04 : 0x02, "", 4), faults_without[_i].result);
        ck_assert_uint_eq(response_length, length);
        ck_assert_int_eq(contacts_wants_removal(contacts), strcmp(faults_without[_i].fault, "removal") == 0);
        if (faults_without[_i].result == IFD_RESULT_MUTE) {
            ck_assert_int_eq(echo(IFD_RAW, 10), IFD_RESULT_UNPOWERED);
            ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_OK);
        }
        ck_assert_int_eq(echo(IFD_RAW, 10), IFD_RESULT_OK);
    }
    /* of a reset */
    set_fault("mute");
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), IFD_RESULT_MUTE);
    set_fault("overlong-atr");
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_GARBLED);
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert(ifd.as_is);
}
END_TEST

START_TEST(a_wrong_tck_by_a_fault)
{
    static const enum ifd_result results[] = {IFD_RESULT_GARBLED, IFD_RESULT_GARBLED, IFD_RESULT_OK};
    insert("3B 80 01 81");
    set_fault("wrong-tck");
    ifd.options.tck = (enum ifd_tck)_i;
    ck_assert_int_eq(ifd_power_up(&ifd, IFD_WARM), results[_i]);
    if (results[_i] == IFD_RESULT_OK)
        ck_assert_uint_eq(ifd.atr.raw[3], 0x80);
    else
        ck_assert_int_eq(ifd_power_up(&ifd, IFD_COLD), IFD_RESULT_OK);
    ck_assert_int_eq(echo(1, 600), IFD_RESULT_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ifd");
    TCase *tests = tcase_create("ifd");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 100);
    tcase_add_loop_test(tests, what_can_be_recovered_does_not_show, 0,
                        sizeof recoverable / sizeof recoverable[0]);
    tcase_add_loop_test(tests, characters_go_at_once_or_one_by_one, 0,
                        sizeof recoverable / sizeof recoverable[0]);
    tcase_add_loop_test(tests, a_trace_has_each_character, 0, sizeof recoverable / sizeof recoverable[0]);
    tcase_add_loop_test(tests, what_cannot_fails_as_it_should, 0, sizeof beyond / sizeof beyond[0]);
    tcase_add_loop_test(tests, a_handler_s_fault_hits_the_command_in_hand, 0,
                        2 * sizeof beyond / sizeof beyond[0]);
    tcase_add_loop_test(tests, a_pattern_s_fault_hits_the_command_it_names, 0,
                        sizeof beyond / sizeof beyond[0]);
    tcase_add_loop_test(tests, a_fault_in_hand_takes_the_card_s_time, 0,
                        2 * sizeof slowing / sizeof slowing[0]);
    tcase_add_loop_test(tests, a_card_that_works_asks_for_time, 0, 2 * sizeof works / sizeof works[0]);
    tcase_add_test(tests, a_pace_waits_for_all_of_the_card_s_time);
    tcase_add_test(tests, each_operation_has_its_own_beginning);
    tcase_add_loop_test(tests, a_pace_does_not_wait_for_a_card_that_is_gone, 0, 2);
    tcase_add_test(tests, a_pace_has_the_limit_of_our_time);
    tcase_add_test(tests, a_handler_s_fault_may_have_to_wait);
    tcase_add_test(tests, faults_without_end_end);
    tcase_add_test(tests, an_empty_slot);
    tcase_add_test(tests, a_card_without_power);
    tcase_add_loop_test(tests, an_atr_as_it_is, 0, 3 * sizeof as_is / sizeof as_is[0]);
    tcase_add_test(tests, raw_without_a_protocol);
    tcase_add_loop_test(tests, faults_without_contacts, 0, sizeof faults_without / sizeof faults_without[0]);
    tcase_add_loop_test(tests, a_wrong_tck_by_a_fault, 0, 3);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
