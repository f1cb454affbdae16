/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/library.h"

#include <string.h>

const struct library_text *library_find(const struct library_text *texts, const char *name, size_t length)
{
    for (; texts->name; texts++)
        if (strlen(texts->name) == length && memcmp(texts->name, name, length) == 0)
            return texts;
    return NULL;
}

const char *library_card_name(unsigned i)
{
    return library_cards[i].name;
}

const char *library_reader_name(unsigned i)
{
    return library_readers[i].name;
}
