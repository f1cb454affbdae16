/* SPDX-License-Identifier: BSD-3-Clause */
#include "card_files.h"

#include <check.h>
#include <string.h>

scardmanage_file_access *f;

void create_file_access(scardmanage_file_options options)
{
    options.size = sizeof options;
    scardmanage_file_access_free(f);
    ASSERT(S_OK, scardmanage_create_file_access(m, &options, &f));
}

void begin_files(int variant)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.protocols = variant & 1 ? SCARDMANAGE_PROTOCOL_T1 : SCARDMANAGE_PROTOCOL_T0;
    options.accept_unidentified = 1;
    put("files.lua");
    ASSERT(S_OK, scardmanage_set_options(m, &options));
    if (strncmp(reader, "tpdu", 4) == 0)
        ASSERT(S_OK, scardmanage_set_transport(m, SCARDMANAGE_TRANSPORT_GET_RESPONSE));
    ASSERT(S_OK, scardmanage_attach_by_ifd(m, reader));
    create_file_access(FILE_OPTIONS(.select_by_id = variant >> 1));
}

void end_files(void)
{
    scardmanage_file_access_free(f);
    f = NULL;
}

scardmanage_file open_file(const char *path)
{
    scardmanage_file file;
    ASSERT(S_OK, scardmanage_file_open(f, BY_NAME, path, &file));
    ck_assert_uint_ne(file, 0);
    return file;
}

void assert_opens(scardmanage_result result, scardmanage_reftype type, const char *path)
{
    scardmanage_file file = 1;
    ck_assert_int_eq(scardmanage_file_open(f, type, path, &file), result);
    ck_assert(result == OK || file == 0);
}

void assert_reads(scardmanage_file file, size_t wanted, const char *text)
{
    uint8_t buffer[4096];
    size_t length = wanted;
    ASSERT(S_OK, scardmanage_file_read(f, file, buffer, &length, 0));
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_mem_eq(buffer, text, length);
}

void assert_read_fails(scardmanage_file file, scardmanage_result result)
{
    uint8_t buffer[300];
    size_t length = sizeof buffer;
    ck_assert_int_eq(scardmanage_file_read(f, file, buffer, &length, 0), result);
    ck_assert_uint_eq(length, 0);
}

scardmanage_result write_text(scardmanage_file file, const char *text, uint32_t flags)
{
    return scardmanage_file_write(f, file, (const uint8_t *)text, strlen(text), flags);
}

void seek_to(scardmanage_file file, int64_t position)
{
    ASSERT(S_OK, scardmanage_file_seek(f, file, BEGINNING, position));
}

scardmanage_file_info info_of(scardmanage_file file)
{
    scardmanage_file_info info = SCARDMANAGE_FILE_INFO_INIT;
    ASSERT(S_OK, scardmanage_file_get_info(f, file, &info));
    return info;
}

void assert_current_dir(const char *wanted)
{
    char path[SCARDMANAGE_PATH_MAX];
    size_t length = sizeof path;
    ASSERT(S_OK, scardmanage_file_get_current_dir(f, path, &length));
    ck_assert_str_eq(path, wanted);
    ck_assert_uint_eq(length, strlen(wanted) + 1);
}
