/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of a smart card: ISCardFileAccess, which ISCardManage::CreateFileAccess makes.
 *
 * An object gives access to the file system of the card to which a libscardmanage object is attached:
 * dedicated files (DF, here: directories) and elementary files (EF), as in ISO/IEC 7816-4 and 7816-9.
 *
 * Sessions. The current directory and open files belong to the object, not to the session with the
 * card: they survive a reset and a removal. Each function that needs the card is a unit of
 * scardmanage_run(): it locks the card, gets back to it, selects the file, does its work, and unlocks.
 * It does not select the file again if no other client can have used the card since, and no command
 * was sent that may have selected another: lock the card around several calls to save these commands.
 *
 * If the session with the card is lost during a function, the function starts over. A function that
 * changes something on the card does so only until its first such command may have reached the card.
 * After that it is not repeated, and returns the code of the loss: the change may have been made, in
 * full or in part. Exceptions are changes that may be made twice: scardmanage_file_write() without a
 * flag, with REPLACE or with ERASE, and every function with the flag REPEATABLE.
 *
 * Security status. The card may forget a PIN when an application or a directory is selected again. So
 * select the directory first, then present the PIN, and keep the card locked until the work is done.
 * In a rebuild function, call scardmanage_file_change_dir() and then present the PIN.
 *
 * Readers. For cards in T=0 in a reader that exchanges TPDUs, set SCARDMANAGE_TRANSPORT_GET_RESPONSE with
 * scardmanage_set_transport(). Otherwise the library does not see the FCP of files.
 *
 * Lifetime. The object belongs to the attachment during which it was created. After that was ended, by
 * detaching, attaching again or scardmanage_free(), its functions return E_INVALID_HANDLE. Free it before
 * or after the scardmanage.
 *
 * Threads. Any thread may call any function. While one thread frees the object, no other thread may
 * use it. In a unit, a rebuild or an identify function, the functions become a part of that unit, which
 * decides what to do about a loss. A unit that is called again finds the positions that it has left:
 * begin with scardmanage_file_seek().
 *
 * Paths. A path consists of names with a slash between them. A name is
 *
 *   four hexadecimal digits                a file identifier: 3F00 is the MF, 2F00 is EF.DIR
 *   6 to 32 hexadecimal digits, even       a DF name, such as an application identifier: A000000151
 *   1 to 16 characters in single quotes    a DF name that consists of these characters: '1PAY.SYS.DDF01'
 *   ..                                     the directory above; not above the MF or an application
 *   .                                      the same directory
 *
 * A path that begins with 3F00 or a DF name is absolute, for example 3F00/5000/0001 or
 * A000000151/2F00. Any other path begins in the current directory, which is 3F00 at first. 3F00 and DF
 * names can only be the first name. A path has at most 12 names. 0000, 3FFF and FFFF are reserved and
 * are not file identifiers. Where the library returns paths, digits are capitals.
 *
 * Results. See scardmanage.h. Functions that need the card also return codes of scardmanage_run(), and
 *
 *   E_DIR_NOT_FOUND        a directory of the path does not exist
 *   E_FILE_NOT_FOUND       the file does not exist
 *   E_NO_ACCESS            the card refuses it: a PIN or key is required, the file is deactivated
 *   E_UNSUPPORTED_FEATURE  the card does not support it; or the flag SECURE_MESSAGING was given, and the
 *                          options have no functions for it
 *   E_UNEXPECTED           the card returned a status word that makes no sense, or malformed data
 *   E_OUTOFMEMORY          out of memory
 */
#ifndef SCARDMANAGE_FILE_H
#define SCARDMANAGE_FILE_H

#include "scardmanage.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The card cannot do this at all. */
#define SCARDMANAGE_E_NOTIMPL SCARDMANAGE_RESULT(0x80004001u)

typedef struct scardmanage_file_access scardmanage_file_access;

/* The number of an open file: never 0, and never used again for another file of the object. */
typedef uint32_t scardmanage_file;

/* How a function finds a file. Source: REFTYPE. */
typedef enum scardmanage_reftype {
    SCARDMANAGE_TYPE_BY_NAME = 0, /* by a path */
    SCARDMANAGE_TYPE_BY_ID =
        1, /* by a file identifier of four hexadecimal digits, in the current directory */
    SCARDMANAGE_TYPE_BY_SHORT_ID =
        2, /* by a short EF identifier, 01 to 1E in hexadecimal, in the current directory */
} scardmanage_reftype;

/* Types of files. Source: FILETYPE. */
typedef enum scardmanage_filetype {
    SCARDMANAGE_TYPE_DIRECTORIES = 0,    /* of any kind */
    SCARDMANAGE_TYPE_FILES = 1,          /* elementary files of any kind */
    SCARDMANAGE_TYPE_ALL_FILES = 2,      /* both */
    SCARDMANAGE_TYPE_DIRECTORY_FILE = 3, /* a DF */
    SCARDMANAGE_TYPE_TRANSPARENT_EF = 4, /* a sequence of bytes */
    SCARDMANAGE_TYPE_FIXED_EF = 5,       /* records of one length */
    SCARDMANAGE_TYPE_CYCLIC_EF = 6,      /* records of one length; the newest replaces the oldest */
    SCARDMANAGE_TYPE_VARIABLE_EF = 7,    /* records of any length */
} scardmanage_filetype;

/* Source: SEEKTYPE. */
typedef enum scardmanage_seektype {
    SCARDMANAGE_SEEK_FROM_BEGINNING = 0,
    SCARDMANAGE_SEEK_FROM_END = 1,
    SCARDMANAGE_SEEK_RELATIVE = 2,
} scardmanage_seektype;

/* Flags. Source: SCARD_FLAGS, except the last two. A function returns E_INVALIDARG for a flag that it does
 * not have, or if flags exclude each other. */
#define SCARDMANAGE_FL_NO_FLAGS           0x0u
#define SCARDMANAGE_FL_SECURE_MESSAGING   0x1u
#define SCARDMANAGE_FL_REPLACE            0x2u
#define SCARDMANAGE_FL_ERASE              0x4u
#define SCARDMANAGE_FL_OR                 0x8u
#define SCARDMANAGE_FL_AND                0x10u
#define SCARDMANAGE_FL_RECURSIVE          0x20u
#define SCARDMANAGE_FL_NON_RECURSIVE      0x40u
#define SCARDMANAGE_FL_PREALLOCATE        0x1000u
#define SCARDMANAGE_FL_GET_ALL_PROPERTIES 0x2000u
#define SCARDMANAGE_FL_APPEND             0x10000u /* adds a record */
#define SCARDMANAGE_FL_REPEATABLE         0x20000u /* the change may be made twice without harm */

/* Room for any path that the library returns, with its terminating zero. */
#define SCARDMANAGE_PATH_MAX 128

/*
 * Objects
 */

/*
 * Options of an object. Set size; 0 in any other field selects its default. See scardmanage_options for
 * what applies to other versions of the library.
 */
typedef struct scardmanage_file_options {
    size_t size; /* sizeof(scardmanage_file_options) */
    /* The most data that one command reads or writes, in bytes, at least 16. Default: 255. Card and reader must
     * support extended length for a read_max above 256 (up to 65,536) and a write_max above 255 (up to 65,535).
     * At offsets above 32,767, READ BINARY asks for at least 256 bytes with their data object. */
    uint32_t read_max, write_max;
    uint32_t cla; /* the class byte of all commands, up to 0xFE. Default: 0 */
    /* Not 0: send a SELECT for each name of a path. Default: one SELECT for the path, and what this option does
     * only if the card says that it does not support that (6A81, 6A86, 6B00). By a path the card finds exactly the
     * file that is meant. By a file identifier it may also find one in the directory above. */
    int select_by_id;
    /*
     * Secure messaging, for calls with the flag SECURE_MESSAGING: all commands of the call, also SELECT, are
     * wrapped, and their responses unwrapped. The commands get longer: choose read_max and write_max so that they
     * still fit. The session keys end with the session: agree on new ones in the rebuild function. The
     * functions must not use this object. Set both or none.
     *
     *   wrap    gets a command, and writes the command to send to wrapped
     *   unwrap  gets the response to it, and writes the plain response, with SW1 and SW2, to plain
     *   length of the last parameter
     *           in: the room in bytes; out: the length in bytes
     *   secure_messaging_context
     *           the first parameter of both
     *
     * If a function does not return S_OK, the call fails with that code, or with E_FAIL if it is no failure.
     */
    scardmanage_result (*wrap)(void *context, const uint8_t *command, size_t command_length, uint8_t *wrapped,
                               size_t *wrapped_length);
    scardmanage_result (*unwrap)(void *context, const uint8_t *response, size_t response_length,
                                 uint8_t *plain, size_t *plain_length);
    void *secure_messaging_context;
} scardmanage_file_options;

#define SCARDMANAGE_FILE_OPTIONS_INIT                                                                        \
    {                                                                                                        \
        sizeof(scardmanage_file_options), 0, 0, 0, 0, 0, 0, 0                                                \
    }

/*
 * Creates an object for the present attachment. It takes its memory from the allocator of m. Does not
 * need the card.
 *
 *   options  copied; null for the defaults
 *   out      receives the object, or null after a failure. Free it with scardmanage_file_access_free()
 *
 *   S_OK              success
 *   E_POINTER         m or out is null
 *   E_INVALIDARG      the size of options is below that of the first version, or above 4096; a field is out
 *                     of range; one of wrap and unwrap is null; or bytes are set that this version does not know
 *   E_INVALID_HANDLE  m is not attached
 *   E_OUTOFMEMORY     out of memory
 *
 * Source: ISCardManage::CreateFileAccess.
 */
SCARDMANAGE_API scardmanage_result scardmanage_create_file_access(scardmanage *m,
                                                                  const scardmanage_file_options *options,
                                                                  scardmanage_file_access **out);

/*
 * Closes all files of the object, and frees it. It may be freed after m.
 *
 *   f  the object; may be null
 */
SCARDMANAGE_API void scardmanage_file_access_free(scardmanage_file_access *f);

/*
 * Returns the status word of the last response to a command of this object.
 *
 *   status_word  receives SW1 and SW2 as one number, such as 0x6A82; 0: there was no response yet
 *
 *   S_OK       success, even if the attachment has ended
 *   E_POINTER  a pointer is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_get_status_word(scardmanage_file_access *f,
                                                                    uint16_t *status_word);

/*
 * Directories
 */

/*
 * Selects a directory, and makes it the current one. After a failure the current directory is as before.
 *
 *   type  BY_NAME or BY_ID
 *
 *   S_OK             success
 *   E_POINTER        f or dir is null
 *   E_INVALIDARG     type is not valid; or dir is not a path
 *   E_DIR_NOT_FOUND  the directory or one above it does not exist
 *   E_NO_DIR         it is an elementary file
 *
 * Source: ISCardFileAccess::ChangeDir.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_change_dir(scardmanage_file_access *f,
                                                               scardmanage_reftype type, const char *dir);

/*
 * Returns the absolute path of the current directory. Does not need the card.
 *
 *   path    receives the path with a terminating zero; null to get only the length
 *   length  in: the size of path in bytes; SCARDMANAGE_PATH_MAX is enough. Out: the length including the zero
 *
 *   S_OK                   success
 *   E_POINTER              f or length is null
 *   E_INSUFFICIENT_BUFFER  path is too small; *length is the size required
 *
 * Source: ISCardFileAccess::GetCurrentDir.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_get_current_dir(scardmanage_file_access *f, char *path,
                                                                    size_t *length);

/*
 * Lists the current directory. ISO/IEC 7816-4 has no command for that. The library lists what EF.DIR (2F00,
 * ISO/IEC 7816-4:2013, 8.2.1.1) says of the MF: the applications of the card. So it has only directories, and there
 * may be more.
 *
 *   type    DIRECTORIES, DIRECTORY_FILE or ALL_FILES
 *   names   receives the names, each with a terminating zero, and one more zero after the last. Each is
 *           a path for the other functions. Null to get only the length
 *   length  in: the size of names in bytes. Out: the length including all zeros
 *
 *   S_OK                   success, also if EF.DIR is empty
 *   E_NOTIMPL              the current directory is not the MF, the card has no EF.DIR, or type is another
 *   E_POINTER              f or length is null
 *   E_INVALIDARG           type is not valid
 *   E_INSUFFICIENT_BUFFER  names is too small; *length is the size required
 *
 * Source: ISCardFileAccess::Directory.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_directory(scardmanage_file_access *f,
                                                              scardmanage_filetype type, char *names,
                                                              size_t *length);

/*
 * Open files
 */

/*
 * Opens an elementary file. The position is its beginning.
 *
 * A file without file control parameters (FCP), or one that is opened by its short identifier, is read to find
 * out its type. Its size is not known then.
 *
 *   file  receives the number of the file, or 0 after a failure. Close it with scardmanage_file_close(), also
 *         if it was deleted
 *
 *   S_OK          success
 *   E_POINTER     f, path or file is null
 *   E_INVALIDARG  type is not valid; or path is not a path or identifier
 *   E_NO_FILE     it is a directory
 *   E_NO_ACCESS   it is deactivated; or its type is not known, and it cannot be read
 *
 * Source: ISCardFileAccess::Open.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_open(scardmanage_file_access *f, scardmanage_reftype type,
                                                         const char *path, scardmanage_file *file);

/*
 * Closes a file. Does not need the card.
 *
 *   S_OK          success
 *   E_POINTER     f is null
 *   E_INVALIDARG  file is not open
 *
 * Source: ISCardFileAccess::Close.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_close(scardmanage_file_access *f, scardmanage_file file);

/*
 * Reads bytes of a transparent file, or one record of another file, from the position on, and moves the
 * position behind them. After a failure the position is as before. What was read comes from one session with the
 * card.
 *
 *   flags   SECURE_MESSAGING
 *   buffer  receives the bytes
 *   length  in: how many bytes to read, or the room for the record. Out: the number of bytes read, less
 *           than wanted if the file ends before that; 0 after a failure
 *
 *   S_OK                   success
 *   E_POINTER              f, buffer or length is null
 *   E_INVALIDARG           file is not open, or flags are not valid
 *   W_EOF                  the position is the end of the file
 *   E_INSUFFICIENT_BUFFER  the record is longer; *length is the size required
 *
 * Source: ISCardFileAccess::Read.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_read(scardmanage_file_access *f, scardmanage_file file,
                                                         uint8_t *buffer, size_t *length, uint32_t flags);

/*
 * Writes bytes of a transparent file, or one record of another file, at the position, and moves the position
 * behind them. After a failure the position is as before, but a part may have been written.
 *
 *   data    may be null with ERASE
 *   length  in bytes; with ERASE how many bytes or records to erase
 *   flags   what to do:
 *
 *             none, REPLACE  replaces what is there: UPDATE BINARY, UPDATE RECORD
 *             ERASE          erases it: ERASE BINARY, ERASE RECORD
 *             OR, AND        combines it with what is there: WRITE BINARY, WRITE RECORD. The card
 *                            knows which of the two it does. If the FCP say the other, nothing is written
 *             APPEND         adds a record: APPEND RECORD. The position stays where it is
 *
 *           and with OR, AND or APPEND also REPEATABLE; and SECURE_MESSAGING
 *
 *   S_OK                   success
 *   E_POINTER              f is null, or data is null and length is not 0
 *   E_INVALIDARG           file is not open, or flags are not valid
 *   E_WRITE_TOO_MANY       more than the file or record has room for. If the FCP show that, nothing is written
 *   E_BAD_SEEK             the position is outside the file
 *   E_UNSUPPORTED_FEATURE  the file or the card does not have such a command
 *
 * Source: ISCardFileAccess::Write.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_write(scardmanage_file_access *f, scardmanage_file file,
                                                          const uint8_t *data, size_t length, uint32_t flags);

/*
 * Sets the position, in bytes of a transparent file and in records of another file: 0 is the first. Does not
 * need the card: it uses the size in the FCP from when the file was last selected. The number of records is not
 * always in the FCP.
 *
 *   S_OK                   success
 *   E_POINTER              f is null
 *   E_INVALIDARG           file is not open, or type is not valid
 *   E_BAD_SEEK             the position would be before the beginning or beyond the end; or, if the size is
 *                          not known, above 4,294,967,295 bytes or 65,535 records
 *   E_UNSUPPORTED_FEATURE  FROM_END, and the size is not known
 *
 * Source: ISCardFileAccess::Seek.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_seek(scardmanage_file_access *f, scardmanage_file file,
                                                         scardmanage_seektype type, int64_t offset);

/* What is known of an open file. */
typedef struct scardmanage_file_info {
    size_t size;               /* sizeof(scardmanage_file_info) */
    scardmanage_filetype type; /* TRANSPARENT_EF, FIXED_EF, CYCLIC_EF or VARIABLE_EF */
    int length_is_known;       /* not 0: length is valid */
    uint32_t length;           /* in bytes of a transparent file, in records of another file */
    uint32_t record_max;       /* the maximum length of a record in bytes; 0 if not known */
    uint32_t position;         /* in bytes or records */
    uint32_t life_cycle;       /* the life cycle status byte, ISO/IEC 7816-4:2013, 7.4.10; 0 if not known */
} scardmanage_file_info;

#define SCARDMANAGE_FILE_INFO_INIT                                                                           \
    {                                                                                                        \
        sizeof(scardmanage_file_info), SCARDMANAGE_TYPE_DIRECTORIES, 0, 0, 0, 0, 0                           \
    }

/*
 * Returns what is known of an open file, without asking the card again.
 *
 *   info  set size before the call
 *
 *   S_OK          success
 *   E_POINTER     f or info is null
 *   E_INVALIDARG  file is not open; or the size is below that of the first version, or above 4096
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_get_info(scardmanage_file_access *f,
                                                             scardmanage_file file,
                                                             scardmanage_file_info *info);

#ifdef __cplusplus
}
#endif

#endif
