/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_path.h"

#include <string.h>

/* Three names that ISO/IEC 7816-4:2013, 7.2.2 reserves: the current EF, the current DF, and one for future use. */
static bool is_reserved(unsigned id)
{
    return id == 0x0000 || id == 0x3FFF || id == 0xFFFF;
}

void file_path_set_mf(struct file_path *path)
{
    memset(path, 0, sizeof *path);
    path->count = 1;
    path->names[0].length = 2;
    path->names[0].bytes[0] = FILE_ID_MF >> 8;
    path->names[0].bytes[1] = FILE_ID_MF & 0xFF;
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

static bool read_digits(const char *text, size_t length, struct file_name *out)
{
    memset(out, 0, sizeof *out);
    if (length % 2 != 0 || length < 4 || length > 2 * (size_t)FILE_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = digit_value(text[i]), low = digit_value(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    out->length = (uint8_t)(length / 2);
    out->is_df_name = out->length != 2;
    return out->is_df_name || !is_reserved(file_name_id(out));
}

static bool is_quotable(unsigned char c)
{
    return c >= 0x20 && c < 0x7F && c != '\'';
}

static bool read_quoted(const char *text, size_t length, struct file_name *out)
{
    memset(out, 0, sizeof *out);
    if (length < 3 || length > 2 + (size_t)FILE_NAME_MAX)
        return false;
    for (size_t i = 1; i < length - 1; i++)
        if (!is_quotable((unsigned char)text[i]))
            return false;
    out->is_df_name = true;
    out->length = (uint8_t)(length - 2);
    memcpy(out->bytes, text + 1, length - 2);
    return true;
}

/* Returns the length of the name with which text begins: up to the next slash outside quotes. */
static size_t name_length(const char *text)
{
    size_t length = 0;
    bool quoted = false;
    for (; text[length] && (quoted || text[length] != '/'); length++)
        quoted ^= text[length] == '\'';
    return length;
}

static bool read_name(const char *text, size_t length, struct file_name *out)
{
    if (length >= 2 && text[0] == '\'' && text[length - 1] == '\'')
        return read_quoted(text, length, out);
    return read_digits(text, length, out);
}

static bool is_dots(const char *text, size_t length, size_t dots)
{
    return length == dots && strncmp(text, "..", dots) == 0;
}

/* Adds the name to the path. The first name may make it absolute. */
static scardmanage_result add_name(struct file_path *path, const char *text, size_t length, bool is_first,
                                   bool is_last_and_new)
{
    struct file_name name;
    if (is_dots(text, length, 1))
        return SCARDMANAGE_S_OK;
    if (is_dots(text, length, 2))
        return --path->count > 0 ? SCARDMANAGE_S_OK : SCARDMANAGE_E_DIR_NOT_FOUND;
    if (!read_name(text, length, &name))
        return SCARDMANAGE_E_INVALIDARG;
    bool is_top = name.is_df_name || file_name_is_id(&name, FILE_ID_MF);
    if (is_top && !(is_last_and_new && name.is_df_name)) {
        if (!is_first)
            return SCARDMANAGE_E_INVALIDARG;
        path->count = 0;
    }
    if (path->count == FILE_DEPTH_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    path->names[path->count++] = name;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result parse(const char *text, const struct file_path *directory, bool is_new,
                                struct file_path *out)
{
    struct file_path path = *directory;
    for (bool is_first = true;; is_first = false) {
        size_t length = name_length(text);
        bool is_last = text[length] == '\0';
        scardmanage_result result = add_name(&path, text, length, is_first, is_new && is_last);
        if (result != SCARDMANAGE_S_OK)
            return result;
        if (is_last)
            break;
        text += length + 1;
    }
    /* what ".." took away is not to be seen any longer */
    memset(path.names + path.count, 0, (FILE_DEPTH_MAX - path.count) * sizeof path.names[0]);
    *out = path;
    return SCARDMANAGE_S_OK;
}

scardmanage_result file_path_parse(const char *text, const struct file_path *directory, struct file_path *out)
{
    return parse(text, directory, false, out);
}

scardmanage_result file_path_parse_new(const char *text, const struct file_path *directory,
                                       struct file_path *out)
{
    return parse(text, directory, true, out);
}

scardmanage_result file_path_parse_id(const char *text, const struct file_path *directory,
                                      struct file_path *out)
{
    struct file_name name;
    if (strlen(text) != 4 || !read_digits(text, 4, &name))
        return SCARDMANAGE_E_INVALIDARG;
    return parse(text, directory, false, out);
}

uint8_t file_path_parse_short_id(const char *text)
{
    if (strlen(text) != 2 || digit_value(text[0]) < 0 || digit_value(text[1]) < 0)
        return 0;
    int id = digit_value(text[0]) << 4 | digit_value(text[1]);
    return id <= 30 ? (uint8_t)id : 0;
}

size_t file_name_print(const struct file_name *name, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    bool is_quoted = name->is_df_name && name->length < 3; /* digits would be read as something else */
    if (is_quoted) {
        out[length++] = '\'';
        memcpy(out + length, name->bytes, name->length);
        length += name->length;
        out[length++] = '\'';
    }
    for (size_t i = 0; !is_quoted && i < name->length; i++) {
        out[length++] = digits[name->bytes[i] >> 4];
        out[length++] = digits[name->bytes[i] & 0xF];
    }
    out[length] = '\0';
    return length;
}

size_t file_path_print(const struct file_path *path, char *out)
{
    size_t length = 0;
    for (unsigned i = 0; i < path->count; i++) {
        if (i > 0)
            out[length++] = '/';
        length += file_name_print(&path->names[i], out + length);
    }
    return length;
}

unsigned file_name_id(const struct file_name *name)
{
    return name->is_df_name ? 0 : (unsigned)(name->bytes[0] << 8 | name->bytes[1]);
}

bool file_name_is_id(const struct file_name *name, unsigned id)
{
    return !name->is_df_name && file_name_id(name) == id;
}

bool file_path_is_mf(const struct file_path *path)
{
    return path->count == 1 && file_name_is_id(&path->names[0], FILE_ID_MF);
}

static bool is_same_name(const struct file_name *a, const struct file_name *b)
{
    return a->is_df_name == b->is_df_name && a->length == b->length &&
           memcmp(a->bytes, b->bytes, a->length) == 0;
}

bool file_path_is_below(const struct file_path *path, const struct file_path *directory)
{
    if (path->count < directory->count)
        return false;
    for (unsigned i = 0; i < directory->count; i++)
        if (!is_same_name(&path->names[i], &directory->names[i]))
            return false;
    return true;
}

bool file_path_is_same(const struct file_path *a, const struct file_path *b)
{
    return a->count == b->count && file_path_is_below(a, b);
}
