#include "icc/fault.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[FAULT_COUNT] = {
    [FAULT_MUTE] = "mute",
    [FAULT_SLOW] = "slow",
    [FAULT_WRONG_TCK] = "wrong-tck",
    [FAULT_OVERLONG_ATR] = "overlong-atr",
    [FAULT_PPS_REFUSED] = "pps-refused",
    [FAULT_PPS_GARBLED] = "pps-garbled",
    [FAULT_PPS_IGNORED] = "pps-ignored",
    [FAULT_NULL_FLOOD] = "null-flood",
    [FAULT_WRONG_PROCEDURE_BYTE] = "wrong-procedure-byte",
    [FAULT_WRONG_EDC] = "wrong-edc",
    [FAULT_LOST_BLOCK] = "lost-block",
    [FAULT_WRONG_SEQUENCE_NUMBER] = "wrong-sequence-number",
    [FAULT_WTX] = "wtx",
    [FAULT_IFS_CHANGE] = "ifs-change",
    [FAULT_ABORT] = "abort",
    [FAULT_RESYNCHRONISATION] = "resynchronisation",
    [FAULT_EMPTY_ANSWER] = "empty-answer",
    [FAULT_REMOVAL] = "removal",
    [FAULT_POWER_LOSS] = "power-loss",
    [FAULT_ONE_BYTE_ANSWER] = "one-byte-answer",
    [FAULT_OVERLONG_ANSWER] = "overlong-answer",
    [FAULT_PARITY_ERROR] = "parity-error",
};

const char *fault_name(enum fault fault)
{
    return names[fault];
}

enum fault fault_find(const char *name)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum fault)i;
    return FAULT_COUNT;
}

/* A number after the mark, if text goes on with the mark. False: what follows it is none. */
static bool take_number(const char **text, char mark, unsigned *number)
{
    if (**text != mark)
        return true;
    char *end;
    if (!isdigit((unsigned char)(*text)[1]))
        return false;
    unsigned long value = strtoul(*text + 1, &end, 10);
    if (value > 1000000 || end - *text > 8)
        return false;
    *number = (unsigned)value;
    *text = end;
    return true;
}

bool faults_set(struct faults *faults, const char *text, char *error, size_t error_size)
{
    char name[40];
    size_t length = strcspn(text, "@*");
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), text);
    enum fault fault = length < sizeof name ? fault_find(name) : FAULT_COUNT;
    if (fault == FAULT_COUNT) {
        int at = snprintf(error, error_size, "there is no fault '%s': expected one of", name);
        for (unsigned i = 0; i < FAULT_COUNT && at > 0 && (size_t)at < error_size; i++)
            at += snprintf(error + at, error_size - (size_t)at, "%s %s", i ? "," : "", names[i]);
        return false;
    }
    const char *rest = text + length;
    unsigned from = 1, times = *rest == '@' ? FAULT_ALWAYS : 1;
    if (!take_number(&rest, '@', &from) || !take_number(&rest, '*', &times) || *rest || from == 0) {
        snprintf(error, error_size, "fault '%.60s': expected NAME, NAME*TIMES, NAME@FROM or NAME@FROM*TIMES",
                 text);
        return false;
    }
    faults->set[fault].skip = from - 1;
    faults->set[fault].times = times;
    return true;
}

bool faults_fire(struct faults *faults, enum fault fault)
{
    unsigned *skip = &faults->set[fault].skip, *times = &faults->set[fault].times;
    if (*times == 0)
        return false;
    if (*skip > 0) {
        --*skip;
        return false;
    }
    if (*times != FAULT_ALWAYS)
        --*times;
    return true;
}
