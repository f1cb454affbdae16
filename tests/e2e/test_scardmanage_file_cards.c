/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: files of cards that support less than files.lua, answer nonsense, or forget their PIN; in units of the
 * caller; with secure messaging. Run in a rig: cardrig run -- test_scardmanage_file_cards */
#include "attachment.h"
#include "count.h"
#include "in_rig.h"
#include "scardmanage_file_admin.h"
#include "scardmanage_unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASSERT(result, ...) ck_assert_int_eq(__VA_ARGS__, SCARDMANAGE_##result)
#define BY_NAME             SCARDMANAGE_TYPE_BY_NAME
#define BEGINNING           SCARDMANAGE_SEEK_FROM_BEGINNING

static scardmanage_file_access *f;
static char card[] = "/tmp/test_scardmanage_cards-XXXXXX.lua";

/* Inserts a card of these lines: declarations, and pairs of pattern and answer. It counts its commands. */
static void put_card_of(const char *declarations, const char *commands)
{
    int fd = mkstemps(card, 4);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd,
                             "local count = 0\n"
                             "local function counted(answer)\n"
                             "  return function(cmd)\n"
                             "    count = count + 1\n"
                             "    if type(answer) == 'function' then return answer(cmd) end\n"
                             "    return hex(answer)\n"
                             "  end\n"
                             "end\n"
                             "%s\n"
                             "local commands = {\n%s}\n"
                             "for _, pair in ipairs(commands) do pair[2] = counted(pair[2]) end\n"
                             "table.insert(commands, { '00 CA 01 00', function()\n"
                             "  return string.pack('>I2', count), 0x9000 end })\n"
                             "return { atr = '3B 80 80 01 01', commands = commands,\n"
                             "         on_power = function() if reset then reset() end end }\n",
                             declarations, commands),
                     0);
    close(fd);
    put(card);
    unlink(card);
    strcpy(strrchr(card, '-'), "-XXXXXX.lua");
}

static void attach_with(scardmanage_options options, const scardmanage_file_options *file_options)
{
    options.size = sizeof options;
    options.accept_unidentified = 1;
    ASSERT(S_OK, scardmanage_set_options(m, &options));
    ASSERT(S_OK, scardmanage_attach_by_ifd(m, reader));
    ASSERT(S_OK, scardmanage_create_file_access(m, file_options, &f));
}

static void end(void)
{
    scardmanage_file_access_free(f);
    f = NULL;
}

static unsigned command_count(void)
{
    static const uint8_t command[] = {0x00, 0xCA, 0x01, 0x00, 0x02};
    uint8_t response[258];
    size_t length = sizeof response;
    ASSERT(S_OK, scardmanage_transmit(m, command, sizeof command, response, &length));
    ck_assert_uint_eq(length, 4);
    return (unsigned)(response[0] << 8 | response[1]);
}

static scardmanage_result read_text(scardmanage_file file, char *text, size_t size)
{
    size_t length = size - 1;
    scardmanage_result result = scardmanage_file_read(f, file, (uint8_t *)text, &length, 0);
    text[length] = '\0';
    return result;
}

static void assert_reads(const char *path, const char *wanted)
{
    char text[600];
    scardmanage_file file;
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, path, &file));
    ASSERT(S_OK, read_text(file, text, sizeof text));
    ck_assert_str_eq(text, wanted);
    ASSERT(W_EOF, read_text(file, text, sizeof text));
    ASSERT(S_OK, scardmanage_file_close(f, file));
}

/*
 * What cards support
 */

/* Finds 3F00, 5000, and 0001 in there, by identifier. */
#define SELECT_BY_ID                                                                                         \
    "local current = '3F00'\n"                                                                               \
    "local inside = { ['3F00'] = '5000', ['5000'] = '0001' }\n"                                              \
    "local function select_id(cmd)\n"                                                                        \
    "  local id = string.format('%04X', cmd.nc == 2 and string.unpack('>I2', cmd.data) or 0)\n"              \
    "  if id ~= '3F00' and id ~= current and id ~= inside[current] then return '', 0x6A82 end\n"             \
    "  current = id\n"                                                                                       \
    "  return true\n"                                                                                        \
    "end\n"                                                                                                  \
    "local text = 'some text'\n"                                                                             \
    "local function read(cmd)\n"                                                                             \
    "  local offset = cmd.p1 << 8 | cmd.p2\n"                                                                \
    "  if current ~= '0001' then return '', 0x6986 end\n"                                                    \
    "  if offset >= #text then return '', 0x6B00 end\n"                                                      \
    "  return text:sub(offset + 1, offset + cmd.ne), 0x9000\n"                                               \
    "end\n"

/* Neither paths nor FCP nor FCI; and the same with FCI only. */
START_TEST(selects_by_identifier_only)
{
    static const char *const selects[] = {
        "{ '00 A4 00 0C', function(cmd)\n"
        "  local found, code = select_id(cmd)\n"
        "  return found == true and '' or found, code or 0x9000 end },\n"
        "{ '00 A4', '6A 86' },\n"
        "{ '00 B0', read },\n",
        "{ '00 A4 00 00', function(cmd)\n"
        "  local found, code = select_id(cmd)\n"
        "  if found ~= true then return found, code end\n"
        "  return hex(current == '0001' and '6F 07 80 01 09 82 02 01 01' or '6F 03 82 01 38'), 0x9000 end },\n"
        "{ '00 A4', '6A 81' },\n"
        "{ '00 B0', read },\n",
    };
    scardmanage_file file;
    put_card_of(SELECT_BY_ID, selects[_i]);
    attach_with(DEFAULTS, NULL);
    assert_reads("5000/0001", "some text");
    assert_reads("5000/0001", "some text");
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    ASSERT(E_DIR_NOT_FOUND, scardmanage_file_open(f, BY_NAME, "3F00/7777/0001", &file));
    ASSERT(E_FILE_NOT_FOUND, scardmanage_file_open(f, BY_NAME, "7777", &file));
    ck_assert_int_eq(scardmanage_file_open(f, BY_NAME, "3F00/5000", &file) == SCARDMANAGE_S_OK, 0);
    assert_reads("0001", "some text");
    end();
}
END_TEST

/* Without FCP, what kind of file it is shows when it is read. */
START_TEST(records_without_fcp)
{
    char text[20];
    scardmanage_file file;
    scardmanage_file_info info = SCARDMANAGE_FILE_INFO_INIT;
    put_card_of("local records = { 'one', 'two' }", "{ '00 A4', '90 00' },\n"
                                                    "{ '00 B0', '69 81' },\n"
                                                    "{ '00 B2', function(cmd)\n"
                                                    "  if cmd.p2 ~= 4 then return '', 0x6A86 end\n"
                                                    "  if not records[cmd.p1] then return '', 0x6A83 end\n"
                                                    "  return records[cmd.p1], 0x9000 end },\n");
    attach_with(DEFAULTS, NULL);
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, "2F00", &file));
    ASSERT(S_OK, scardmanage_file_get_info(f, file, &info));
    ck_assert_int_eq(info.type, SCARDMANAGE_TYPE_VARIABLE_EF);
    ASSERT(S_OK, read_text(file, text, sizeof text));
    ck_assert_str_eq(text, "one");
    ASSERT(S_OK, read_text(file, text, sizeof text));
    ck_assert_str_eq(text, "two");
    ASSERT(W_EOF, read_text(file, text, sizeof text));
    ASSERT(E_UNSUPPORTED_FEATURE, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_FROM_END, 0));
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, BEGINNING, 65536));
    ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, 65535));
    ASSERT(W_EOF, read_text(file, text, sizeof text));
    ASSERT(E_BAD_SEEK, scardmanage_file_write(f, file, (const uint8_t *)"x", 1, 0));
    size_t length = 0;
    ASSERT(E_UNSUPPORTED_FEATURE, scardmanage_file_get_capabilities(f, 0, NULL, &length));
    end();
}
END_TEST

/* A card may say that the file has ended, or not; and how much there is of it. */
START_TEST(ends_of_files)
{
    static const char *const reads[] = {
        "if offset == #text then return '', 0x6B00 end",
        "if offset == #text then return '', 0x9000 end",
        "if offset + cmd.ne > #text then return text:sub(offset + 1), 0x6282 end",
        "if offset == #text then return '', 0x6282 end",
        ("if offset + cmd.ne > #text and offset < #text then return '', 0x6C00 | #text - offset end\n"
         "if offset == #text then return '', 0x6B00 end"),
    };
    char commands[1000];
    snprintf(commands, sizeof commands,
             "{ '00 A4', '62 03 82 01 01 90 00' },\n"
             "{ '00 B0', function(cmd)\n"
             "  local offset = cmd.p1 << 8 | cmd.p2\n"
             "  %s\n"
             "  return text:sub(offset + 1, offset + cmd.ne), 0x9000 end },\n",
             reads[_i]);
    put_card_of("local text = ('a line of text\\n'):rep(30)", commands);
    attach_with(DEFAULTS, NULL);
    char wanted[600] = "";
    for (int i = 0; i < 30; i++)
        strcat(wanted, "a line of text\n");
    assert_reads("2F00", wanted);
    end();
}
END_TEST

/*
 * Nonsense
 */

START_TEST(malformed_fcp)
{
    static const char *const answers[] = {
        "62",
        "62 05 82 01 01",
        "62 02 82 01",
        "62 80 82 01 01 00 00",
        "62 02 80 00",
        "62 07 80 05 01 00 00 00 00",
        "6F 84 FF FF FF FF 00",
        "62 04 5F FF FF FF",
        "62 03 83 01 01",
    };
    char commands[200];
    scardmanage_file file = 1;
    size_t length = 0;
    snprintf(commands, sizeof commands, "{ '00 A4', '%s 90 00' },\n", answers[_i]);
    put_card_of("", commands);
    attach_with(DEFAULTS, NULL);
    ASSERT(E_UNEXPECTED, scardmanage_file_open(f, BY_NAME, "2F00", &file));
    ck_assert_uint_eq(file, 0);
    ASSERT(E_UNEXPECTED, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    ASSERT(E_UNEXPECTED, scardmanage_file_get_properties(
                             f, BY_NAME, "5000", SCARDMANAGE_FL_GET_ALL_PROPERTIES, NULL, 0, NULL, &length));
    ASSERT(E_UNEXPECTED, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, NULL, &length));
    ASSERT(E_UNEXPECTED, scardmanage_file_invalidate(f, "5000", 0));
    end();
}
END_TEST

/* A file of 65,535 bytes, and answers to READ BINARY that are none. */
START_TEST(nonsense_for_contents)
{
    static const struct {
        int64_t offset;
        const char *answer;
        scardmanage_result result;
    } cases[] = {
        {0, "64 00", SCARDMANAGE_E_UNEXPECTED},
        {0, "6C 01", SCARDMANAGE_E_UNEXPECTED}, /* again and again */
        {0, "01 02 62 81", SCARDMANAGE_E_UNEXPECTED},
        {0, "69 82", SCARDMANAGE_E_NO_ACCESS},
        {40000, "01 02 03 90 00", SCARDMANAGE_E_UNEXPECTED},
        {40000, "53 90 00", SCARDMANAGE_E_UNEXPECTED},
        {40000, "53 80 90 00", SCARDMANAGE_E_UNEXPECTED},
        {40000, "53 84 00 00 00 01 90 00", SCARDMANAGE_E_UNEXPECTED},
        {40000, "53 82 01 90 00", SCARDMANAGE_E_UNEXPECTED},
        {40000, "90 00", SCARDMANAGE_W_EOF},
        {40000, "53 00 90 00", SCARDMANAGE_W_EOF},
        {40000, "6D 00", SCARDMANAGE_E_UNSUPPORTED_FEATURE},
    };
    char commands[200], text[100];
    scardmanage_file file;
    snprintf(commands, sizeof commands,
             "{ '00 A4', '62 08 82 02 01 01 80 02 FF FF 90 00' },\n{ '00 B0', '%s' },\n{ '00 B1', '%s' },\n",
             cases[_i].answer, cases[_i].answer);
    put_card_of("", commands);
    attach_with(DEFAULTS, NULL);
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, "2F00", &file));
    ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, cases[_i].offset));
    ck_assert_int_eq(read_text(file, text, sizeof text), cases[_i].result);
    end();
}
END_TEST

/* An EF.DIR without an end. */
START_TEST(endless_directory)
{
    size_t length = 0;
    put_card_of("", _i == 0
                        ? "{ '00 A4', '62 04 82 02 01 01 90 00' },\n"
                          "{ '00 B0', function(cmd) return ('\\0'):rep(cmd.ne), 0x9000 end },\n"
                          "{ '00 B1', function() return '\\x53\\x70' .. ('\\0'):rep(0x70), 0x9000 end },\n"
                        : "{ '00 A4', '62 05 82 03 04 01 FF 90 00' },\n"
                          "{ '00 B2', function(cmd) return ('\\0'):rep(cmd.ne), 0x9000 end },\n");
    attach_with(DEFAULTS, NULL);
    scardmanage_result result = scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, NULL, &length);
    ck_assert_int_eq(result, _i == 0 ? SCARDMANAGE_E_UNEXPECTED : SCARDMANAGE_S_OK); /* 254 records are few */
    end();
}
END_TEST

/*
 * Commands in between, units of the caller
 */

static const uint8_t select_serial[] = {0x00, 0xA4, 0x08, 0x0C, 0x02, 0x2F, 0x05};
static const uint8_t verify[] = {0x00, 0x20, 0x00, 0x01, 0x04, '1', '2', '3', '4'};

static scardmanage_result send(const uint8_t *command, size_t length)
{
    uint8_t response[258];
    size_t response_length = sizeof response;
    scardmanage_result result = scardmanage_transmit(m, command, length, response, &response_length);
    if (result == SCARDMANAGE_S_OK)
        ck_assert_uint_eq(response[response_length - 2], 0x90);
    return result;
}

/* Own commands, and another object for files, use the card between two reads, under one lock. */
START_TEST(own_commands_in_between)
{
    scardmanage_file_access *first, *second;
    scardmanage_file files[2];
    char text[10];
    put("files.lua");
    attach_with(DEFAULTS, NULL);
    first = f;
    ASSERT(S_OK, scardmanage_create_file_access(m, NULL, &second));
    ASSERT(S_OK, scardmanage_file_open(first, BY_NAME, "5000/0001", &files[0]));
    ASSERT(S_OK, scardmanage_file_open(second, BY_NAME, "5000/0002", &files[1]));
    ASSERT(S_OK, scardmanage_lock(m));
    for (int i = 0; i < 3; i++) {
        static const char *const wanted[][2] = {{"the", "ano"}, {" fi", "the"}, {"rst", "r f"}};
        f = first;
        ASSERT(S_OK, read_text(files[0], text, 4));
        ck_assert_str_eq(text, wanted[i][0]);
        ASSERT(S_OK, send(select_serial, sizeof select_serial));
        f = second;
        ASSERT(S_OK, read_text(files[1], text, 4));
        ck_assert_str_eq(text, wanted[i][1]);
    }
    ASSERT(S_OK, scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE));
    scardmanage_file_access_free(second);
    f = first;
    end();
}
END_TEST

/* An application that forgets the PIN when it is selected, also if it was selected already. */
#define APPLET                                                                                               \
    "local selected, verified = false, false\n"                                                              \
    "reset = function() selected, verified = false, false end\n"
#define APPLET_COMMANDS                                                                                      \
    "{ '00 A4 04 .. 05 A0 00 00 01 51', function(cmd)\n"                                                     \
    "  selected, verified = true, false\n"                                                                   \
    "  return '', 0x9000 end },\n"                                                                           \
    "{ '00 A4 09', function(cmd)\n"                                                                          \
    "  if not selected then return '', 0x6A82 end\n"                                                         \
    "  return hex('62 07 82 02 01 01 80 01 06'), 0x9000 end },\n"                                            \
    "{ '00 A4 00 .. 02 3F 00', function(cmd) selected = false return '', 0x9000 end },\n"                    \
    "{ '00 20 00 01 04 31 32 33 34', function(cmd) verified = true return '', 0x9000 end },\n"               \
    "{ '00 B0', function(cmd)\n"                                                                             \
    "  if not selected or not verified then return '', 0x6982 end\n"                                         \
    "  return ('secret'):sub(1 + cmd.p2, cmd.p2 + cmd.ne), 0x9000 end },\n"

START_TEST(a_pin_and_then_a_file)
{
    scardmanage_file file;
    char text[10];
    put_card_of(APPLET, APPLET_COMMANDS);
    attach_with(DEFAULTS, NULL);
    ASSERT(S_OK, scardmanage_lock(m));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "A000000151"));
    ASSERT(S_OK, send(verify, sizeof verify));
    unsigned before = command_count();
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, "0001", &file));
    for (int i = 0; i < 3; i++) {
        ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, 0));
        ASSERT(S_OK, read_text(file, text, sizeof text));
        ck_assert_str_eq(text, "secret");
    }
    ck_assert_uint_eq(command_count(), before + 4); /* one SELECT, three READ BINARY */
    ASSERT(S_OK, scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE));
    ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, 0));
    ASSERT(E_NO_ACCESS, read_text(file, text, sizeof text)); /* it was selected again */
    end();
}
END_TEST

static scardmanage_result select_and_verify(scardmanage *object, const scardmanage_report *report,
                                            void *nothing)
{
    (void)object, (void)report, (void)nothing;
    scardmanage_result result = scardmanage_file_change_dir(f, BY_NAME, "A000000151");
    return result == SCARDMANAGE_S_OK ? send(verify, sizeof verify) : result;
}

static scardmanage_result open_and_read(scardmanage *object, const scardmanage_report *report, void *text)
{
    scardmanage_file file;
    (void)object, (void)report;
    scardmanage_result result = scardmanage_file_open(f, BY_NAME, "0001", &file);
    if (result == SCARDMANAGE_S_OK) {
        result = read_text(file, text, 10);
        scardmanage_file_close(f, file);
    }
    return result == SCARDMANAGE_E_NO_ACCESS || result == SCARDMANAGE_E_FILE_NOT_FOUND
               ? SCARDMANAGE_E_SESSION_LOST
               : result;
}

/* The state that the rebuild function makes with the same object holds in the unit. */
START_TEST(a_pin_in_the_rebuild_function)
{
    scardmanage_options options = {.rebuild = select_and_verify};
    char text[10] = "";
    put_card_of(APPLET, APPLET_COMMANDS);
    attach_with(options, NULL);
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "A000000151"));
    other_connects();
    for (int i = 0; i < 3; i++) {
        ASSERT(S_OK, scardmanage_run(m, open_and_read, text, 1, NULL, NULL));
        ck_assert_str_eq(text, "secret");
        if (i == 0)
            other_resets();
    }
    end();
}
END_TEST

struct nested {
    scardmanage_file file;
    int calls, faults;
    char text[40];
};

static scardmanage_result nested(scardmanage *object, const scardmanage_report *report, void *context_)
{
    struct nested *n = context_;
    (void)report;
    n->calls++;
    scardmanage_result result = scardmanage_file_seek(f, n->file, BEGINNING, 0);
    for (int i = 0; i < 3 && result == SCARDMANAGE_S_OK; i++) {
        if (i == 1 && n->faults-- > 0) {
            pull();
            put_back();
        }
        result = read_text(n->file, n->text + 9 * i, 10);
    }
    uint64_t session;
    ck_assert_int_eq(scardmanage_get_session(object, &session), SCARDMANAGE_S_OK);
    return result;
}

/* A loss is returned to the unit of the caller, which starts over, or does not. */
START_TEST(in_a_unit)
{
    struct nested n = {.calls = 0};
    put("files.lua");
    attach_with(DEFAULTS, NULL);
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, "5000/0001", &n.file));
    ASSERT(S_OK, scardmanage_run(m, nested, &n, 0, NULL, NULL));
    ck_assert_int_eq(n.calls, 1);
    ck_assert_str_eq(n.text, "the first file in directory");
    n = (struct nested){.file = n.file, .faults = 1};
    ASSERT(S_OK, scardmanage_run(m, nested, &n, 1, NULL, NULL));
    ck_assert_int_eq(n.calls, 2);
    ck_assert_str_eq(n.text, "the first file in directory");
    n = (struct nested){.file = n.file, .faults = 1};
    ASSERT(W_REMOVED_CARD, scardmanage_run(m, nested, &n, 0, NULL, NULL));
    ck_assert_int_eq(n.calls, 1);
    end();
}
END_TEST

/*
 * Secure messaging
 */

/* A toy: the class byte says so, and all that follows the header is inverted and has a byte more. */
static scardmanage_result wrap(void *calls, const uint8_t *command, size_t length, uint8_t *wrapped,
                               size_t *wrapped_length)
{
    size_t data_length = length > 5 ? command[4] : 0;
    (*(int *)calls)++;
    ck_assert_uint_ge(*wrapped_length, data_length + 8);
    memcpy(wrapped, command, 4);
    wrapped[0] |= 0x0C;
    wrapped[4] = (uint8_t)(data_length + 1);
    for (size_t i = 0; i < data_length; i++)
        wrapped[5 + i] = (uint8_t)~command[5 + i];
    wrapped[5 + data_length] = length == 5 ? command[4] : 0; /* Le */
    wrapped[6 + data_length] = 0;
    *wrapped_length = data_length + 7;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result toy_unwrap(void *calls, const uint8_t *response, size_t length, uint8_t *plain,
                                     size_t *plain_length)
{
    (*(int *)calls)++;
    ck_assert_uint_ge(*plain_length, length);
    for (size_t i = 0; i + 2 < length; i++)
        plain[i] = (uint8_t)~response[i];
    memcpy(plain + length - 2, response + length - 2, 2);
    *plain_length = length;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result wrap_fails(void *nothing, const uint8_t *command, size_t length, uint8_t *wrapped,
                                     size_t *wrapped_length)
{
    (void)nothing, (void)command, (void)length, (void)wrapped, (void)wrapped_length;
    return 1;
}

START_TEST(secure_messaging)
{
    int calls = 0;
    scardmanage_file_options options = {
        .size = sizeof options, .wrap = wrap, .unwrap = toy_unwrap, .secure_messaging_context = &calls};
    scardmanage_file file;
    put_card_of("local function inverted(text)\n"
                "  return (text:gsub('.', function(c) return string.char(~c:byte() & 0xFF) end))\n"
                "end\n"
                "local text = 'plain or not'\n",
                "{ '00 A4', '62 07 82 02 01 01 80 01 0C 90 00' },\n"
                "{ '0C A4', '9D F8 7D FD FE FE 7F FE F3 90 00' },\n"
                "{ '00 B0', '69 82' },\n"
                "{ '0C B0', function(cmd) return inverted(text:sub(1, cmd.data:byte())), 0x9000 end },\n"
                "{ '0C D6', function(cmd) text = inverted(cmd.data:sub(1, -2)) return '', 0x9000 end },\n");
    attach_with(DEFAULTS, &options);
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, "2F00", &file));
    ck_assert_int_eq(calls, 0);
    uint8_t buffer[20];
    size_t length = sizeof buffer;
    ASSERT(E_NO_ACCESS, scardmanage_file_read(f, file, buffer, &length, 0));
    length = 5;
    ASSERT(S_OK, scardmanage_file_read(f, file, buffer, &length, SCARDMANAGE_FL_SECURE_MESSAGING));
    ck_assert_mem_eq(buffer, "plain", 5);
    ck_assert_int_eq(calls, 4); /* SELECT, too */
    ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, 0));
    ASSERT(S_OK, scardmanage_file_write(f, file, (const uint8_t *)"changed text", 12,
                                        SCARDMANAGE_FL_SECURE_MESSAGING));
    ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, 0));
    length = sizeof buffer;
    ASSERT(S_OK, scardmanage_file_read(f, file, buffer, &length, SCARDMANAGE_FL_SECURE_MESSAGING));
    ck_assert_mem_eq(buffer, "changed text", 12);
    end();
    options.wrap = wrap_fails;
    attach_with(DEFAULTS, &options);
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, "2F00", &file));
    ASSERT(E_FAIL, scardmanage_file_read(f, file, buffer, &length, SCARDMANAGE_FL_SECURE_MESSAGING));
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: files of other cards");
    TCase *tests = add_attachment_case(suite, "cards", WAITS_FOR_OTHERS);
    tcase_add_loop_test(tests, selects_by_identifier_only, 0, 2);
    tcase_add_test(tests, records_without_fcp);
    tcase_add_loop_test(tests, ends_of_files, 0, 5);
    tcase_add_loop_test(tests, malformed_fcp, 0, 9);
    tcase_add_loop_test(tests, nonsense_for_contents, 0, 12);
    tcase_add_loop_test(tests, endless_directory, 0, 2);
    tcase_add_test(tests, own_commands_in_between);
    tcase_add_test(tests, a_pin_and_then_a_file);
    tcase_add_test(tests, a_pin_in_the_rebuild_function);
    tcase_add_test(tests, in_a_unit);
    tcase_add_test(tests, secure_messaging);
    return run_suite_in_rig(suite);
}
