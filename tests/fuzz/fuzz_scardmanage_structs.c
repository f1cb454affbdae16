/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Structs of callers of any version: options, reports and allocators of any size and with any contents. What
 * a size says is there is all that may be read or written: each struct is a block of exactly that many bytes.
 *
 * The first byte says which, the next two the size; then come the bytes of the struct.
 */
#include "fuzz.h"

#include "internal.h"

static scardmanage *object;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    CHECK(scardmanage_create(&object) == SCARDMANAGE_S_OK);
    return 0;
}

/* A struct of that size, or, if that is too small for the field itself, one of the field alone. */
static void *make_struct(size_t size, const uint8_t *bytes, size_t length)
{
    size_t room = size < sizeof size ? sizeof size : size <= OPTIONS_SIZE_MAX ? size : sizeof size;
    uint8_t *made = calloc(1, room);
    CHECK(made);
    if (room > sizeof size)
        memcpy(made + sizeof size, bytes, length < room - sizeof size ? length : room - sizeof size);
    memcpy(made, &size, sizeof size);
    return made;
}

/* Whether all that a newer program says beyond what we know is 0. */
static bool zero_beyond(const void *bytes, size_t size, size_t known)
{
    for (size_t i = known; i < size; i++)
        if (((const uint8_t *)bytes)[i])
            return false;
    return true;
}

/* As the header has it. */
static bool right_options(const scardmanage_options *given, size_t size)
{
    scardmanage_options options = {0};
    if (size < offsetof(scardmanage_options, timeout_ms) || size > OPTIONS_SIZE_MAX ||
        !zero_beyond(given, size, sizeof options))
        return false;
    memcpy(&options, given, size < sizeof options ? size : sizeof options);
    unsigned first = options.first_step ? options.first_step : SCARDMANAGE_STEP_LEAVE;
    unsigned last = options.last_step ? options.last_step : SCARDMANAGE_STEP_RESTART;
    uint32_t any = SCARDMANAGE_PROTOCOL_T0 | SCARDMANAGE_PROTOCOL_T1;
    return first <= SCARDMANAGE_STEP_REOPEN && last <= SCARDMANAGE_STEP_RESTART && first <= last &&
           ((options.protocols & ~any) == 0 || options.protocols == SCARDMANAGE_PROTOCOL_RAW) &&
           (unsigned)options.share <= SCARDMANAGE_SHARE_SHARED && options.reserved == 0;
}

static void check_options(size_t size, const uint8_t *bytes, size_t length)
{
    scardmanage_options *given = make_struct(size, bytes, length), before, read;
    bool right = right_options(given, size);
    CHECK(scardmanage_set_options(object, NULL) == SCARDMANAGE_S_OK);
    CHECK(options_read(object, NULL, &before) == SCARDMANAGE_S_OK);
    scardmanage_result result = scardmanage_set_options(object, given);
    CHECK(result == (right ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG));
    CHECK(options_read(object, NULL, &read) == SCARDMANAGE_S_OK);
    if (!right) {
        CHECK(memcmp(&read, &before, sizeof read) == 0); /* as they were */
    } else {
        CHECK(read.size == sizeof read && read.timeout_ms > 0 && read.first_step && read.last_step);
        /* what was read is what was given, except the defaults; and it is read as itself */
        size_t known = size < sizeof read ? size : sizeof read;
        scardmanage_options expected = {0}, again;
        memcpy(&expected, given, known);
        expected.size = sizeof expected;
        expected.first_step = read.first_step;
        expected.last_step = read.last_step;
        if (expected.timeout_ms == 0)
            expected.timeout_ms = before.timeout_ms;
        CHECK(memcmp(&read, &expected, sizeof read) == 0);
        CHECK(options_read(object, &read, &again) == SCARDMANAGE_S_OK &&
              memcmp(&read, &again, sizeof read) == 0);
    }
    /* the same where a call takes them; the object is not attached */
    CHECK(scardmanage_set_options(object, NULL) == SCARDMANAGE_S_OK);
    CHECK(scardmanage_reconnect_ex(object, given, NULL) ==
          (right ? SCARDMANAGE_E_INVALID_HANDLE : SCARDMANAGE_E_INVALIDARG));
    free(given);
}

static void check_written(const scardmanage_report *report, size_t size)
{
    scardmanage_report known = SCARDMANAGE_REPORT_INIT;
    CHECK(report->size == size && zero_beyond(report, size, sizeof known));
    memcpy(&known, report, size < sizeof known ? size : sizeof known);
    CHECK(known.step == SCARDMANAGE_STEP_NONE && known.verdict == SCARDMANAGE_VERDICT_UNKNOWN &&
          known.lock == SCARDMANAGE_LOCK_NONE && known.attempts == 0 && known.sent == 0 &&
          known.old_atr_len == 0 && known.new_atr_len == 0);
}

static void check_report(bool transmits, size_t size, const uint8_t *bytes, size_t length)
{
    static const uint8_t command[] = {0x00, 0xA4, 0x04, 0x00};
    uint8_t response[2];
    size_t response_length = sizeof response;
    scardmanage_report *report = make_struct(size, bytes, length);
    void *copy = make_struct(size, bytes, length);
    bool right =
        size >= offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX && size <= OPTIONS_SIZE_MAX;
    scardmanage_result result = transmits ? scardmanage_transmit_ex(object, command, sizeof command, response,
                                                                    &response_length, 1, NULL, report)
                                          : scardmanage_reconnect_ex(object, NULL, report);
    CHECK(result == (right ? SCARDMANAGE_E_INVALID_HANDLE : SCARDMANAGE_E_INVALIDARG));
    if (right)
        check_written(report, size);
    else
        CHECK(memcmp(report, copy, sizeof size) == 0);
    free(report);
    free(copy);
}

/* A report with something in it, for programs of any version. */
static void check_copy(size_t size, const uint8_t *bytes, size_t length)
{
    scardmanage_report from = SCARDMANAGE_REPORT_INIT;
    size_t header = sizeof from.size;
    memcpy((uint8_t *)&from + header, bytes, length < sizeof from - header ? length : sizeof from - header);
    scardmanage_report *to = make_struct(size, bytes, length);
    if (reconnect_report_is_valid(to)) {
        size_t known = size < sizeof from ? size : sizeof from;
        reconnect_write_report(&from, to);
        CHECK(to->size == size && zero_beyond(to, size, known));
        CHECK(memcmp((uint8_t *)to + header, (uint8_t *)&from + header, known - header) == 0);
    }
    free(to);
}

static void check_allocator(size_t size, const uint8_t *bytes, size_t length)
{
    scardmanage_allocator *given = make_struct(size, bytes, length), read;
    bool right = size >= sizeof read && size <= OPTIONS_SIZE_MAX && zero_beyond(given, size, sizeof read) &&
                 given->allocate && given->reallocate && given->release;
    scardmanage_result result = allocator_check_and_copy(given, &read); /* it calls none of the functions */
    CHECK(result == (right ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG));
    if (right) {
        given->size = sizeof read;
        CHECK(memcmp(&read, given, sizeof read) == 0);
    }
    free(given);
}

/* Words for any number. */
static void check_words(uint32_t value)
{
    const char *const words[] = {scardmanage_strerror((scardmanage_result)value),
                                 scardmanage_step_name((scardmanage_step)value),
                                 scardmanage_verdict_name((scardmanage_verdict)value),
                                 scardmanage_lock_name((scardmanage_lock_state)value),
                                 scardmanage_state_name((scardmanage_state)value),
                                 scardmanage_protocol_name(value)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        CHECK(words[i] && words[i][0] && strlen(words[i]) < 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t value = 0;
    if (size < 3)
        return 0;
    size_t struct_size = data[1] | (size_t)data[2] << 8;
    if (struct_size == 0xFFFF)
        struct_size = SIZE_MAX;
    const uint8_t *bytes = data + 3;
    size -= 3;
    switch (data[0] % 6) {
    case 0:
        check_options(struct_size, bytes, size);
        break;
    case 1:
    case 2:
        check_report(data[0] % 6 == 1, struct_size, bytes, size);
        break;
    case 3:
        check_copy(struct_size, bytes, size);
        break;
    case 4:
        check_allocator(struct_size, bytes, size);
        break;
    case 5:
        memcpy(&value, bytes, size < sizeof value ? size : sizeof value);
        check_words(value);
        break;
    }
    return 0;
}
