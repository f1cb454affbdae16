/* SPDX-License-Identifier: BSD-3-Clause */
#include "t1_block_text.h"

#include <stdio.h>

size_t t1_block_text(const struct t1_block *block, char *buf, size_t capacity)
{
    static const char *const functions[] = {"RESYNCH", "IFS", "ABORT", "WTX"};
    int length = 0;

    switch (block->kind) {
    case T1_I_BLOCK:
        length = snprintf(buf, capacity, "I(%d,%d)", block->number, block->more);
        break;
    case T1_R_BLOCK:
        if (block->complaint == T1_NO_COMPLAINT)
            length = snprintf(buf, capacity, "R(%d)", block->number);
        else
            length = snprintf(buf, capacity, "R(%d:%d)", block->number, (int)block->complaint);
        break;
    case T1_S_REQUEST:
    case T1_S_RESPONSE:
        length = snprintf(buf, capacity, "S(%s %s)", functions[block->function & 3],
                          block->kind == T1_S_REQUEST ? "request" : "response");
        break;
    }
    return length < 0 ? 0 : (size_t)length;
}
