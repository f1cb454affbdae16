/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/folder.h"

#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_PART_MAX 255 /* bytes of one part of a path */

/* Says why the part cannot be opened. For a link to a folder, errno is ENOTDIR. */
static void explain(int directory, const char *part, int error_number, struct error *error)
{
    struct stat st;
    bool is_link = fstatat(directory, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    error_set(error, "%s", is_link ? "a symbolic link, which scripts cannot follow" : strerror(error_number));
}

/* Opens one part of a path, which may have no slash, in the directory. Closes the directory. */
static int open_part(int directory, const char *name, size_t length, bool is_last, struct error *error)
{
    char part[NAME_PART_MAX + 1];
    int fd = -1;
    if (length == 0 || length > NAME_PART_MAX || (length <= 2 && memcmp("..", name, length) == 0)) {
        error_set(error, "expected a path below the script's folder, without '.' and '..'");
        close(directory);
        return -1;
    }
    memcpy(part, name, length);
    part[length] = '\0';
    fd = openat(directory, part,
                O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
                    (is_last ? O_NONBLOCK : O_DIRECTORY)); /* no FIFO can block */
    if (fd < 0)
        explain(directory, part, errno, error);
    close(directory);
    return fd;
}

/* Returns the descriptor, or -1. */
static int open_below(const char *folder, const char *name, struct error *error)
{
    int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    bool is_last = false;
    if (fd < 0)
        error_set(error, "%s", strerror(errno));
    while (fd >= 0 && !is_last) {
        size_t length = strcspn(name, "/");
        is_last = name[length] == '\0';
        fd = open_part(fd, name, length, is_last, error);
        name += length + 1;
    }
    return fd;
}

static bool check_file(int fd, size_t *size, struct error *error)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_set(error, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return error_set(error, "not a regular file");
    if ((size_t)st.st_size > FOLDER_FILE_MAX)
        return error_set(error, "larger than 4 MiB");
    *size = (size_t)st.st_size;
    return true;
}

bool folder_size(const char *folder, const char *name, size_t *size, struct error *error)
{
    int fd = open_below(folder, name, error);
    if (fd < 0)
        return false;
    bool ok = check_file(fd, size, error);
    close(fd);
    return ok;
}

bool folder_read(const char *folder, const char *name, char *bytes, size_t size, size_t *length,
                 struct error *error)
{
    size_t now;
    int fd = open_below(folder, name, error);
    if (fd < 0)
        return false;
    bool ok = check_file(fd, &now, error);
    if (ok && !read_to_end(fd, bytes, size, length))
        ok = error_set(error, "%s", strerror(errno));
    close(fd);
    return ok;
}
