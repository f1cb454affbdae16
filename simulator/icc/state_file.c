/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "icc/plain.h"

/* The file begins with this line. The state follows. */
static const char head[] = "cardrig state 1\n";
#define HEAD_LENGTH (sizeof head - 1)

static bool fail(const char *path, const char *why, struct error *error)
{
    return error_set(error, "state=%s: %s", path, why);
}

/* Returns whether the descriptor is that of the file which has this path now. */
static bool is_current(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_ino == named.st_ino &&
           open_file.st_dev == named.st_dev;
}

/* Returns a locked descriptor, or -1. */
static int open_locked(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) {
        fail(path, strerror(errno), error);
        return -1;
    }
    /* between open and flock, another rig may have replaced the file and left */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_current(fd, path))
        return fd;
    fail(path, errno == ENOSYS ? strerror(errno) : "another rig uses this file", error);
    close(fd);
    return -1;
}

static bool read_state(int fd, const char *path, char **bytes, size_t *length, struct error *error)
{
    struct stat st;
    char line[HEAD_LENGTH];
    *bytes = NULL;
    *length = 0;
    if (fstat(fd, &st) != 0)
        return fail(path, strerror(errno), error);
    if (!S_ISREG(st.st_mode))
        return fail(path, "not a regular file", error);
    if (st.st_size == 0)
        return true;
    if ((size_t)st.st_size > HEAD_LENGTH + PLAIN_MAX ||
        pread(fd, line, sizeof line, 0) != (ssize_t)sizeof line || memcmp(line, head, sizeof line) != 0)
        return fail(path, "not a state file of cardrig: expected one that begins with 'cardrig state 1'",
                    error);
    *length = (size_t)st.st_size - HEAD_LENGTH;
    *bytes = malloc(*length + 1);
    if (!*bytes)
        return fail(path, "out of memory", error);
    if (pread(fd, *bytes, *length, (off_t)HEAD_LENGTH) == (ssize_t)*length)
        return true;
    free(*bytes);
    *bytes = NULL;
    return fail(path, "it cannot be read", error);
}

int state_file_open(const char *path, char **bytes, size_t *length, struct error *error)
{
    int fd = open_locked(path, error);
    if (fd < 0 || read_state(fd, path, bytes, length, error))
        return fd;
    close(fd);
    return -1;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        if (n < 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

int state_file_replace(const char *path, int fd, const char *bytes, size_t length, struct error *error)
{
    char fresh[PATH_MAX];
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh) {
        fail(path, strerror(ENAMETOOLONG), error);
        return -1;
    }
    /* only who has the lock gets here, so nobody else writes this file; a rig that was killed may have left it */
    int new_fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (new_fd >= 0 && flock(new_fd, LOCK_EX | LOCK_NB) == 0 && write_all(new_fd, head, HEAD_LENGTH) &&
        write_all(new_fd, bytes, length) && fdatasync(new_fd) == 0 && rename(fresh, path) == 0) {
        close(fd);
        return new_fd;
    }
    fail(path, strerror(errno), error);
    if (new_fd >= 0)
        close(new_fd);
    return -1;
}
