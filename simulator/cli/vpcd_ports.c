/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/vpcd_ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool vpcd_ports_set_environment(const struct slots *slots)
{
    char all[LINK_MAX_SLOTS * 6 + 1] = "", port[12];
    struct address first = {.port = 0}, address;
    for (unsigned i = 0; i < slots->slot_count; i++) {
        const struct slot *slot = &slots->slot[i];
        if (!slot_vpcd_address(slot, &address) || slot->reader->options.cards != READER_VPCD_LISTEN)
            continue;
        if (first.port == 0)
            first = address;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%u", used ? " " : "", address.port);
    }
    if (first.port == 0)
        return unsetenv("CARDRIG_VPCD_HOST") == 0 && unsetenv("CARDRIG_VPCD_PORT") == 0 &&
               unsetenv("CARDRIG_VPCD_PORTS") == 0;
    snprintf(port, sizeof port, "%u", first.port);
    return setenv("CARDRIG_VPCD_HOST", first.host, 1) == 0 && setenv("CARDRIG_VPCD_PORT", port, 1) == 0 &&
           setenv("CARDRIG_VPCD_PORTS", all, 1) == 0;
}
