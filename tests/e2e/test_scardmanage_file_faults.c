/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: files, while something happens between any two PC/SC calls of each function: another client selects
 * another file or resets the card, the card is out for a moment or is exchanged, an answer is lost; or an allocation
 * fails. Run in a rig: cardrig run -- test_scardmanage_file_faults
 *
 * Each call is made again and again: first nothing happens, then something before its first PC/SC call, then before
 * the second, and so on until the call gets through. SCardTransmit() and SCardBeginTransaction() of this program stand
 * before libpcsclite's. */
#include "attachment.h"
#include "count.h"
#include "in_rig.h"
#include "scardmanage_file_admin.h"

#include <check.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BY_NAME SCARDMANAGE_TYPE_BY_NAME
#define MANY    60 /* no call has so many points */

static scardmanage_file_access *f;
static scardmanage_file bytes, records; /* open files */
static char card[] = "/tmp/test_scardmanage_file-XXXXXX.lua";

/*
 * What happens
 */

typedef enum fault {
    NOTHING,
    SELECTED,   /* another client has selected another file */
    RESET,      /* another client has reset the card */
    REINSERTED, /* the card was removed and inserted again */
    EXCHANGED,  /* another card is in the reader */
    UNANSWERED, /* the command is sent, and the answer is lost */
    NO_MEMORY,  /* an allocation fails */
    FAULTS,
} fault;

/* What PC/SC returns if the card does not answer. */
#define LOST_ANSWER SCARDMANAGE_W_UNRESPONSIVE_CARD

static fault what;
static unsigned when;    /* at which point it happens; 0: never */
static unsigned points;  /* how many there were */
static unsigned changes; /* how many commands that change something were sent */
static bool armed;
static long blocks;

static const uint8_t select_other[] = {0x00, 0xA4, 0x08, 0x0C, 0x02, 0x2F, 0x05};

#pragma GCC visibility push(default)

#define THE_REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static void other_selects(void)
{
    uint8_t response[258];
    DWORD length = sizeof response;
    if (other_reconnects(SCARD_LEAVE_CARD) == SCARD_S_SUCCESS)
        THE_REAL(SCardTransmit)
    (other, SCARD_PCI_T1, select_other, sizeof select_other, NULL, response, &length);
}

static void happen(void)
{
    armed = false;
    switch (what) {
    case SELECTED: /* in our transactions the other client can do nothing */
        other_selects();
        break;
    case RESET:
        other_reconnects(SCARD_RESET_CARD);
        break;
    case REINSERTED:
        pull();
        put_back();
        break;
    case EXCHANGED:
        put("two-protocols.lua");
        break;
    default:
        break;
    }
    armed = true;
}

/* A point at which something can happen. Returns whether it happens now. */
static bool reach_point(bool is_for_this)
{
    if (!armed || !is_for_this || ++points != when)
        return false;
    happen();
    return true;
}

LONG SCardBeginTransaction(SCARDHANDLE which)
{
    reach_point(what != UNANSWERED && what != NO_MEMORY);
    return THE_REAL(SCardBeginTransaction)(which);
}

static bool is_change(LPCBYTE command)
{
    static const uint8_t instructions[] = {0xD6, 0xD0, 0x0E, 0xDC, 0xD2, 0x0C,
                                           0xE2, 0xE0, 0xE4, 0x04, 0x44, 0xDA};
    return memchr(instructions, command[1], sizeof instructions);
}

LONG SCardTransmit(SCARDHANDLE which, const SCARD_IO_REQUEST *send_pci, LPCBYTE send, DWORD send_len,
                   SCARD_IO_REQUEST *receive_pci, LPBYTE receive, LPDWORD receive_len)
{
    bool happens = reach_point(what != NO_MEMORY);
    LONG rv = THE_REAL(SCardTransmit)(which, send_pci, send, send_len, receive_pci, receive, receive_len);
    changes += armed && rv == SCARD_S_SUCCESS && is_change(send);
    return happens && what == UNANSWERED ? SCARD_E_NOT_TRANSACTED : rv;
}

#pragma GCC visibility pop

static void *allocate(void *allocator, size_t size)
{
    (void)allocator;
    if (reach_point(what == NO_MEMORY))
        return NULL;
    blocks++;
    void *block = malloc(size);
    memset(block, 0xA5, size);
    return block;
}

static void *reallocate(void *allocator, void *block, size_t size)
{
    (void)allocator;
    return reach_point(what == NO_MEMORY) ? NULL : realloc(block, size);
}

static void release(void *allocator, void *block)
{
    (void)allocator;
    blocks--;
    free(block);
}

/*
 * The card: that of files.lua, but file 5000/0002 has other contents after each reset.
 */

static bool write_card(void)
{
    static const char line[] = "  on_power = function() df, ef = mf, nil end,\n";
    static char text[65536];
    FILE *in = fopen(FIXTURES_DIR "/cards/files.lua", "r");
    int fd = mkstemps(card, 4);
    if (!in || fd < 0)
        return false;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    char *place = strstr(text, line);
    if (!place)
        return false;
    *place = '\0';
    int written = dprintf(fd,
                          "%s  on_power = function()\n"
                          "    df, ef = mf, nil\n"
                          "    resets = (resets or 64) + 1\n"
                          "    dir.children[2].data = string.char(resets):rep(1400)\n"
                          "  end,\n%s",
                          text, place + sizeof line - 1);
    return close(fd) == 0 && written > 0;
}

/*
 * The calls
 */

static scardmanage_result read_bytes(void)
{
    static uint8_t buffer[1400];
    size_t length = sizeof buffer;
    scardmanage_result result = scardmanage_file_read(f, bytes, buffer, &length, 0);
    if (result != SCARDMANAGE_S_OK) {
        ck_assert_uint_eq(length, 0);
        return result;
    }
    ck_assert_uint_eq(length, sizeof buffer);
    for (size_t i = 0; i < sizeof buffer; i++)
        ck_assert_uint_eq(buffer[i], buffer[0]); /* all of it of one session */
    return result;
}

static scardmanage_result read_record(void)
{
    uint8_t buffer[8];
    size_t length = sizeof buffer;
    scardmanage_result result = scardmanage_file_read(f, records, buffer, &length, 0);
    if (result == SCARDMANAGE_S_OK)
        ck_assert_mem_eq(buffer, "record 2", 8);
    return result;
}

static scardmanage_result open_and_close(void)
{
    scardmanage_file file;
    scardmanage_result result = scardmanage_file_open(f, BY_NAME, "../F00D/../2F05", &file);
    if (result == SCARDMANAGE_S_OK) {
        scardmanage_file_info info = SCARDMANAGE_FILE_INFO_INIT;
        ck_assert_int_eq(scardmanage_file_get_info(f, file, &info), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(info.length, 21);
        ck_assert_int_eq(scardmanage_file_close(f, file), SCARDMANAGE_S_OK);
    } else {
        ck_assert_uint_eq(file, 0);
    }
    return result;
}

static scardmanage_result open_by_short_id(void)
{
    scardmanage_file file;
    scardmanage_result result = scardmanage_file_open(f, SCARDMANAGE_TYPE_BY_SHORT_ID, "01", &file);
    return result == SCARDMANAGE_S_OK ? scardmanage_file_close(f, file) : result;
}

static scardmanage_result change_dir(void)
{
    return scardmanage_file_change_dir(f, BY_NAME, "../5000/.");
}

static scardmanage_result directory(void)
{
    scardmanage_file_access *another;
    char names[64];
    size_t length = sizeof names;
    scardmanage_result result = scardmanage_create_file_access(m, NULL, &another);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = scardmanage_file_directory(another, SCARDMANAGE_TYPE_DIRECTORIES, names, &length);
    if (result == SCARDMANAGE_S_OK)
        ck_assert_mem_eq(names, "F066696C6573\0", 14);
    scardmanage_file_access_free(another);
    return result;
}

static scardmanage_result get_properties(void)
{
    static const uint32_t tags[] = {0x85, 0x83};
    uint8_t properties[8];
    size_t length = sizeof properties;
    scardmanage_result result =
        scardmanage_file_get_properties(f, BY_NAME, "0003", 0, tags, COUNT(tags), properties, &length);
    if (result == SCARDMANAGE_S_OK) {
        ck_assert_uint_eq(length, 4);
        ck_assert_mem_eq(properties, "\x83\x02\x00\x03", 4);
    }
    return result;
}

static scardmanage_result get_capabilities(void)
{
    uint8_t properties[64];
    size_t length = sizeof properties;
    scardmanage_result result = scardmanage_file_get_capabilities(f, 0, properties, &length);
    if (result == SCARDMANAGE_S_OK)
        ck_assert_mem_eq(properties, "\x82\x05\x02\x01\x00\x08\x03", 7); /* of records */
    return result;
}

static void assert_written(scardmanage_file file, const char *text, int64_t position)
{
    uint8_t buffer[16];
    size_t length = strlen(text);
    ck_assert_int_eq(scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_FROM_BEGINNING, position),
                     SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_file_read(f, file, buffer, &length, 0), SCARDMANAGE_S_OK);
    ck_assert_mem_eq(buffer, text, length);
}

static scardmanage_result replace_record(void)
{
    return scardmanage_file_write(f, records, (const uint8_t *)"replaced", 8, 0);
}

static void record_is_replaced(void)
{
    assert_written(records, "replaced", 1);
}

static scardmanage_result append_record(void)
{
    return scardmanage_file_write(f, records, (const uint8_t *)"appended", 8, SCARDMANAGE_FL_APPEND);
}

static void record_is_appended(void)
{
    scardmanage_file_info info = SCARDMANAGE_FILE_INFO_INIT;
    assert_written(records, "appended", 3);
    ck_assert_int_eq(scardmanage_file_get_info(f, records, &info), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(info.length, 4);
}

static scardmanage_result create(void)
{
    static const uint8_t properties[] = {0x82, 0x01, 0x01};
    return scardmanage_file_create(f, BY_NAME, "7000", properties, sizeof properties,
                                   SCARDMANAGE_FL_PREALLOCATE, (const uint8_t *)"content", 7);
}

static void is_created(void)
{
    scardmanage_file file;
    ck_assert_int_eq(scardmanage_file_open(f, BY_NAME, "7000", &file), SCARDMANAGE_S_OK);
    assert_written(file, "content", 0);
}

static scardmanage_result delete (void)
{
    return scardmanage_file_delete(f, BY_NAME, "0005", 0);
}

static void is_deleted(void)
{
    scardmanage_file file;
    ck_assert_int_eq(scardmanage_file_open(f, BY_NAME, "0005", &file), SCARDMANAGE_E_FILE_NOT_FOUND);
}

static scardmanage_result invalidate(void)
{
    return scardmanage_file_invalidate(f, "0005", 0);
}

static void is_invalidated(void)
{
    scardmanage_file file;
    ck_assert_int_eq(scardmanage_file_open(f, BY_NAME, "0005", &file), SCARDMANAGE_E_NO_ACCESS);
}

static scardmanage_result rehabilitate(void)
{
    return scardmanage_file_rehabilitate(f, "0005", 0);
}

static scardmanage_result set_properties(void)
{
    static const uint8_t properties[] = {0x85, 0x01, 0x77};
    return scardmanage_file_set_properties(f, BY_NAME, "0005", 0, properties, sizeof properties);
}

static void properties_are_set(void)
{
    uint32_t tag = 0x85;
    uint8_t properties[8];
    size_t length = sizeof properties;
    ck_assert_int_eq(scardmanage_file_get_properties(f, BY_NAME, "0005", 0, &tag, 1, properties, &length),
                     SCARDMANAGE_S_OK);
    ck_assert_uint_eq(length, 3);
}

static const struct call {
    const char *name;
    scardmanage_result (*make)(void);
    void (*check)(void);  /* that it has been done */
    unsigned changes_max; /* how many commands change something at most; 0: it is repeatable */
} calls[] = {
    {"read, bytes", read_bytes, NULL, 0},
    {"read, record", read_record, NULL, 0},
    {"open", open_and_close, NULL, 0},
    {"open by short identifier", open_by_short_id, NULL, 0},
    {"change_dir", change_dir, NULL, 0},
    {"directory", directory, NULL, 0},
    {"get_properties", get_properties, NULL, 0},
    {"get_capabilities", get_capabilities, NULL, 0},
    {"write, replace", replace_record, record_is_replaced, 0},
    {"write, append", append_record, record_is_appended, 1},
    {"create", create, is_created, 2},
    {"delete", delete, is_deleted, 1},
    {"invalidate", invalidate, is_invalidated, 1},
    {"rehabilitate", rehabilitate, NULL, 1},
    {"set_properties", set_properties, properties_are_set, 1},
};

/*
 * The test
 */

static void open_files(void)
{
    ck_assert_int_eq(scardmanage_create_file_access(m, NULL, &f), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_file_change_dir(f, BY_NAME, "5000"), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_file_open(f, BY_NAME, "0002", &bytes), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_file_open(f, BY_NAME, "0003", &records), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_file_seek(f, records, SCARDMANAGE_SEEK_FROM_BEGINNING, 1), SCARDMANAGE_S_OK);
}

static void begin(void)
{
    static const scardmanage_allocator allocator = {sizeof allocator, NULL, allocate, reallocate, release};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_unidentified = 1;
    scardmanage_free(m);
    put(card);
    other_connects();
    other_resets(); /* so that the number of resets is another one after the card was out */
    ck_assert_int_eq(scardmanage_create_with_allocator(&allocator, &m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    open_files();
}

static void end(void)
{
    scardmanage_free(m);
    scardmanage_file_access_free(f);
    m = NULL;
    other_leaves();
    ck_assert_int_eq(blocks, 0);
}

/* The object still has its directory, its files and their positions, and no transaction is left. */
static void assert_works(const struct call *c, scardmanage_result result)
{
    char path[SCARDMANAGE_PATH_MAX];
    size_t length = sizeof path;
    scardmanage_file_info info = SCARDMANAGE_FILE_INFO_INIT;
    ck_assert_int_eq(scardmanage_file_get_current_dir(f, path, &length), SCARDMANAGE_S_OK);
    ck_assert_str_eq(path, "3F00/5000");
    ck_assert_int_eq(scardmanage_file_get_info(f, records, &info), SCARDMANAGE_S_OK);
    bool moves = c->make == read_record || c->make == replace_record;
    ck_assert_uint_eq(info.position, moves && result == SCARDMANAGE_S_OK ? 2 : 1);
    ck_assert_int_eq(scardmanage_file_get_info(f, bytes, &info), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(info.position, c->make == read_bytes && result == SCARDMANAGE_S_OK ? 1400 : 0);
    ck_assert_int_eq(scardmanage_file_seek(f, bytes, SCARDMANAGE_SEEK_FROM_BEGINNING, 0), SCARDMANAGE_S_OK);
    ck_assert_int_eq(read_bytes(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_file_seek(f, records, SCARDMANAGE_SEEK_FROM_BEGINNING, 2), SCARDMANAGE_S_OK);
    uint8_t buffer[8];
    length = sizeof buffer;
    ck_assert_int_eq(scardmanage_file_read(f, records, buffer, &length, 0), SCARDMANAGE_S_OK);
    ck_assert_mem_eq(buffer, "record 3", 8);
    assert_free();
}

static void check_result(const struct call *c, scardmanage_result result)
{
    if (c->changes_max > 0)
        ck_assert_uint_le(changes, c->changes_max); /* never twice */
    if (result == SCARDMANAGE_S_OK)
        return;
    if (what == NO_MEMORY) {
        ck_assert_int_eq(result, SCARDMANAGE_E_OUTOFMEMORY);
    } else if (what == EXCHANGED) {
        ck_assert_int_eq(result, SCARDMANAGE_W_REMOVED_CARD);
    } else {
        ck_assert_msg(result == SCARDMANAGE_W_REMOVED_CARD || result == LOST_ANSWER, "%08x",
                      (unsigned)result);
        ck_assert_uint_gt(c->changes_max, 0); /* the others are repeated */
        ck_assert_uint_gt(changes, 0);
    }
}

/* Makes the call once. Returns whether something has happened. */
static bool make(const struct call *c, unsigned point)
{
    begin();
    points = changes = 0;
    when = point;
    armed = true;
    scardmanage_result result = c->make();
    armed = false;
    bool has_happened = when > 0 && points >= when;
    if (!has_happened)
        ck_assert_int_eq(result, SCARDMANAGE_S_OK);
    check_result(c, result);
    bool is_the_card = !has_happened || (what != EXCHANGED && what != REINSERTED);
    if (has_happened && what == EXCHANGED)
        put(card);
    if (result == SCARDMANAGE_S_OK && c->check && is_the_card)
        c->check();
    else
        assert_works(c, result);
    end();
    return has_happened;
}

START_TEST(faults)
{
    const struct call *c = &calls[_i % COUNT(calls)];
    what = (fault)(_i / COUNT(calls));
    make(c, 0);
    for (unsigned point = 1; make(c, point); point++)
        ck_assert_uint_lt(point, MANY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: files and faults");
    if (!write_card()) {
        perror(card);
        return EXIT_FAILURE;
    }
    TCase *tests = add_attachment_case(suite, "faults", REPORTS_AT_ONCE);
    tcase_add_loop_test(tests, faults, COUNT(calls), FAULTS * COUNT(calls));
    int status = run_suite_in_rig(suite);
    unlink(card);
    return status;
}
