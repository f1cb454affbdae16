/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths of files: text that the caller writes, and the names that SELECT takes. Pure: no I/O, no memory. */
#ifndef SCARDMANAGE_FILE_PATH_H
#define SCARDMANAGE_FILE_PATH_H

#include "scardmanage_file.h"

#include <stdbool.h>

#define FILE_NAME_MAX  16 /* bytes of a DF name: ISO/IEC 7816-4:2013, 5.3.1.1 */
#define FILE_DEPTH_MAX 12 /* names in a path */

#define FILE_ID_MF     0x3F00u
#define FILE_ID_DIR    0x2F00u

/* A file identifier of two bytes, or a DF name. */
struct file_name {
    bool is_df_name;
    uint8_t length;
    uint8_t bytes[FILE_NAME_MAX];
};

/* An absolute path: its first name is the MF or a DF name, all others are file identifiers. In the path of a file that
 * is created, the last one may be a DF name, too. */
struct file_path {
    unsigned count;
    struct file_name names[FILE_DEPTH_MAX];
};

/* Sets the path of the MF. */
void file_path_set_mf(struct file_path *path);

/* Reads a path, which is relative to directory unless it is absolute. Returns E_INVALIDARG for what is no path, and
 * E_DIR_NOT_FOUND for a ".." above the first name. */
scardmanage_result file_path_parse(const char *text, const struct file_path *directory,
                                   struct file_path *out);

/* Reads a file identifier; out is that file in the directory. Returns E_INVALIDARG otherwise. */
scardmanage_result file_path_parse_id(const char *text, const struct file_path *directory,
                                      struct file_path *out);

/* The same as file_path_parse() for a file that is to be created: a DF name is that of a file in directory, or, after
 * a slash, in the directory that stands before it. */
scardmanage_result file_path_parse_new(const char *text, const struct file_path *directory,
                                       struct file_path *out);

/* Returns the short EF identifier, 1 to 30, or 0 if text is none. */
uint8_t file_path_parse_short_id(const char *text);

/* Writes a name or a path with a terminating zero, and returns its length without that. A path has room in
 * SCARDMANAGE_PATH_MAX bytes, and so has a name. What was written is read as the same again. */
size_t file_name_print(const struct file_name *name, char *out);
size_t file_path_print(const struct file_path *path, char *out);

bool file_name_is_id(const struct file_name *name, unsigned id);
unsigned file_name_id(const struct file_name *name); /* 0 for a DF name */
bool file_path_is_mf(const struct file_path *path);
/* Returns whether path is directory, or something below it. */
bool file_path_is_below(const struct file_path *path, const struct file_path *directory);
bool file_path_is_same(const struct file_path *a, const struct file_path *b);

#endif
