/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as a fault, and then commands. What is taken has the documented form, and the fault fires at just
 * the commands that a simple reading of it names, and no other fault does; what is refused sets nothing.
 *
 * The text ends with the first NUL; what follows are commands, each with its length in one byte before it.
 */
#include "base/error.h"
#include "fuzz.h"

#include "icc/fault.h"
#include "iso7816/hex.h"

/* NAME[@FROM][*TIMES][:PATTERN] */
struct reading {
    enum fault fault;
    bool has_from, has_pattern;
    unsigned long from, times;
    uint8_t value[FAULT_PATTERN_MAX], mask[FAULT_PATTERN_MAX];
    size_t length;
};

static unsigned long number_after(const char **text, char mark, bool *there)
{
    char *end;
    *there = **text == mark;
    if (!*there)
        return 1;
    CHECK((*text)[1] >= '0' && (*text)[1] <= '9');
    unsigned long number = strtoul(*text + 1, &end, 10);
    CHECK(number <= 1000000);
    *text = end;
    return number;
}

/* Fails where the text, which was taken, is not of this form. */
static void read_text(const char *text, struct reading *reading)
{
    char name[40];
    size_t length = strcspn(text, "@*:");
    bool has_times;
    CHECK(length < sizeof name);
    memcpy(name, text, length);
    name[length] = '\0';
    reading->fault = fault_find(name);
    CHECK(reading->fault != FAULT_COUNT && strcmp(fault_name(reading->fault), name) == 0);
    CHECK(fault_named(text));
    text += length;
    reading->from = number_after(&text, '@', &reading->has_from);
    reading->times = number_after(&text, '*', &has_times);
    CHECK(reading->from > 0);
    reading->has_pattern = *text == ':';
    if (!reading->has_pattern) {
        CHECK(*text == '\0');
        if (reading->has_from && !has_times)
            reading->times = FAULT_ALWAYS;
        return;
    }
    CHECK(hex_decode_pattern(text + 1, strlen(text + 1), reading->value, reading->mask, FAULT_PATTERN_MAX,
                             &reading->length, NULL) == HEX_OK);
    CHECK(reading->length > 0);
}

static bool is_named(const struct reading *reading, const uint8_t *command, size_t length)
{
    if (length < reading->length)
        return false;
    for (size_t i = 0; i < reading->length; i++)
        if ((command[i] ^ reading->value[i]) & reading->mask[i])
            return false;
    return true;
}

static void check_commands(struct faults *faults, const struct reading *reading, const uint8_t *data,
                           const uint8_t *end)
{
    unsigned long count = 0; /* opportunities */
    while (data < end) {
        size_t length = *data++;
        if (length > (size_t)(end - data))
            length = (size_t)(end - data);
        uint8_t *command = exact_copy(data, length);
        bool is_one = !reading->has_pattern || is_named(reading, command, length);
        count += is_one;
        bool expected = is_one && count >= reading->from && count - reading->from < reading->times;
        faults_command_came(faults, command, length);
        for (int i = 0; i < FAULT_COUNT; i++)
            CHECK(faults_fire(faults, (enum fault)i) == (expected && i == (int)reading->fault));
        faults_command_ran(faults, command, length);
        for (int i = 0; i < FAULT_COUNT; i++)
            CHECK(!faults_fire_in_hand(faults, (enum fault)i));
        free(command);
        data += length;
    }
}

static void check_refusal(const char *text, const struct faults *faults, const struct error *error)
{
    static const struct faults untouched;
    char quoted[70];
    CHECK(memcmp(faults, &untouched, sizeof untouched) == 0);
    CHECK(memchr(error->text, '\0', sizeof error->text) && error->text[0]);
    snprintf(quoted, sizeof quoted, "'%.40s", text);
    quoted[1 + strcspn(quoted + 1, "@*:")] = '\0'; /* it quotes the name, or the whole */
    CHECK(strstr(error->text, quoted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct faults faults;
    size_t length = strnlen((const char *)data, size);
    char *text = malloc(length + 1);
    struct error error;
    CHECK(text);
    memcpy(text, data, length);
    text[length] = '\0';
    memset(&error, 'X', sizeof error);
    memset(&faults, 0, sizeof faults);
    if (faults_set(&faults, text, &error)) {
        struct reading reading = {.length = 0};
        read_text(text, &reading);
        check_commands(&faults, &reading, data + length + (length < size), data + size);
    } else {
        check_refusal(text, &faults, &error);
    }
    free(text);
    return 0;
}
