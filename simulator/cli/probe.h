/* SPDX-License-Identifier: BSD-3-Clause */
/* What is behind a PC/SC client library and a PC/SC service: for `cardrig doctor`. */
#ifndef CARDRIG_CLI_PROBE_H
#define CARDRIG_CLI_PROBE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The protocol between libpcsclite and pcscd, which have to agree on it. */
struct probe_protocol {
    int major, minor;
};

/* Where the client library is. False with error: it is not there. */
bool probe_library(char *path, size_t size, struct error *error);

/* What the client library speaks, as it says to a service. directory is where a socket can be made. Blocks.
 */
bool probe_library_protocol(const char *directory, struct probe_protocol *protocol);

/* The command that `cardrig doctor` runs in a rig, as one process that knows only PC/SC: connects to the card
 * in $CARDRIG_READER, and prints its ATR, or what is wrong. Returns an exit status. */
int probe_card(void);

#endif
