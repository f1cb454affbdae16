#include "cli/paths.h"

#include "rig/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* name in one of the directories, given relative to that of this program */
static bool beside_us(const char *const directories[2], const char *name, char *path, size_t size)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    *slash = '\0';
    for (int i = 0; i < 2; i++)
        if ((size_t)snprintf(path, size, "%s/%s/%s", program, directories[i], name) < size &&
            access(path, R_OK) == 0)
            return true;
    return false;
}

static bool find_driver(char *path, size_t size)
{
    static const char *const directories[2] = {"../lib", DRIVER_FROM_BIN};
    const char *wanted = getenv("CARDRIG_DRIVER");
    if (wanted) {
        snprintf(path, size, "%s", wanted);
        return access(path, R_OK) == 0;
    }
    return beside_us(directories, "libifdcardrig.so", path, size);
}

bool paths_driver(char *path, size_t size)
{
    bool found = find_driver(path, size);
    if (!found)
        rig_log("cannot find the driver, libifdcardrig.so: build or install all of cardrig, or set "
                "CARDRIG_DRIVER");
    return found;
}

bool paths_redirect(char *path, size_t size)
{
    static const char *const directories[2] = {"../lib", LIBRARY_FROM_BIN};
    return beside_us(directories, "libcardrig-redirect.so", path, size);
}
