/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of file access that need no card: paths, data objects, file control parameters. */
#include "count.h"
#include "file_fcp.h"
#include "file_path.h"
#include "run_suite.h"
#include "tlv.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/*
 * Paths
 */

static struct file_path path_of(const char *text)
{
    struct file_path mf, path;
    file_path_set_mf(&mf);
    ck_assert_int_eq(file_path_parse(text, &mf, &path), SCARDMANAGE_S_OK);
    return path;
}

static void assert_prints(const struct file_path *path, const char *wanted)
{
    char text[SCARDMANAGE_PATH_MAX];
    ck_assert_uint_eq(file_path_print(path, text), strlen(wanted));
    ck_assert_str_eq(text, wanted);
}

START_TEST(paths)
{
    static const struct {
        const char *text, *path;
    } cases[] = {
        {"3F00", "3F00"},
        {"3f00", "3F00"},
        {"2F00", "3F00/5000/2F00"},
        {"6000/0001", "3F00/5000/6000/0001"},
        {"3F00/6000/0001", "3F00/6000/0001"},
        {".", "3F00/5000"},
        {"..", "3F00"},
        {"../.", "3F00"},
        {"../6000/../7000", "3F00/7000"},
        {"./6000/.", "3F00/5000/6000"},
        {"A000000151", "A000000151"},
        {"a000000151/2f00", "A000000151/2F00"},
        {"A000000151/2F00/..", "A000000151"},
        {"A00000", "A00000"},
        {"000102030405060708090A0B0C0D0E0F", "000102030405060708090A0B0C0D0E0F"},
        {"'1PAY.SYS.DDF01'", "315041592E5359532E4444463031"},
        {"'a/b/c'/0001", "612F622F63/0001"},
        {"'abcdefghijklmnop'", "6162636465666768696A6B6C6D6E6F70"},
        {"'A'", "'A'"},
        {"'AB'/0001", "'AB'/0001"},
        {"0001/0002/0003/0004/0005/0006/0007/0008/0009/000A",
         "3F00/5000/0001/0002/0003/0004/0005/0006/0007/0008/0009/000A"},
    };
    struct file_path directory = path_of("5000"), path, again;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ck_assert_msg(file_path_parse(cases[i].text, &directory, &path) == SCARDMANAGE_S_OK, "%s",
                      cases[i].text);
        assert_prints(&path, cases[i].path);
        ck_assert_int_eq(file_path_parse(cases[i].path, &directory, &again), SCARDMANAGE_S_OK);
        ck_assert_mem_eq(&path, &again, sizeof path);
    }
}
END_TEST

START_TEST(paths_that_are_none)
{
    static const char *const texts[] = {
        "",
        "/",
        "/5000",
        "5000/",
        "5000//0001",
        " 5000",
        "5000 ",
        "500",
        "50000",
        "500G",
        "5000/3F00",
        "3F00/3F00",
        "5000/A000000151",
        "3F00/'name'",
        "0000",
        "3FFF",
        "FFFF",
        "5000/3fff",
        "...",
        "'",
        "''",
        "'12345678901234567'",
        "'a",
        "a'",
        "'a'b",
        "'a''b'",
        "'\x1F'",
        "'\x7F'",
        "'\x80'",
        "'\xC3\xA4'",
        "000102030405060708090A0B0C0D0E0F10",
        "A0000001510",
        "0x5000",
        "5000\\0001",
        "5000/*",
        "0001/0002/0003/0004/0005/0006/0007/0008/0009/000A/000B/000C",
        "3F00/0001/0002/0003/0004/0005/0006/0007/0008/0009/000A/000B/000C",
    };
    static const char *const above[] = {"..",   "../..",  "../5000", "5000/../..", "A000000151/..",
                                        "./..", "3F00/.."};
    struct file_path mf = path_of("3F00"), path = mf, before = path;
    for (size_t i = 0; i < COUNT(texts); i++)
        ck_assert_msg(file_path_parse(texts[i], &mf, &path) == SCARDMANAGE_E_INVALIDARG, "%s", texts[i]);
    for (size_t i = 0; i < COUNT(above); i++)
        ck_assert_msg(file_path_parse(above[i], &mf, &path) == SCARDMANAGE_E_DIR_NOT_FOUND, "%s", above[i]);
    ck_assert_mem_eq(&path, &before, sizeof path);
}
END_TEST

START_TEST(paths_of_new_files)
{
    static const struct {
        const char *text, *path; /* null: none */
    } cases[] = {
        {"0001", "3F00/5000/0001"},
        {"A000000151", "3F00/5000/A000000151"},
        {"../'name'", "3F00/6E616D65"},
        {"3F00/6000/A000000151", "3F00/6000/A000000151"},
        {"A000000151/0001", "A000000151/0001"},
        {"A000000151/A000000152", "A000000151/A000000152"},
        {"6000/A000000151/0001", NULL},
        {"6000/3F00", NULL},
    };
    struct file_path directory = path_of("5000"), path;
    for (size_t i = 0; i < COUNT(cases); i++) {
        scardmanage_result result = file_path_parse_new(cases[i].text, &directory, &path);
        ck_assert_int_eq(result, cases[i].path ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG);
        if (cases[i].path)
            assert_prints(&path, cases[i].path);
    }
}
END_TEST

START_TEST(identifiers)
{
    static const char *const wrong[] = {"",     "500",  "50000", "..",   "./..",
                                        "../.", "'ab'", "0000",  "3FFF", "A00000"};
    static const char *const no_short_id[] = {"", "0", "00", "1F", "FF", "1", "001", "0x", "G1", "-1"};
    struct file_path directory = path_of("5000"), path;
    ck_assert_int_eq(file_path_parse_id("0001", &directory, &path), SCARDMANAGE_S_OK);
    assert_prints(&path, "3F00/5000/0001");
    ck_assert_int_eq(file_path_parse_id("3F00", &directory, &path), SCARDMANAGE_S_OK);
    ck_assert(file_path_is_mf(&path));
    for (size_t i = 0; i < COUNT(wrong); i++)
        ck_assert_int_eq(file_path_parse_id(wrong[i], &directory, &path), SCARDMANAGE_E_INVALIDARG);
    for (unsigned id = 1; id <= 30; id++) {
        char text[3];
        snprintf(text, sizeof text, "%02X", id);
        ck_assert_uint_eq(file_path_parse_short_id(text), id);
    }
    for (size_t i = 0; i < COUNT(no_short_id); i++)
        ck_assert_uint_eq(file_path_parse_short_id(no_short_id[i]), 0);
}
END_TEST

START_TEST(comparing_paths)
{
    struct file_path a = path_of("5000/0001"), b = path_of("5000"), name = path_of("'P'"),
                     mf = path_of("3F00");
    ck_assert(file_path_is_below(&a, &b));
    ck_assert(!file_path_is_below(&b, &a));
    ck_assert(file_path_is_below(&a, &a));
    ck_assert(file_path_is_same(&a, &a));
    ck_assert(!file_path_is_same(&a, &b));
    ck_assert(!file_path_is_below(&a, &name));
    ck_assert(file_path_is_mf(&mf));
    ck_assert(!file_path_is_mf(&a));
    ck_assert(!file_path_is_mf(&name));
    ck_assert(file_name_is_id(&a.names[1], 0x5000));
    ck_assert(!file_name_is_id(&name.names[0], 0x5000));
    ck_assert_uint_eq(file_name_id(&name.names[0]), 0);
}
END_TEST

/* The longest text that can be printed: a new file with a DF name, in a DF with a DF name. */
START_TEST(long_paths)
{
    char text[SCARDMANAGE_PATH_MAX];
    struct file_path directory = path_of("'1234567890123456'"), path;
    for (unsigned i = 1; i < FILE_DEPTH_MAX - 1; i++)
        ck_assert_int_eq(file_path_parse("5000", &directory, &directory), SCARDMANAGE_S_OK);
    ck_assert_int_eq(file_path_parse_new("'1234567890123456'", &directory, &path), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(path.count, FILE_DEPTH_MAX);
    ck_assert_uint_lt(file_path_print(&path, text), SCARDMANAGE_PATH_MAX);
}
END_TEST

/*
 * Data objects
 */

START_TEST(data_objects)
{
    static const uint8_t bytes[] = {0x00, 0xFF, 0x80, 0x01, 0x2A, 0x7F, 0x49, 0x00, 0x00,
                                    0x5F, 0x81, 0x82, 0x03, 0x81, 0x02, 0x01, 0x02, 0x53,
                                    0x84, 0x00, 0x00, 0x00, 0x01, 0x99, 0xFF, 0x00};
    static const struct {
        uint32_t tag;
        size_t length;
    } wanted[] = {{0x80, 1}, {0x7F49, 0}, {0x5F818203, 2}, {0x53, 1}};
    const uint8_t *at = bytes;
    size_t length = sizeof bytes;
    scardmanage_tlv tlv;
    for (size_t i = 0; i < COUNT(wanted); i++) {
        ck_assert_int_eq(scardmanage_tlv_next(&at, &length, &tlv), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(tlv.tag, wanted[i].tag);
        ck_assert_uint_eq(tlv.length, wanted[i].length);
        ck_assert_ptr_eq(tlv.value + tlv.length, at);
        ck_assert_ptr_eq(at + length, bytes + sizeof bytes);
    }
    ck_assert_int_eq(scardmanage_tlv_next(&at, &length, &tlv), SCARDMANAGE_W_EOF);
}
END_TEST

START_TEST(malformed_data_objects)
{
    static const struct {
        uint8_t bytes[8];
        size_t length;
    } cases[] = {
        {{0x80}, 1},
        {{0x5F}, 1},
        {{0x5F, 0x81}, 2},
        {{0x5F, 0x81, 0x81, 0x81, 0x01, 0x00}, 6},
        {{0x80, 0x01}, 2},
        {{0x80, 0x80, 0x00, 0x00}, 4},
        {{0x80, 0x81}, 2},
        {{0x80, 0x82, 0x00}, 3},
        {{0x80, 0x85, 0x00, 0x00, 0x00, 0x00, 0x00}, 7},
        {{0x80, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x00}, 7},
        {{0xFF, 0x80, 0x02, 0x00}, 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const uint8_t *at = cases[i].bytes;
        size_t length = cases[i].length;
        scardmanage_tlv tlv;
        ck_assert_int_eq(scardmanage_tlv_next(&at, &length, &tlv), SCARDMANAGE_E_UNEXPECTED);
        ck_assert_ptr_eq(at, cases[i].bytes);
        ck_assert_uint_eq(length, cases[i].length);
    }
}
END_TEST

START_TEST(writing_data_objects)
{
    static const uint32_t tags[] = {0x80, 0x5F50, 0x5F8101, 0x5F818201};
    static const size_t lengths[] = {0, 1, 127, 128, 255, 256, 65535, 65536};
    static uint8_t bytes[70000];
    for (size_t i = 0; i < COUNT(tags); i++)
        for (size_t j = 0; j < COUNT(lengths); j++) {
            scardmanage_tlv tlv;
            size_t header = tlv_write_header(tags[i], lengths[j], bytes), left = header + lengths[j];
            const uint8_t *at = bytes;
            ck_assert_uint_eq(tlv_size(tags[i], lengths[j]), left);
            ck_assert_int_eq(scardmanage_tlv_next(&at, &left, &tlv), SCARDMANAGE_S_OK);
            ck_assert_uint_eq(tlv.tag, tags[i]);
            ck_assert_uint_eq(tlv.length, lengths[j]);
            ck_assert_ptr_eq(tlv.value, bytes + header);
        }
}
END_TEST

/*
 * File control parameters
 */

#define FCP(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

START_TEST(file_control_parameters)
{
    struct file_fcp fcp;
    ck_assert(file_fcp_parse(FCP(0x62, 0x13, 0x80, 0x02, 0x12, 0x34, 0x82, 0x02, 0x41, 0x41, 0x83, 0x02, 0x2F,
                                 0x05, 0x8A, 0x01, 0x05, 0xA5, 0x02, 0xC0, 0x00),
                             &fcp));
    ck_assert(fcp.has_size && fcp.size == 0x1234);
    ck_assert_int_eq(fcp.structure, FCP_TRANSPARENT);
    ck_assert_int_eq(fcp.write_function, FCP_WRITE_OR);
    ck_assert(!fcp.has_other_units);
    ck_assert(fcp.has_id && fcp.id == 0x2F05);
    ck_assert_uint_eq(fcp.life_cycle, 5);
    ck_assert_uint_eq(fcp.objects_length, 0x13);

    ck_assert(file_fcp_parse(FCP(0x6F, 0x08, 0x82, 0x06, 0x02, 0x01, 0x01, 0x02, 0x03, 0x04), &fcp));
    ck_assert_int_eq(fcp.structure, FCP_FIXED);
    ck_assert_uint_eq(fcp.record_max, 0x102);
    ck_assert(fcp.has_record_count && fcp.record_count == 0x304);
    ck_assert(!fcp.has_size);

    ck_assert(file_fcp_parse(FCP(0x62, 0x05, 0x82, 0x03, 0x06, 0x01, 0x20), &fcp));
    ck_assert_int_eq(fcp.structure, FCP_CYCLIC);
    ck_assert_uint_eq(fcp.record_max, 0x20);
    ck_assert(!fcp.has_record_count);

    ck_assert(file_fcp_parse(FCP(0x62, 0x04, 0x82, 0x02, 0x01, 0x02), &fcp));
    ck_assert(fcp.has_other_units);
}
END_TEST

START_TEST(structures)
{
    static const struct {
        uint8_t descriptor;
        enum file_structure structure;
    } cases[] = {
        {0x00, FCP_UNKNOWN}, {0x01, FCP_TRANSPARENT}, {0x41, FCP_TRANSPARENT}, {0x09, FCP_TRANSPARENT},
        {0x02, FCP_FIXED},   {0x03, FCP_FIXED},       {0x04, FCP_VARIABLE},    {0x05, FCP_VARIABLE},
        {0x06, FCP_CYCLIC},  {0x07, FCP_CYCLIC},      {0x38, FCP_DIRECTORY},   {0x78, FCP_DIRECTORY},
        {0x39, FCP_OTHER},   {0x3A, FCP_OTHER},       {0x81, FCP_OTHER},
    };
    struct file_fcp fcp;
    for (size_t i = 0; i < COUNT(cases); i++) {
        ck_assert(file_fcp_parse(FCP(0x62, 0x03, 0x82, 0x01, cases[i].descriptor), &fcp));
        ck_assert_int_eq(fcp.structure, cases[i].structure);
        ck_assert_int_eq(file_structure_has_records(fcp.structure), fcp.structure == FCP_FIXED ||
                                                                        fcp.structure == FCP_VARIABLE ||
                                                                        fcp.structure == FCP_CYCLIC);
    }
}
END_TEST

/* What is not in a template says nothing. */
START_TEST(no_file_control_parameters)
{
    struct file_fcp fcp;
    ck_assert(file_fcp_parse(NULL, 0, &fcp));
    ck_assert(file_fcp_parse(FCP(0x00, 0x00, 0x12, 0x34), &fcp)); /* a SIM */
    ck_assert(file_fcp_parse(FCP(0x61, 0xFF), &fcp));
    ck_assert(file_fcp_parse(FCP(0x62, 0x00), &fcp));
    ck_assert_int_eq(fcp.structure, FCP_UNKNOWN);
    ck_assert_int_eq(fcp.write_function, FCP_WRITE_UNKNOWN);
    ck_assert(!fcp.has_size && !fcp.has_id && !fcp.has_record_count);
}
END_TEST

START_TEST(malformed_file_control_parameters)
{
    struct file_fcp fcp;
    ck_assert(!file_fcp_parse(FCP(0x62), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x05, 0x82, 0x01, 0x01), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x02, 0x82, 0x01, 0x01), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x02, 0x80, 0x00), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x07, 0x80, 0x05, 0x00, 0x00, 0x00, 0x00, 0x01), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x02, 0x82, 0x00), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x09, 0x82, 0x07, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x62, 0x03, 0x83, 0x01, 0x01), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x6F, 0x02, 0x8A, 0x00), &fcp));
    ck_assert(!file_fcp_parse(FCP(0x6F, 0x80, 0x00, 0x00), &fcp));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scardmanage: files");
    TCase *tests = tcase_create("files");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, paths);
    tcase_add_test(tests, paths_that_are_none);
    tcase_add_test(tests, paths_of_new_files);
    tcase_add_test(tests, identifiers);
    tcase_add_test(tests, comparing_paths);
    tcase_add_test(tests, long_paths);
    tcase_add_test(tests, data_objects);
    tcase_add_test(tests, malformed_data_objects);
    tcase_add_test(tests, writing_data_objects);
    tcase_add_test(tests, file_control_parameters);
    tcase_add_test(tests, structures);
    tcase_add_test(tests, no_file_control_parameters);
    tcase_add_test(tests, malformed_file_control_parameters);
    return run_suite(suite);
}
