/* SPDX-License-Identifier: BSD-3-Clause */
#include "t1_block_text.h"

#include <stdio.h>

size_t t1_block_text(const struct t1_block *block, char *buf, size_t cap)
{
    static const char *const functions[] = {"RESYNCH", "IFS", "ABORT", "WTX"};
    int len = 0;

    switch (block->kind) {
    case T1_I_BLOCK:
        len = snprintf(buf, cap, "I(%d,%d)", block->number, block->more);
        break;
    case T1_R_BLOCK:
        if (block->complaint == T1_NO_COMPLAINT)
            len = snprintf(buf, cap, "R(%d)", block->number);
        else
            len = snprintf(buf, cap, "R(%d:%d)", block->number, (int)block->complaint);
        break;
    case T1_S_REQUEST:
    case T1_S_RESPONSE:
        len = snprintf(buf, cap, "S(%s %s)", functions[block->function & 3],
                       block->kind == T1_S_REQUEST ? "request" : "response");
        break;
    }
    return len < 0 ? 0 : (size_t)len;
}
