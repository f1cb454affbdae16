/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/stale.h"

#include "cli/orphans.h"
#include "rig/directory.h"
#include "rig/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS   1000
#define LOOKED_AT_MAX 1000 /* so that directories of other users cannot delay a start for long */

/* Clears away the rig with directory name below base. path is the same directory's absolute path. */
static void clear(int base, const char *name, const char *path, const char *around)
{
    char mark[sizeof STALE_MARK + DIRECTORY_MAX];
    snprintf(mark, sizeof mark, STALE_MARK "=%s", path);
    if (around && strcmp(path, around) == 0)
        return;
    if (unlinkat(base, name, AT_REMOVEDIR) == 0)
        return; /* it was empty, perhaps because it had just been made: nothing to log */
    unsigned count = orphans_end_marked(mark, PATIENCE_MS);
    directory_remove_at(base, name);
    rig_log("cleared away after a rig that was killed: %s, and %u process%s of its command", path, count,
            count == 1 ? "" : "es");
}

static bool is_our_directory(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
           (status.st_mode & 07777) == DIRECTORY_MODE;
}

/* Opens and locks the directory of a dead rig. Returns -1 if it is not a rig's directory of this user, or
 * if a process holds its lock. */
static int lock_stale_directory(int base, const char *name)
{
    struct stat status;
    int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && is_our_directory(fd) && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
        status.st_nlink > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool has_our_form(const char *name)
{
    size_t prefix = strlen(DIRECTORY_PREFIX);
    return strncmp(name, DIRECTORY_PREFIX, prefix) == 0 && strlen(name) == prefix + DIRECTORY_RANDOM;
}

/* Returns whether only we and root can move our directories, or put others in their place. */
static bool is_safe(int base)
{
    struct stat status;
    return fstat(base, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) &&
           ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX));
}

static void clear_in(const char *base, const char *around)
{
    char path[DIRECTORY_MAX];
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 && is_safe(fd) ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return;
    }
    unsigned looked_at = 0;
    for (struct dirent *entry; looked_at < LOOKED_AT_MAX && (entry = readdir(folder));) {
        if (!has_our_form(entry->d_name))
            continue;
        looked_at++;
        int lock = lock_stale_directory(fd, entry->d_name);
        if (lock < 0)
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", base, entry->d_name) < sizeof path)
            clear(fd, entry->d_name, path, around);
        close(lock);
    }
    closedir(folder);
}

void stale_rigs_clear(const char *around)
{
    for (size_t i = 0; i < DIRECTORY_BASES; i++) {
        const char *base = directory_base(i);
        if (base && directory_is_plain(base))
            clear_in(base, around);
    }
}
