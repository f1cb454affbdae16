/*
 * Preloaded into a private pcscd where it cannot have namespaces: changes the fixed paths of pcscd, and
 * nothing else. $CARDRIG_REDIRECT is the rig's directory. What lies below /run goes to its run, the directory
 * of USB drivers to its drivers.
 *
 * The functions are those that pcscd 1.9.9 to 2.x call with such paths, and their variants of other builds.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The path after a prefix that is a whole directory, or NULL. */
static const char *below(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(path, prefix, length) == 0 && (path[length] == '/' || path[length] == '\0') ? path + length
                                                                                               : NULL;
}

static const char *redirect(const char *path, char buffer[PATH_MAX])
{
    static const struct {
        const char *prefix, *to;
    } rules[] = {{"/run", "run"}, {"/var/run", "run"}, {PCSCD_USB_DROP_DIR, "drivers"}};
    const char *directory = getenv("CARDRIG_REDIRECT");
    if (directory && path)
        for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
            const char *rest = below(path, rules[i].prefix);
            if (rest) {
                snprintf(buffer, PATH_MAX, "%s/%s%s", directory, rules[i].to, rest);
                return buffer;
            }
        }
    return path;
}

/* The function that ours stands before. */
#define NEXT(type, name) __extension__((type)dlsym(RTLD_NEXT, name))

/* Exports a function by the name that the linker knows it by. For the compiler it has another: what headers
 * make of a name (macros, other symbols by _FILE_OFFSET_BITS, types that only some systems have) does not
 * concern it. */
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

REDIRECTED(int, mkdir, (const char *path, mode_t mode), mode_function *, mode)
REDIRECTED(int, chmod, (const char *path, mode_t mode), mode_function *, mode)
REDIRECTED(int, remove, (const char *path), path_function *)
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
/* of 32-bit programs with _TIME_BITS=64 */
REDIRECTED(int, __stat64_time64, (const char *path, void *out), stat_function *, out)
REDIRECTED(int, __lstat64_time64, (const char *path, void *out), stat_function *, out)

/* glibc before 2.33 has these behind stat and lstat */
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
/* fortified */
REDIRECTED(int, __open_2, (const char *path, int flags), flags_function *, flags)
REDIRECTED(int, __open64_2, (const char *path, int flags), flags_function *, flags)
