/* SPDX-License-Identifier: BSD-3-Clause */
/* What else scardmanage-pcsclite(7) lists is the same in all versions. */
#include "version.h"

#include <string.h>

const struct version version_list[] = {
    {.name = "1.9.9"},
    {.name = "2.3.3"},
    {.name = "2.5.3", .takes_event_for_answer = true},
};
const unsigned version_count = sizeof version_list / sizeof version_list[0];
const struct version *version_in_use = &version_list[0];

const struct version *version_find(const char *name)
{
    unsigned i = version_count - 1;
    while (i > 0 && strverscmp(version_list[i].name, name) > 0)
        i--;
    return &version_list[i];
}
