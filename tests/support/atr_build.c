/* SPDX-License-Identifier: BSD-3-Clause */
#include "atr_build.h"

#include <string.h>

static bool is_buildable(const struct atr_layout *layout)
{
    if (layout->convention != ATR_DIRECT && layout->convention != ATR_INVERSE)
        return false;
    if (layout->group_count > ATR_GROUPS_MAX || layout->historical_count > ATR_HISTORICAL_MAX)
        return false;
    for (size_t i = 0; i < layout->group_count; i++) {
        uint8_t present = layout->group[i].present;

        if (present == 0 || present > 0x0F)
            return false;
        if (i + 1 < layout->group_count && (present & ATR_TD) == 0)
            return false;
    }
    return true;
}

int atr_build(const struct atr_layout *layout, uint8_t *out, size_t capacity, size_t *out_length)
{
    /* The most bytes that a layout can require, so that the length needs only one check. */
    uint8_t raw[2 + 4 * ATR_GROUPS_MAX + ATR_HISTORICAL_MAX + 1];
    bool tck = false;
    size_t at = 0;

    *out_length = 0;
    if (!is_buildable(layout))
        return ATR_BAD_LAYOUT;

    raw[at++] = (uint8_t)layout->convention;
    raw[at++] =
        (uint8_t)((layout->group_count > 0 ? layout->group[0].present << 4 : 0) | layout->historical_count);
    for (size_t i = 0; i < layout->group_count; i++) {
        const struct atr_group *group = &layout->group[i];

        if (group->present & ATR_TA)
            raw[at++] = group->ta;
        if (group->present & ATR_TB)
            raw[at++] = group->tb;
        if (group->present & ATR_TC)
            raw[at++] = group->tc;
        if (group->present & ATR_TD) {
            unsigned next = i + 1 < layout->group_count ? layout->group[i + 1].present : 0;

            raw[at++] = (uint8_t)(next << 4 | (group->td & 0x0Fu));
            tck = tck || (group->td & 0x0F) != 0;
        }
    }
    memcpy(raw + at, layout->historical, layout->historical_count);
    at += layout->historical_count;
    if (tck) {
        raw[at] = atr_check_byte(raw, at);
        at++;
    }

    if (at > ATR_MAX)
        return ATR_TOO_LONG;
    if (at > capacity)
        return ATR_NO_SPACE;
    memcpy(out, raw, at);
    *out_length = at;
    return ATR_OK;
}
