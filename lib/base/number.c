/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/number.h"

bool number_take(const char **text, unsigned low, unsigned high, unsigned *number)
{
    const char *at = *text;
    unsigned long long value = 0;
    for (; *at >= '0' && *at <= '9' && value <= high; at++)
        value = 10 * value + (unsigned)(*at - '0');
    if (at == *text || value < low || value > high)
        return false;
    *text = at;
    *number = (unsigned)value;
    return true;
}

bool number_parse(const char *text, unsigned low, unsigned high, unsigned *number)
{
    unsigned value;
    if (!number_take(&text, low, high, &value) || *text)
        return false;
    *number = value;
    return true;
}
