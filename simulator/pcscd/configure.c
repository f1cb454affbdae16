#include "pcscd/pcscd.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(char *error, size_t error_size, const char *what, const char *path)
{
    snprintf(error, error_size, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

static bool make_directory(const char *parent, const char *name, char *error, size_t error_size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", parent, name);
    return mkdir(path, S_IRWXU) == 0 || fail(error, error_size, "make", path);
}

/* LIBPATH can hold fewer characters than a path can have, so it names a link in our directory. */
static bool link_driver(const struct pcscd *pcscd, char *error, size_t error_size)
{
    char path[PATH_MAX], real[PATH_MAX];
    if (!realpath(pcscd->driver, real))
        return fail(error, error_size, "find the driver", pcscd->driver);
    if (strncmp(real, "/run/", 5) == 0) {
        snprintf(error, error_size, "the driver %s lies below /run, which a private pcscd does not see",
                 real);
        return false;
    }
    snprintf(path, sizeof path, "%s/libifdcardrig.so", pcscd->directory);
    return symlink(real, path) == 0 || fail(error, error_size, "make", path);
}

static bool write_readers(const struct pcscd *pcscd, const struct pcscd_reader *readers,
                          unsigned reader_count, char *error, size_t error_size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/reader.conf.d/cardrig", pcscd->directory);
    FILE *file = fopen(path, "we");
    if (!file)
        return fail(error, error_size, "write", path);
    for (unsigned i = 0; i < reader_count; i++)
        fprintf(file,
                "FRIENDLYNAME \"%s\"\n"
                "DEVICENAME /dev/null:rig=%s/link:reader=%u:slots=%u\n"
                "LIBPATH %s/libifdcardrig.so\n"
                "CHANNELID %u\n",
                readers[i].name, pcscd->directory, i, readers[i].slots, pcscd->directory, i);
    bool ok = !ferror(file);
    if (fclose(file) != 0 || !ok)
        return fail(error, error_size, "write", path);
    return true;
}

bool pcscd_configure(const struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                     char *error, size_t error_size)
{
    return make_directory(pcscd->directory, "run", error, error_size) &&
           make_directory(pcscd->directory, "empty", error, error_size) &&
           make_directory(pcscd->directory, "reader.conf.d", error, error_size) &&
           link_driver(pcscd, error, error_size) &&
           write_readers(pcscd, readers, reader_count, error, error_size);
}

bool pcscd_find(const char *wanted, char *path, size_t path_size, char *error, size_t error_size)
{
    if (wanted) {
        snprintf(path, path_size, "%s", wanted);
        if (access(path, X_OK) == 0)
            return true;
        snprintf(error, error_size, "cannot run %s: %s", wanted, strerror(errno));
        return false;
    }
    /* sbin is seldom in a user's PATH */
    static const char elsewhere[] = "/usr/local/sbin:/usr/sbin:/sbin";
    const char *path_variable = getenv("PATH");
    char directories[8192];
    snprintf(directories, sizeof directories, "%s:%s", path_variable ? path_variable : "", elsewhere);
    char *rest = directories;
    for (char *directory; (directory = strsep(&rest, ":"));) {
        snprintf(path, path_size, "%s/pcscd", directory);
        if (*directory == '/' && access(path, X_OK) == 0)
            return true;
    }
    snprintf(
        error, error_size,
        "pcscd is not installed (looked in PATH and %s): install the package 'pcscd' (Debian, Ubuntu) or "
        "'pcsc-lite' (Fedora, Arch), or give its path with --pcscd or $CARDRIG_PCSCD",
        elsewhere);
    return false;
}
