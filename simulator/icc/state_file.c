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

#include "base/output.h"
#include "icc/plain.h"

/* The file begins with these words, and a line with the card. The state follows. */
#define HEAD       "cardrig state 1\n"
#define HEAD_MAX   600 /* bytes of the head with the name of the card */
#define NEW_PREFIX ".cardrig-"

static bool fail(const char *path, const char *why, struct error *error)
{
    return error_set(error, "state=%s: %s", path, why);
}

/* After open(). */
static bool fail_to_open(const char *path, struct error *error)
{
    return fail(path, errno == ELOOP ? "a symbolic link" : strerror(errno), error);
}

/* Writes the head, and returns its length. */
static size_t make_head(char head[HEAD_MAX], const char *card)
{
    return (size_t)snprintf(head, HEAD_MAX, HEAD "%.500s\n", card);
}

/* Returns whether the descriptor is that of the file which has this path now. */
static bool is_current(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 && open_file.st_ino == named.st_ino &&
           open_file.st_dev == named.st_dev;
}

/* Returns a locked descriptor, or -1. */
static int open_locked(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fail_to_open(path, error);
        return -1;
    }
    bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    /* between open and flock, another rig may have replaced the file and left */
    if (is_locked && is_current(fd, path))
        return fd;
    fail(path, is_locked || errno == EWOULDBLOCK ? "another rig uses this file" : strerror(errno), error);
    close(fd);
    return -1;
}

/* Reads the head of a file that is not empty. Returns its length, or 0 if it is not that of this card. */
static size_t check_head(int fd, const char *path, const char *card, struct error *error)
{
    char wanted[HEAD_MAX], found[HEAD_MAX];
    size_t length = make_head(wanted, card);
    ssize_t n = pread(fd, found, sizeof found - 1, 0);
    if (n >= (ssize_t)length && memcmp(found, wanted, length) == 0)
        return length;
    if (n < (ssize_t)strlen(HEAD) || memcmp(found, HEAD, strlen(HEAD)) != 0) {
        fail(path, "not a state file of cardrig: expected one that begins with 'cardrig state 1'", error);
        return 0;
    }
    found[n] = '\0';
    found[strlen(HEAD) + strcspn(found + strlen(HEAD), "\n")] = '\0';
    error_set(error, "state=%s: the state of the card '%.100s', expected one of '%.100s'", path,
              found + strlen(HEAD), card);
    return 0;
}

static bool read_state(int fd, const char *path, const char *card, char **bytes, size_t *length,
                       struct error *error)
{
    struct stat st;
    *bytes = NULL;
    *length = 0;
    if (fstat(fd, &st) != 0)
        return fail(path, strerror(errno), error);
    if (!S_ISREG(st.st_mode))
        return fail(path, "not a regular file", error);
    if (st.st_size == 0)
        return true;
    size_t head = check_head(fd, path, card, error);
    if (head == 0)
        return false;
    *length = (size_t)st.st_size - head;
    if (*length > PLAIN_MAX)
        return fail(path, "more than 1 MiB", error);
    *bytes = malloc(*length + 1);
    if (!*bytes)
        return fail(path, "out of memory", error);
    if (pread(fd, *bytes, *length, (off_t)head) == (ssize_t)*length)
        return true;
    free(*bytes);
    *bytes = NULL;
    return fail(path, "it cannot be read", error);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool check_name(const char *path, struct error *error)
{
    return strncmp(file_name(path), NEW_PREFIX, strlen(NEW_PREFIX)) != 0 ||
           fail(path, "names that begin with '" NEW_PREFIX "' are cardrig's own", error);
}

/* Returns whether files can be made in the folder of the path. Sets errno if not. */
static bool can_make_files_beside(const char *path)
{
    char folder[PATH_MAX];
    int n = snprintf(folder, sizeof folder, "%.*s.", (int)(file_name(path) - path), path);
    errno = ENAMETOOLONG;
    return n < (int)sizeof folder && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

bool state_file_read(const char *path, const char *card, char **bytes, size_t *length, struct error *error)
{
    *bytes = NULL;
    *length = 0;
    if (!check_name(path, error))
        return false;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    bool is_new = fd < 0 && errno == ENOENT;
    if (fd < 0 && !is_new)
        return fail_to_open(path, error);
    bool ok = can_make_files_beside(path) || fail(path, strerror(errno), error);
    if (is_new)
        return ok;
    ok = ok && read_state(fd, path, card, bytes, length, error);
    close(fd);
    return ok;
}

int state_file_open(const char *path, const char *card, char **bytes, size_t *length, struct error *error)
{
    if (!check_name(path, error))
        return -1;
    int fd = open_locked(path, error);
    if (fd < 0 || read_state(fd, path, card, bytes, length, error))
        return fd;
    close(fd);
    return -1;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = output_write(fd, bytes, length);
        if (n < 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* Writes the path of the file that is to replace the other one. Returns false if it is too long. */
static bool new_path(const char *path, char fresh[PATH_MAX])
{
    const char *name = file_name(path);
    int n = snprintf(fresh, PATH_MAX, "%.*s" NEW_PREFIX "%s.new", (int)(name - path), path, name);
    return n > 0 && n < PATH_MAX;
}

/* A rig that was killed may have left such a file. Nobody else writes it: that takes the lock of the other one. */
static bool write_new(int fd, const char *card, const char *bytes, size_t length)
{
    char head[HEAD_MAX];
    size_t head_length = make_head(head, card);
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0 && write_all(fd, head, head_length) &&
           write_all(fd, bytes, length) && fdatasync(fd) == 0;
}

int state_file_replace(const char *path, int fd, const char *card, const char *bytes, size_t length,
                       struct error *error)
{
    char fresh[PATH_MAX];
    if (!is_current(fd, path)) {
        fail(path, "the file was removed or replaced", error);
        return -1;
    }
    if (!new_path(path, fresh)) {
        fail(path, strerror(ENAMETOOLONG), error);
        return -1;
    }
    int new_fd = open(fresh, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (new_fd >= 0 && write_new(new_fd, card, bytes, length) && rename(fresh, path) == 0) {
        close(fd);
        return new_fd;
    }
    fail(path, strerror(errno), error);
    if (new_fd >= 0) {
        unlink(fresh);
        close(new_fd);
    }
    return -1;
}
