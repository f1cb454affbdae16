/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DEVICENAME of a reader.conf entry says where a reader's simulator is:
 *
 *   /dev/null:rig=PATH[:reader=N][:user=NAME][:slots=N][:timeout=MS]
 *
 *   rig      the path of the simulator's socket
 *   reader   the number of the reader in that rig (default 0)
 *   user     a user that the simulator may run as, besides root and the driver's own user
 *   slots    the number of slots of the reader (default 1)
 *   timeout  how long an answer may take, in milliseconds (default 10,000)
 *
 * pcscd requires that the text before the first ':' is an existing file, or that there is a ':'. /dev/null
 * satisfies every version. pcscd's lexer accepts only letters, digits and = \ / - . _ @ : in the value, so
 * PATH cannot contain any other character.
 */
#ifndef CARDRIG_DRIVER_DEVICENAME_H
#define CARDRIG_DRIVER_DEVICENAME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct devicename {
    char socket[108]; /* the longest path of a socket, with the final zero */
    unsigned reader;
    uid_t user; /* (uid_t)-1: no further user */
    unsigned slots;
    unsigned timeout_ms;
};

/* Reads a DEVICENAME. Returns false and sets *error if text is not valid. */
bool devicename_parse(const char *text, struct devicename *name, struct error *error);

#endif
