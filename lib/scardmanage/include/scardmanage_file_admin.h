/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Administration of the files of a smart card: creates, deletes, deactivates and activates files, and gets and
 * sets their properties. See scardmanage_file.h.
 *
 * Properties are BER-TLV data objects, one after the other, with the tags of ISO/IEC 7816-4:2013, 7.4.3: 80
 * size, 82 file descriptor, 83 file identifier, 84 DF name, 88 short EF identifier, 8A life cycle status, 8B
 * and 8C access rules, and so on. Source: TLV_TABLE.
 */
#ifndef SCARDMANAGE_FILE_ADMIN_H
#define SCARDMANAGE_FILE_ADMIN_H

#include "scardmanage_file.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scardmanage_tlv {
    uint32_t tag; /* its bytes, the first one in the highest place: 0x80, 0x7F49 */
    const uint8_t *value;
    size_t length; /* of the value in bytes */
} scardmanage_tlv;

/*
 * Reads a data object. Bytes 00 and FF before it are skipped: they may fill the room between data objects.
 *
 *   bytes   points to the data objects; moved behind the one that was read. Unchanged after a failure
 *   length  their length; reduced by what was read
 *   tlv     receives the data object; its value points into the bytes
 *
 *   S_OK          success
 *   E_POINTER     a pointer is null
 *   W_EOF         there is no further data object
 *   E_UNEXPECTED  what follows is not a data object: it is cut off, its tag has more than four bytes, or its
 *                 length has an indefinite form or more than four bytes
 */
SCARDMANAGE_API scardmanage_result scardmanage_tlv_next(const uint8_t **bytes, size_t *length,
                                                        scardmanage_tlv *tlv);

/*
 * Creates a file, and writes its first content.
 *
 *   type        BY_NAME, BY_ID or BY_SHORT_ID. The path may end with a DF name, that of an application in the
 *               current directory
 *   path        where: the directory that it names exists. BY_SHORT_ID, the properties have the identifier, 83
 *   properties  the FCP, without the template 62 around them. 82, the file descriptor, is required. The
 *               identifier, short identifier or DF name of the path is added if it is missing
 *   flags       PREALLOCATE: if the properties have no size, the file gets that of data. SECURE_MESSAGING,
 *               REPEATABLE
 *   data        the first content, for a transparent file, or the first record; null for none
 *
 *   S_OK                 success
 *   E_POINTER            f, path or properties is null; or data is null and data_length is not 0
 *   E_INVALIDARG         type or flags are not valid; path is no path, or is 3F00; the properties are malformed,
 *                        have more than 65,000 bytes, or have another identifier than the path; or data is
 *                        given for a directory
 *   E_NO_ACCESS          also if the file exists already
 *   E_ICC_CREATEORDER    the card does not allow it yet: its directory is not in the right state
 *   E_WRITE_TOO_MANY     no room left on the card; or data has more bytes than the file. If that happens while data is
 *                        written, the file remains
 *
 * Source: ISCardFileAccess::Create.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_create(scardmanage_file_access *f,
                                                           scardmanage_reftype type, const char *path,
                                                           const uint8_t *properties,
                                                           size_t properties_length, uint32_t flags,
                                                           const uint8_t *data, size_t data_length);

/*
 * Deletes a file. A card deletes a directory with everything in it.
 *
 *   type   BY_NAME or BY_ID
 *   flags  RECURSIVE: delete also a directory. NON_RECURSIVE, the default: do not. SECURE_MESSAGING, REPEATABLE
 *
 *   S_OK          success
 *   E_NOTIMPL     the card has no such command
 *   E_POINTER     f or path is null
 *   E_INVALIDARG  type or flags are not valid; path is no path, or is 3F00
 *   E_NO_FILE     it is a directory, and RECURSIVE is not set
 *
 * Source: ISCardFileAccess::Delete.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_delete(scardmanage_file_access *f,
                                                           scardmanage_reftype type, const char *path,
                                                           uint32_t flags);

/*
 * Deactivates a file or directory: the card refuses access to it until it is activated again by
 * scardmanage_file_rehabilitate().
 *
 *   flags  SECURE_MESSAGING, REPEATABLE
 *
 *   S_OK          success
 *   E_POINTER     f or path is null
 *   E_INVALIDARG  path is no path, or flags are not valid
 *
 * Source: ISCardFileAccess::Invalidate and Rehabilitate.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_invalidate(scardmanage_file_access *f, const char *path,
                                                               uint32_t flags);
SCARDMANAGE_API scardmanage_result scardmanage_file_rehabilitate(scardmanage_file_access *f, const char *path,
                                                                 uint32_t flags);

/*
 * Returns properties of a file or directory: its FCP, and other data objects that GET DATA returns for it.
 *
 *   type        BY_NAME or BY_ID
 *   flags       GET_ALL_PROPERTIES: all FCP; tags is not used. SECURE_MESSAGING
 *   tags        the tags of the properties to get, in this order. GET DATA is sent for those that are not FCP, if
 *               they have one or two bytes. Those that the card does not have are left out
 *   tag_count   how many tags there are
 *   properties  receives the data objects; null to get only the length
 *   length      in: the size of properties in bytes. Out: the length of the data objects in bytes
 *
 *   S_OK                   success
 *   E_POINTER              f, path or length is null; or tags is null and needed
 *   E_INVALIDARG           type or flags are not valid, or path is no path
 *   E_INSUFFICIENT_BUFFER  properties is too small; *length is the size required
 *   E_UNSUPPORTED_FEATURE  GET_ALL_PROPERTIES, and the card returns no FCP
 *
 * Source: ISCardFileAccess::GetProperties.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_get_properties(scardmanage_file_access *f,
                                                                   scardmanage_reftype type, const char *path,
                                                                   uint32_t flags, const uint32_t *tags,
                                                                   size_t tag_count, uint8_t *properties,
                                                                   size_t *length);

/*
 * Sets properties of a file or directory: PUT DATA for each data object, while the file is selected. Most cards let
 * only some of them be set, if any, and none of the FCP.
 *
 *   type        BY_NAME or BY_ID
 *   flags       SECURE_MESSAGING, REPEATABLE
 *   properties  data objects with tags of one or two bytes, and values of up to write_max bytes
 *
 *   S_OK          success
 *   E_POINTER     f, path or properties is null
 *   E_INVALIDARG  type or flags are not valid, path is no path, or the properties are malformed or empty
 *   8010xxxx      the properties before the one that was refused have been set
 *
 * Source: ISCardFileAccess::SetProperties.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_set_properties(scardmanage_file_access *f,
                                                                   scardmanage_reftype type, const char *path,
                                                                   uint32_t flags, const uint8_t *properties,
                                                                   size_t length);

/*
 * Returns those FCP of the current file that say what can be done with it: 82, 86, 8A, 8B, 8C, 8E, A0, A1, AB and
 * AC. The current file is the open one that was opened, read or written last; if that is closed, it is the current
 * directory.
 *
 *   flags       GET_ALL_PROPERTIES: all FCP. SECURE_MESSAGING
 *   properties  receives the data objects; null to get only the length
 *   length      in: the size of properties in bytes. Out: the length of the data objects in bytes
 *
 *   S_OK                   success
 *   E_POINTER              f or length is null
 *   E_INVALIDARG           flags are not valid
 *   E_INSUFFICIENT_BUFFER  properties is too small; *length is the size required
 *   E_UNSUPPORTED_FEATURE  the card returns no FCP; or the file was opened by its short identifier
 *
 * Source: ISCardFileAccess::GetFileCapabilities.
 */
SCARDMANAGE_API scardmanage_result scardmanage_file_get_capabilities(scardmanage_file_access *f,
                                                                     uint32_t flags, uint8_t *properties,
                                                                     size_t *length);

#ifdef __cplusplus
}
#endif

#endif
