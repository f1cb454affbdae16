/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: each function of scardmanage_file.h, against a card with a file system, in T=0 and in T=1.
 * Run in a rig: cardrig run -- test_scardmanage_file */
#include "card_files.h"
#include "in_rig.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/*
 * Directories
 */

START_TEST(change_dir)
{
    static const struct {
        scardmanage_reftype type;
        const char *dir;
        scardmanage_result result;
        const char *current;
    } steps[] = {
        {BY_NAME, "5000", SCARDMANAGE_S_OK, "3F00/5000"},
        {BY_NAME, ".", SCARDMANAGE_S_OK, "3F00/5000"},
        {BY_NAME, "0001", SCARDMANAGE_E_NO_DIR, "3F00/5000"},
        {BY_NAME, "7777", SCARDMANAGE_E_DIR_NOT_FOUND, "3F00/5000"},
        {BY_NAME, "7777/5000", SCARDMANAGE_E_DIR_NOT_FOUND, "3F00/5000"},
        {BY_NAME, "..", SCARDMANAGE_S_OK, "3F00"},
        {BY_NAME, "..", SCARDMANAGE_E_DIR_NOT_FOUND, "3F00"},
        {BY_ID, "5000", SCARDMANAGE_S_OK, "3F00/5000"},
        {BY_NAME, "3f00/6000", SCARDMANAGE_S_OK, "3F00/6000"},
        {BY_NAME, "f066696c6573", SCARDMANAGE_S_OK, APPLICATION},
        {BY_NAME, "..", SCARDMANAGE_E_DIR_NOT_FOUND, APPLICATION},
        {BY_NAME, "A000000151", SCARDMANAGE_E_DIR_NOT_FOUND, APPLICATION},
        {BY_ID, "../5", SCARDMANAGE_E_INVALIDARG, APPLICATION},
        {BY_SHORT_ID, "01", SCARDMANAGE_E_INVALIDARG, APPLICATION},
        {(scardmanage_reftype)3, "5000", SCARDMANAGE_E_INVALIDARG, APPLICATION},
        {BY_NAME, "", SCARDMANAGE_E_INVALIDARG, APPLICATION},
        {BY_NAME, "3F00", SCARDMANAGE_S_OK, "3F00"},
    };
    begin_files(_i);
    assert_current_dir("3F00");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        ck_assert_int_eq(scardmanage_file_change_dir(f, steps[i].type, steps[i].dir), steps[i].result);
        assert_current_dir(steps[i].current);
    }
    char path[4];
    size_t length = sizeof path;
    ASSERT(E_INSUFFICIENT_BUFFER, scardmanage_file_get_current_dir(f, path, &length));
    ck_assert_uint_eq(length, 5);
    length = 0;
    ASSERT(S_OK, scardmanage_file_get_current_dir(f, NULL, &length));
    ck_assert_uint_eq(length, 5);
    end_files();
}
END_TEST

START_TEST(directory)
{
    char names[64];
    size_t length = sizeof names;
    begin_files(_i);
    ASSERT(S_OK, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, names, &length));
    ck_assert_uint_eq(length, sizeof APPLICATION + 1);
    ck_assert_mem_eq(names, APPLICATION "\0", length);
    length = 0;
    ASSERT(S_OK, scardmanage_file_directory(f, SCARDMANAGE_TYPE_ALL_FILES, NULL, &length));
    ck_assert_uint_eq(length, sizeof APPLICATION + 1);
    length--;
    ASSERT(E_INSUFFICIENT_BUFFER, scardmanage_file_directory(f, SCARDMANAGE_TYPE_ALL_FILES, names, &length));
    ASSERT(E_NOTIMPL, scardmanage_file_directory(f, SCARDMANAGE_TYPE_FIXED_EF, names, &length));
    ASSERT(E_INVALIDARG, scardmanage_file_directory(f, (scardmanage_filetype)8, names, &length));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, names));
    ASSERT(E_NOTIMPL, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, names, &length));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "3F00"));
    ASSERT(S_OK, scardmanage_file_delete(f, BY_ID, "2F00", 0));
    ASSERT(E_NOTIMPL, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, names, &length));
    end_files();
}
END_TEST

/* Templates, application identifiers without one, and padding, in a transparent EF.DIR. */
START_TEST(transparent_directory)
{
    static const uint8_t properties[] = {0x82, 0x01, 0x01};
    static const uint8_t content[] = {0x00, 0x61, 0x08, 0x50, 0x01, 0x41, 0x4F, 0x03, 0xA1, 0xA2, 0xA3,
                                      0xFF, 0x4F, 0x02, 0x41, 0x42, 0x73, 0x01, 0x00, 0xFF, 0xFF};
    char names[64];
    size_t length = sizeof names;
    begin_files(_i);
    ASSERT(S_OK, scardmanage_file_delete(f, BY_ID, "2F00", 0));
    ASSERT(S_OK, scardmanage_file_create(f, BY_ID, "2F00", properties, sizeof properties,
                                         SCARDMANAGE_FL_PREALLOCATE, content, sizeof content));
    ASSERT(S_OK, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, names, &length));
    ck_assert_uint_eq(length, sizeof "A1A2A3\0'AB'\0");
    ck_assert_mem_eq(names, "A1A2A3\0'AB'\0", length);

    /* nothing in it, and a template that is cut off */
    scardmanage_file file = open_file("2F00");
    ASSERT(S_OK, scardmanage_file_write(f, file, NULL, sizeof content, SCARDMANAGE_FL_ERASE));
    length = sizeof names;
    ASSERT(S_OK, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, names, &length));
    ck_assert_uint_eq(length, 1);
    seek_to(file, 0);
    ASSERT(S_OK, scardmanage_file_write(f, file, (const uint8_t *)"\x61\x20", 2, 0));
    ASSERT(E_UNEXPECTED, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, names, &length));
    end_files();
}
END_TEST

/*
 * Open, Close
 */

START_TEST(opening)
{
    begin_files(_i);
    assert_opens(OK, BY_NAME, "2F05");
    assert_opens(OK, BY_NAME, "3F00/5000/0001");
    assert_opens(OK, BY_NAME, APPLICATION "/0001");
    assert_opens(OK, BY_ID, "2F05");
    assert_opens(OK, BY_SHORT_ID, "1E");
    assert_opens(SCARDMANAGE_E_FILE_NOT_FOUND, BY_SHORT_ID, "01");
    assert_opens(SCARDMANAGE_E_INVALIDARG, BY_SHORT_ID, "1F");
    assert_opens(SCARDMANAGE_E_INVALIDARG, BY_SHORT_ID, "00");
    assert_opens(SCARDMANAGE_E_NO_FILE, BY_NAME, "5000");
    assert_opens(SCARDMANAGE_E_NO_FILE, BY_NAME, "3F00");
    assert_opens(SCARDMANAGE_E_FILE_NOT_FOUND, BY_NAME, "5000/0009");
    assert_opens(SCARDMANAGE_E_FILE_NOT_FOUND, BY_ID, "0001");
    assert_opens(SCARDMANAGE_E_INVALIDARG, BY_NAME, "5000/");
    assert_opens(SCARDMANAGE_E_INVALIDARG, (scardmanage_reftype)-1, "5000");
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    assert_opens(OK, BY_SHORT_ID, "01");
    assert_opens(OK, BY_SHORT_ID, "03");
    assert_opens(OK, BY_NAME, "../2F05");
    end_files();
}
END_TEST

START_TEST(closing)
{
    begin_files(_i);
    scardmanage_file first = open_file("2F05"), second = open_file("2F05");
    ck_assert_uint_ne(first, second);
    assert_reads(first, 8, "a serial");
    ASSERT(S_OK, scardmanage_file_close(f, first));
    ASSERT(E_INVALIDARG, scardmanage_file_close(f, first));
    ASSERT(E_INVALIDARG, scardmanage_file_close(f, 0));
    ASSERT(E_INVALIDARG, scardmanage_file_seek(f, first, BEGINNING, 0));
    assert_read_fails(first, SCARDMANAGE_E_INVALIDARG);
    ASSERT(E_INVALIDARG, write_text(first, "a", 0));
    assert_reads(second, 8, "a serial");
    ck_assert_uint_gt(open_file("2F05"), second); /* numbers are not used again */
    end_files();
}
END_TEST

START_TEST(what_is_known)
{
    begin_files(_i);
    scardmanage_file_info info = info_of(open_file("5000/0002"));
    ck_assert_int_eq(info.type, SCARDMANAGE_TYPE_TRANSPARENT_EF);
    ck_assert(info.length_is_known);
    ck_assert_uint_eq(info.length, 1400);
    ck_assert_uint_eq(info.life_cycle, 5);
    info = info_of(open_file("5000/0003"));
    ck_assert_int_eq(info.type, SCARDMANAGE_TYPE_FIXED_EF);
    ck_assert_uint_eq(info.length, 3);
    ck_assert_uint_eq(info.record_max, 8);
    info = info_of(open_file("5000/0004"));
    ck_assert_int_eq(info.type, SCARDMANAGE_TYPE_CYCLIC_EF);
    info = info_of(open_file("2F00"));
    ck_assert_int_eq(info.type, SCARDMANAGE_TYPE_VARIABLE_EF);
    scardmanage_file file;
    ASSERT(S_OK, scardmanage_file_open(f, BY_SHORT_ID, "1E", &file));
    info = info_of(file);
    ck_assert(!info.length_is_known);
    info.size--;
    ASSERT(E_INVALIDARG, scardmanage_file_get_info(f, file, &info));
    end_files();
}
END_TEST

/*
 * Read, Write, Seek: transparent files
 */

START_TEST(reading)
{
    uint8_t buffer[2000];
    size_t length = sizeof buffer;
    begin_files(_i);
    scardmanage_file file = open_file("5000/0002");
    assert_reads(file, 13, "another file,");
    assert_reads(file, 8, " another");
    seek_to(file, 0);
    ASSERT(S_OK,
           scardmanage_file_read(f, file, buffer, &length, 0)); /* more than one command, and than there is */
    ck_assert_uint_eq(length, 1400);
    for (size_t i = 0; i < 1400; i += 14)
        ck_assert_mem_eq(buffer + i, "another file, ", 14);
    assert_read_fails(file, SCARDMANAGE_W_EOF);
    assert_read_fails(file, SCARDMANAGE_W_EOF);
    length = 0;
    ASSERT(S_OK, scardmanage_file_read(f, file, buffer, &length, 0));
    length = 1;
    ASSERT(E_INVALIDARG, scardmanage_file_read(f, file, buffer, &length, SCARDMANAGE_FL_OR));
    length = 1;
    ASSERT(E_UNSUPPORTED_FEATURE,
           scardmanage_file_read(f, file, buffer, &length, SCARDMANAGE_FL_SECURE_MESSAGING));
    end_files();
}
END_TEST

START_TEST(seeking)
{
    begin_files(_i);
    scardmanage_file file = open_file("2F05"); /* 21 bytes */
    ASSERT(S_OK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_FROM_END, -4));
    assert_reads(file, 100, "0001");
    ASSERT(S_OK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_RELATIVE, -19));
    assert_reads(file, 6, "serial");
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, BEGINNING, 22));
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, BEGINNING, -1));
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_FROM_END, 1));
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_FROM_END, INT64_MIN));
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_RELATIVE, INT64_MAX));
    ASSERT(E_INVALIDARG, scardmanage_file_seek(f, file, (scardmanage_seektype)3, 0));
    assert_reads(file, 7, " number"); /* the position is as before */
    ASSERT(S_OK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_FROM_END, 0));
    assert_read_fails(file, SCARDMANAGE_W_EOF);
    end_files();
}
END_TEST

START_TEST(writing)
{
    uint8_t large[1400];
    begin_files(_i);
    scardmanage_file file = open_file("2F05"), big = open_file("5000/0002");
    seek_to(file, 2);
    ASSERT(S_OK, write_text(file, "SERIAL", 0));
    ASSERT(S_OK, write_text(file, "-", SCARDMANAGE_FL_REPLACE));
    ck_assert_uint_eq(info_of(file).position, 9);
    seek_to(file, 0);
    assert_reads(file, 100, "a SERIAL-number: 0001");
    ASSERT(E_WRITE_TOO_MANY, write_text(file, "x", 0));
    seek_to(file, 20);
    ASSERT(E_WRITE_TOO_MANY, write_text(file, "xx", 0));
    assert_reads(file, 100, "1"); /* nothing was written */
    seek_to(file, 0);
    ASSERT(S_OK, scardmanage_file_write(f, file, NULL, 8, SCARDMANAGE_FL_ERASE));
    uint8_t buffer[21];
    size_t length = sizeof buffer;
    seek_to(file, 0);
    ASSERT(S_OK, scardmanage_file_read(f, file, buffer, &length, 0));
    ck_assert_mem_eq(buffer, "\0\0\0\0\0\0\0\0-number: 0001", 21);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * 7);
    ASSERT(S_OK, scardmanage_file_write(f, big, large, sizeof large, 0));
    uint8_t again[sizeof large];
    length = sizeof again;
    seek_to(big, 0);
    ASSERT(S_OK, scardmanage_file_read(f, big, again, &length, 0));
    ck_assert_mem_eq(large, again, sizeof large);
    end_files();
}
END_TEST

START_TEST(writing_with_flags)
{
    static const uint32_t wrong[] = {
        SCARDMANAGE_FL_OR | SCARDMANAGE_FL_AND, SCARDMANAGE_FL_REPLACE | SCARDMANAGE_FL_ERASE,
        SCARDMANAGE_FL_APPEND | SCARDMANAGE_FL_OR, SCARDMANAGE_FL_RECURSIVE, 0x80000000u};
    uint8_t buffer[3];
    size_t length = sizeof buffer;
    begin_files(_i);
    scardmanage_file or = open_file("5000/0005"), and = open_file("5000/0006"), none = open_file("2F05");
    for (int i = 0; i < 2; i++) {
        seek_to(or, 0);
        ASSERT(S_OK, scardmanage_file_write(f, or, (const uint8_t *)(i ? "\x0F\x01" : "\xF0\x02"), 2,
                                            SCARDMANAGE_FL_OR));
        seek_to(and, 0);
        ASSERT(S_OK, scardmanage_file_write(f, and, (const uint8_t *)(i ? "\x0F\x01" : "\xFE\x03"), 2,
                                            SCARDMANAGE_FL_AND));
    }
    ASSERT(E_UNSUPPORTED_FEATURE, write_text(or, "x", SCARDMANAGE_FL_AND));
    ASSERT(E_UNSUPPORTED_FEATURE, write_text(and, "x", SCARDMANAGE_FL_OR));
    ASSERT(E_UNSUPPORTED_FEATURE, write_text(none, "x", SCARDMANAGE_FL_OR));
    ASSERT(E_UNSUPPORTED_FEATURE, write_text(none, "x", SCARDMANAGE_FL_APPEND));
    ASSERT(E_UNSUPPORTED_FEATURE, write_text(none, "x", SCARDMANAGE_FL_SECURE_MESSAGING));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ASSERT(E_INVALIDARG, write_text(none, "x", wrong[i]));
    ASSERT(E_POINTER, scardmanage_file_write(f, none, NULL, 1, 0));
    ASSERT(S_OK, scardmanage_file_write(f, none, NULL, 0, 0));
    seek_to(or, 0);
    ASSERT(S_OK, scardmanage_file_read(f, or, buffer, &length, 0));
    ck_assert_mem_eq(buffer, "\xFF\x03\x00", 3);
    seek_to(and, 0);
    ASSERT(S_OK, scardmanage_file_read(f, and, buffer, &length, 0));
    ck_assert_mem_eq(buffer, "\x0E\x01\xFF", 3);
    end_files();
}
END_TEST

/* Beyond 32,767 the offset is in a data object. */
START_TEST(large_files)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *content = malloc(50000), *changed = malloc(3000);
    size_t length = 50000;
    begin_files(_i);
    scardmanage_file file = open_file(APPLICATION "/0007");
    ck_assert_uint_eq(info_of(file).length, 40960);
    ASSERT(S_OK, scardmanage_file_read(f, file, content, &length, 0));
    ck_assert_uint_eq(length, 40960);
    for (size_t i = 0; i < length; i++)
        ck_assert_int_eq(content[i], digits[i % 16]);
    for (size_t i = 0; i < 3000; i++)
        changed[i] = (uint8_t)(i * 11);
    seek_to(file, 32000);
    ASSERT(S_OK, scardmanage_file_write(f, file, changed, 3000, 0));
    seek_to(file, 40000);
    ASSERT(S_OK, scardmanage_file_write(f, file, NULL, 960, SCARDMANAGE_FL_ERASE));
    length = 50000;
    seek_to(file, 0);
    ASSERT(S_OK, scardmanage_file_read(f, file, content, &length, 0));
    for (size_t i = 0; i < length; i++)
        ck_assert_int_eq(content[i], i >= 40000                ? 0
                                     : i >= 32000 && i < 35000 ? changed[i - 32000]
                                                               : digits[i % 16]);
    free(content);
    free(changed);
    end_files();
}
END_TEST

/* Also with chunks of other sizes, among them extended length, which T=0 has not. */
START_TEST(chunks)
{
    static const uint32_t sizes[] = {16, 127, 128, 130, 131, 132, 255, 256, 300, 65535};
    uint8_t *content = malloc(50000), *again = malloc(50000);
    begin_files(_i);
    for (size_t i = 0; i < (_i & 1 ? 10 : 8); i++) {
        uint32_t write_max = sizes[i] == 256 ? 255 : sizes[i];
        create_file_access(FILE_OPTIONS(.read_max = sizes[i], .write_max = write_max));
        scardmanage_file file = open_file(APPLICATION "/0007");
        for (size_t j = 0; j < 1000; j++)
            content[j] = (uint8_t)(i + j);
        seek_to(file, 32600);
        ASSERT(S_OK, scardmanage_file_write(f, file, content, 1000, 0));
        size_t length = 1000;
        seek_to(file, 32600);
        ASSERT(S_OK, scardmanage_file_read(f, file, again, &length, 0));
        ck_assert_uint_eq(length, 1000);
        ck_assert_mem_eq(content, again, 1000);
    }
    free(content);
    free(again);
    end_files();
}
END_TEST

/*
 * Files of records
 */

START_TEST(reading_records)
{
    uint8_t buffer[8];
    size_t length = 7;
    begin_files(_i);
    scardmanage_file file = open_file("5000/0003");
    assert_reads(file, 8, "record 1");
    ASSERT(E_INSUFFICIENT_BUFFER, scardmanage_file_read(f, file, buffer, &length, 0));
    ck_assert_uint_eq(length, 8);
    assert_reads(file, 100, "record 2"); /* one at a time */
    assert_reads(file, 300, "record 3");
    assert_read_fails(file, SCARDMANAGE_W_EOF);
    ASSERT(S_OK, scardmanage_file_seek(f, file, SCARDMANAGE_SEEK_RELATIVE, -2));
    assert_reads(file, 8, "record 2");
    ASSERT(E_BAD_SEEK, scardmanage_file_seek(f, file, BEGINNING, 4));
    file = open_file("5000/0004");
    assert_reads(file, 8, "new ");
    file = open_file("2F00"); /* shorter than the longest */
    assert_reads(file, 64,
                 "\x61\x0F\x4F\x06\xF0"
                 "files\x50\x05"
                 "files");
    end_files();
}
END_TEST

START_TEST(writing_records)
{
    begin_files(_i);
    scardmanage_file fixed = open_file("5000/0003"), cyclic = open_file("5000/0004"),
                     variable = open_file("2F00");
    seek_to(fixed, 1);
    ASSERT(S_OK, write_text(fixed, "changed!", 0));
    assert_reads(fixed, 8, "record 3");
    ASSERT(E_BAD_SEEK, write_text(fixed, "nothing?", 0)); /* at the end */
    ASSERT(S_OK, write_text(fixed, "appended", SCARDMANAGE_FL_APPEND));
    assert_reads(fixed, 8, "appended");
    ck_assert_uint_eq(info_of(fixed).length, 4);
    ASSERT(E_WRITE_TOO_MANY, write_text(fixed, "more than 8", 0));
    ASSERT(S_OK, write_text(fixed, "appended", SCARDMANAGE_FL_APPEND));
    ASSERT(S_OK, write_text(fixed, "appended", SCARDMANAGE_FL_APPEND));
    ASSERT(E_WRITE_TOO_MANY, write_text(fixed, "appended", SCARDMANAGE_FL_APPEND)); /* full */
    seek_to(fixed, 0);
    ASSERT(S_OK, scardmanage_file_write(f, fixed, NULL, 2, SCARDMANAGE_FL_ERASE));
    ck_assert_uint_eq(info_of(fixed).position, 2);
    seek_to(fixed, 1);
    uint8_t buffer[8];
    size_t length = sizeof buffer;
    ASSERT(S_OK, scardmanage_file_read(f, fixed, buffer, &length, 0));
    ck_assert_mem_eq(buffer, "\0\0\0\0\0\0\0\0", 8);
    ASSERT(S_OK, write_text(cyclic, "5th ", SCARDMANAGE_FL_APPEND));
    assert_reads(cyclic, 8, "5th ");
    assert_reads(cyclic, 8, "new ");
    assert_reads(cyclic, 8, "old ");
    assert_read_fails(cyclic, SCARDMANAGE_W_EOF);
    ASSERT(S_OK, write_text(variable, "", 0));
    seek_to(variable, 0);
    assert_reads(variable, 8, "");
    ASSERT(E_UNSUPPORTED_FEATURE, write_text(fixed, "changed!", SCARDMANAGE_FL_OR));
    end_files();
}
END_TEST

START_TEST(short_identifiers)
{
    scardmanage_file bytes, records, by_path;
    begin_files(_i);
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    ASSERT(S_OK, scardmanage_file_open(f, BY_SHORT_ID, "01", &bytes));
    ASSERT(S_OK, scardmanage_file_open(f, BY_SHORT_ID, "03", &records));
    by_path = open_file("0002");
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, ".."));
    for (int locked = 0; locked < 2; locked++) { /* then the selection holds */
        if (locked)
            assert_lock();
        seek_to(bytes, 0);
        seek_to(records, 0);
        seek_to(by_path, 0);
        assert_reads(bytes, 9, "the first");
        assert_reads(records, 8, "record 1");
        assert_reads(by_path, 7, "another");
        assert_reads(bytes, 5, " file");
        assert_reads(by_path, 5, " file");
        assert_reads(records, 8, "record 2");
        assert_reads(by_path, 2, ", ");
    }
    assert_reads(bytes, 100, " in directory 5000");
    assert_read_fails(bytes, SCARDMANAGE_W_EOF);
    seek_to(bytes, 4000000000);
    assert_read_fails(bytes, SCARDMANAGE_W_EOF);
    ASSERT(E_UNSUPPORTED_FEATURE, scardmanage_file_seek(f, bytes, SCARDMANAGE_SEEK_FROM_END, 0));
    seek_to(bytes, 0);
    ASSERT(S_OK, write_text(bytes, "THE", 0));
    ASSERT(S_OK, write_text(records, "RECORD 3", 0));
    seek_to(records, 2);
    assert_reads(records, 8, "RECORD 3");
    assert_unlock(SCARDMANAGE_DISPOSITION_LEAVE);
    end_files();
}
END_TEST

/*
 * Objects
 */

static scardmanage_result unwrap(void *nothing, const uint8_t *response, size_t response_length,
                                 uint8_t *plain, size_t *plain_length)
{
    (void)nothing, (void)response, (void)response_length, (void)plain, (void)plain_length;
    return SCARDMANAGE_E_FAIL;
}

START_TEST(options_that_are_refused)
{
    scardmanage_file_access *none = f;
    scardmanage_file_options wrong[8];
    begin_files(_i);
    for (size_t i = 0; i < 8; i++)
        wrong[i] = FILE_OPTIONS(.size = sizeof wrong[0]);
    wrong[0].size--;
    wrong[1].size = 5000;
    wrong[2].read_max = 15;
    wrong[3].read_max = 65537;
    wrong[4].write_max = 15;
    wrong[5].write_max = 65536;
    wrong[6].cla = 0xFF;
    wrong[7].unwrap = unwrap;
    for (size_t i = 0; i < 8; i++) {
        ASSERT(E_INVALIDARG, scardmanage_create_file_access(m, &wrong[i], &none));
        ck_assert_ptr_null(none);
    }
    ASSERT(E_POINTER, scardmanage_create_file_access(NULL, NULL, &none));
    ASSERT(E_POINTER, scardmanage_create_file_access(m, NULL, NULL));
    scardmanage_file_access_free(NULL);
    end_files();
}
END_TEST

static const uint8_t transparent[] = {0x80, 0x02, 0x00, 0x10, 0x82, 0x01, 0x01};

static void assert_detached(scardmanage_file file)
{
    uint8_t buffer[8];
    char path[SCARDMANAGE_PATH_MAX];
    size_t length = sizeof buffer;
    scardmanage_file opened;
    uint16_t status_word;
    scardmanage_file_info info = SCARDMANAGE_FILE_INFO_INIT;
    ASSERT(E_INVALID_HANDLE, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_get_current_dir(f, path, &length));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, NULL, &length));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_open(f, BY_NAME, "2F05", &opened));
    length = sizeof buffer;
    ASSERT(E_INVALID_HANDLE, scardmanage_file_read(f, file, buffer, &length, 0));
    ASSERT(E_INVALID_HANDLE, write_text(file, "x", 0));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_seek(f, file, BEGINNING, 0));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_get_info(f, file, &info));
    ASSERT(E_INVALID_HANDLE, CREATE(BY_NAME, "0001", transparent, 0, "x"));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_delete(f, BY_NAME, "2F05", 0));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_invalidate(f, "2F05", 0));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_rehabilitate(f, "2F05", 0));
    ASSERT(E_INVALID_HANDLE,
           scardmanage_file_get_properties(f, BY_NAME, "2F05", SCARDMANAGE_FL_GET_ALL_PROPERTIES, NULL, 0,
                                           NULL, &length));
    ASSERT(E_INVALID_HANDLE,
           scardmanage_file_set_properties(f, BY_NAME, "2F05", 0, transparent, sizeof transparent));
    ASSERT(E_INVALID_HANDLE, scardmanage_file_get_capabilities(f, 0, NULL, &length));
    ASSERT(S_OK, scardmanage_file_get_status_word(f, &status_word));
    ck_assert_uint_eq(status_word, 0x9000);
    ASSERT(S_OK, scardmanage_file_close(f, file));
}

START_TEST(after_the_attachment)
{
    for (int way = 0; way < 3; way++) {
        begin_files(_i);
        scardmanage_file file = open_file("2F05");
        if (way == 0)
            ASSERT(S_OK, scardmanage_detach(m));
        else if (way == 1)
            ASSERT(S_OK, scardmanage_attach_by_ifd(m, reader));
        else
            scardmanage_free(m);
        assert_detached(file);
        if (way == 2)
            m = NULL;
        end_files();
    }
    ASSERT(S_OK, scardmanage_create(&m));
    ASSERT(E_INVALID_HANDLE, scardmanage_create_file_access(m, NULL, &f));
    ck_assert_ptr_null(f);
}
END_TEST

START_TEST(null_pointers)
{
    uint8_t byte;
    size_t length = 1;
    scardmanage_file file;
    begin_files(_i);
    ASSERT(E_POINTER, scardmanage_file_change_dir(NULL, BY_NAME, "5000"));
    ASSERT(E_POINTER, scardmanage_file_change_dir(f, BY_NAME, NULL));
    ASSERT(E_POINTER, scardmanage_file_get_current_dir(NULL, NULL, &length));
    ASSERT(E_POINTER, scardmanage_file_get_current_dir(f, NULL, NULL));
    ASSERT(E_POINTER, scardmanage_file_directory(NULL, SCARDMANAGE_TYPE_DIRECTORIES, NULL, &length));
    ASSERT(E_POINTER, scardmanage_file_directory(f, SCARDMANAGE_TYPE_DIRECTORIES, NULL, NULL));
    ASSERT(E_POINTER, scardmanage_file_open(NULL, BY_NAME, "2F05", &file));
    ASSERT(E_POINTER, scardmanage_file_open(f, BY_NAME, NULL, &file));
    ASSERT(E_POINTER, scardmanage_file_open(f, BY_NAME, "2F05", NULL));
    ASSERT(E_POINTER, scardmanage_file_close(NULL, 1));
    ASSERT(E_POINTER, scardmanage_file_read(NULL, 1, &byte, &length, 0));
    ASSERT(E_POINTER, scardmanage_file_read(f, 1, NULL, &length, 0));
    ASSERT(E_POINTER, scardmanage_file_read(f, 1, &byte, NULL, 0));
    ASSERT(E_POINTER, scardmanage_file_write(NULL, 1, &byte, 1, 0));
    ASSERT(E_POINTER, scardmanage_file_seek(NULL, 1, BEGINNING, 0));
    ASSERT(E_POINTER, scardmanage_file_get_info(f, 1, NULL));
    ASSERT(E_POINTER, scardmanage_file_create(f, BY_NAME, "0001", NULL, 0, 0, NULL, 0));
    ASSERT(E_POINTER, scardmanage_file_create(f, BY_NAME, "0001", &byte, 1, 0, NULL, 1));
    ASSERT(E_POINTER, scardmanage_file_delete(f, BY_NAME, NULL, 0));
    ASSERT(E_POINTER, scardmanage_file_invalidate(f, NULL, 0));
    ASSERT(E_POINTER, scardmanage_file_rehabilitate(NULL, "2F05", 0));
    ASSERT(E_POINTER, scardmanage_file_set_properties(f, BY_NAME, "2F05", 0, NULL, 1));
    ASSERT(E_POINTER, scardmanage_file_get_capabilities(f, 0, NULL, NULL));
    ASSERT(E_POINTER, scardmanage_file_get_status_word(f, NULL));
    ASSERT(E_POINTER, scardmanage_tlv_next(NULL, &length, NULL));
    end_files();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: files");
    TCase *tests = add_attachment_case(suite, "files", WAITS_FOR_OTHERS);
    tcase_add_loop_test(tests, change_dir, 0, VARIANTS);
    tcase_add_loop_test(tests, directory, 0, VARIANTS);
    tcase_add_loop_test(tests, transparent_directory, 0, VARIANTS);
    tcase_add_loop_test(tests, opening, 0, VARIANTS);
    tcase_add_loop_test(tests, closing, 0, 2);
    tcase_add_loop_test(tests, what_is_known, 0, 2);
    tcase_add_loop_test(tests, reading, 0, VARIANTS);
    tcase_add_loop_test(tests, seeking, 0, 2);
    tcase_add_loop_test(tests, writing, 0, VARIANTS);
    tcase_add_loop_test(tests, writing_with_flags, 0, 2);
    tcase_add_loop_test(tests, large_files, 0, 2);
    tcase_add_loop_test(tests, chunks, 0, 2);
    tcase_add_loop_test(tests, reading_records, 0, 2);
    tcase_add_loop_test(tests, writing_records, 0, 2);
    tcase_add_loop_test(tests, short_identifiers, 0, VARIANTS);
    tcase_add_loop_test(tests, options_that_are_refused, 0, 1);
    tcase_add_loop_test(tests, after_the_attachment, 0, 2);
    tcase_add_loop_test(tests, null_pointers, 0, 1);
    return run_suite_in_rig(suite);
}
