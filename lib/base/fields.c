/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fields.h"

#include <stddef.h>

char *fields_next(char **rest)
{
    char *field = *rest, *to = field;
    if (!field)
        return NULL;
    for (char *from = field;; from++) {
        if (*from == ',' && from[1] == ',') {
            from++;
        } else if (*from == ',' || !*from) {
            *rest = *from ? from + 1 : NULL;
            *to = '\0';
            return field;
        }
        *to++ = *from;
    }
}
