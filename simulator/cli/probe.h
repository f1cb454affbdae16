/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the PC/SC client library and of a PC/SC service, for `cardrig doctor`. */
#ifndef CARDRIG_CLI_PROBE_H
#define CARDRIG_CLI_PROBE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* The version of the protocol between libpcsclite and pcscd. Both must use the same one. */
struct probe_protocol {
    int major, minor;
};

/* Writes the path of the client library. Returns false and sets *error if it cannot be loaded. */
bool probe_library(char *path, size_t size, struct error *error);

/* Determines which protocol version the client library announces to a service. Creates a socket in directory.
 * Blocks until the library has connected to it. Returns false on failure. */
bool probe_library_protocol(const char *directory, struct probe_protocol *protocol);

/* Connects to the card in $CARDRIG_READER, and prints its ATR or an error. `cardrig doctor` runs this in a
 * rig, as a process that uses only PC/SC. Returns an exit status. */
int probe_card(void);

#endif
