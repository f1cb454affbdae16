/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes and lists the current directory. */
#include "file_access.h"

#include <string.h>

/*
 * ChangeDir
 */

struct change_dir_call {
    struct file_call call;
    struct file_path path;
};

static scardmanage_result change_dir_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct change_dir_call *d = context;
    struct file_selected selected;
    (void)m, (void)report;
    scardmanage_result result = file_select(&d->call, &d->path, FILE_KIND_DF, false, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    return selected.is_deactivated ? SCARDMANAGE_E_NO_ACCESS : SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_file_change_dir(scardmanage_file_access *f, scardmanage_reftype type,
                                               const char *dir)
{
    if (!f || !dir)
        return SCARDMANAGE_E_POINTER;
    struct change_dir_call d = {.call = {.f = f}};
    scardmanage_result result = file_resolve(f, type, dir, &d.path, NULL);
    if (result == SCARDMANAGE_S_OK)
        result = file_run(&d.call, 0, change_dir_in_unit, true);
    if (result != SCARDMANAGE_S_OK)
        return result;
    file_lock(f);
    f->directory = d.path;
    file_unlock(f);
    return SCARDMANAGE_S_OK;
}

/*
 * Directory
 */

#define TAG_APPLICATION      0x61
#define TAG_APPLICATION_NAME 0x4F

struct directory_call {
    struct file_call call;
    struct file_bytes content; /* of EF.DIR: all bytes or records */
    struct file_bytes names;   /* the result */
};

/* Reads the next part of EF.DIR. */
static scardmanage_result read_part(struct directory_call *d, const struct open_file *file, uint32_t number,
                                    bool *is_end)
{
    struct file_bytes *content = &d->content;
    bool has_records = file_structure_has_records(file->fcp.structure);
    size_t length = has_records ? file_record_room(&d->call) : d->call.f->options.read_max;
    scardmanage_result result = file_bytes_grow(&d->call, content, length);
    if (result != SCARDMANAGE_S_OK)
        return result;
    uint8_t *out = content->bytes + content->length;
    if (has_records)
        result = file_read_record(&d->call, file, number, out, &length);
    else
        result = file_read_binary(&d->call, (uint32_t)content->length, out, &length, is_end);
    if (result == SCARDMANAGE_W_EOF) {
        *is_end = true;
        return SCARDMANAGE_S_OK;
    }
    if (result == SCARDMANAGE_S_OK)
        content->length += length;
    return result;
}

static scardmanage_result read_content(struct directory_call *d, struct open_file *file)
{
    bool is_end = false;
    for (uint32_t number = 0; !is_end; number++) {
        if (file->fcp.structure == FCP_TRANSPARENT && file->fcp.has_size &&
            d->content.length >= file->fcp.size)
            break;
        scardmanage_result result = read_part(d, file, number, &is_end);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    return SCARDMANAGE_S_OK;
}

static scardmanage_result add_name(struct directory_call *d, const scardmanage_tlv *tlv)
{
    struct file_name name = {.is_df_name = true, .length = (uint8_t)tlv->length};
    if (tlv->length < 1 || tlv->length > FILE_NAME_MAX)
        return SCARDMANAGE_E_UNEXPECTED;
    memcpy(name.bytes, tlv->value, tlv->length);
    scardmanage_result result = file_bytes_grow(&d->call, &d->names, SCARDMANAGE_PATH_MAX);
    if (result == SCARDMANAGE_S_OK)
        d->names.length += file_name_print(&name, (char *)d->names.bytes + d->names.length) + 1;
    return result;
}

/* An application identifier, or a template in which there is one. */
static scardmanage_result add_application(struct directory_call *d, scardmanage_tlv tlv)
{
    if (tlv.tag == TAG_APPLICATION_NAME)
        return add_name(d, &tlv);
    if (tlv.tag != TAG_APPLICATION)
        return SCARDMANAGE_S_OK;
    const uint8_t *bytes = tlv.value;
    size_t length = tlv.length;
    scardmanage_result result;
    while ((result = scardmanage_tlv_next(&bytes, &length, &tlv)) == SCARDMANAGE_S_OK)
        if (tlv.tag == TAG_APPLICATION_NAME)
            return add_name(d, &tlv);
    return result == SCARDMANAGE_W_EOF ? SCARDMANAGE_S_OK : result;
}

static scardmanage_result list_applications(struct directory_call *d)
{
    const uint8_t *bytes = d->content.bytes;
    size_t length = d->content.length;
    scardmanage_tlv tlv;
    scardmanage_result result = length == 0 ? SCARDMANAGE_W_EOF : SCARDMANAGE_S_OK;
    while (result == SCARDMANAGE_S_OK &&
           (result = scardmanage_tlv_next(&bytes, &length, &tlv)) == SCARDMANAGE_S_OK)
        result = add_application(d, tlv);
    return result == SCARDMANAGE_W_EOF ? SCARDMANAGE_S_OK : result;
}

static scardmanage_result directory_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct directory_call *d = context;
    struct file_selected selected;
    struct open_file file = {.number = 0};
    (void)m, (void)report;
    file_bytes_free(&d->call, &d->content);
    file_bytes_free(&d->call, &d->names);
    file_path_set_mf(&file.path);
    file_path_parse("2F00", &file.path, &file.path);
    scardmanage_result result = file_select(&d->call, &file.path, FILE_KIND_EF, true, &selected);
    if (result == SCARDMANAGE_E_FILE_NOT_FOUND || result == SCARDMANAGE_E_DIR_NOT_FOUND ||
        result == SCARDMANAGE_E_UNSUPPORTED_FEATURE)
        return SCARDMANAGE_E_NOTIMPL;
    if (result != SCARDMANAGE_S_OK)
        return result;
    file.fcp = selected.fcp;
    if (file.fcp.structure == FCP_UNKNOWN)
        result = file_probe(&d->call, &file);
    if (result == SCARDMANAGE_S_OK)
        result = read_content(d, &file);
    return result == SCARDMANAGE_S_OK ? list_applications(d) : result;
}

scardmanage_result scardmanage_file_directory(scardmanage_file_access *f, scardmanage_filetype type,
                                              char *names, size_t *length)
{
    if (!f || !length)
        return SCARDMANAGE_E_POINTER;
    struct directory_call d = {.call = {.f = f}};
    if ((unsigned)type > SCARDMANAGE_TYPE_VARIABLE_EF)
        return SCARDMANAGE_E_INVALIDARG;
    if (!interface_object_is_attached(&f->base))
        return SCARDMANAGE_E_INVALID_HANDLE;
    file_lock(f);
    bool is_listed = file_path_is_mf(&f->directory);
    file_unlock(f);
    if (!is_listed || (type != SCARDMANAGE_TYPE_DIRECTORIES && type != SCARDMANAGE_TYPE_DIRECTORY_FILE &&
                       type != SCARDMANAGE_TYPE_ALL_FILES))
        return SCARDMANAGE_E_NOTIMPL;
    scardmanage_result result = file_run(&d.call, 0, directory_in_unit, true);
    if (result == SCARDMANAGE_S_OK && d.names.length == 0)
        result = file_return_bytes("", 1, names, length);
    else if (result == SCARDMANAGE_S_OK) /* behind the names, the memory is zero */
        result = file_return_bytes(d.names.bytes, d.names.length + 1, names, length);
    file_bytes_free(&d.call, &d.content);
    file_bytes_free(&d.call, &d.names);
    return result;
}
