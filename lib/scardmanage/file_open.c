/* SPDX-License-Identifier: BSD-3-Clause */
/* Open, Read and Write. */
#include "file_access.h"

#include <string.h>

/* The file has been used: it is the current one, and its FCP and position are up to date. It may have been closed
 * meanwhile. */
static void update_file(scardmanage_file_access *f, const struct open_file *file)
{
    file_lock(f);
    struct open_file *kept = file_find(f, file->number);
    if (kept) {
        kept->fcp = file->fcp;
        kept->position = file->position;
        f->current = file->number;
    }
    file_unlock(f);
}

/* The unit has succeeded, but the call has not: the position is as before, unless somebody has changed it since. */
static void restore_position(scardmanage_file_access *f, scardmanage_file number, uint32_t from, uint32_t to)
{
    file_lock(f);
    struct open_file *file = file_find(f, number);
    if (file && file->position == to)
        file->position = from;
    file_unlock(f);
}

/*
 * Open
 */

struct open_call {
    struct file_call call;
    struct open_file file;
};

static scardmanage_result open_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct open_call *o = context;
    struct file_selected selected;
    (void)m, (void)report;
    o->file.fcp = (struct file_fcp){.structure = FCP_UNKNOWN, .write_function = FCP_WRITE_UNKNOWN};
    enum file_kind kind = o->file.short_id ? FILE_KIND_DF : FILE_KIND_EF;
    scardmanage_result result = file_select(&o->call, &o->file.path, kind, kind == FILE_KIND_EF, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (kind == FILE_KIND_EF) {
        if (selected.is_deactivated)
            return SCARDMANAGE_E_NO_ACCESS;
        o->file.fcp = selected.fcp;
        o->file.fcp.objects = NULL;
    }
    return o->file.fcp.structure == FCP_UNKNOWN ? file_probe(&o->call, &o->file) : SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_file_open(scardmanage_file_access *f, scardmanage_reftype type,
                                         const char *path, scardmanage_file *number)
{
    if (number)
        *number = 0;
    if (!f || !path || !number)
        return SCARDMANAGE_E_POINTER;
    struct open_call o = {.call = {.f = f}};
    const scardmanage_allocator *allocator = &f->base.m->allocator;
    scardmanage_result result = file_resolve(f, type, path, &o.file.path, &o.file.short_id);
    if (result != SCARDMANAGE_S_OK)
        return result;
    struct open_file *file = allocator_allocate(allocator, sizeof *file);
    if (!file)
        return SCARDMANAGE_E_OUTOFMEMORY;
    result = file_run(&o.call, 0, open_in_unit, true);
    if (result != SCARDMANAGE_S_OK) {
        allocator_release(allocator, file);
        return result;
    }
    *file = o.file;
    file_lock(f);
    file->number = ++f->last_number;
    file->next = f->files;
    f->files = file;
    *number = f->current = file->number;
    file_unlock(f);
    return SCARDMANAGE_S_OK;
}

/*
 * Read
 */

struct read_call {
    struct file_call call;
    scardmanage_file number;
    uint8_t *buffer;
    size_t room, length;
    uint32_t from, to; /* positions */
};

static scardmanage_result read_bytes(struct read_call *r, struct open_file *file)
{
    bool is_end = false;
    while (r->length < r->room && !is_end) {
        size_t length = r->room - r->length;
        uint32_t offset = r->from + (uint32_t)r->length;
        size_t left =
            file->fcp.has_size ? file->fcp.size > offset ? file->fcp.size - offset : 0 : UINT32_MAX - offset;
        if (length > left)
            length = left;
        if (length == 0)
            break;
        scardmanage_result result =
            file_read_binary(&r->call, offset, r->buffer + r->length, &length, &is_end);
        if (result != SCARDMANAGE_S_OK)
            return result;
        r->length += length;
    }
    file->position = r->from + (uint32_t)r->length;
    return r->length > 0 || r->room == 0 ? SCARDMANAGE_S_OK : SCARDMANAGE_W_EOF;
}

static scardmanage_result read_record(struct read_call *r, struct open_file *file)
{
    size_t room = file_record_room(&r->call);
    uint8_t *record = file_reserve(&r->call, room);
    if (!record)
        return SCARDMANAGE_E_OUTOFMEMORY;
    scardmanage_result result = file_read_record(&r->call, file, r->from, record, &r->length);
    if (result == SCARDMANAGE_S_OK && r->length > r->room)
        result = SCARDMANAGE_E_INSUFFICIENT_BUFFER;
    if (result == SCARDMANAGE_S_OK) {
        memcpy(r->buffer, record, r->length);
        file->position = r->from + 1;
    }
    file_release(&r->call, record, room);
    return result;
}

static scardmanage_result read_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct read_call *r = context;
    struct open_file file;
    (void)m, (void)report;
    r->length = 0;
    scardmanage_result result = file_copy(r->call.f, r->number, &file);
    if (result != SCARDMANAGE_S_OK)
        return result;
    r->from = r->to = file.position;
    result = file_select_open(&r->call, &file);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (file.fcp.structure == FCP_TRANSPARENT)
        result = file.fcp.has_other_units ? SCARDMANAGE_E_UNSUPPORTED_FEATURE : read_bytes(r, &file);
    else if (file_structure_has_records(file.fcp.structure))
        result = read_record(r, &file);
    else
        result = SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    if (result == SCARDMANAGE_S_OK) {
        r->to = file.position;
        update_file(r->call.f, &file);
    }
    return result;
}

scardmanage_result scardmanage_file_read(scardmanage_file_access *f, scardmanage_file number, uint8_t *buffer,
                                         size_t *length, uint32_t flags)
{
    if (!f || !buffer || !length)
        return SCARDMANAGE_E_POINTER;
    struct read_call r = {
        .call = {.f = f, .flags = flags}, .number = number, .buffer = buffer, .room = *length};
    *length = 0;
    scardmanage_result result = file_run(&r.call, SCARDMANAGE_FL_SECURE_MESSAGING, read_in_unit, true);
    if (result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_INSUFFICIENT_BUFFER)
        *length = r.length;
    else
        restore_position(f, number, r.from, r.to);
    return result;
}

/*
 * Write
 */

struct write_call {
    struct file_call call;
    scardmanage_file number;
    enum file_change change;
    const uint8_t *data;
    size_t length;
    uint32_t from, to; /* positions */
};

/* Returns whether the card would do what the flag says, as far as the FCP say. */
static bool is_write_function(const struct open_file *file, uint32_t flags)
{
    enum file_write_function function = file->fcp.write_function;
    if (function == FCP_WRITE_UNKNOWN)
        return true;
    return function == (flags & SCARDMANAGE_FL_OR ? FCP_WRITE_OR : FCP_WRITE_AND);
}

static scardmanage_result write_bytes(struct write_call *w, struct open_file *file)
{
    if (w->change == FILE_APPEND || file->fcp.has_other_units)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    if (file->fcp.has_size && w->from > file->fcp.size)
        return SCARDMANAGE_E_BAD_SEEK;
    if (file->fcp.has_size && w->length > file->fcp.size - w->from)
        return SCARDMANAGE_E_WRITE_TOO_MANY;
    scardmanage_result result = file_change_binary(&w->call, w->change, w->from, w->data, w->length);
    file->position = w->from + (uint32_t)w->length;
    return result;
}

static scardmanage_result erase_records(struct write_call *w, struct open_file *file)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (size_t i = 0; i < w->length && result == SCARDMANAGE_S_OK; i++) {
        result = file_change_record(&w->call, FILE_ERASE, file, file->position, NULL, 0);
        file->position++;
    }
    return result;
}

static scardmanage_result write_record(struct write_call *w, struct open_file *file)
{
    if (w->change == FILE_ERASE)
        return erase_records(w, file);
    if (file->fcp.record_max > 0 && w->length > file->fcp.record_max)
        return SCARDMANAGE_E_WRITE_TOO_MANY;
    if (w->length > w->call.f->options.write_max)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    scardmanage_result result = file_change_record(&w->call, w->change, file, w->from, w->data, w->length);
    if (w->change == FILE_APPEND)
        file_forget_selection(&w->call); /* the FCP have another number of records now */
    else
        file->position++;
    return result;
}

static scardmanage_result write_in_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct write_call *w = context;
    struct open_file file;
    (void)m, (void)report;
    w->call.has_changed = false;
    scardmanage_result result = file_copy(w->call.f, w->number, &file);
    if (result != SCARDMANAGE_S_OK)
        return result;
    w->from = w->to = file.position;
    result = file_select_open(&w->call, &file);
    if (result == SCARDMANAGE_S_OK && w->change == FILE_WRITE && !is_write_function(&file, w->call.flags))
        result = SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (file.fcp.structure == FCP_TRANSPARENT)
        result = write_bytes(w, &file);
    else if (file_structure_has_records(file.fcp.structure))
        result = write_record(w, &file);
    else
        result = SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    if (result == SCARDMANAGE_S_OK) {
        w->to = file.position;
        update_file(w->call.f, &file);
    }
    return result;
}

/* Returns false if the flags exclude each other. */
static bool read_change(uint32_t flags, enum file_change *change)
{
    switch (flags & ~FILE_FLAGS_OF_CHANGES) {
    case 0:
    case SCARDMANAGE_FL_REPLACE:
        *change = FILE_UPDATE;
        return true;
    case SCARDMANAGE_FL_ERASE:
        *change = FILE_ERASE;
        return true;
    case SCARDMANAGE_FL_OR:
    case SCARDMANAGE_FL_AND:
        *change = FILE_WRITE;
        return true;
    case SCARDMANAGE_FL_APPEND:
        *change = FILE_APPEND;
        return true;
    default:
        return false;
    }
}

scardmanage_result scardmanage_file_write(scardmanage_file_access *f, scardmanage_file number,
                                          const uint8_t *data, size_t length, uint32_t flags)
{
    enum file_change change;
    if (!f || (!data && length > 0 && !(flags & SCARDMANAGE_FL_ERASE)))
        return SCARDMANAGE_E_POINTER;
    if (!read_change(flags, &change))
        return SCARDMANAGE_E_INVALIDARG;
    struct write_call w = {
        .call = {.f = f, .flags = flags}, .number = number, .change = change, .data = data, .length = length};
    scardmanage_result result =
        file_run(&w.call, flags, write_in_unit, change == FILE_UPDATE || change == FILE_ERASE);
    if (result != SCARDMANAGE_S_OK)
        restore_position(f, number, w.from, w.to);
    return result;
}
