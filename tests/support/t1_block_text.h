/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_T1_BLOCK_TEXT_H
#define SUPPORT_T1_BLOCK_TEXT_H

#include "iso7816/t1_block.h"

/*
 * The block as the standard writes it: "I(0,1)", "R(1)", "S(IFS request)"; an R-block that complains has its
 * code behind a colon, "R(1:2)". INF is not shown.
 *
 * Returns the length of the whole text without its NUL, like snprintf.
 */
size_t t1_block_text(const struct t1_block *block, char *buf, size_t capacity);

#endif
