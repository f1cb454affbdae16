/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates, deletes, deactivates and activates files: ISO/IEC 7816-9. */
#include "file_access.h"
#include "tlv.h"

#include <string.h>

#define INS_CREATE     0xE0
#define INS_DELETE     0xE4
#define INS_DEACTIVATE 0x04
#define INS_ACTIVATE   0x44
#define BY_DF_NAME     0x0400u /* P1-P2 */

/* Returns the path of the directory that a file is in. The path of the file has more than one name. */
static struct file_path parent_of(const struct file_path *path)
{
    struct file_path parent = *path;
    parent.count--;
    return parent;
}

/*
 * Create
 */

#define TAG_FCP        0x62
#define TAG_SIZE       0x80
#define TAG_ID         0x83
#define TAG_DF_NAME    0x84
#define TAG_SHORT_ID   0x88
#define PROPERTIES_MAX 65000
#define ADDED_MAX      64 /* bytes of the data objects that are added to the properties */

struct create_call {
    struct file_call call;
    struct file_path path; /* of the new file */
    struct file_fcp fcp;
    uint8_t *template;
    size_t template_length, template_size;
    const uint8_t *data;
    size_t data_length;
};

/* The contents of the template. */
struct properties {
    const uint8_t *bytes;
    size_t length;
    uint8_t added[ADDED_MAX];
    size_t added_length;
};

static bool find(const struct properties *p, uint32_t tag, scardmanage_tlv *tlv)
{
    const uint8_t *bytes = p->bytes;
    size_t length = p->length;
    while (scardmanage_tlv_next(&bytes, &length, tlv) == SCARDMANAGE_S_OK)
        if (tlv->tag == tag)
            return true;
    return false;
}

static void add(struct properties *p, uint32_t tag, const uint8_t *value, size_t length)
{
    p->added_length += tlv_write_header(tag, length, p->added + p->added_length);
    memcpy(p->added + p->added_length, value, length);
    p->added_length += length;
}

/* Adds what the path says, or checks that the properties say the same. */
static bool add_or_check(struct properties *p, uint32_t tag, const uint8_t *value, size_t length)
{
    scardmanage_tlv tlv;
    if (find(p, tag, &tlv))
        return tlv.length == length && memcmp(tlv.value, value, length) == 0;
    add(p, tag, value, length);
    return true;
}

/* With a short identifier, the properties say what the file identifier is. */
static bool add_short_id(struct create_call *n, struct properties *p, uint8_t short_id)
{
    uint8_t value = (uint8_t)(short_id << 3); /* ISO/IEC 7816-4:2013, 7.4.3 */
    if (!n->fcp.has_id || n->path.count == FILE_DEPTH_MAX || !add_or_check(p, TAG_SHORT_ID, &value, 1))
        return false;
    struct file_name *name = &n->path.names[n->path.count++];
    memset(name, 0, sizeof *name);
    name->length = 2;
    name->bytes[0] = (uint8_t)(n->fcp.id >> 8);
    name->bytes[1] = (uint8_t)n->fcp.id;
    return true;
}

static bool add_name(struct create_call *n, struct properties *p, uint8_t short_id)
{
    const struct file_name *name = &n->path.names[n->path.count - 1];
    if (short_id != 0)
        return add_short_id(n, p, short_id);
    return n->path.count > 1 &&
           add_or_check(p, name->is_df_name ? TAG_DF_NAME : TAG_ID, name->bytes, name->length);
}

static void add_size(struct create_call *n, struct properties *p)
{
    uint8_t value[4];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(n->data_length >> 8 * (sizeof value - 1 - i));
    if (n->data_length > UINT16_MAX)
        add(p, TAG_SIZE, value, 4);
    else
        add(p, TAG_SIZE, value + 2, 2);
}

/* Reads the properties of the caller, and adds what is missing. */
static scardmanage_result complete(struct create_call *n, struct properties *p, uint8_t short_id)
{
    if (p->length > PROPERTIES_MAX || !file_fcp_parse_objects(p->bytes, p->length, &n->fcp) ||
        n->fcp.structure == FCP_UNKNOWN || !add_name(n, p, short_id))
        return SCARDMANAGE_E_INVALIDARG;
    if (n->data_length > 0 && n->fcp.structure == FCP_DIRECTORY)
        return SCARDMANAGE_E_INVALIDARG;
    if (n->fcp.structure != FCP_TRANSPARENT)
        return SCARDMANAGE_S_OK;
    if (n->fcp.has_size)
        return n->data_length > n->fcp.size ? SCARDMANAGE_E_WRITE_TOO_MANY : SCARDMANAGE_S_OK;
    if (n->call.flags & SCARDMANAGE_FL_PREALLOCATE)
        add_size(n, p);
    return SCARDMANAGE_S_OK;
}

static scardmanage_result make_template(struct create_call *n, const struct properties *p)
{
    size_t length = p->length + p->added_length;
    n->template_size = tlv_size(TAG_FCP, length);
    n->template = file_reserve(&n->call, n->template_size);
    if (!n->template)
        return SCARDMANAGE_E_OUTOFMEMORY;
    size_t used = tlv_write_header(TAG_FCP, length, n->template);
    if (p->length > 0)
        memcpy(n->template + used, p->bytes, p->length);
    memcpy(n->template + used + p->length, p->added, p->added_length);
    n->template_length = used + length;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result write_content(struct create_call *n)
{
    struct file_selected selected;
    struct open_file file = {.fcp = n->fcp};
    if (n->data_length == 0)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = file_select(&n->call, &n->path, FILE_KIND_EF, true, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (n->fcp.structure == FCP_TRANSPARENT)
        return file_change_binary(&n->call, FILE_UPDATE, 0, n->data, n->data_length);
    if (!file_structure_has_records(n->fcp.structure) || n->data_length > n->call.f->options.write_max)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    result = file_change_record(&n->call, FILE_APPEND, &file, 0, n->data, n->data_length);
    file_forget_selection(&n->call); /* the FCP have another number of records now */
    return result;
}

static scardmanage_result create_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct create_call *n = context;
    struct file_selected selected;
    struct file_path parent = parent_of(&n->path);
    (void)m, (void)report;
    n->call.has_changed = false;
    scardmanage_result result = file_select(&n->call, &parent, FILE_KIND_DF, false, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    struct command command = file_command(&n->call, INS_CREATE, 0, n->template, n->template_length, 0);
    result = file_send_change(&n->call, &command);
    if (n->fcp.structure == FCP_DIRECTORY)
        file_forget_selection(&n->call); /* it is current now */
    if (result == SCARDMANAGE_E_NO_ACCESS && interface_object_status_word(&n->call.f->base) == 0x6985)
        return SCARDMANAGE_E_ICC_CREATEORDER;
    return result == SCARDMANAGE_S_OK ? write_content(n) : result;
}

/* The same as file_resolve() for a file that does not exist yet. */
static scardmanage_result resolve_new(scardmanage_file_access *f, scardmanage_reftype type, const char *text,
                                      struct file_path *out, uint8_t *short_id)
{
    if (type != SCARDMANAGE_TYPE_BY_NAME)
        return file_resolve(f, type, text, out, short_id);
    struct file_path directory;
    file_lock(f);
    directory = f->directory;
    file_unlock(f);
    *short_id = 0;
    return file_path_parse_new(text, &directory, out);
}

scardmanage_result scardmanage_file_create(scardmanage_file_access *f, scardmanage_reftype type,
                                           const char *path, const uint8_t *properties,
                                           size_t properties_length, uint32_t flags, const uint8_t *data,
                                           size_t data_length)
{
    uint8_t short_id;
    if (!f || !path || !properties || (!data && data_length > 0))
        return SCARDMANAGE_E_POINTER;
    struct create_call n = {.call = {.f = f, .flags = flags}, .data = data, .data_length = data_length};
    struct properties p = {.bytes = properties, .length = properties_length};
    scardmanage_result result = resolve_new(f, type, path, &n.path, &short_id);
    if (result == SCARDMANAGE_S_OK)
        result = complete(&n, &p, short_id);
    if (result == SCARDMANAGE_S_OK)
        result = make_template(&n, &p);
    if (result == SCARDMANAGE_S_OK)
        result = file_run(&n.call, FILE_FLAGS_OF_CHANGES | SCARDMANAGE_FL_PREALLOCATE, create_in_unit, false);
    file_release(&n.call, n.template, n.template_size);
    return result;
}

/*
 * Delete
 */

struct admin_call {
    struct file_call call;
    struct file_path path;
    uint8_t ins;
};

static scardmanage_result send_delete(struct admin_call *d)
{
    struct file_selected selected;
    const struct file_name *name = &d->path.names[d->path.count - 1];
    if (d->path.count > 1) {
        struct file_path parent = parent_of(&d->path);
        scardmanage_result result = file_select(&d->call, &parent, FILE_KIND_DF, false, &selected);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    struct command command =
        file_command(&d->call, INS_DELETE, name->is_df_name ? BY_DF_NAME : 0, name->bytes, name->length, 0);
    scardmanage_result result = file_send_change(&d->call, &command);
    file_forget_selection(&d->call);
    uint16_t status_word = interface_object_status_word(&d->call.f->base);
    bool is_unknown =
        result == SCARDMANAGE_E_UNSUPPORTED_FEATURE && (status_word == 0x6D00 || status_word == 0x6E00);
    return is_unknown ? SCARDMANAGE_E_NOTIMPL : result;
}

static scardmanage_result delete_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct admin_call *d = context;
    struct file_selected selected;
    (void)m, (void)report;
    d->call.has_changed = false;
    scardmanage_result result = file_select(&d->call, &d->path, FILE_KIND_ANY, true, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    bool is_directory =
        selected.fcp.structure == FCP_DIRECTORY || d->path.names[d->path.count - 1].is_df_name;
    if (is_directory && !(d->call.flags & SCARDMANAGE_FL_RECURSIVE))
        return SCARDMANAGE_E_NO_FILE;
    return send_delete(d);
}

scardmanage_result scardmanage_file_delete(scardmanage_file_access *f, scardmanage_reftype type,
                                           const char *path, uint32_t flags)
{
    const uint32_t both = SCARDMANAGE_FL_RECURSIVE | SCARDMANAGE_FL_NON_RECURSIVE;
    if (!f || !path)
        return SCARDMANAGE_E_POINTER;
    struct admin_call d = {.call = {.f = f, .flags = flags}};
    scardmanage_result result = file_resolve(f, type, path, &d.path, NULL);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (file_path_is_mf(&d.path) || (flags & both) == both)
        return SCARDMANAGE_E_INVALIDARG;
    return file_run(&d.call, FILE_FLAGS_OF_CHANGES | both, delete_in_unit, false);
}

/*
 * Invalidate, Rehabilitate
 */

static scardmanage_result admin_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct admin_call *a = context;
    struct file_selected selected;
    (void)m, (void)report;
    a->call.has_changed = false;
    scardmanage_result result = file_select(&a->call, &a->path, FILE_KIND_ANY, true, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    struct command command = file_command(&a->call, a->ins, 0, NULL, 0, 0);
    result = file_send_change(&a->call, &command);
    file_forget_selection(&a->call); /* the FCP have another life cycle status now */
    return result;
}

static scardmanage_result administrate(scardmanage_file_access *f, const char *path, uint32_t flags,
                                       uint8_t ins)
{
    if (!f || !path)
        return SCARDMANAGE_E_POINTER;
    struct admin_call a = {.call = {.f = f, .flags = flags}, .ins = ins};
    scardmanage_result result = file_resolve(f, SCARDMANAGE_TYPE_BY_NAME, path, &a.path, NULL);
    if (result != SCARDMANAGE_S_OK)
        return result;
    return file_run(&a.call, FILE_FLAGS_OF_CHANGES, admin_in_unit, false);
}

scardmanage_result scardmanage_file_invalidate(scardmanage_file_access *f, const char *path, uint32_t flags)
{
    return administrate(f, path, flags, INS_DEACTIVATE);
}

scardmanage_result scardmanage_file_rehabilitate(scardmanage_file_access *f, const char *path, uint32_t flags)
{
    return administrate(f, path, flags, INS_ACTIVATE);
}
