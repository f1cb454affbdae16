/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: each function of scardmanage_file_admin.h, against a card with a file system, in T=0 and in T=1.
 * Run in a rig: cardrig run -- test_scardmanage_file_admin */
#include "card_files.h"
#include "in_rig.h"

#include <check.h>
#include <stdint.h>
#include <string.h>

static const uint8_t transparent[] = {0x80, 0x02, 0x00, 0x10, 0x82, 0x01, 0x01};
static const uint8_t any_size[] = {0x82, 0x01, 0x01};
static const uint8_t fixed[] = {0x82, 0x03, 0x02, 0x01, 0x04};
static const uint8_t folder[] = {0x82, 0x01, 0x38};

START_TEST(creating)
{
    begin_files(_i);
    ASSERT(S_OK, CREATE(BY_NAME, "5000/7000", folder, 0, ""));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "5000/7000"));
    ASSERT(S_OK, CREATE(BY_ID, "0001", transparent, 0, "content"));
    ASSERT(S_OK, CREATE(BY_NAME, "0002", any_size, SCARDMANAGE_FL_PREALLOCATE, "all of it"));
    ASSERT(S_OK, CREATE(BY_NAME, "3F00/5000/7000/0003", fixed, 0, "1st."));
    assert_reads(open_file("0001"), 7, "content");
    ck_assert_uint_eq(info_of(open_file("0001")).length, 16);
    assert_reads(open_file("3F00/5000/7000/0002"), 100, "all of it");
    scardmanage_file file = open_file("0003");
    assert_reads(file, 4, "1st.");
    assert_read_fails(file, SCARDMANAGE_W_EOF);
    ASSERT(E_NO_ACCESS, CREATE(BY_NAME, "0003", fixed, 0, "1st.")); /* exists */
    uint16_t status_word;
    ASSERT(S_OK, scardmanage_file_get_status_word(f, &status_word));
    ck_assert_uint_eq(status_word, 0x6A89);
    ASSERT(E_DIR_NOT_FOUND, CREATE(BY_NAME, "7777/0003", fixed, 0, "1st."));
    ASSERT(E_WRITE_TOO_MANY, CREATE(BY_NAME, "0004", transparent, 0, "more than 16 bytes"));
    ASSERT(E_INVALIDARG, CREATE(BY_NAME, "0004", folder, 0, "data"));
    ASSERT(E_INVALIDARG, CREATE(BY_NAME, "3F00", folder, 0, ""));
    ASSERT(E_INVALIDARG, CREATE(BY_NAME, "0004", folder, SCARDMANAGE_FL_ERASE, ""));
    ASSERT(E_INVALIDARG, CREATE(BY_SHORT_ID, "04", transparent, 0, "x")); /* without 83 */
    ASSERT(E_INVALIDARG, CREATE(BY_NAME, "0004", ((const uint8_t[]){0x82, 0x02, 0x01}), 0, "x"));
    ASSERT(E_INVALIDARG, CREATE(BY_NAME, "0004", ((const uint8_t[]){0x80, 0x01, 0x01}), 0, "x"));
    assert_opens(_i & 2 ? OK : SCARDMANAGE_E_FILE_NOT_FOUND, BY_NAME, "0004"); /* there is one above */
    end_files();
}
END_TEST

START_TEST(creating_with_names)
{
    static const uint8_t with_id[] = {0x80, 0x01, 0x08, 0x82, 0x01, 0x01, 0x83, 0x02, 0x00, 0x09};
    static const uint8_t application[] = {0x82, 0x01, 0x38, 0x83, 0x02, 0x71, 0x00};
    scardmanage_file file;
    begin_files(_i);
    ASSERT(E_INVALIDARG, CREATE(BY_NAME, "0008", with_id, 0, "data")); /* another identifier */
    ASSERT(S_OK, CREATE(BY_SHORT_ID, "09", with_id, 0, "data"));
    ASSERT(S_OK, scardmanage_file_open(f, BY_SHORT_ID, "09", &file));
    assert_reads(file, 4, "data");
    assert_reads(open_file("0009"), 4, "data");
    ASSERT(S_OK, CREATE(BY_NAME, "A0A1A2A3A4", application, 0, ""));
    ASSERT(S_OK, CREATE(BY_NAME, "5000/'name'", application, 0, ""));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "a0a1a2a3a4"));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "'name'"));
    assert_current_dir("6E616D65");
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "3F00/5000/7100"));
    ASSERT(S_OK, scardmanage_file_delete(f, BY_NAME, "'name'", SCARDMANAGE_FL_RECURSIVE));
    ASSERT(E_DIR_NOT_FOUND, scardmanage_file_change_dir(f, BY_NAME, "'name'"));
    end_files();
}
END_TEST

START_TEST(deleting)
{
    begin_files(_i);
    scardmanage_file file = open_file("5000/0001"), kept = open_file("2F05");
    ASSERT(S_OK, scardmanage_file_delete(f, BY_NAME, "5000/0001", 0));
    ASSERT(E_FILE_NOT_FOUND, scardmanage_file_delete(f, BY_NAME, "5000/0001", 0));
    assert_read_fails(file, SCARDMANAGE_E_FILE_NOT_FOUND);
    ASSERT(E_NO_FILE, scardmanage_file_delete(f, BY_ID, "5000", 0));
    ASSERT(E_NO_FILE, scardmanage_file_delete(f, BY_ID, "5000", SCARDMANAGE_FL_NON_RECURSIVE));
    ASSERT(E_INVALIDARG, scardmanage_file_delete(f, BY_ID, "5000", 0x60));
    ASSERT(E_INVALIDARG, scardmanage_file_delete(f, BY_NAME, "3F00", SCARDMANAGE_FL_RECURSIVE));
    ASSERT(E_INVALIDARG, scardmanage_file_delete(f, BY_SHORT_ID, "01", 0));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_ID, "5000"));
    ASSERT(S_OK, scardmanage_file_delete(f, BY_NAME, "../5000", SCARDMANAGE_FL_RECURSIVE));
    assert_opens(SCARDMANAGE_E_DIR_NOT_FOUND, BY_ID, "0002"); /* the directory is gone */
    assert_reads(kept, 8, "a serial");
    put("two-protocols.lua"); /* a card that does not know the command */
    end_files();
}
END_TEST

START_TEST(invalidating)
{
    begin_files(_i);
    scardmanage_file file = open_file("5000/0001");
    ASSERT(S_OK, scardmanage_file_invalidate(f, "5000/0001", 0));
    assert_read_fails(file, SCARDMANAGE_E_NO_ACCESS);
    assert_opens(SCARDMANAGE_E_NO_ACCESS, BY_NAME, "5000/0001");
    ASSERT(S_OK, scardmanage_file_rehabilitate(f, "5000/0001", 0));
    assert_reads(file, 9, "the first");
    ASSERT(S_OK, scardmanage_file_invalidate(f, "5000", 0));
    ASSERT(E_NO_ACCESS, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    if (_i & 2) /* one SELECT by path shows nothing of the directories on the way */
        assert_opens(SCARDMANAGE_E_NO_ACCESS, BY_NAME, "5000/0001");
    ASSERT(S_OK, scardmanage_file_rehabilitate(f, "5000", 0));
    ASSERT(S_OK, scardmanage_file_change_dir(f, BY_NAME, "5000"));
    ASSERT(E_NO_ACCESS, scardmanage_file_invalidate(f, "3F00", 0));
    ASSERT(E_FILE_NOT_FOUND, scardmanage_file_rehabilitate(f, "7777", 0));
    ASSERT(E_INVALIDARG, scardmanage_file_rehabilitate(f, "0001", SCARDMANAGE_FL_RECURSIVE));
    ASSERT(E_INVALIDARG, scardmanage_file_invalidate(f, "1", 0));
    end_files();
}
END_TEST

static void assert_properties(const char *path, const uint32_t *tags, size_t count, const char *wanted,
                              size_t wanted_length)
{
    uint8_t properties[300];
    size_t length = sizeof properties;
    ASSERT(S_OK,
           scardmanage_file_get_properties(f, BY_NAME, path, tags ? 0 : SCARDMANAGE_FL_GET_ALL_PROPERTIES,
                                           tags, count, properties, &length));
    ck_assert_uint_eq(length, wanted_length);
    ck_assert_mem_eq(properties, wanted, length);
    size_t needed = 0;
    ASSERT(S_OK,
           scardmanage_file_get_properties(f, BY_NAME, path, tags ? 0 : SCARDMANAGE_FL_GET_ALL_PROPERTIES,
                                           tags, count, NULL, &needed));
    ck_assert_uint_eq(needed, length);
    if (needed == 0)
        return;
    needed--;
    ASSERT(E_INSUFFICIENT_BUFFER,
           scardmanage_file_get_properties(f, BY_NAME, path, tags ? 0 : SCARDMANAGE_FL_GET_ALL_PROPERTIES,
                                           tags, count, properties, &needed));
    ck_assert_uint_eq(needed, length);
}

#define ASSERT_PROPERTIES(path, wanted, ...)                                                                 \
    assert_properties(path, (const uint32_t[]){__VA_ARGS__},                                                 \
                      sizeof(const uint32_t[]){__VA_ARGS__} / sizeof(uint32_t), wanted, sizeof wanted - 1)

START_TEST(properties)
{
    static const uint8_t objects[] = {0x85, 0x02, 0x01, 0x02, 0x5F, 0x50, 0x03, 0x77, 0x77, 0x77};
    static const uint8_t cut_off[] = {0x85, 0x02, 0x01}, long_tag[] = {0x5F, 0x81, 0x01, 0x00};
    size_t length = 0;
    begin_files(_i);
    assert_properties("5000/0001", NULL, 0,
                      "\x80\x03\x00\x00\x20\x82\x02\x01\x01\x83\x02\x00\x01\x88\x01\x08\x8A\x01\x05", 19);
    ASSERT_PROPERTIES("5000/0001", "\x8A\x01\x05\x83\x02\x00\x01", 0x8A, 0x84, 0x83);
    ASSERT_PROPERTIES("5000", "\x82\x01\x38", 0x82);
    ASSERT_PROPERTIES(APPLICATION,
                      "\x84\x06\xF0"
                      "files",
                      0x84, 0x5F8101);
    ASSERT_PROPERTIES("5000/0001", "", 0x85, 0x5F50);
    ASSERT(S_OK, scardmanage_file_set_properties(f, BY_NAME, "5000/0001", 0, objects, sizeof objects));
    ASSERT_PROPERTIES("5000/0001", "\x5F\x50\x03www\x85\x02\x01\x02", 0x5F50, 0x85);
    ASSERT_PROPERTIES("5000/0002", "", 0x85, 0x5F50);
    ASSERT(E_INVALIDARG, scardmanage_file_set_properties(f, BY_NAME, "5000", 0, cut_off, sizeof cut_off));
    ASSERT(E_INVALIDARG, scardmanage_file_set_properties(f, BY_NAME, "5000", 0, long_tag, sizeof long_tag));
    ASSERT(E_INVALIDARG, scardmanage_file_set_properties(f, BY_NAME, "5000", 0, objects, 0));
    ASSERT(E_FILE_NOT_FOUND, scardmanage_file_set_properties(f, BY_ID, "7777", 0, objects, sizeof objects));
    ASSERT(E_POINTER, scardmanage_file_get_properties(f, BY_NAME, "5000", 0, NULL, 0, NULL, &length));
    ASSERT(E_INVALIDARG,
           scardmanage_file_get_properties(f, BY_SHORT_ID, "01", SCARDMANAGE_FL_GET_ALL_PROPERTIES, NULL, 0,
                                           NULL, &length));
    end_files();
}
END_TEST

START_TEST(capabilities)
{
    uint8_t bytes[300];
    size_t length = sizeof bytes;
    scardmanage_file by_short_id;
    begin_files(_i);
    ASSERT(S_OK, scardmanage_file_get_capabilities(f, 0, bytes, &length));
    ck_assert_uint_eq(length, 6);
    ck_assert_mem_eq(bytes, "\x82\x01\x38\x8A\x01\x05", length);
    ASSERT(E_INVALIDARG, scardmanage_file_get_capabilities(f, SCARDMANAGE_FL_OR, bytes, &length));
    scardmanage_file first = open_file("5000/0003");
    length = sizeof bytes;
    ASSERT(S_OK, scardmanage_file_get_capabilities(f, 0, bytes, &length));
    ck_assert_uint_eq(length, 10);
    ck_assert_mem_eq(bytes, "\x82\x05\x02\x01\x00\x08\x03\x8A\x01\x05", length);
    open_file("2F05");
    assert_reads(first, 8, "record 1"); /* it is current again */
    length = sizeof bytes;
    ASSERT(S_OK, scardmanage_file_get_capabilities(f, SCARDMANAGE_FL_GET_ALL_PROPERTIES, bytes, &length));
    ck_assert_uint_gt(length, 10);
    ASSERT(S_OK, scardmanage_file_close(f, first));
    length = sizeof bytes;
    ASSERT(S_OK, scardmanage_file_get_capabilities(f, 0, bytes, &length));
    ck_assert_uint_eq(length, 6);
    ASSERT(S_OK, scardmanage_file_open(f, BY_SHORT_ID, "1E", &by_short_id));
    ASSERT(E_UNSUPPORTED_FEATURE, scardmanage_file_get_capabilities(f, 0, bytes, &length));
    end_files();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: administration of files");
    TCase *tests = add_attachment_case(suite, "administration", WAITS_FOR_OTHERS);
    tcase_add_loop_test(tests, creating, 0, VARIANTS);
    tcase_add_loop_test(tests, creating_with_names, 0, VARIANTS);
    tcase_add_loop_test(tests, deleting, 0, VARIANTS);
    tcase_add_loop_test(tests, invalidating, 0, VARIANTS);
    tcase_add_loop_test(tests, properties, 0, VARIANTS);
    tcase_add_loop_test(tests, capabilities, 0, 2);
    return run_suite_in_rig(suite);
}
