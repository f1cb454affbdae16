/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20) /* how much of a FIFO a slow reader may leave unread */

bool output_expand_path(const char *name, char path[PATH_MAX])
{
    size_t used = 0;
    for (const char *c = name; *c && used < PATH_MAX - 16; c++)
        if (c[0] == '%' && c[1] == 'p' && ++c)
            used += (size_t)snprintf(path + used, PATH_MAX - used, "%d", (int)getpid());
        else
            c += (path[used++] = *c) == '%' && c[1] == '%';
    path[used] = '\0';
    return used < PATH_MAX - 16;
}

static int close_and_fail(int fd, struct error *error, const char *path, const char *why)
{
    error_set(error, "cannot write %.400s: %s", path, why);
    if (fd >= 0)
        close(fd);
    return -1;
}

int output_open(const char *path, struct error *error)
{
    struct stat status;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENXIO)
        return close_and_fail(fd, error, path, "nobody reads it: start what reads from it first");
    if (fd < 0 || fstat(fd, &status) < 0)
        return close_and_fail(fd, error, path, strerror(errno));
    if (S_ISFIFO(status.st_mode))
        fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* may be refused: then the FIFO stays smaller */
    if (!S_ISREG(status.st_mode))
        return fd;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return close_and_fail(fd, error, path,
                              "another cardrig writes to it; with %p in its name each has a file of its own");
    if (ftruncate(fd, 0) < 0)
        return close_and_fail(fd, error, path, strerror(errno));
    return fd;
}

ssize_t output_write(int fd, const void *bytes, size_t length)
{
    sigset_t quiet, before;
    sigemptyset(&quiet);
    sigaddset(&quiet, SIGPIPE);
    sigaddset(&quiet, SIGXFSZ);
    sigprocmask(SIG_BLOCK, &quiet, &before); /* on Linux, only for this thread */
    ssize_t written = write(fd, bytes, length);
    int error = errno;
    if (written < 0 && (error == EPIPE || error == EFBIG))
        sigtimedwait(&quiet, NULL, &(struct timespec){0}); /* consumes the pending signal */
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return written;
}
