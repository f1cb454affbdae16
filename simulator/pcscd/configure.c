/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "pcscd/pcscd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRIVER_COPY "driver.so"

bool configure_fail(struct error *error, const char *what, const char *path)
{
    return error_set(error, "cannot %s %s: %s", what, path, strerror(errno));
}

bool configure_make_directory(const char *directory, const char *name, struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return mkdir(path, S_IRWXU) == 0 || configure_fail(error, "make", path);
}

bool configure_copy(const char *file, const char *directory, const char *name, struct error *error)
{
    char path[PATH_MAX];
    struct stat status;
    int from = open(file, O_RDONLY | O_CLOEXEC);
    if (from < 0 || fstat(from, &status) < 0) {
        configure_fail(error, "read", file);
        if (from >= 0)
            close(from);
        return false;
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRWXU);
    off_t left = status.st_size;
    while (to >= 0 && left > 0) {
        ssize_t sent = sendfile(to, from, NULL, (size_t)left);
        if (sent <= 0)
            break;
        left -= sent;
    }
    bool ok = to >= 0 && left == 0;
    if (!ok)
        error_set(error, "cannot copy %s to %s: %s", file, path, strerror(errno));
    close(from);
    if (to >= 0)
        close(to);
    return ok;
}

static bool write_readers(const struct pcscd *pcscd, const struct pcscd_reader *readers,
                          unsigned reader_count, struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/reader.conf.d/cardrig", pcscd->directory);
    FILE *file = fopen(path, "we");
    if (!file)
        return configure_fail(error, "write", path);
    for (unsigned i = 0; i < reader_count; i++)
        if (!readers[i].bus)
            fprintf(file,
                    "FRIENDLYNAME \"%s\"\n"
                    "DEVICENAME %s\n"
                    "LIBPATH %s/" DRIVER_COPY "\n"
                    "CHANNELID %u\n",
                    readers[i].name, readers[i].device, pcscd->directory, i);
    bool ok = !ferror(file);
    if (fclose(file) != 0 || !ok)
        return configure_fail(error, "write", path);
    return true;
}

bool pcscd_configure(struct pcscd *pcscd, const struct pcscd_reader *readers, unsigned reader_count,
                     struct error *error)
{
    const char *directory = pcscd->directory;
    return configure_make_directory(directory, "run", error) &&
           configure_make_directory(directory, "run/pcscd", error) &&
           configure_make_directory(directory, "drivers", error) &&
           configure_make_directory(directory, "reader.conf.d", error) &&
           configure_copy(pcscd->driver, directory, DRIVER_COPY, error) &&
           configure_copy(pcscd->redirect, directory, CONFIGURE_PRELOAD, error) &&
           write_readers(pcscd, readers, reader_count, error) &&
           usb_configure(pcscd, readers, reader_count, error);
}

/* Finds pcscd in a list of directories separated by colons. */
static bool find_pcscd_in(const char *directories, char *path, size_t path_size)
{
    for (const char *directory = directories;; directory++) {
        int length = (int)strcspn(directory, ":");
        int needed = snprintf(path, path_size, "%.*s/pcscd", length, directory);
        if (*directory == '/' && (size_t)needed < path_size && access(path, X_OK) == 0)
            return true;
        directory += length;
        if (*directory == '\0')
            return false;
    }
}

bool pcscd_find(const char *wanted, char *path, size_t path_size, struct error *error)
{
    if (wanted && *wanted) {
        snprintf(path, path_size, "%s", wanted);
        if (access(path, X_OK) == 0)
            return true;
        return error_set(error, "cannot run %s: %s", wanted, strerror(errno));
    }
    /* the PATH of a user seldom includes sbin */
    static const char elsewhere[] = "/usr/local/sbin:/usr/sbin:/sbin";
    const char *path_variable = getenv("PATH");
    if ((path_variable && find_pcscd_in(path_variable, path, path_size)) ||
        find_pcscd_in(elsewhere, path, path_size))
        return true;
    return error_set(
        error,
        "pcscd is not installed (looked in PATH and %s): install the package 'pcscd' (Debian, Ubuntu) or "
        "'pcsc-lite' (Fedora, Arch), or give its path with --pcscd or $CARDRIG_PCSCD",
        elsewhere);
}
