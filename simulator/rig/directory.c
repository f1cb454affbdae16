#include "rig/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether base can go before our own names: an absolute path of characters that pcscd's lexer takes, ':'
 * excepted, which our DEVICENAME needs; not below /run, which the private pcscd does not see; and not too
 * long. */
static bool usable(const char *base)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._@";
    static const char name[] = "/cardrig-XXXXXX";
    char real[4096];
    return base && base[0] == '/' && strspn(base, letters) == strlen(base) &&
           strlen(base) + sizeof name <= DIRECTORY_MAX && realpath(base, real) && strcmp(real, "/run") != 0 &&
           strncmp(real, "/run/", 5) != 0;
}

bool directory_new(char path[DIRECTORY_MAX])
{
    const char *const bases[] = {getenv("TMPDIR"), "/tmp"};
    for (int i = 0; i < 2; i++) {
        if (!usable(bases[i]))
            continue;
        snprintf(path, DIRECTORY_MAX, "%s/cardrig-XXXXXX", bases[i]);
        if (mkdtemp(path))
            return true;
    }
    return false;
}

static void remove_at(int parent, const char *name)
{
    if (unlinkat(parent, name, 0) == 0 || (errno != EISDIR && errno != EPERM))
        return;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        unlinkat(parent, name, AT_REMOVEDIR); /* it may be empty */
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_at(fd, entry->d_name);
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

void directory_remove(const char *path)
{
    remove_at(AT_FDCWD, path);
}
