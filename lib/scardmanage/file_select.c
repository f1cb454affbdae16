/* SPDX-License-Identifier: BSD-3-Clause */
/* Selects files, if they are not selected: ISO/IEC 7816-4:2013, 11.1.1. */
#include "file_access.h"

#include <string.h>

#define INS_SELECT           0xA4
#define INS_READ_BINARY      0xB0
#define P1_ID                0x00
#define P1_DF_NAME           0x04
#define P1_PATH_FROM_MF      0x08
#define P1_PATH_FROM_CURRENT 0x09
#define P2_FCP               0x04
#define P2_FCI               0x00
#define P2_NOTHING           0x0C

void file_forget_selection(struct file_call *c)
{
    c->f->selected.is_known = false;
}

static bool is_selection_valid(struct file_call *c)
{
    const struct file_selection *selected = &c->f->selected;
    struct card_mark now;
    object_get_mark(c->f->base.m, &now);
    return selected->is_known && card_mark_has_same_selection(&selected->mark, &now);
}

/* What a card accepts as P1 and P2 is found out once in each session. */
static void begin_session(scardmanage_file_access *f)
{
    struct card_mark now;
    object_get_mark(f->base.m, &now);
    if (f->select_session != now.session) {
        f->select_p2 = P2_FCP;
        f->select_by_id = f->options.select_by_id;
    }
    f->select_session = now.session;
}

static bool is_refused(const struct file_answer *answer)
{
    return answer->status_word == 0x6A86 || answer->status_word == 0x6A81 || answer->status_word == 0x6B00;
}

/* Sends a SELECT. Not all cards return FCP, and some return nothing. */
static scardmanage_result send_select(struct file_call *c, uint8_t p1, const uint8_t *data, size_t length,
                                      struct file_answer *answer)
{
    scardmanage_file_access *f = c->f;
    for (;;) {
        size_t expected = f->select_p2 == P2_NOTHING ? 0 : FILE_SHORT_MAX;
        struct command command =
            file_command(c, INS_SELECT, (unsigned)(p1 << 8 | f->select_p2), data, length, expected);
        scardmanage_result result = file_send(c, &command, answer);
        if (result != SCARDMANAGE_S_OK || !is_refused(answer) || f->select_p2 == P2_NOTHING)
            return result;
        f->select_p2 = f->select_p2 == P2_FCP ? P2_FCI : P2_NOTHING;
    }
}

static scardmanage_result select_name(struct file_call *c, const struct file_name *name,
                                      struct file_answer *answer)
{
    return send_select(c, name->is_df_name ? P1_DF_NAME : P1_ID, name->bytes, name->length, answer);
}

/* Sends a SELECT for the names from first on, by a path that begins in the MF or in the current DF. */
static scardmanage_result select_path(struct file_call *c, const struct file_path *path, unsigned first,
                                      bool is_from_mf, struct file_answer *answer)
{
    uint8_t ids[2 * FILE_DEPTH_MAX];
    size_t length = 0; /* at most sizeof ids: a compiler that does not know that warns */
    for (unsigned i = first; i < path->count && length < sizeof ids; i++, length += 2)
        memcpy(ids + length, path->names[i].bytes, 2);
    return send_select(c, is_from_mf ? P1_PATH_FROM_MF : P1_PATH_FROM_CURRENT, ids, length, answer);
}

/* A directory on the way that is deactivated is selected, but what is in it cannot be used. */
static scardmanage_result directory_result(const struct file_answer *answer)
{
    return answer->status_word == 0x6283 ? SCARDMANAGE_E_NO_ACCESS
                                         : status_word_result(answer->status_word, STATUS_OF_SELECT_DF);
}

/* Sends a SELECT for each of the names from first on. The answer is that to the last one. */
static scardmanage_result select_names(struct file_call *c, const struct file_path *path, unsigned first,
                                       struct file_answer *answer)
{
    for (unsigned i = first;; i++) {
        scardmanage_result result = select_name(c, &path->names[i], answer);
        if (result != SCARDMANAGE_S_OK || i == path->count - 1)
            return result;
        result = directory_result(answer);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
}

/* The same with as few SELECTs as possible. A path is also unambiguous: a card may take a file identifier for that of a
 * file in the directory above. */
static scardmanage_result select_with_path(struct file_call *c, const struct file_path *path, unsigned first,
                                           struct file_answer *answer)
{
    bool is_from_mf = first == 0 && !path->names[0].is_df_name;
    if (first == 0 && (!is_from_mf || path->count == 1)) {
        scardmanage_result result = select_name(c, &path->names[0], answer);
        if (result != SCARDMANAGE_S_OK || path->count == 1)
            return result;
        result = directory_result(answer);
        if (result != SCARDMANAGE_S_OK)
            return result;
    }
    return select_path(c, path, first == 0 ? 1 : first, is_from_mf, answer);
}

/* Selects the names of the path from first on. */
static scardmanage_result select_from(struct file_call *c, const struct file_path *path, unsigned first,
                                      struct file_answer *answer)
{
    scardmanage_file_access *f = c->f;
    if (!f->select_by_id) {
        scardmanage_result result = select_with_path(c, path, first, answer);
        if (result != SCARDMANAGE_S_OK || !is_refused(answer))
            return result;
        f->select_by_id = true; /* the card does not know paths */
        f->select_p2 = P2_FCP;
    }
    return select_names(c, path, first, answer);
}

/* Returns how many names of the path need not be selected, because the DF that is current is above the file. */
static unsigned count_selected_names(struct file_call *c, const struct file_path *path)
{
    struct file_path current = c->f->selected.path;
    if (!is_selection_valid(c))
        return 0;
    if (c->f->selected.is_ef)
        current.count--;
    return path->count > current.count && file_path_is_below(path, &current) ? current.count : 0;
}

/* A DF is also selected if an EF in it is current. */
static bool is_selected(struct file_call *c, const struct file_path *path, enum file_kind kind)
{
    struct file_path current = c->f->selected.path;
    if (kind == FILE_KIND_EF && !c->f->selected.is_ef)
        return false;
    if (kind != FILE_KIND_EF && c->f->selected.is_ef)
        current.count--;
    return is_selection_valid(c) && file_path_is_same(&current, path);
}

/* Returns the result of the last SELECT. */
static scardmanage_result check_kind(const struct file_answer *answer, enum file_kind kind,
                                     const struct file_fcp *fcp)
{
    scardmanage_result result = status_word_result(
        answer->status_word, kind == FILE_KIND_DF ? STATUS_OF_SELECT_DF : STATUS_OF_SELECT_EF);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (kind == FILE_KIND_EF && fcp->structure == FCP_DIRECTORY)
        return SCARDMANAGE_E_NO_FILE;
    if (kind == FILE_KIND_DF && fcp->structure != FCP_DIRECTORY && fcp->structure != FCP_UNKNOWN)
        return SCARDMANAGE_E_NO_DIR;
    return SCARDMANAGE_S_OK;
}

static scardmanage_result select_file(struct file_call *c, const struct file_path *path, enum file_kind kind,
                                      bool again, struct file_selected *out)
{
    struct file_selection *selected = &c->f->selected;
    struct file_answer answer = {.data = out->bytes};
    begin_session(c->f);
    out->is_new = out->is_deactivated = false;
    if (!again && is_selected(c, path, kind))
        return SCARDMANAGE_S_OK;
    unsigned first = count_selected_names(c, path);
    selected->is_known = false; /* if a SELECT fails, find out from the beginning next time */
    scardmanage_result result = select_from(c, path, first, &answer);
    if (result != SCARDMANAGE_S_OK)
        return result;
    bool is_well_formed = file_fcp_parse(out->bytes, answer.length, &out->fcp);
    result = check_kind(&answer, kind, &out->fcp);
    if (result != SCARDMANAGE_S_OK || !is_well_formed)
        return result != SCARDMANAGE_S_OK ? result : SCARDMANAGE_E_UNEXPECTED;
    out->is_new = true;
    out->is_deactivated = answer.status_word == 0x6283;
    selected->path = *path;
    selected->is_ef = kind == FILE_KIND_EF || (kind == FILE_KIND_ANY && out->fcp.structure != FCP_DIRECTORY);
    selected->short_id = 0;
    /* of a file of which nobody knows whether it is a DF, nobody knows what is the current DF either */
    selected->is_known = kind != FILE_KIND_ANY || out->fcp.structure != FCP_UNKNOWN;
    return SCARDMANAGE_S_OK;
}

/* A card that looks for a path does not say what of it does not exist. */
scardmanage_result file_select(struct file_call *c, const struct file_path *path, enum file_kind kind,
                               bool again, struct file_selected *out)
{
    struct file_path directory = *path;
    scardmanage_result result = select_file(c, path, kind, again, out);
    if (result != SCARDMANAGE_E_FILE_NOT_FOUND || path->count < 3 || c->f->select_by_id)
        return result;
    directory.count--;
    scardmanage_result found = select_file(c, &directory, FILE_KIND_DF, true, out);
    return found == SCARDMANAGE_S_OK ? result : found;
}

/*
 * Open files
 */

/* Records that the EF in the current DF that has this identifier is current. */
static void select_short_id(struct file_call *c, uint8_t short_id)
{
    struct file_selection *selected = &c->f->selected;
    if (selected->is_ef)
        selected->path.count--;
    selected->is_ef = false;
    selected->short_id = short_id;
}

/* Makes a transparent file current that has a short identifier, by reading a byte. */
static scardmanage_result touch(struct file_call *c, uint8_t short_id, struct file_answer *answer)
{
    unsigned p1 = short_id == 0 ? 0x00 : 0x80u | short_id;
    struct command command = file_command(c, INS_READ_BINARY, p1 << 8, NULL, 0, 1);
    scardmanage_result result = file_send(c, &command, answer);
    if (result == SCARDMANAGE_S_OK && short_id != 0)
        select_short_id(c, short_id);
    return result;
}

static bool is_end_of_file(scardmanage_result result)
{
    return result == SCARDMANAGE_W_EOF; /* it is empty */
}

scardmanage_result file_probe(struct file_call *c, struct open_file *file)
{
    uint8_t bytes[FILE_SHORT_MAX];
    struct file_answer answer = {.data = bytes};
    scardmanage_result result = touch(c, file->short_id, &answer);
    if (result != SCARDMANAGE_S_OK)
        return result;
    platform_wipe(bytes, sizeof bytes);
    file->fcp.structure = answer.status_word == 0x6981 ? FCP_VARIABLE : FCP_TRANSPARENT;
    result = status_word_result(answer.status_word, STATUS_OF_READ);
    return file->fcp.structure == FCP_VARIABLE || is_end_of_file(result) ? SCARDMANAGE_S_OK : result;
}

uint8_t file_record_p2(struct file_call *c, const struct open_file *file)
{
    if (file->short_id != 0)
        select_short_id(c, file->short_id);
    return (uint8_t)(file->short_id << 3);
}

static scardmanage_result select_by_short_id(struct file_call *c, struct open_file *file)
{
    uint8_t bytes[FILE_SHORT_MAX];
    struct file_answer answer = {.data = bytes};
    if (file->fcp.structure != FCP_TRANSPARENT || c->f->selected.short_id == file->short_id)
        return SCARDMANAGE_S_OK;
    scardmanage_result result = touch(c, file->short_id, &answer);
    platform_wipe(bytes, sizeof bytes);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = status_word_result(answer.status_word, STATUS_OF_READ);
    return is_end_of_file(result) ? SCARDMANAGE_S_OK : result;
}

scardmanage_result file_select_open(struct file_call *c, struct open_file *file)
{
    struct file_selected selected;
    enum file_structure structure = file->fcp.structure;
    scardmanage_result result =
        file_select(c, &file->path, file->short_id ? FILE_KIND_DF : FILE_KIND_EF, false, &selected);
    if (result != SCARDMANAGE_S_OK)
        return result;
    if (file->short_id)
        return select_by_short_id(c, file);
    if (selected.is_new) {
        file->fcp = selected.fcp;
        file->fcp.objects = NULL;
        if (file->fcp.structure == FCP_UNKNOWN)
            file->fcp.structure = structure; /* as file_probe() has found out */
    }
    return SCARDMANAGE_S_OK;
}
