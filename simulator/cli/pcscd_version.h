/* SPDX-License-Identifier: BSD-3-Clause */
/* What a pcscd says that it is, and how much it has room for. */
#ifndef CARDRIG_CLI_PCSCD_VERSION_H
#define CARDRIG_CLI_PCSCD_VERSION_H

#include <stdbool.h>

/* pcscd 2.5.0 was the first without a limit of its own, but it asks a driver in a byte for how many readers
 * and slots there are. A client needs a libpcsclite of such a version, too, to see more than 16. */
#define PCSCD_SLOTS_BEFORE_2_5 16u
#define PCSCD_SLOTS            255u

struct pcscd_version {
    char text[32];
    int major, minor;
    bool socket_activation;
    const char *polkit; /* "with", "without", or "with or without": before 2.0 it does not say */
};

/* Runs it with --version, for some seconds at most. False: it does not say. */
bool pcscd_version(const char *program, struct pcscd_version *version);

/* How many slots it has room for, those of all readers together. */
unsigned pcscd_version_slots(const struct pcscd_version *version);

#endif
