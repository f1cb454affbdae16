/* cardrig atr */
#include "cli/cli.h"

#include "iso7816/atr.h"
#include "iso7816/hex.h"
#include "iso7816/timing.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: cardrig atr [--json] HEX...\n"
    "       cardrig atr [--json] -\n"
    "Explain an Answer-to-Reset, byte by byte: ISO/IEC 7816-3:2006, clause 8. HEX are its bytes, in one\n"
    "argument or in many; '-' reads one ATR per line from standard input. Exits with 1 if the standard\n"
    "does not allow it.\n\n"
    "  -j, --json  as JSON, for programs; with '-' one line for each ATR\n"
    "  -h, --help  show this\n";

/* An ATR and what atr_parse said about it. */
struct analysis {
    const uint8_t *bytes; /* all of them, also those that are too many for atr.raw */
    size_t length;
    struct atr atr;
    struct atr_error error;
    bool decoded;
};

/* Text of bounded size; what does not fit is cut off. */
struct text {
    char bytes[200];
    size_t length;
};

static void append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof text->bytes - text->length;
    int length = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        text->length += (size_t)length < room ? (size_t)length : room - 1;
}

/*
 * What each byte means
 */

static const char letters[] = "ABCD"; /* in the order of the bits ATR_TA to ATR_TD */

static void append_followers(struct text *text, uint8_t present, size_t group)
{
    unsigned left = present & 0x0Fu;
    if (!left)
        append(text, "no interface bytes follow");
    for (unsigned bit = 0; bit < 4 && left; bit++) {
        if (!(left & 1u << bit))
            continue;
        left &= ~(1u << bit);
        append(text, "T%c%zu%s", letters[bit], group, !left ? " follow" : left & (left - 1) ? ", " : " and ");
    }
    if (present && !(present & (present - 1)))
        append(text, "s"); /* only one */
}

static double cycles_per_etu(const struct atr *atr)
{
    return (double)atr->f / atr->d;
}

static bool warned(const struct atr *atr, enum atr_warning warning)
{
    return atr->warnings & 1u << warning;
}

static void explain_ta1(const struct atr *atr, struct text *text)
{
    append(text, "Fi %u, Di %u: ", atr->fi, atr->di);
    bool fi_rfu = warned(atr, ATR_WARN_FI_RFU), di_rfu = warned(atr, ATR_WARN_DI_RFU);
    if (fi_rfu || di_rfu)
        append(text, "%s reserved", fi_rfu && di_rfu ? "both" : fi_rfu ? "Fi is" : "Di is");
    else
        append(text, "F %u, D %u, %g clock cycles per etu, clock up to %g MHz", atr->f, atr->d,
               cycles_per_etu(atr), atr->fmax_khz / 1000.0);
}

static void explain_ta2(const struct atr *atr, struct text *text)
{
    append(text, "specific mode with T=%u; %s; a warm reset %s change the mode", atr->specific_protocol,
           atr->implicit_parameters ? "F and D are implicit" : "F and D are those of TA1",
           atr->mode_changeable ? "may" : "does not");
}

static void append_classes(struct text *text, uint8_t classes)
{
    static const char *const name[] = {"A (5 V)", "B (3 V)", "C (1.8 V)"};
    const char *before = "class ";
    for (unsigned bit = 0; bit < 3; bit++)
        if (classes & 1u << bit) {
            append(text, "%s%s", before, name[bit]);
            before = ", ";
        }
}

static const char *clock_stop_text(enum atr_clock_stop clock_stop)
{
    switch (clock_stop) {
    case ATR_CLOCK_STOP_NONE:
        return "the clock may not be stopped";
    case ATR_CLOCK_STOP_LOW:
        return "the clock may be stopped in state L";
    case ATR_CLOCK_STOP_HIGH:
        return "the clock may be stopped in state H";
    case ATR_CLOCK_STOP_ANY:
        return "the clock may be stopped in either state";
    }
    return "?";
}

static const char *spu_text(uint8_t spu)
{
    return spu == 0 ? "not used" : spu & 0x80 ? "proprietary use" : "reserved use";
}

/* The first TA, TB and TC after a TD for T=1: ISO/IEC 7816-3:2006, 11.4.2 to 11.4.4 */
static void explain_t1(const struct atr *atr, uint8_t which, uint8_t value, struct text *text)
{
    if (which == ATR_TA && warned(atr, ATR_WARN_IFSC_RFU))
        append(text, "T=1: IFSC %u is reserved", value);
    else if (which == ATR_TA)
        append(text, "T=1: IFSC %u, the longest information field that the card takes", value);
    else if (which == ATR_TB)
        append(text, "T=1: CWI %u, BWI %u%s", value & 0x0F, value >> 4,
               warned(atr, ATR_WARN_BWI_RFU) ? " (reserved)" : "");
    else
        append(text, "T=1: the error detection code is %s", value & 1 ? "CRC" : "LRC");
}

/* The first TA and TB after a TD for T=15: ISO/IEC 7816-3:2006, 8.3 */
static void explain_t15(const struct atr *atr, uint8_t which, uint8_t value, struct text *text)
{
    if (which == ATR_TC) {
        append(text, "global: nothing that is defined");
    } else if (which == ATR_TB) {
        append(text, "global: contact C6 (SPU): %s", spu_text(value));
    } else {
        append(text, "global: %s; ", clock_stop_text((enum atr_clock_stop)(value >> 6)));
        if (warned(atr, ATR_WARN_CLASS_RFU))
            append(text, "class indicator %02X is reserved", value & 0x3F);
        else
            append_classes(text, value & 0x3F);
    }
}

/* T of the TD that announced group i, which is not the first. */
static unsigned protocol_of(const struct atr *atr, size_t i)
{
    return atr->layout.group[i - 2].td & 0x0Fu;
}

/* From the third group on only the first TA, TB and TC for each T are defined (8.2.3). */
static bool is_first(const struct atr *atr, size_t i, uint8_t which)
{
    for (size_t before = 3; before < i; before++)
        if (protocol_of(atr, before) == protocol_of(atr, i) && atr->layout.group[before - 1].present & which)
            return false;
    return true;
}

/* TAi, TBi or TCi from the third group on. */
static void explain_later(const struct atr *atr, size_t i, uint8_t which, uint8_t value, struct text *text)
{
    unsigned protocol = protocol_of(atr, i);
    bool first = is_first(atr, i, which);
    if (protocol == 1 && first)
        explain_t1(atr, which, value, text);
    else if (protocol == ATR_T15 && first)
        explain_t15(atr, which, value, text);
    else if (protocol == ATR_T15)
        append(text, "global: nothing that is defined");
    else if (protocol == 14)
        append(text, "T=14: not standardized");
    else
        append(text, "T=%u: nothing that is defined", protocol);
}

static void explain_td(size_t i, uint8_t value, struct text *text)
{
    if ((value & 0x0F) == ATR_T15)
        append(text, "T=15, global interface bytes; ");
    else
        append(text, "T=%u; ", value & 0x0F);
    append_followers(text, value >> 4, i + 1);
}

static void explain(const struct atr *atr, size_t i, uint8_t which, uint8_t value, struct text *text)
{
    if (which == ATR_TD)
        explain_td(i, value, text);
    else if (i > 2)
        explain_later(atr, i, which, value, text);
    else if (which == ATR_TB)
        append(text, "deprecated, to be ignored (it was about the programming voltage)");
    else if (which == ATR_TA && i == 1)
        explain_ta1(atr, text);
    else if (which == ATR_TA)
        explain_ta2(atr, text);
    else if (i == 2)
        append(text, "T=0: waiting time integer WI %u%s", value, value == 0 ? ", reserved" : "");
    else if (value == 255)
        append(text, "N 255: the shortest guard time, 12 etu for T=0 and 11 for T=1");
    else
        append(text, "extra guard time N %u", value);
}

/* Something that takes the bytes one after the other, each with its name, its place and its meaning. */
typedef void byte_function(void *arg, const char *name, size_t position, uint8_t value, const char *meaning);

static void each_interface_byte(const struct atr *atr, byte_function *function, void *arg)
{
    size_t position = 2;
    for (size_t i = 1; i <= atr->layout.group_count; i++) {
        const struct atr_group *group = &atr->layout.group[i - 1];
        for (unsigned bit = 0; bit < 4; bit++) {
            uint8_t which = (uint8_t)(1u << bit);
            if (!(group->present & which))
                continue;
            struct text name = {.length = 0}, meaning = {.length = 0};
            append(&name, "T%c%zu", letters[bit], i);
            explain(atr, i, which, atr->raw[position], &meaning);
            function(arg, name.bytes, position, atr->raw[position], meaning.bytes);
            position++;
        }
    }
}

/* TS, T0 and the interface bytes, as far as they were read. */
static void each_byte(const struct analysis *analysis, byte_function *function, void *arg)
{
    const struct atr *atr = &analysis->atr;
    if (atr->len == 0)
        return;
    uint8_t ts = atr->raw[0];
    function(arg, "TS", 0, ts,
             ts == ATR_DIRECT    ? "direct convention"
             : ts == ATR_INVERSE ? "inverse convention"
                                 : "neither direct (3B) nor inverse (3F) convention");
    if (atr->len == 1 || analysis->error.result == ATR_BAD_TS)
        return;
    uint8_t t0 = atr->raw[1];
    struct text meaning = {.length = 0};
    append_followers(&meaning, t0 >> 4, 1);
    append(&meaning, "; %u historical byte%s", t0 & 0x0F, (t0 & 0x0F) == 1 ? "" : "s");
    function(arg, "T0", 1, t0, meaning.bytes);
    each_interface_byte(atr, function, arg);
}

/*
 * What is known of the whole
 */

/* Where TCK is or would be. Only of what is decoded, as the functions that follow. */
static size_t tck_position(const struct atr *atr)
{
    return atr->historical_at + atr->layout.historical_count;
}

static uint8_t tck_expected(const struct atr *atr)
{
    return atr_check_byte(atr->raw, tck_position(atr));
}

static const char *tck_verdict(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    if (analysis->error.result == ATR_TCK_UNEXPECTED)
        return "unexpected";
    if (!atr->tck_required)
        return "not needed";
    if (!atr->tck_present)
        return "missing";
    return atr->tck == tck_expected(atr) ? "right" : "wrong";
}

/* The first position that does not belong to the ATR. */
static size_t end_position(const struct atr *atr)
{
    return tck_position(atr) + (atr->tck_present ? 1 : 0);
}

/* The protocol in use when there is no PPS exchange (6.3.1): that of TA2, or the first that is offered. */
static uint8_t default_protocol(const struct atr *atr)
{
    return atr->specific ? atr->specific_protocol : atr->first_protocol;
}

static bool offers(const struct atr *atr, unsigned protocol)
{
    return atr->protocols & 1u << protocol;
}

/* Whether the parameters of a protocol matter: TA2 can name one that is not offered. */
static bool concerns(const struct atr *atr, unsigned protocol)
{
    return offers(atr, protocol) || default_protocol(atr) == protocol;
}

/* F and D, and the times that follow from them. */
struct times {
    uint16_t f;
    uint8_t d;
    struct timing timing;
};

#define TIMES_MAX 2

/*
 * For every F and D that may be in force after this ATR: those of TA1, and in negotiable mode first the
 * default ones, without a PPS exchange. None when they are implicit. Returns how many.
 */
static size_t find_times(const struct atr *atr, struct times out[TIMES_MAX])
{
    size_t count = 0;
    bool is_default = atr->f == TIMING_FD && atr->d == TIMING_DD;
    if (atr->specific && atr->implicit_parameters)
        return 0;
    if (!atr->specific || is_default)
        out[count++] = (struct times){.f = TIMING_FD, .d = TIMING_DD};
    if (!is_default)
        out[count++] = (struct times){.f = atr->f, .d = atr->d};
    for (size_t i = 0; i < count; i++)
        timing_of(atr, out[i].f, out[i].d, &out[i].timing);
    return count;
}

/* Latin letters, digits and the like; a dot for any other byte. */
static void printable(const uint8_t *bytes, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++)
        out[i] = bytes[i] >= 0x20 && bytes[i] < 0x7F ? (char)bytes[i] : '.';
    out[length] = '\0';
}

/* For people */

static void print_bytes(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%s%02X", i ? " " : "", bytes[i]);
}

static void print_byte(void *arg, const char *name, size_t position, uint8_t value, const char *meaning)
{
    (void)arg;
    (void)position;
    printf("  %-5s %02X  %s\n", name, value, meaning);
}

static void print_historical(const struct atr *atr)
{
    uint8_t count = atr->layout.historical_count;
    if (count == 0)
        return;
    char text[ATR_HISTORICAL_MAX + 1];
    printable(atr->layout.historical, count, text);
    printf("  historical bytes\n        ");
    print_bytes(atr->layout.historical, count);
    printf("  \"%s\"\n", text);
}

static void print_tck(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    const char *verdict = tck_verdict(analysis);
    if (strcmp(verdict, "not needed") == 0)
        printf("  TCK   --  not needed: only T=0 is offered\n");
    else if (strcmp(verdict, "missing") == 0)
        printf("  TCK   --  missing, expected %02X\n", tck_expected(atr));
    else if (strcmp(verdict, "unexpected") == 0)
        printf("  TCK   %02X  right, but must not be there: only T=0 is offered\n", tck_expected(atr));
    else if (strcmp(verdict, "wrong") == 0)
        printf("  TCK   %02X  wrong, expected %02X\n", atr->tck, tck_expected(atr));
    else
        printf("  TCK   %02X  right\n", atr->tck);
}

static void print_trailing(const struct analysis *analysis)
{
    size_t end = end_position(&analysis->atr);
    if (analysis->error.result != ATR_TRAILING)
        return;
    printf("  after the end\n        ");
    print_bytes(analysis->atr.raw + end, analysis->atr.len - end);
    putchar('\n');
}

static void print_protocols(const struct atr *atr)
{
    printf("  protocols   ");
    if (atr->protocol_count == 0)
        printf("none");
    for (unsigned i = 0; i < atr->protocol_count; i++)
        printf("%sT=%u%s", i ? ", " : "", atr->protocol[i],
               atr->protocol[i] == default_protocol(atr) ? " (default)" : "");
    if (atr->specific && !offers(atr, atr->specific_protocol))
        printf("; T=%u by TA2 (default)", atr->specific_protocol);
    printf("\n  mode        %s\n", atr->specific
                                       ? "specific: the default is in use at once, there is no PPS exchange"
                                       : "negotiable: a PPS exchange may choose protocol and speed");
}

static void print_speed(const struct atr *atr)
{
    printf("  speed       ");
    if (atr->specific && atr->implicit_parameters)
        printf("implicit, not as TA1 says\n");
    else if (atr->specific || (atr->f == 372 && atr->d == 1))
        printf("F %u, D %u: %g clock cycles per etu\n", atr->f, atr->d, cycles_per_etu(atr));
    else
        printf("F %u, D %u: %g clock cycles per etu after a PPS exchange, 372 without one\n", atr->f, atr->d,
               cycles_per_etu(atr));
    printf("  clock       up to %g MHz; %s\n", atr->fmax_khz / 1000.0,
           atr->clock_stop == ATR_CLOCK_STOP_NONE ? "may not be stopped"
                                                  : clock_stop_text(atr->clock_stop) + strlen("the clock "));
}

static void print_electrical(const struct atr *atr)
{
    struct text classes = {.length = 0};
    append_classes(&classes, atr->classes);
    printf("  supply      %s\n", classes.bytes);
}

static void print_protocol_parameters(const struct atr *atr)
{
    printf("  guard time  N %u\n", atr->extra_guard_time);
    if (concerns(atr, 0))
        printf("  T=0         WI %u\n", atr->wi);
    if (concerns(atr, 1))
        printf("  T=1         IFSC %u, CWI %u, BWI %u, %s\n", atr->ifsc, atr->cwi, atr->bwi,
               atr->edc == ATR_EDC_CRC ? "CRC" : "LRC");
}

#define CLOCK_KHZ 4000u /* for times in milliseconds; every card can take it */

static void print_time(const struct times *times, const char *name, uint32_t etu, const char *meaning)
{
    double ms = (double)timing_microseconds(etu, times->f, times->d, CLOCK_KHZ) / 1000;
    printf("    %-3s  %9u etu %11.3f ms  %s\n", name, etu, ms, meaning);
}

static void print_times(const struct atr *atr)
{
    struct times all[TIMES_MAX];
    size_t count = find_times(atr, all);
    for (const struct times *times = all; times < all + count; times++) {
        const struct timing *timing = &times->timing;
        printf("  times       with F %u, D %u, in milliseconds at %u MHz\n", times->f, times->d,
               CLOCK_KHZ / 1000);
        print_time(times, "GT", timing->gt, "least between characters to the card, in T=0 and PPS");
        if (concerns(atr, 0))
            print_time(times, "WWT", timing->wwt, "T=0: most until the card's next character");
        if (!concerns(atr, 1))
            continue;
        print_time(times, "CGT", timing->cgt, "T=1: least between characters of a block to the card");
        print_time(times, "BGT", timing->bgt, "T=1: least from a block to one in the other direction");
        print_time(times, "CWT", timing->cwt, "T=1: most between characters of a block");
        print_time(times, "BWT", timing->bwt, "T=1: most until the card answers a block");
    }
}

static void print_whole(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    print_historical(atr);
    print_tck(analysis);
    print_trailing(analysis);
    putchar('\n');
    print_protocols(atr);
    print_speed(atr);
    print_electrical(atr);
    print_protocol_parameters(atr);
    print_times(atr);
}

static void print_analysis(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    char line[256];
    printf("ATR ");
    print_bytes(analysis->bytes, analysis->length);
    printf(analysis->length ? "\n\n" : "of no bytes\n");
    each_byte(analysis, print_byte, NULL);
    if (analysis->decoded)
        print_whole(analysis);
    if (atr->warnings || analysis->error.result != ATR_OK)
        putchar('\n');
    for (unsigned warning = 0; warning < ATR_WARNING_COUNT; warning++)
        if (atr_warning_text(atr, (enum atr_warning)warning, line, sizeof line) > 0)
            printf("  warning: %s\n", line);
    if (analysis->error.result != ATR_OK) {
        atr_error_text(&analysis->error, line, sizeof line);
        printf("  error: %s\n", line);
    }
}

/* For programs. Every number and name here is documented in cardrig-atr(1). */

static json_t *hex_json(const uint8_t *bytes, size_t length)
{
    char *text = malloc(3 * length + 1);
    if (!text)
        return NULL;
    hex_encode(bytes, length, text, 3 * length + 1, ' ');
    json_t *json = json_string(text);
    free(text);
    return json;
}

static void collect_byte(void *arg, const char *name, size_t position, uint8_t value, const char *meaning)
{
    json_array_append_new(arg, json_pack("{s:s, s:I, s:i, s:s}", "name", name, "position",
                                         (json_int_t)position, "value", value, "meaning", meaning));
}

static json_t *bytes_json(const struct analysis *analysis)
{
    json_t *bytes = json_array();
    each_byte(analysis, collect_byte, bytes);
    return bytes;
}

static json_t *warnings_json(const struct atr *atr)
{
    static const char *const code[ATR_WARNING_COUNT] = {
        [ATR_WARN_FI_RFU] = "fi_reserved",
        [ATR_WARN_DI_RFU] = "di_reserved",
        [ATR_WARN_TB1_DEPRECATED] = "tb1_deprecated",
        [ATR_WARN_TB2_DEPRECATED] = "tb2_deprecated",
        [ATR_WARN_TA2_RFU] = "ta2_reserved",
        [ATR_WARN_TA2_PROTOCOL] = "ta2_protocol",
        [ATR_WARN_WI_RFU] = "wi_reserved",
        [ATR_WARN_PROTOCOL_RFU] = "protocol_reserved",
        [ATR_WARN_PROTOCOL_ORDER] = "protocol_order",
        [ATR_WARN_IFSC_RFU] = "ifsc_reserved",
        [ATR_WARN_BWI_RFU] = "bwi_reserved",
        [ATR_WARN_EDC_RFU] = "edc_reserved",
        [ATR_WARN_CLASS_RFU] = "class_reserved",
    };
    json_t *warnings = json_array();
    char text[256];
    for (unsigned warning = 0; warning < ATR_WARNING_COUNT; warning++)
        if (atr_warning_text(atr, (enum atr_warning)warning, text, sizeof text) > 0)
            json_array_append_new(warnings, json_pack("{s:s, s:i, s:s}", "code", code[warning], "position",
                                                      atr->warning_at[warning], "text", text));
    return warnings;
}

static const char *error_code(enum atr_result result)
{
    switch (result) {
    case ATR_EMPTY:
        return "empty";
    case ATR_BAD_TS:
        return "bad_ts";
    case ATR_TRUNCATED:
        return "truncated";
    case ATR_TOO_LONG:
        return "too_long";
    case ATR_TRAILING:
        return "trailing";
    case ATR_TCK_UNEXPECTED:
        return "tck_unexpected";
    case ATR_TCK_MISSING:
        return "tck_missing";
    case ATR_T15_FIRST:
        return "t15_first";
    case ATR_TCK_WRONG:
        return "tck_wrong";
    case ATR_OK:
    case ATR_BAD_LAYOUT:
    case ATR_NO_SPACE:
        break; /* none of atr_parse's errors */
    }
    return "?";
}

static json_t *error_json(const struct atr_error *error)
{
    char text[256];
    if (error->result == ATR_OK)
        return json_null();
    atr_error_text(error, text, sizeof text);
    return json_pack("{s:s, s:I, s:s, s:s}", "code", error_code(error->result), "position",
                     (json_int_t)error->position, "clause", error->clause, "text", text);
}

static json_t *historical_json(const struct atr *atr)
{
    char text[ATR_HISTORICAL_MAX + 1];
    printable(atr->layout.historical, atr->layout.historical_count, text);
    return json_pack("{s:o, s:s}", "hex", hex_json(atr->layout.historical, atr->layout.historical_count),
                     "text", text);
}

static json_t *tck_json(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    bool present = atr->tck_present || analysis->error.result == ATR_TCK_UNEXPECTED;
    bool wanted = present || atr->tck_required;
    return json_pack("{s:s, s:o, s:o}", "verdict", tck_verdict(analysis), /**/
                     "value", present ? json_integer(atr->raw[tck_position(atr)]) : json_null(), "expected",
                     wanted ? json_integer(tck_expected(atr)) : json_null());
}

static json_t *protocols_json(const struct atr *atr)
{
    json_t *protocols = json_array();
    for (unsigned i = 0; i < atr->protocol_count; i++)
        json_array_append_new(protocols, json_integer(atr->protocol[i]));
    return protocols;
}

static json_t *specific_json(const struct atr *atr)
{
    if (!atr->specific)
        return json_null();
    return json_pack("{s:i, s:b, s:b}", "protocol", atr->specific_protocol, "changeable",
                     atr->mode_changeable, "implicit", atr->implicit_parameters);
}

static json_t *speed_json(const struct atr *atr)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:f, s:i}", "fi", atr->fi, "di", atr->di, "f", atr->f, "d", atr->d,
                     "cycles_per_etu", cycles_per_etu(atr), "fmax_khz", atr->fmax_khz);
}

static json_t *electrical_json(const struct atr *atr)
{
    static const char *const clock_stop[] = {"none", "low", "high", "any"};
    char classes[4] = "", *end = classes;
    for (unsigned bit = 0; bit < 3; bit++)
        if (atr->classes & 1u << bit)
            *end++ = letters[bit];
    *end = '\0';
    return json_pack("{s:s, s:s, s:i}", "classes", classes, "clock_stop", clock_stop[atr->clock_stop], "spu",
                     atr->spu);
}

static json_t *t0_json(const struct atr *atr)
{
    if (!concerns(atr, 0))
        return json_null();
    return json_pack("{s:i}", "wi", atr->wi);
}

static json_t *t1_json(const struct atr *atr)
{
    if (!concerns(atr, 1))
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:s}", "ifsc", atr->ifsc, "cwi", atr->cwi, "bwi", atr->bwi, "edc",
                     atr->edc == ATR_EDC_CRC ? "CRC" : "LRC");
}

static json_t *times_json(const struct atr *atr)
{
    struct times all[TIMES_MAX];
    size_t count = find_times(atr, all);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct timing *timing = &all[i].timing;
        json_t *t0 = concerns(atr, 0) ? json_pack("{s:I}", "wwt", (json_int_t)timing->wwt) : json_null();
        json_t *t1 = concerns(atr, 1) ? json_pack("{s:I, s:I, s:I, s:I}", "cgt", (json_int_t)timing->cgt,
                                                  "bgt", (json_int_t)timing->bgt, "cwt",
                                                  (json_int_t)timing->cwt, "bwt", (json_int_t)timing->bwt)
                                      : json_null();
        json_array_append_new(array, json_pack("{s:i, s:i, s:I, s:o, s:o}", "f", all[i].f, "d", all[i].d,
                                               "gt", (json_int_t)timing->gt, "t0", t0, "t1", t1));
    }
    return array;
}

/* The keys that only a decoded ATR has. */
static json_t *whole_json(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    uint8_t by_default = default_protocol(atr);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}",              /**/
                     "historical", historical_json(atr),                                     /**/
                     "tck", tck_json(analysis),                                              /**/
                     "protocols", protocols_json(atr),                                       /**/
                     "default_protocol",                                                     /**/
                     by_default == ATR_NO_PROTOCOL ? json_null() : json_integer(by_default), /**/
                     "specific", specific_json(atr),                                         /**/
                     "speed", speed_json(atr),                                               /**/
                     "electrical", electrical_json(atr),                                     /**/
                     "extra_guard_time", atr->extra_guard_time,                              /**/
                     "t0", t0_json(atr),                                                     /**/
                     "t1", t1_json(atr),                                                     /**/
                     "times", times_json(atr));
}

/* NULL: out of memory. */
static json_t *analysis_json(const struct analysis *analysis)
{
    json_t *json = json_pack("{s:o, s:b, s:b, s:o, s:o, s:o}",                     /**/
                             "atr", hex_json(analysis->bytes, analysis->length),   /**/
                             "valid", analysis->error.result == ATR_OK, "decoded", /**/
                             analysis->decoded, "error", error_json(&analysis->error), "warnings",
                             warnings_json(&analysis->atr), "bytes", bytes_json(analysis));
    if (json && analysis->decoded) {
        json_t *whole = whole_json(analysis);
        if (!whole || json_object_update(json, whole) != 0) {
            json_decref(json);
            json = NULL;
        }
        json_decref(whole);
    }
    return json;
}

/* From text to what is printed */

/* One ATR. source stands for it in messages. Returns an exit status. */
static int analyse(const char *text, size_t length, const char *source, bool json, size_t json_flags)
{
    struct analysis analysis = {.length = 0};
    uint8_t *bytes = malloc(length / 2 + 1);
    json_t *object = NULL;
    int status = EXIT_FAILED;
    if (!bytes)
        goto no_memory;
    size_t bad_at;
    enum hex_result result = hex_decode(text, length, bytes, length / 2 + 1, &analysis.length, &bad_at);
    if (result != HEX_OK) {
        fprintf(stderr, "cardrig atr: %s, character %zu: %s\n", source, bad_at + 1, hex_result_text(result));
        status = EXIT_USAGE;
        goto out;
    }
    analysis.bytes = bytes;
    enum atr_result parsed = atr_parse(bytes, analysis.length, &analysis.atr, &analysis.error);
    analysis.decoded = atr_is_decoded(parsed);
    if (json) {
        object = analysis_json(&analysis);
        if (!object || json_dumpf(object, stdout, json_flags) != 0)
            goto no_memory;
        putchar('\n');
    } else {
        print_analysis(&analysis);
    }
    status = parsed == ATR_OK ? EXIT_OK : EXIT_FAILED;
    goto out;

no_memory:
    fprintf(stderr, "cardrig atr: out of memory\n");
out:
    json_decref(object);
    free(bytes);
    return status;
}

/* Each line that is not blank is an ATR. Returns the highest of their exit statuses. */
static int analyse_lines(bool json)
{
    char *line = NULL;
    size_t size = 0, number = 0;
    bool first = true;
    int worst = EXIT_OK;
    setvbuf(stdout, NULL, _IOLBF, 0); /* for a program that waits for each answer */
    for (ssize_t length; (length = getline(&line, &size, stdin)) >= 0;) {
        char source[40];
        snprintf(source, sizeof source, "line %zu", ++number);
        if (strspn(line, " \t\r\n") == (size_t)length)
            continue;
        if (!first && !json)
            putchar('\n');
        first = false;
        int status = analyse(line, (size_t)length, source, json, JSON_COMPACT);
        if (status > worst)
            worst = status;
    }
    if (ferror(stdin)) {
        fprintf(stderr, "cardrig atr: cannot read standard input: %s\n", strerror(errno));
        worst = EXIT_FAILED;
    }
    free(line);
    return worst;
}

/* The arguments are one text, as if there were a blank between them. */
static int analyse_arguments(char **arguments, bool json)
{
    char *text = NULL;
    size_t length = 0;
    FILE *joined = open_memstream(&text, &length);
    if (!joined)
        goto no_memory;
    for (; *arguments; arguments++)
        fprintf(joined, "%s%s", *arguments, arguments[1] ? " " : "");
    if (fclose(joined) != 0)
        goto no_memory;
    int status = analyse(text, length, text, json, JSON_INDENT(2));
    free(text);
    return status;

no_memory:
    fprintf(stderr, "cardrig atr: out of memory\n");
    free(text);
    return EXIT_FAILED;
}

int atr_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, "jh", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_OK;
        }
        if (option != 'j')
            return EXIT_USAGE;
        json = true;
    }
    if (optind == argc) {
        fprintf(stderr, "cardrig atr: which ATR? 'cardrig atr --help' says more\n");
        return EXIT_USAGE;
    }
    if (strcmp(argv[optind], "-") == 0 && optind + 1 == argc)
        return analyse_lines(json);
    return analyse_arguments(argv + optind, json);
}
