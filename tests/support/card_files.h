/* SPDX-License-Identifier: BSD-3-Clause */
/* Access to the files of the card of fixtures/cards/files.lua, for tests in a rig. A step that cannot be done fails
 * the test. */
#ifndef TESTS_SUPPORT_CARD_FILES_H
#define TESTS_SUPPORT_CARD_FILES_H

#include "attachment.h"
#include "scardmanage_file_admin.h"

#include <stdint.h>

#define OK                  SCARDMANAGE_S_OK
#define ASSERT(result, ...) ck_assert_int_eq(__VA_ARGS__, SCARDMANAGE_##result)
#define BY_NAME             SCARDMANAGE_TYPE_BY_NAME
#define BY_ID               SCARDMANAGE_TYPE_BY_ID
#define BY_SHORT_ID         SCARDMANAGE_TYPE_BY_SHORT_ID
#define BEGINNING           SCARDMANAGE_SEEK_FROM_BEGINNING
#define APPLICATION         "F066696C6573" /* in files.lua */

extern scardmanage_file_access *f;

/* Replaces f by another object for the attachment. */
#define FILE_OPTIONS(...) ((scardmanage_file_options){__VA_ARGS__})
void create_file_access(scardmanage_file_options options);

/* The variants of a test: the protocol, and whether files are selected by identifiers only. */
#define VARIANTS 4
/* Inserts the card, attaches m, and creates f. A reader that exchanges TPDUs is called tpdu. */
void begin_files(int variant);
void end_files(void);

scardmanage_file open_file(const char *path);
void assert_opens(scardmanage_result result, scardmanage_reftype type, const char *path);
/* Reads up to `wanted` bytes, and expects this text. */
void assert_reads(scardmanage_file file, size_t wanted, const char *text);
void assert_read_fails(scardmanage_file file, scardmanage_result result);
scardmanage_result write_text(scardmanage_file file, const char *text, uint32_t flags);
void seek_to(scardmanage_file file, int64_t position);
scardmanage_file_info info_of(scardmanage_file file);
void assert_current_dir(const char *wanted);

#define CREATE(type, path, properties, flags, text)                                                          \
    scardmanage_file_create(f, type, path, properties, sizeof properties, flags, (const uint8_t *)(text),    \
                            strlen(text))

#endif
