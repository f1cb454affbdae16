/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as what SELECT returns, as data objects, and as a path in any directory. The first byte says which. */
#include "fuzz.h"

#include "file_fcp.h"
#include "file_path.h"
#include "tlv.h"

/* What is read lies in the bytes, and is written as it was, except that a length may have fewer bytes. */
static void check_objects(const uint8_t *data, size_t size)
{
    uint8_t *exact = exact_copy(data, size);
    const uint8_t *at = exact, *before = exact;
    size_t left = size;
    scardmanage_tlv tlv;
    scardmanage_result result;
    while ((result = scardmanage_tlv_next(&at, &left, &tlv)) == SCARDMANAGE_S_OK) {
        uint8_t header[16];
        scardmanage_tlv again;
        CHECK(at + left == exact + size && tlv.value >= before + 2 && tlv.value + tlv.length == at);
        size_t header_size = tlv_write_header(tlv.tag, tlv.length, header);
        CHECK(header_size + tlv.length == tlv_size(tlv.tag, tlv.length));
        CHECK(header_size <= (size_t)(tlv.value - before));
        uint8_t *written = exact_copy(header, header_size + tlv.length <= sizeof header ? header_size : 0);
        if (tlv.length == 0) {
            const uint8_t *from = written;
            size_t length = header_size;
            CHECK(scardmanage_tlv_next(&from, &length, &again) == SCARDMANAGE_S_OK && again.tag == tlv.tag);
        }
        free(written);
        before = at;
    }
    CHECK(result == SCARDMANAGE_W_EOF || result == SCARDMANAGE_E_UNEXPECTED);
    CHECK(at == before && left == size - (size_t)(at - exact));
    free(exact);
}

static void check_fcp(const uint8_t *data, size_t size)
{
    uint8_t *exact = exact_copy(data, size);
    struct file_fcp fcp;
    bool is_well_formed = file_fcp_parse(exact, size, &fcp);
    if (is_well_formed && fcp.objects) {
        struct file_fcp again;
        CHECK(fcp.objects > exact && fcp.objects + fcp.objects_length <= exact + size);
        CHECK(file_fcp_parse_objects(fcp.objects, fcp.objects_length, &again));
        CHECK(memcmp(&fcp, &again, sizeof fcp) == 0);
    } else if (is_well_formed) {
        CHECK(fcp.structure == FCP_UNKNOWN && !fcp.has_size && !fcp.has_record_count && !fcp.has_id);
    }
    CHECK(fcp.structure <= FCP_OTHER && fcp.write_function <= FCP_WRITE_UNKNOWN && fcp.record_max <= 0xFFFF &&
          fcp.record_count <= 0xFFFF);
    scardmanage_filetype type = file_structure_type(fcp.structure);
    CHECK(type >= SCARDMANAGE_TYPE_DIRECTORY_FILE && type <= SCARDMANAGE_TYPE_VARIABLE_EF);
    free(exact);
}

/* A path that was read is printed, and read as the same again. */
static void check_path(const struct file_path *directory, const char *text, bool is_new)
{
    struct file_path path, again;
    char printed[SCARDMANAGE_PATH_MAX];
    scardmanage_result result =
        is_new ? file_path_parse_new(text, directory, &path) : file_path_parse(text, directory, &path);
    CHECK(result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_INVALIDARG ||
          result == SCARDMANAGE_E_DIR_NOT_FOUND);
    if (result != SCARDMANAGE_S_OK)
        return;
    CHECK(path.count >= 1 && path.count <= FILE_DEPTH_MAX);
    CHECK(file_path_print(&path, printed) == strlen(printed) && strlen(printed) < sizeof printed);
    CHECK((is_new ? file_path_parse_new : file_path_parse)(printed, directory, &again) == SCARDMANAGE_S_OK);
    CHECK(file_path_is_same(&path, &again) || (is_new && path.count == 1));
    CHECK(file_path_is_below(&path, &path));
    for (unsigned i = 0; i < path.count; i++) {
        bool is_top = path.names[i].is_df_name || file_name_is_id(&path.names[i], FILE_ID_MF);
        CHECK(is_top == (i == 0) || (is_new && i == path.count - 1 && path.names[i].is_df_name));
    }
}

/* A directory and a path, with a new line in between. */
static void check_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct file_path directory, path;
    CHECK(text);
    memcpy(text, data, size);
    text[size] = '\0';
    char *line = strchr(text, '\n');
    file_path_set_mf(&directory);
    CHECK(file_path_is_mf(&directory));
    if (line)
        *line = '\0';
    if (line && file_path_parse(text, &directory, &path) == SCARDMANAGE_S_OK)
        directory = path;
    char *exact = exact_copy(line ? line + 1 : text, strlen(line ? line + 1 : text) + 1);
    check_path(&directory, exact, false);
    check_path(&directory, exact, true);
    CHECK(file_path_parse_short_id(exact) <= 30);
    if (file_path_parse_id(exact, &directory, &path) == SCARDMANAGE_S_OK)
        CHECK(strlen(exact) == 4 && file_name_id(&path.names[path.count - 1]) != 0);
    free(exact);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        check_objects(data + 1, size - 1);
        break;
    case 1:
        check_fcp(data + 1, size - 1);
        break;
    default:
        check_text(data + 1, size - 1);
        break;
    }
    return 0;
}
