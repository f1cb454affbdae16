/* SPDX-License-Identifier: BSD-3-Clause */
/* File control parameters (FCP): what SELECT returns. ISO/IEC 7816-4:2013, 7.4. Pure: no I/O, no memory. */
#ifndef SCARDMANAGE_FILE_FCP_H
#define SCARDMANAGE_FILE_FCP_H

#include "scardmanage_file_admin.h"

#include <stdbool.h>

enum file_structure {
    FCP_UNKNOWN, /* the FCP do not say */
    FCP_DIRECTORY,
    FCP_TRANSPARENT,
    FCP_FIXED,
    FCP_VARIABLE,
    FCP_CYCLIC,
    FCP_OTHER, /* of data objects, or reserved for future use */
};

/* What a WRITE command does: bits 7 and 6 of the data coding byte. */
enum file_write_function {
    FCP_WRITE_ONCE = 0,
    FCP_WRITE_PROPRIETARY = 1,
    FCP_WRITE_OR = 2,
    FCP_WRITE_AND = 3,
    FCP_WRITE_UNKNOWN = 4,
};

struct file_fcp {
    const uint8_t
        *objects; /* the data objects in the template, in the bytes that were parsed; null if there are no
                             * FCP */
    size_t objects_length;
    bool has_size;
    uint32_t size; /* in bytes */
    enum file_structure structure;
    enum file_write_function write_function;
    bool has_other_units; /* offsets do not count bytes */
    uint32_t record_max;  /* the maximum length of a record; 0: not known */
    bool has_record_count;
    uint32_t record_count;
    bool has_id;
    uint16_t id;
    uint8_t life_cycle; /* 0: not known */
};

/* Reads the response data of SELECT: a template 62 or 6F. Anything else is no FCP, and leaves all unknown. Returns
 * false if the data objects are malformed. */
bool file_fcp_parse(const uint8_t *data, size_t length, struct file_fcp *out);

/* The same for the data objects alone. */
bool file_fcp_parse_objects(const uint8_t *objects, size_t length, struct file_fcp *out);

bool file_structure_has_records(enum file_structure structure);
/* The type of an elementary file; of others, DIRECTORY_FILE. */
scardmanage_filetype file_structure_type(enum file_structure structure);

#endif
