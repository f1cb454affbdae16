/* SPDX-License-Identifier: BSD-3-Clause */
/* The version of a pcscd, and how many slots it supports. */
#ifndef CARDRIG_CLI_PCSCD_VERSION_H
#define CARDRIG_CLI_PCSCD_VERSION_H

#include <stdbool.h>

/* pcscd 2.5.0 was the first version without a fixed limit of 16. The limit of 255 remains because the driver
 * reports the number of readers and slots in one byte. A client needs libpcsclite 2.5.0 as well to see more
 * than 16. */
#define PCSCD_SLOTS_BEFORE_2_5 16u
#define PCSCD_SLOTS            255u

struct pcscd_version {
    char text[32];
    int major, minor;
    bool socket_activation;
    const char *polkit; /* "with", "without", or "with or without": pcscd before 2.0 may not tell */
};

/* Runs program with --version, for 5 seconds at most. Returns false if it does not print a version that can
 * be parsed. */
bool pcscd_version(const char *program, struct pcscd_version *version);

/* Returns how many slots the pcscd supports, over all readers. */
unsigned pcscd_version_slots(const struct pcscd_version *version);

#endif
