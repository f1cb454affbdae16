/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a rig link's socket is, for targets that have one: in a folder that is there while the target runs. */
#ifndef CARDRIG_FUZZ_LINK_PATH_H
#define CARDRIG_FUZZ_LINK_PATH_H

#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], path[80];

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static void make_folder(void)
{
    /* a socket is made for each input: on a disk, that is ten times slower */
    snprintf(folder, sizeof folder, "%s/cardrig-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(folder));
    atexit(remove_folder);
    snprintf(path, sizeof path, "%s/link", folder);
}

#endif
