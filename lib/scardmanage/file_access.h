/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access to the files of a card: the object, and what the source files file_*.c share. Each function that needs the
 * card runs as a unit.
 */
#ifndef SCARDMANAGE_FILE_ACCESS_H
#define SCARDMANAGE_FILE_ACCESS_H

#include "command.h"
#include "file_fcp.h"
#include "file_path.h"
#include "interface_object.h"
#include "status_word.h"

/* What is selected on the card, if the mark of the object is still the same. */
struct file_selection {
    bool is_known;
    struct card_mark mark;
    struct file_path path; /* of the current DF, or of the current EF */
    bool is_ef;
    uint8_t short_id; /* not 0: path is that of the DF, and the EF in it with this identifier is current */
};

struct open_file {
    struct open_file *next;
    scardmanage_file number;
    struct file_path path; /* of the file; with a short identifier, of its directory */
    uint8_t short_id;      /* 0: none */
    struct file_fcp fcp;   /* without the data objects. Its structure is known */
    uint32_t position;
};

struct scardmanage_file_access {
    struct interface_object base;
    scardmanage_file_options options; /* with the defaults filled in; do not change */

    /* Guarded by the mutex of base.m, which is held for short: */
    struct file_path directory;
    struct open_file *files;
    scardmanage_file last_number;
    scardmanage_file current; /* the number of the file that was used last; it may be closed */

    /* Only used in units, which run one after the other: */
    struct file_selection selected;
    uint64_t select_session; /* the session for which the following two are known */
    uint8_t select_p2;       /* P2 of SELECT that the card accepts */
    bool select_by_id;       /* it does not know paths */
};

/* A call of a function, and its unit. First member of the structs in which functions keep their arguments. */
struct file_call {
    scardmanage_file_access *f;
    uint32_t flags;
    bool is_repeatable; /* the unit, after a change may have reached the card */
    bool has_changed;   /* a change may have reached the card */
};

#define FILE_FLAGS_OF_CHANGES (SCARDMANAGE_FL_SECURE_MESSAGING | SCARDMANAGE_FL_REPEATABLE)

/*
 * file_access.c: objects and their open files.
 */

void file_lock(scardmanage_file_access *f);
void file_unlock(scardmanage_file_access *f);
/* Finds an open file, or returns null. The caller has locked. */
struct open_file *file_find(scardmanage_file_access *f, scardmanage_file number);
/* Copies an open file. Returns E_INVALIDARG if there is none. */
scardmanage_result file_copy(scardmanage_file_access *f, scardmanage_file number, struct open_file *out);
/* Resolves what the caller has written. With BY_SHORT_ID, out is the current directory. short_id may be null: then
 * BY_SHORT_ID is E_INVALIDARG. */
scardmanage_result file_resolve(scardmanage_file_access *f, scardmanage_reftype type, const char *text,
                                struct file_path *out, uint8_t *short_id);
/* Copies a result of length bytes to the caller, who may have asked for its length only. */
scardmanage_result file_return_bytes(const void *bytes, size_t length, void *out, size_t *out_length);

/*
 * file_card.c: units and commands.
 */

/* Runs the unit of a call. Returns E_INVALIDARG for flags that are not allowed. If is_repeatable is not set, the unit is
 * not repeated after a change may have reached the card. */
scardmanage_result file_run(struct file_call *c, uint32_t allowed_flags, scardmanage_unit *unit,
                            bool is_repeatable);

/* The maximum length of the response data of a command in the short form. */
#define FILE_SHORT_MAX 256

/* The response to a command. */
struct file_answer {
    uint16_t status_word;
    size_t length;
    uint8_t *
        data; /* of the caller; room for FILE_SHORT_MAX bytes and for the expected length. Null if no data are
                    * expected */
};

/* In a unit: sends a command. If the card answers 6CXX, sends it with that length. */
scardmanage_result file_send(struct file_call *c, const struct command *command, struct file_answer *answer);
/* The same for a command that changes something on the card and has no response data. Returns what the status word
 * means. */
scardmanage_result file_send_change(struct file_call *c, const struct command *command);
/* Fills in a command. */
struct command file_command(const struct file_call *c, uint8_t ins, unsigned p1p2, const uint8_t *data,
                            size_t data_length, size_t expected);
/* Memory that is zero; file_release() overwrites it. */
uint8_t *file_reserve(struct file_call *c, size_t size);
void file_release(struct file_call *c, uint8_t *memory, size_t size);

/* Memory that grows. What is behind length is zero. */
struct file_bytes {
    uint8_t *bytes;
    size_t length, size;
};

#define FILE_BYTES_MAX 0x10000 /* more comes from no honest card */

/* Makes room for length more bytes. Returns E_UNEXPECTED if there are too many already. */
scardmanage_result file_bytes_grow(struct file_call *c, struct file_bytes *bytes, size_t length);
void file_bytes_free(struct file_call *c, struct file_bytes *bytes);

/*
 * file_select.c
 */

enum file_kind { FILE_KIND_EF, FILE_KIND_DF, FILE_KIND_ANY };

/* What a SELECT has returned. */
struct file_selected {
    bool is_new; /* a SELECT was sent; the other members are valid */
    bool is_deactivated;
    struct file_fcp fcp; /* its data objects are in bytes */
    uint8_t bytes[FILE_SHORT_MAX];
};

/* In a unit: selects a file of this kind if it is not selected. With `again`, selects it in any case. */
scardmanage_result file_select(struct file_call *c, const struct file_path *path, enum file_kind kind,
                               bool again, struct file_selected *out);
/* In a unit: selects an open file, and updates its FCP. A file of records with a short identifier is not selected, but
 * the commands have that identifier: see file_record_p2(). */
scardmanage_result file_select_open(struct file_call *c, struct open_file *file);
/* In a unit: finds out the structure of the current EF by reading it. */
scardmanage_result file_probe(struct file_call *c, struct open_file *file);
/* P2 of a command for the record with a number. The card then selects the file by its short identifier. */
uint8_t file_record_p2(struct file_call *c, const struct open_file *file);
/* The EF that is current is to be selected again: its FCP have changed. */
void file_forget_selection(struct file_call *c);

/*
 * file_binary.c: commands for transparent files.
 */

/* In a unit: one READ BINARY of the current EF. Sets *length to what was read, up to read_max, and *is_end if the
 * file ends there. */
scardmanage_result file_read_binary(struct file_call *c, uint32_t offset, uint8_t *out, size_t *length,
                                    bool *is_end);

/* What file_change_binary() and file_change_record() do. */
enum file_change { FILE_UPDATE, FILE_WRITE, FILE_ERASE, FILE_APPEND };

/* In a unit: as many UPDATE, WRITE or ERASE BINARY as it takes. */
scardmanage_result file_change_binary(struct file_call *c, enum file_change change, uint32_t offset,
                                      const uint8_t *data, size_t length);

/*
 * file_record.c: commands for files of records.
 */

/* In a unit: reads a record, the first one is 0. Returns W_EOF if there is none. Sets *length. out has room for
 * file_record_room() bytes. */
scardmanage_result file_read_record(struct file_call *c, const struct open_file *file, uint32_t number,
                                    uint8_t *out, size_t *length);
size_t file_record_room(const struct file_call *c);
/* In a unit: changes a record. With FILE_APPEND, number is not used. */
scardmanage_result file_change_record(struct file_call *c, enum file_change change,
                                      const struct open_file *file, uint32_t number, const uint8_t *data,
                                      size_t length);

#endif
