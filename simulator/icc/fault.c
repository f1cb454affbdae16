/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/fault.h"

#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "base/number.h"
#include "icc/pattern.h"
#include "iso7816/hex.h"

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

const char *fault_name(unsigned i)
{
    return i < FAULT_COUNT ? names[i] : NULL;
}

enum fault fault_find(const char *name)
{
    unsigned i;

    return names_find(fault_name, name, strlen(name), &i) ? (enum fault)i : FAULT_COUNT;
}

bool fault_named(const char *text)
{
    unsigned i;

    return names_find(fault_name, text, strcspn(text, "@*:"), &i);
}

/* Returns the fault named by the first length bytes of text. Returns FAULT_COUNT with error if there is
 * none. */
static enum fault find_named(const char *text, size_t length, struct error *error)
{
    unsigned i;

    if (names_find(fault_name, text, length, &i))
        return (enum fault)i;
    error_set(error, "there is no fault '%.*s'", (int)(length < 40 ? length : 40), text);
    names_suggest(fault_name, text, length, error);
    return FAULT_COUNT;
}

/* If *text begins with the mark, reads the mark and a number. Returns false if the number is missing or out
 * of range. */
static bool take_count(const char **text, char mark, unsigned low, unsigned *number)
{
    if (**text != mark)
        return true;
    ++*text;
    return number_take(text, low, 1000000, number);
}

static bool read_pattern(const char *text, const char *pattern, struct fault_trigger *trigger,
                         struct error *error)
{
    size_t bad_at;
    enum hex_result result = hex_decode_pattern(pattern, strlen(pattern), trigger->value, trigger->mask,
                                                FAULT_PATTERN_MAX, &trigger->length, &bad_at);

    if (result == HEX_OK && trigger->length > 0)
        return true;
    if (result == HEX_OK)
        return error_set(error, "fault '%.60s': expected a pattern after the ':'", text);
    if (result == HEX_NO_SPACE)
        return error_set(error, "fault '%.60s': a pattern has at most %d bytes", text, FAULT_PATTERN_MAX);
    return error_set(error, "fault '%.60s': pattern: character %zu: %s", text, bad_at + 1,
                     hex_result_text(result));
}

static bool same_command(const struct fault_trigger *a, const struct fault_trigger *b)
{
    return a->fault == b->fault && a->length == b->length && memcmp(a->value, b->value, a->length) == 0 &&
           memcmp(a->mask, b->mask, a->length) == 0;
}

/* Replaces the trigger with the same fault and pattern, or uses a free entry. Returns false with error if the
 * table is full. */
static bool set_trigger(struct fault_table *faults, const struct fault_trigger *trigger, struct error *error)
{
    struct fault_trigger *place = NULL;

    for (int i = FAULT_TRIGGER_MAX - 1; i >= 0; i--)
        if (faults->trigger[i].count.times == 0)
            place = &faults->trigger[i];
    for (int i = 0; i < FAULT_TRIGGER_MAX; i++)
        if (faults->trigger[i].count.times > 0 && same_command(&faults->trigger[i], trigger))
            place = &faults->trigger[i];
    if (place)
        *place = *trigger;
    else if (trigger->count.times > 0)
        error_set(error, "at most %d faults with patterns can be set at a time", FAULT_TRIGGER_MAX);
    return place || trigger->count.times == 0;
}

static void set_plain(struct fault_table *faults, enum fault fault, struct fault_count count)
{
    faults->set[fault].count = count;
    faults->set[fault].fresh = true;
    if (count.times > 0)
        return;
    faults->set[fault].now = false; /* "NAME*0" clears the fault with its patterns, too */
    for (int i = 0; i < FAULT_TRIGGER_MAX; i++)
        if (faults->trigger[i].fault == fault)
            faults->trigger[i].count.times = 0;
}

static bool set(struct fault_table *faults, const char *text, struct error *error)
{
    size_t length = strcspn(text, "@*:");
    struct fault_trigger trigger = {.fault = find_named(text, length, error)};
    const char *rest = text + length;
    /* "@N" is from the Nth opportunity on; with a pattern, only the Nth command */
    unsigned from = 1, times = *rest == '@' && !strchr(rest, ':') ? FAULT_ALWAYS : 1;

    if (trigger.fault == FAULT_COUNT)
        return false;
    if (!take_count(&rest, '@', 1, &from) || !take_count(&rest, '*', 0, &times) || (*rest && *rest != ':'))
        return error_set(error,
                         "fault '%.60s': expected NAME, NAME*TIMES, NAME@FROM or NAME@FROM*TIMES, "
                         "with or without :PATTERN",
                         text);
    trigger.count = (struct fault_count){.skip = from - 1, .times = times};
    if (*rest == ':')
        return read_pattern(text, rest + 1, &trigger, error) && set_trigger(faults, &trigger, error);
    set_plain(faults, trigger.fault, trigger.count);
    return true;
}

/* Counts an opportunity. Returns whether the fault fires at it. */
static bool count_opportunity(struct fault_count *count)
{
    if (count->times == 0)
        return false;
    if (count->skip > 0) {
        --count->skip;
        return false;
    }
    if (count->times != FAULT_ALWAYS)
        --count->times;
    return true;
}

static bool fire(struct fault_table *faults, enum fault fault)
{
    bool now = faults->set[fault].now;

    faults->set[fault].now = false;
    return count_opportunity(&faults->set[fault].count) || now;
}

static bool fire_in_hand(struct fault_table *faults, enum fault fault)
{
    if (faults->set[fault].fresh)
        return fire(faults, fault);
    if (!faults->set[fault].now)
        return false;
    faults->set[fault].now = false;
    return true;
}

/* Counts the current command for all matching triggers. Each trigger counts a command once. */
static void count_command(struct fault_table *faults, const uint8_t *apdu, size_t length)
{
    for (int i = 0; i < FAULT_TRIGGER_MAX; i++) {
        struct fault_trigger *trigger = &faults->trigger[i];
        struct pattern pattern = {trigger->value, trigger->mask, trigger->length};
        if (!trigger->counted && pattern_matches(&pattern, apdu, length) &&
            count_opportunity(&trigger->count))
            faults->set[trigger->fault].now = true;
        trigger->counted = true;
    }
}

/*
 * Functions that take the lock
 */

/* Records in `armed` which faults may fire, and unlocks. */
static void unlock(struct faults *faults)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        atomic_store_explicit(&faults->armed[i],
                              faults->table.set[i].now || faults->table.set[i].count.times > 0,
                              memory_order_relaxed);
    pthread_mutex_unlock(&faults->lock);
}

bool faults_set_all(struct faults *faults, const char *const *text, size_t count, struct error *error)
{
    struct fault_table changed;
    bool ok = true;

    pthread_mutex_lock(&faults->lock);
    changed = faults->table;
    for (size_t i = 0; i < count && ok; i++)
        ok = set(&changed, text[i], error);
    if (ok)
        faults->table = changed;
    unlock(faults);
    return ok;
}

bool faults_set(struct faults *faults, const char *text, struct error *error)
{
    return faults_set_all(faults, &text, 1, error);
}

bool faults_may_fire(const struct faults *faults, enum fault fault)
{
    return atomic_load_explicit(&faults->armed[fault], memory_order_relaxed);
}

static bool ask(struct faults *faults, enum fault fault, bool (*fires)(struct fault_table *, enum fault))
{
    bool fired;

    if (!faults_may_fire(faults, fault))
        return false;
    pthread_mutex_lock(&faults->lock);
    fired = fires(&faults->table, fault);
    unlock(faults);
    return fired;
}

bool faults_fire(struct faults *faults, enum fault fault)
{
    return ask(faults, fault, fire);
}

bool faults_fire_in_hand(struct faults *faults, enum fault fault)
{
    return ask(faults, fault, fire_in_hand);
}

void faults_command_came(struct faults *faults, const uint8_t *apdu, size_t length)
{
    pthread_mutex_lock(&faults->lock);
    for (int i = 0; i < FAULT_COUNT; i++)
        faults->table.set[i].fresh = false;
    for (int i = 0; i < FAULT_TRIGGER_MAX; i++)
        faults->table.trigger[i].counted = false;
    count_command(&faults->table, apdu, length);
    unlock(faults);
}

void faults_command_ran(struct faults *faults, const uint8_t *apdu, size_t length)
{
    pthread_mutex_lock(&faults->lock);
    count_command(&faults->table, apdu, length);
    unlock(faults);
}
