/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_T1_BLOCK_TEXT_H
#define SUPPORT_T1_BLOCK_TEXT_H

#include "iso7816/t1_block.h"

/*
 * Describes a block in the notation of the standard: "I(0,1)", "R(1)", "S(IFS request)". An R-block that
 * reports an error has its code after a colon: "R(1:2)". INF is not shown.
 *
 * Like snprintf(), returns the length of the whole text without the NUL.
 */
size_t t1_block_text(const struct t1_block *block, char *buf, size_t capacity);

#endif
