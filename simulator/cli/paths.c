/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/paths.h"

#include "rig/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Finds one of cardrig's libraries, in the build tree or where it is installed. */
static bool beside_us(const char *name, char *path, size_t size)
{
    static const char *const directories[] = {"../lib", LIBRARY_FROM_BIN};
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    *slash = '\0';
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        if ((size_t)snprintf(path, size, "%s/%s/%s", program, directories[i], name) < size &&
            access(path, R_OK) == 0)
            return true;
    return false;
}

bool paths_find_driver(char *path, size_t size)
{
    const char *wanted = getenv("CARDRIG_DRIVER");
    if (wanted) {
        snprintf(path, size, "%s", wanted);
        return access(path, R_OK) == 0;
    }
    return beside_us("libifdcardrig.so", path, size);
}

bool paths_driver(char *path, size_t size)
{
    bool found = paths_find_driver(path, size);
    if (!found)
        rig_log("cannot find the driver, libifdcardrig.so: build or install all of cardrig, or set "
                "CARDRIG_DRIVER");
    return found;
}

bool paths_find_redirect(char *path, size_t size)
{
    return beside_us("libcardrig-redirect.so", path, size);
}

bool paths_redirect(char *path, size_t size)
{
    bool found = paths_find_redirect(path, size);
    if (!found)
        rig_log("cannot find libcardrig-redirect.so: build or install all of cardrig");
    return found;
}
