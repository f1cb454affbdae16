/* SPDX-License-Identifier: BSD-3-Clause */
/* SCardGetStatusChange() for tests that observe one reader. pcsc-lite 2.5 sometimes returns an
 * error although the reader is there (scardmanage-pcsclite(7)); the function then repeats the call. */
#ifndef TESTS_SUPPORT_STATUS_CHANGE_H
#define TESTS_SUPPORT_STATUS_CHANGE_H

#include <stdbool.h>
#include <string.h>
#include <winscard.h>

static inline bool status_is_listed(SCARDCONTEXT context, const char *reader)
{
    char names[16384];
    DWORD length = sizeof names;
    if (SCardListReaders(context, NULL, names, &length) != SCARD_S_SUCCESS)
        return false;
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1)
        if (strcmp(name, reader) == 0)
            return true;
    return false;
}

static inline LONG status_change(SCARDCONTEXT context, DWORD timeout, SCARD_READERSTATE *state)
{
    DWORD length;
    LONG rv;
    SCardListReaders(context, NULL, NULL,
                     &length); /* must precede the first SCardGetStatusChange() if the service is older */
    do
        rv = SCardGetStatusChange(context, timeout, state, 1);
    while (rv == SCARD_E_UNSUPPORTED_FEATURE || rv == SCARD_E_INSUFFICIENT_BUFFER ||
           (rv == SCARD_E_UNKNOWN_READER && status_is_listed(context, state->szReader)));
    return rv;
}

#endif
