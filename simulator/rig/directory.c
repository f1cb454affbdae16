/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TRIES 100 /* attempts to make a directory */

bool directory_is_plain(const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._@";
    return path[0] == '/' && path[strspn(path, letters)] == '\0';
}

const char *directory_base(size_t number)
{
    const char *const bases[DIRECTORY_BASES] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"};
    return bases[number];
}

const char *directory_why_not_in(const char *base)
{
    static const char name[] = "/" DIRECTORY_PREFIX "XXXXXX";
    struct statvfs mounted;
    char real[PATH_MAX];
    if (!directory_is_plain(base))
        return "not an absolute path of A-Z a-z 0-9 / - . _ @";
    if (strlen(base) + sizeof name > DIRECTORY_MAX)
        return "the path is too long for a socket";
    if (!realpath(base, real) || statvfs(real, &mounted) < 0)
        return strerror(errno);
    if (strcmp(real, "/run") == 0 || strncmp(real, "/run/", 5) == 0)
        return "the private pcscd has a /run of its own";
    if (mounted.f_flag & ST_NOEXEC)
        return "mounted noexec, and pcscd loads the driver from there";
    return NULL;
}

/* Replaces the Xs of a name by random letters. Returns false with errno on failure. */
static bool choose_name(char x[DIRECTORY_RANDOM])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint8_t bytes[DIRECTORY_RANDOM];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        x[i] = letters[bytes[i] % (unsigned)(sizeof letters - 1)];
    return true;
}

/* Completes the path, and makes and locks that directory. Returns -1 with errno on failure. */
static int make_locked(char *path)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct stat status;
        if (!choose_name(path + strlen(path) - DIRECTORY_RANDOM))
            return -1;
        if (mkdir(path, DIRECTORY_MODE) < 0) {
            if (errno != EEXIST)
                return -1;
            continue;
        }
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT) {
            int error = errno;
            rmdir(path);
            errno = error;
            return -1;
        }
        /* before it was locked it looked stale, and another process may have removed it */
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 && status.st_nlink > 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    errno = EEXIST;
    return -1;
}

int directory_new(char path[DIRECTORY_MAX], struct error *error)
{
    char reasons[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < DIRECTORY_BASES; i++) {
        const char *base = directory_base(i);
        if (!base)
            continue;
        const char *reason = directory_why_not_in(base);
        if (!reason) {
            snprintf(path, DIRECTORY_MAX, "%s/" DIRECTORY_PREFIX "XXXXXX", base);
            int fd = make_locked(path);
            if (fd >= 0)
                return fd;
            reason = strerror(errno);
        }
        if (length < sizeof reasons)
            length += (size_t)snprintf(reasons + length, sizeof reasons - length, "%s%.80s: %s",
                                       length > 0 ? "; " : "", base, reason);
    }
    error_set(error, "no place for the rig's directory (%s): set TMPDIR to another directory", reasons);
    return -1;
}

bool directory_check_name(const char *path, struct error *error)
{
    if (directory_is_plain(path) && strlen(path) < DIRECTORY_MAX)
        return true;
    return error_set(
        error,
        "directory '%s': expected an absolute path of at most %d characters, all of them of A-Z a-z 0-9 / - "
        ". _ @, which is what pcscd's configuration can hold",
        path, DIRECTORY_MAX - 1);
}

/* Removes the rig's sockets. A file of that name that is not a socket is not ours, and stays. */
static void remove_sockets(int fd)
{
    static const char *const names[] = {"link", "link.refused", "control"};
    struct stat status;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (fstatat(fd, names[i], &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(status.st_mode))
            unlinkat(fd, names[i], 0);
}

bool directory_claim(struct directory_claim *claim, const char *path, struct error *error)
{
    struct stat status;
    *claim = (struct directory_claim){.fd = -1};
    if (!directory_check_name(path, error))
        return false;
    snprintf(claim->path, sizeof claim->path, "%s", path);
    claim->made = mkdir(path, 0711) == 0;
    if (!claim->made && errno != EEXIST)
        return error_set(error, "cannot make %s: %s", path, strerror(errno));
    /* not a symbolic link, whose target could change later */
    claim->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (claim->fd < 0 || fstat(claim->fd, &status) < 0 || (claim->made && fchmod(claim->fd, 0711) < 0))
        error_set(error, "cannot use %s: %s", path, strerror(errno));
    else if (status.st_uid != 0 && status.st_uid != geteuid()) /* ours may have been replaced since mkdir */
        error_set(error, "cannot use %s: it belongs to user ID %lu, and not to us or to root", path,
                  (unsigned long)status.st_uid);
    else if (!claim->made && (status.st_mode & (S_IWGRP | S_IWOTH)))
        error_set(error, "cannot use %s: others can write to it (mode %03o)", path,
                  (unsigned)status.st_mode & 07777);
    else if (flock(claim->fd, LOCK_EX | LOCK_NB) < 0)
        error_set(error,
                  errno == EWOULDBLOCK ? "cannot use %s: a cardrig serves there already"
                                       : "cannot lock %s: %m",
                  path);
    else {
        remove_sockets(claim->fd);
        return true;
    }
    if (claim->fd >= 0)
        close(claim->fd);
    claim->fd = -1;
    return false;
}

void directory_release(struct directory_claim *claim)
{
    if (claim->fd < 0)
        return;
    remove_sockets(claim->fd);
    if (claim->made)
        rmdir(claim->path); /* fails if others have put something there */
    close(claim->fd);
    claim->fd = -1;
}

void directory_remove_at(int parent, const char *name)
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
            directory_remove_at(fd, entry->d_name);
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

void directory_remove(const char *path)
{
    directory_remove_at(AT_FDCWD, path);
}
