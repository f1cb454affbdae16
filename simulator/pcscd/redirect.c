/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a private pcscd: replaces its fixed paths, and passes all other paths on unchanged.
 * $CARDRIG_REDIRECT is the rig's directory. Paths below /run lead to its subdirectory run, and so do those
 * of pcscd's socket, pid file and state directory in a build that has them elsewhere. The directory of USB
 * drivers leads to its subdirectory drivers.
 *
 * The functions below are those that pcscd 1.9.9 to 2.x call with such paths, and their variants in other
 * builds.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FD  3 /* where start.c puts the socket for clients */
#define COMMON     "/pcscd.comm"
#define COMMON_NEW "run/pcscd" COMMON

/* Returns the rest of path after prefix, or NULL if path is neither prefix itself nor below it. */
static const char *below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == '\0') ? path + length
                                                                                               : NULL;
}

/* Returns the same for directories that may occur anywhere in path. */
static const char *below_any(const char *path, const char *directories)
{
    for (const char *rest; (path = strstr(path, directories)); path++)
        if ((rest = below(path, directories)))
            return rest;
    return NULL;
}

/* Returns the rig's path for a fixed path of pcscd, in buffer, or else path itself. */
static const char *redirect(const char *path, char buffer[PATH_MAX])
{
    static const struct {
        const char *prefix, *to;
        bool anywhere; /* may follow the installation prefix that pcscd was built with */
    } rules[] = {
        {COMMON, COMMON_NEW, true},
        {"/pcscd.pid", "run/pcscd/pcscd.pid", true},
        {"/var/run/pcscd", "run/pcscd", true},
        {"/pcsc/drivers", "drivers", true},
        {PCSCD_USB_DROP_DIR, "drivers", false},
        {"/run", "run", false},
        {"/var/run", "run", false},
    };
    const char *directory = getenv("CARDRIG_REDIRECT");
    if (!directory || !path || path[0] != '/' || below(path, directory))
        return path;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        const char *rest = (rules[i].anywhere ? below_any : below)(path, rules[i].prefix);
        if (rest) {
            snprintf(buffer, PATH_MAX, "%s/%s%s", directory, rules[i].to, rest);
            return buffer;
        }
    }
    return path;
}

/* The next definition of the function that ours replaces: usually the C library's. */
#define NEXT(type, name) __extension__((type)dlsym(RTLD_NEXT, name))

/* Defines a function under one name for the compiler, and exports it under another for the linker. What
 * headers do with the exported name therefore has no effect: macros, other symbols by _FILE_OFFSET_BITS,
 * types that only some systems have. */
#define EXPORTED(result, function, name, parameters)                                                         \
    __attribute__((visibility("default"))) result function parameters __asm__(name);                         \
    result function parameters

#define REDIRECTED(result, name, parameters, type, ...)                                                      \
    EXPORTED(result, redirected_##name, #name, parameters)                                                   \
    {                                                                                                        \
        char buffer[PATH_MAX];                                                                               \
        return NEXT(type, #name)(redirect(path, buffer), ##__VA_ARGS__);                                     \
    }

typedef int path_function(const char *);
typedef int mode_function(const char *, mode_t);
typedef int flags_function(const char *, int);
typedef int open_function(const char *, int, ...);
typedef int stat_function(const char *, void *);
typedef int xstat_function(int, const char *, void *);
typedef FILE *fopen_function(const char *, const char *);
typedef DIR *opendir_function(const char *);
typedef void *dlopen_function(const char *, int);
typedef int bind_function(int, const struct sockaddr *, socklen_t);

REDIRECTED(int, mkdir, (const char *path, mode_t mode), mode_function *, mode)
REDIRECTED(int, chmod, (const char *path, mode_t mode), mode_function *, mode)
REDIRECTED(int, unlink, (const char *path), path_function *)
REDIRECTED(int, rmdir, (const char *path), path_function *)
REDIRECTED(int, access, (const char *path, int mode), flags_function *, mode)
REDIRECTED(FILE *, fopen, (const char *path, const char *mode), fopen_function *, mode)
REDIRECTED(FILE *, fopen64, (const char *path, const char *mode), fopen_function *, mode)
REDIRECTED(DIR *, opendir, (const char *path), opendir_function *)
REDIRECTED(void *, dlopen, (const char *path, int flags), dlopen_function *, flags)

REDIRECTED(int, stat, (const char *path, void *out), stat_function *, out)
REDIRECTED(int, lstat, (const char *path, void *out), stat_function *, out)
REDIRECTED(int, stat64, (const char *path, void *out), stat_function *, out)
REDIRECTED(int, lstat64, (const char *path, void *out), stat_function *, out)
/* in 32-bit programs with _TIME_BITS=64 */
REDIRECTED(int, __stat64_time64, (const char *path, void *out), stat_function *, out)
REDIRECTED(int, __lstat64_time64, (const char *path, void *out), stat_function *, out)

/* glibc before 2.33 implements stat and lstat by these */
#define REDIRECTED_XSTAT(name)                                                                               \
    EXPORTED(int, redirected_##name, #name, (int version, const char *path, void *out))                      \
    {                                                                                                        \
        char buffer[PATH_MAX];                                                                               \
        return NEXT(xstat_function *, #name)(version, redirect(path, buffer), out);                          \
    }

REDIRECTED_XSTAT(__xstat)
REDIRECTED_XSTAT(__lxstat)
REDIRECTED_XSTAT(__xstat64)
REDIRECTED_XSTAT(__lxstat64)

#define REDIRECTED_OPEN(name)                                                                                \
    EXPORTED(int, redirected_##name, #name, (const char *path, int flags, ...))                              \
    {                                                                                                        \
        char buffer[PATH_MAX];                                                                               \
        mode_t mode = 0;                                                                                     \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                         \
            va_list arguments;                                                                               \
            va_start(arguments, flags);                                                                      \
            mode = va_arg(arguments, mode_t);                                                                \
            va_end(arguments);                                                                               \
        }                                                                                                    \
        return NEXT(open_function *, #name)(redirect(path, buffer), flags, mode);                            \
    }

REDIRECTED_OPEN(open)
REDIRECTED_OPEN(open64)
/* with _FORTIFY_SOURCE */
REDIRECTED(int, __open_2, (const char *path, int flags), flags_function *, flags)
REDIRECTED(int, __open64_2, (const char *path, int flags), flags_function *, flags)

/*
 * A pcscd without socket activation removes the socket's file and binds a socket of its own. So does one
 * that a wrapper starts, because LISTEN_PID then names the wrapper. Clients may already be waiting at the
 * socket that pcscd was passed. These functions therefore make pcscd use that socket instead.
 */

/* Returns whether path is that of the socket for clients, and descriptor LISTEN_FD is this socket. */
static bool is_listening(const char *path)
{
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    int listens = 0;
    socklen_t listens_size = sizeof listens;
    return getsockname(LISTEN_FD, (struct sockaddr *)&address, &size) == 0 && address.sun_family == AF_UNIX &&
           strncmp(address.sun_path, path, sizeof address.sun_path) == 0 &&
           getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) == 0 && listens;
}

EXPORTED(int, redirected_remove, "remove", (const char *path))
{
    char buffer[PATH_MAX];
    const char *to = redirect(path, buffer);
    return to == buffer && is_listening(to) ? 0 : NEXT(path_function *, "remove")(to);
}

EXPORTED(int, redirected_bind, "bind", (int fd, const struct sockaddr *address, socklen_t size))
{
    const struct sockaddr_un *from = (const struct sockaddr_un *)address;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char path[sizeof to.sun_path + 1] = "", buffer[PATH_MAX];
    if (size > offsetof(struct sockaddr_un, sun_path) && size <= sizeof *from && from->sun_family == AF_UNIX)
        memcpy(path, from->sun_path, size - offsetof(struct sockaddr_un, sun_path));
    if (redirect(path, buffer) == path)
        return NEXT(bind_function *, "bind")(fd, address, size);
    if (is_listening(buffer))
        return dup2(LISTEN_FD, fd) < 0 ? -1 : 0;
    memcpy(to.sun_path, buffer, sizeof to.sun_path); /* if too long, not terminated, but still in the rig */
    return NEXT(bind_function *, "bind")(fd, (const struct sockaddr *)&to, sizeof to);
}
