/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig atr: the analysis of an ATR */
#include "cli/atr_analysis.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text of bounded size. append() truncates what does not fit. */
struct text {
    char bytes[ANALYSIS_TEXT_SIZE];
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
 * The meaning of each byte
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
        append(text, "s"); /* "follows", of a single byte */
}

double analysis_cycles_per_etu(const struct atr *atr)
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
               analysis_cycles_per_etu(atr), atr->fmax_khz / 1000.0);
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

void analysis_classes_text(uint8_t classes, char out[ANALYSIS_TEXT_SIZE])
{
    struct text text = {.length = 0};
    append_classes(&text, classes);
    memcpy(out, text.bytes, sizeof text.bytes);
}

const char *analysis_clock_stop_text(enum atr_clock_stop clock_stop)
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
        append(text, "global: %s; ", analysis_clock_stop_text((enum atr_clock_stop)(value >> 6)));
        if (warned(atr, ATR_WARN_CLASS_RFU))
            append(text, "class indicator %02X is reserved", value & 0x3F);
        else
            append_classes(text, value & 0x3F);
    }
}

/* Returns the T of the TD that announced group i, which must not be the first group. */
static unsigned protocol_of(const struct atr *atr, size_t i)
{
    return atr->layout.group[i - 2].td & 0x0Fu;
}

/* Returns whether the byte is the first TA, TB or TC for its T. From the third group on only these are
 * defined (8.2.3). */
static bool is_first(const struct atr *atr, size_t i, uint8_t which)
{
    for (size_t before = 3; before < i; before++)
        if (protocol_of(atr, before) == protocol_of(atr, i) && atr->layout.group[before - 1].present & which)
            return false;
    return true;
}

/* Explains TAi, TBi or TCi, i being at least 3. */
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

static void each_interface_byte(const struct atr *atr, analysis_byte_function *function, void *arg)
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

void analysis_each_byte(const struct analysis *analysis, analysis_byte_function *function, void *arg)
{
    const struct atr *atr = &analysis->atr;
    if (atr->length == 0)
        return;
    uint8_t ts = atr->raw[0];
    function(arg, "TS", 0, ts,
             ts == ATR_DIRECT    ? "direct convention"
             : ts == ATR_INVERSE ? "inverse convention"
                                 : "neither direct (3B) nor inverse (3F) convention");
    if (atr->length == 1 || analysis->error.result == ATR_BAD_TS)
        return;
    uint8_t t0 = atr->raw[1];
    struct text meaning = {.length = 0};
    append_followers(&meaning, t0 >> 4, 1);
    append(&meaning, "; %u historical byte%s", t0 & 0x0F, (t0 & 0x0F) == 1 ? "" : "s");
    function(arg, "T0", 1, t0, meaning.bytes);
    each_interface_byte(atr, function, arg);
}

/*
 * The ATR as a whole
 */

size_t analysis_tck_position(const struct atr *atr)
{
    return atr->historical_at + atr->layout.historical_count;
}

uint8_t analysis_tck_expected(const struct atr *atr)
{
    return atr_check_byte(atr->raw, analysis_tck_position(atr));
}

const char *analysis_tck_verdict(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    if (analysis->error.result == ATR_TCK_UNEXPECTED)
        return "unexpected";
    if (!atr->tck_required)
        return "not needed";
    if (!atr->tck_present)
        return "missing";
    return atr->tck == analysis_tck_expected(atr) ? "right" : "wrong";
}

size_t analysis_end_position(const struct atr *atr)
{
    return analysis_tck_position(atr) + (atr->tck_present ? 1 : 0);
}

bool analysis_offers(const struct atr *atr, unsigned protocol)
{
    return atr->protocols & 1u << protocol;
}

bool analysis_concerns(const struct atr *atr, unsigned protocol)
{
    return analysis_offers(atr, protocol) || atr_default_protocol(atr) == protocol;
}

size_t analysis_find_times(const struct atr *atr, struct times out[TIMES_MAX])
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

void analysis_historical_text(const struct atr *atr, char text[ATR_HISTORICAL_MAX + 1])
{
    const struct atr_layout *layout = &atr->layout;
    size_t count = 0;
    for (; count < layout->historical_count && count < ATR_HISTORICAL_MAX; count++) {
        uint8_t byte = layout->historical[count];
        text[count] = byte >= 0x20 && byte < 0x7F ? (char)byte : '.';
    }
    text[count] = '\0';
}
