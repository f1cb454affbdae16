/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes BER-TLV data objects. scardmanage_tlv_next() reads them. Pure: no I/O, no memory. */
#ifndef SCARDMANAGE_TLV_H
#define SCARDMANAGE_TLV_H

#include "scardmanage_file_admin.h"

/* Returns the length of a data object whose value has length bytes. */
size_t tlv_size(uint32_t tag, size_t length);

/* Writes tag and length, and returns how many bytes these are. The value follows. */
size_t tlv_write_header(uint32_t tag, size_t length, uint8_t *out);

#endif
