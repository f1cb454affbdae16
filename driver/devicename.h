/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEVICENAME of a reader.conf entry: where the simulator of a reader is.
 *
 *   /dev/null:rig=PATH[:reader=N][:user=NAME][:slots=N][:timeout=MS]
 *
 * PATH is the simulator's socket, reader the number of the reader in that rig (0), user whom the simulator
 * may run as besides root and ourselves. slots is how many slots the reader has (1), timeout how long an
 * answer may take in ms (10,000).
 *
 * pcscd insists that what stands before the first ':' exists, or that there is a ':'; /dev/null satisfies
 * every version. Its lexer takes only letters, digits and = \ / - . _ @ : so that PATH cannot have other
 * characters.
 */
#ifndef CARDRIG_DRIVER_DEVICENAME_H
#define CARDRIG_DRIVER_DEVICENAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct devicename {
    char socket[108]; /* as long as a socket's path can be */
    unsigned reader;
    uid_t user; /* (uid_t)-1: nobody */
    unsigned slots;
    unsigned timeout_ms;
};

/* False with error: text is not a DEVICENAME. */
bool devicename_parse(const char *text, struct devicename *name, struct error *error);

#endif
