/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects, their open files, and the functions that do not need the card. */
#include "file_access.h"

#include <string.h>

#define CHUNK_DEFAULT 255
#define CHUNK_MIN     16

void file_lock(scardmanage_file_access *f)
{
    platform_lock(&f->base.m->mutex);
}

void file_unlock(scardmanage_file_access *f)
{
    platform_unlock(&f->base.m->mutex);
}

/*
 * Objects
 */

static scardmanage_result read_options(const scardmanage_file_options *options, scardmanage_file_options *out)
{
    memset(out, 0, sizeof *out);
    if (options) {
        if (!options_struct_is_readable(options, options->size, sizeof *out, sizeof *out))
            return SCARDMANAGE_E_INVALIDARG;
        *out = *options;
    }
    out->size = sizeof *out;
    if (out->read_max == 0)
        out->read_max = CHUNK_DEFAULT;
    if (out->write_max == 0)
        out->write_max = CHUNK_DEFAULT;
    bool is_valid = out->read_max >= CHUNK_MIN && out->read_max <= COMMAND_RESPONSE_MAX &&
                    out->write_max >= CHUNK_MIN && out->write_max <= COMMAND_DATA_MAX && out->cla <= 0xFE &&
                    !out->wrap == !out->unwrap;
    return is_valid ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
}

scardmanage_result scardmanage_create_file_access(scardmanage *m, const scardmanage_file_options *options,
                                                  scardmanage_file_access **out)
{
    scardmanage_file_options read;
    struct interface_object *object;
    if (!out)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = read_options(options, &read);
    if (result == SCARDMANAGE_S_OK)
        result = interface_object_create(m, sizeof **out, &object);
    if (result != SCARDMANAGE_S_OK)
        return result;
    *out = (scardmanage_file_access *)object;
    (*out)->options = read;
    file_path_set_mf(&(*out)->directory);
    return SCARDMANAGE_S_OK;
}

void scardmanage_file_access_free(scardmanage_file_access *f)
{
    if (!f)
        return;
    while (f->files) {
        struct open_file *file = f->files;
        f->files = file->next;
        allocator_release(&f->base.m->allocator, file);
    }
    interface_object_free(&f->base);
}

scardmanage_result scardmanage_file_get_status_word(scardmanage_file_access *f, uint16_t *status_word)
{
    if (!f || !status_word)
        return SCARDMANAGE_E_POINTER;
    *status_word = interface_object_status_word(&f->base);
    return SCARDMANAGE_S_OK;
}

scardmanage_result file_return_bytes(const void *bytes, size_t length, void *out, size_t *out_length)
{
    size_t room = *out_length;
    *out_length = length;
    if (!out)
        return SCARDMANAGE_S_OK;
    if (length > room)
        return SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    if (length > 0)
        memcpy(out, bytes, length);
    return SCARDMANAGE_S_OK;
}

/*
 * The current directory
 */

scardmanage_result file_resolve(scardmanage_file_access *f, scardmanage_reftype type, const char *text,
                                struct file_path *out, uint8_t *short_id)
{
    struct file_path directory;
    file_lock(f);
    directory = f->directory;
    file_unlock(f);
    if (short_id)
        *short_id = 0;
    switch (type) {
    case SCARDMANAGE_TYPE_BY_NAME:
        return file_path_parse(text, &directory, out);
    case SCARDMANAGE_TYPE_BY_ID:
        return file_path_parse_id(text, &directory, out);
    case SCARDMANAGE_TYPE_BY_SHORT_ID:
        *out = directory;
        if (short_id)
            *short_id = file_path_parse_short_id(text);
        return short_id && *short_id != 0 ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
    default:
        return SCARDMANAGE_E_INVALIDARG;
    }
}

scardmanage_result scardmanage_file_get_current_dir(scardmanage_file_access *f, char *path, size_t *length)
{
    char text[SCARDMANAGE_PATH_MAX];
    if (!f || !length)
        return SCARDMANAGE_E_POINTER;
    if (!interface_object_is_attached(&f->base))
        return SCARDMANAGE_E_INVALID_HANDLE;
    file_lock(f);
    size_t text_length = file_path_print(&f->directory, text);
    file_unlock(f);
    return file_return_bytes(text, text_length + 1, path, length);
}

/*
 * Open files
 */

struct open_file *file_find(scardmanage_file_access *f, scardmanage_file number)
{
    struct open_file *file = f->files;
    while (file && file->number != number)
        file = file->next;
    return file;
}

scardmanage_result file_copy(scardmanage_file_access *f, scardmanage_file number, struct open_file *out)
{
    file_lock(f);
    struct open_file *file = file_find(f, number);
    if (file)
        *out = *file;
    file_unlock(f);
    return file ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
}

scardmanage_result scardmanage_file_close(scardmanage_file_access *f, scardmanage_file file)
{
    if (!f)
        return SCARDMANAGE_E_POINTER;
    file_lock(f);
    struct open_file **link = &f->files;
    while (*link && (*link)->number != file)
        link = &(*link)->next;
    struct open_file *closed = *link;
    if (closed)
        *link = closed->next;
    file_unlock(f);
    if (!closed)
        return SCARDMANAGE_E_INVALIDARG;
    allocator_release(&f->base.m->allocator, closed);
    return SCARDMANAGE_S_OK;
}

/* The number of bytes or records, if the FCP say so. */
static bool get_length(const struct open_file *file, uint32_t *length)
{
    bool has_records = file_structure_has_records(file->fcp.structure);
    *length = has_records ? file->fcp.record_count : file->fcp.size;
    return has_records ? file->fcp.has_record_count : file->fcp.has_size;
}

static scardmanage_result seek(const struct open_file *file, scardmanage_seektype type, int64_t offset,
                               uint32_t *position)
{
    uint32_t length;
    bool is_known = get_length(file, &length);
    int64_t limit = is_known                                          ? length
                    : file_structure_has_records(file->fcp.structure) ? UINT16_MAX
                                                                      : UINT32_MAX;
    int64_t from = 0;
    if (type == SCARDMANAGE_SEEK_RELATIVE)
        from = file->position;
    else if (type == SCARDMANAGE_SEEK_FROM_END)
        from = limit;
    else if (type != SCARDMANAGE_SEEK_FROM_BEGINNING)
        return SCARDMANAGE_E_INVALIDARG;
    if (type == SCARDMANAGE_SEEK_FROM_END && !is_known)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    if (offset < -from || offset > limit - from)
        return SCARDMANAGE_E_BAD_SEEK;
    *position = (uint32_t)(from + offset);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_file_seek(scardmanage_file_access *f, scardmanage_file number,
                                         scardmanage_seektype type, int64_t offset)
{
    if (!f)
        return SCARDMANAGE_E_POINTER;
    if (!interface_object_is_attached(&f->base))
        return SCARDMANAGE_E_INVALID_HANDLE;
    file_lock(f);
    struct open_file *file = file_find(f, number);
    scardmanage_result result = file ? seek(file, type, offset, &file->position) : SCARDMANAGE_E_INVALIDARG;
    file_unlock(f);
    return result;
}

scardmanage_result scardmanage_file_get_info(scardmanage_file_access *f, scardmanage_file number,
                                             scardmanage_file_info *info)
{
    struct open_file file;
    scardmanage_file_info known = SCARDMANAGE_FILE_INFO_INIT;
    if (!f || !info)
        return SCARDMANAGE_E_POINTER;
    if (!interface_object_is_attached(&f->base))
        return SCARDMANAGE_E_INVALID_HANDLE;
    if (info->size < sizeof known || info->size > OPTIONS_SIZE_MAX ||
        file_copy(f, number, &file) != SCARDMANAGE_S_OK)
        return SCARDMANAGE_E_INVALIDARG;
    known.size = info->size;
    known.type = file_structure_type(file.fcp.structure);
    known.length_is_known = get_length(&file, &known.length);
    known.record_max = file.fcp.record_max;
    known.position = file.position;
    known.life_cycle = file.fcp.life_cycle;
    memset(info, 0, info->size);
    memcpy(info, &known, sizeof known);
    return SCARDMANAGE_S_OK;
}
