/* SPDX-License-Identifier: BSD-3-Clause */
/* Gets and sets properties of files. */
#include "file_access.h"
#include "tlv.h"

#include <string.h>

#define INS_GET_DATA 0xCA
#define INS_PUT_DATA 0xDA
#define TAG_DATA_MAX 0xFFFFu /* P1-P2 have two bytes */

struct properties_call {
    struct file_call call;
    struct file_path path;
    enum file_kind kind;
    const uint32_t *tags; /* those to get; null: all FCP */
    size_t tag_count;
    bool uses_get_data;        /* for tags that are not FCP */
    const uint8_t *properties; /* those to set */
    size_t length;
    struct file_bytes out;
};

static scardmanage_result append(struct properties_call *p, uint32_t tag, const uint8_t *value, size_t length)
{
    scardmanage_result result = file_bytes_grow(&p->call, &p->out, tlv_size(tag, length));
    if (result != SCARDMANAGE_S_OK)
        return result;
    p->out.length += tlv_write_header(tag, length, p->out.bytes + p->out.length);
    if (length > 0)
        memcpy(p->out.bytes + p->out.length, value, length);
    p->out.length += length;
    return SCARDMANAGE_S_OK;
}

/* Appends the FCP with this tag. Returns false if there are none. */
static bool append_fcp(struct properties_call *p, const struct file_fcp *fcp, uint32_t tag,
                       scardmanage_result *result)
{
    const uint8_t *bytes = fcp->objects;
    size_t length = fcp->objects_length;
    scardmanage_tlv tlv;
    bool is_found = false;
    while (bytes && *result == SCARDMANAGE_S_OK &&
           scardmanage_tlv_next(&bytes, &length, &tlv) == SCARDMANAGE_S_OK)
        if (tlv.tag == tag) {
            *result = append(p, tag, tlv.value, tlv.length);
            is_found = true;
        }
    return is_found;
}

/* Some cards return the whole data object, and not only its value. */
static void take_value(uint32_t tag, const uint8_t **value, size_t *length)
{
    const uint8_t *bytes = *value;
    size_t left = *length;
    scardmanage_tlv tlv;
    if (*length > 0 && scardmanage_tlv_next(&bytes, &left, &tlv) == SCARDMANAGE_S_OK && tlv.tag == tag &&
        left == 0) {
        *value = tlv.value;
        *length = tlv.length;
    }
}

static scardmanage_result append_data(struct properties_call *p, uint32_t tag)
{
    uint8_t bytes[FILE_SHORT_MAX];
    struct file_answer answer = {.data = bytes};
    struct command command = file_command(&p->call, INS_GET_DATA, tag, NULL, 0, sizeof bytes);
    scardmanage_result result = file_send(&p->call, &command, &answer);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = status_word_result(answer.status_word, STATUS_OF_READ);
    if (result == SCARDMANAGE_E_FILE_NOT_FOUND || result == SCARDMANAGE_E_UNSUPPORTED_FEATURE ||
        result == SCARDMANAGE_W_EOF)
        return SCARDMANAGE_S_OK; /* the card does not have it */
    const uint8_t *value = bytes;
    take_value(tag, &value, &answer.length);
    if (result == SCARDMANAGE_S_OK)
        result = append(p, tag, value, answer.length);
    platform_wipe(bytes, sizeof bytes);
    return result;
}

static scardmanage_result get_tags(struct properties_call *p, const struct file_fcp *fcp)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (size_t i = 0; i < p->tag_count && result == SCARDMANAGE_S_OK; i++)
        if (!append_fcp(p, fcp, p->tags[i], &result) && p->uses_get_data && p->tags[i] <= TAG_DATA_MAX)
            result = append_data(p, p->tags[i]);
    return result;
}

static scardmanage_result get_all(struct properties_call *p, const struct file_fcp *fcp)
{
    const uint8_t *bytes = fcp->objects;
    size_t length = fcp->objects_length;
    scardmanage_tlv tlv;
    scardmanage_result result = SCARDMANAGE_S_OK;
    while (result == SCARDMANAGE_S_OK && scardmanage_tlv_next(&bytes, &length, &tlv) == SCARDMANAGE_S_OK)
        result = append(p, tlv.tag, tlv.value, tlv.length);
    return result;
}

static scardmanage_result get_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct properties_call *p = context;
    struct file_selected selected;
    (void)m, (void)report;
    file_bytes_free(&p->call, &p->out);
    scardmanage_result result = file_select(&p->call, &p->path, p->kind, true, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!selected.fcp.objects && !p->uses_get_data)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    return p->tags ? get_tags(p, &selected.fcp) : get_all(p, &selected.fcp);
}

static scardmanage_result get(struct properties_call *p, uint8_t *properties, size_t *length)
{
    scardmanage_result result = file_run(
        &p->call, SCARDMANAGE_FL_SECURE_MESSAGING | SCARDMANAGE_FL_GET_ALL_PROPERTIES, get_in_unit, true);
    if (result == SCARDMANAGE_S_OK)
        result = file_return_bytes(p->out.bytes, p->out.length, properties, length);
    file_bytes_free(&p->call, &p->out);
    return result;
}

scardmanage_result scardmanage_file_get_properties(scardmanage_file_access *f, scardmanage_reftype type,
                                                   const char *path, uint32_t flags, const uint32_t *tags,
                                                   size_t tag_count, uint8_t *properties, size_t *length)
{
    bool gets_all = flags & SCARDMANAGE_FL_GET_ALL_PROPERTIES;
    if (!f || !path || !length || (!tags && !gets_all))
        return SCARDMANAGE_E_POINTER;
    struct properties_call p = {.call = {.f = f, .flags = flags},
                                .kind = FILE_KIND_ANY,
                                .tags = gets_all ? NULL : tags,
                                .tag_count = tag_count,
                                .uses_get_data = !gets_all};
    scardmanage_result result = file_resolve(f, type, path, &p.path, NULL);
    return result == SCARDMANAGE_S_OK ? get(&p, properties, length) : result;
}

/*
 * GetFileCapabilities
 */

/* Sets the path of the current file. */
static scardmanage_result find_current(scardmanage_file_access *f, struct properties_call *p)
{
    file_lock(f);
    const struct open_file *file = file_find(f, f->current);
    p->kind = file ? FILE_KIND_EF : FILE_KIND_DF;
    p->path = file ? file->path : f->directory;
    bool is_known_by_path = !file || file->short_id == 0;
    file_unlock(f);
    return is_known_by_path ? SCARDMANAGE_S_OK : SCARDMANAGE_E_UNSUPPORTED_FEATURE;
}

scardmanage_result scardmanage_file_get_capabilities(scardmanage_file_access *f, uint32_t flags,
                                                     uint8_t *properties, size_t *length)
{
    static const uint32_t tags[] = {0x82, 0x86, 0x8A, 0x8B, 0x8C, 0x8E, 0xA0, 0xA1, 0xAB, 0xAC};
    bool gets_all = flags & SCARDMANAGE_FL_GET_ALL_PROPERTIES;
    if (!f || !length)
        return SCARDMANAGE_E_POINTER;
    if (!interface_object_is_attached(&f->base))
        return SCARDMANAGE_E_INVALID_HANDLE;
    struct properties_call p = {.call = {.f = f, .flags = flags},
                                .tags = gets_all ? NULL : tags,
                                .tag_count = sizeof tags / sizeof tags[0]};
    scardmanage_result result = find_current(f, &p);
    return result == SCARDMANAGE_S_OK ? get(&p, properties, length) : result;
}

/*
 * SetProperties
 */

static scardmanage_result set_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct properties_call *p = context;
    struct file_selected selected;
    const uint8_t *bytes = p->properties;
    size_t length = p->length;
    scardmanage_tlv tlv;
    (void)m, (void)report;
    p->call.has_changed = false;
    scardmanage_result result = file_select(&p->call, &p->path, FILE_KIND_ANY, true, &selected);
    while (result == SCARDMANAGE_S_OK && scardmanage_tlv_next(&bytes, &length, &tlv) == SCARDMANAGE_S_OK) {
        struct command command = file_command(&p->call, INS_PUT_DATA, tlv.tag, tlv.value, tlv.length, 0);
        result = file_send_change(&p->call, &command);
    }
    file_forget_selection(&p->call); /* the FCP may be others now */
    return result;
}

static bool can_be_set(const struct properties_call *p)
{
    const uint8_t *bytes = p->properties;
    size_t length = p->length;
    scardmanage_tlv tlv;
    scardmanage_result result;
    size_t count = 0;
    for (; (result = scardmanage_tlv_next(&bytes, &length, &tlv)) == SCARDMANAGE_S_OK; count++)
        if (tlv.tag > TAG_DATA_MAX || tlv.length > p->call.f->options.write_max)
            return false;
    return result == SCARDMANAGE_W_EOF && count > 0;
}

scardmanage_result scardmanage_file_set_properties(scardmanage_file_access *f, scardmanage_reftype type,
                                                   const char *path, uint32_t flags,
                                                   const uint8_t *properties, size_t length)
{
    if (!f || !path || !properties)
        return SCARDMANAGE_E_POINTER;
    struct properties_call p = {.call = {.f = f, .flags = flags}, .properties = properties, .length = length};
    scardmanage_result result = file_resolve(f, type, path, &p.path, NULL);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (!can_be_set(&p))
        return SCARDMANAGE_E_INVALIDARG;
    return file_run(&p.call, FILE_FLAGS_OF_CHANGES, set_in_unit, false);
}
