/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig atr: the output for people */
#include "cli/atr_output.h"

#include <stdio.h>
#include <string.h>

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
    analysis_historical_text(atr, text);
    printf("  historical bytes\n        ");
    print_bytes(atr->layout.historical, count);
    printf("  \"%s\"\n", text);
}

static void print_tck(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    const char *verdict = analysis_tck_verdict(analysis);
    if (strcmp(verdict, "not needed") == 0)
        printf("  TCK   --  not needed: only T=0 is offered\n");
    else if (strcmp(verdict, "missing") == 0)
        printf("  TCK   --  missing, expected %02X\n", analysis_tck_expected(atr));
    else if (strcmp(verdict, "unexpected") == 0)
        printf("  TCK   %02X  right, but must not be there: only T=0 is offered\n",
               analysis_tck_expected(atr));
    else if (strcmp(verdict, "wrong") == 0)
        printf("  TCK   %02X  wrong, expected %02X\n", atr->tck, analysis_tck_expected(atr));
    else
        printf("  TCK   %02X  right\n", atr->tck);
}

static void print_trailing(const struct analysis *analysis)
{
    size_t end = analysis_end_position(&analysis->atr);
    if (analysis->error.result != ATR_TRAILING)
        return;
    printf("  after the end\n        ");
    print_bytes(analysis->atr.raw + end, analysis->atr.length - end);
    putchar('\n');
}

static void print_protocols(const struct atr *atr)
{
    printf("  protocols   ");
    if (atr->protocol_count == 0)
        printf("none");
    for (unsigned i = 0; i < atr->protocol_count; i++)
        printf("%sT=%u%s", i ? ", " : "", atr->protocol[i],
               atr->protocol[i] == atr_default_protocol(atr) ? " (default)" : "");
    if (atr->specific && !analysis_offers(atr, atr->specific_protocol))
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
        printf("F %u, D %u: %g clock cycles per etu\n", atr->f, atr->d, analysis_cycles_per_etu(atr));
    else
        printf("F %u, D %u: %g clock cycles per etu after a PPS exchange, 372 without one\n", atr->f, atr->d,
               analysis_cycles_per_etu(atr));
    printf("  clock       up to %g MHz; %s\n", atr->fmax_khz / 1000.0,
           atr->clock_stop == ATR_CLOCK_STOP_NONE
               ? "may not be stopped"
               : analysis_clock_stop_text(atr->clock_stop) + strlen("the clock "));
}

static void print_electrical(const struct atr *atr)
{
    char classes[ANALYSIS_TEXT_SIZE];
    analysis_classes_text(atr->classes, classes);
    printf("  supply      %s\n", classes);
}

static void print_protocol_parameters(const struct atr *atr)
{
    printf("  guard time  N %u\n", atr->extra_guard_time);
    if (analysis_concerns(atr, 0))
        printf("  T=0         WI %u\n", atr->wi);
    if (analysis_concerns(atr, 1))
        printf("  T=1         IFSC %u, CWI %u, BWI %u, %s\n", atr->ifsc, atr->cwi, atr->bwi,
               atr->edc == ATR_EDC_CRC ? "CRC" : "LRC");
}

static void print_time(const struct times *times, const char *name, uint32_t etu, const char *meaning)
{
    double ms = (double)timing_microseconds(etu, times->f, times->d, TIMING_CLOCK_KHZ) / 1000;
    printf("    %-3s  %9u etu %11.3f ms  %s\n", name, etu, ms, meaning);
}

static void print_times(const struct atr *atr)
{
    struct times all[TIMES_MAX];
    size_t count = analysis_find_times(atr, all);
    for (const struct times *times = all; times < all + count; times++) {
        const struct timing *timing = &times->timing;
        printf("  times       with F %u, D %u, in milliseconds at %u MHz\n", times->f, times->d,
               TIMING_CLOCK_KHZ / 1000);
        print_time(times, "GT", timing->gt, "least between characters to the card, in T=0 and PPS");
        if (analysis_concerns(atr, 0))
            print_time(times, "WWT", timing->wwt, "T=0: most until the card's next character");
        if (!analysis_concerns(atr, 1))
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

void atr_print(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    char line[256];
    printf("ATR ");
    print_bytes(analysis->bytes, analysis->length);
    printf(analysis->length ? "\n\n" : "of no bytes\n");
    analysis_each_byte(analysis, print_byte, NULL);
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
