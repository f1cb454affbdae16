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

#define EXPORT __attribute__((visibility("default")))

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

#define REDIRECTED(result, name, parameters, type, ...)                                                      \
    EXPORT result name parameters;                                                                           \
    EXPORT result name parameters                                                                            \
    {                                                                                                        \
        char buffer[PATH_MAX];                                                                               \
        return NEXT(type, #name)(redirect(path, buffer), ##__VA_ARGS__);                                     \
    }

typedef int path_function(const char *);
typedef int mode_function(const char *, mode_t);
typedef int open_function(const char *, int, ...);
typedef int open_2_function(const char *, int);
typedef int stat_function(const char *, struct stat *);
typedef int stat64_function(const char *, struct stat64 *);
typedef int xstat_function(int, const char *, struct stat *);
typedef FILE *fopen_function(const char *, const char *);
typedef DIR *opendir_function(const char *);
typedef int access_function(const char *, int);
typedef void *dlopen_function(const char *, int);

REDIRECTED(int, mkdir, (const char *path, mode_t mode), mode_function *, mode)
REDIRECTED(int, chmod, (const char *path, mode_t mode), mode_function *, mode)
REDIRECTED(int, remove, (const char *path), path_function *)
REDIRECTED(int, unlink, (const char *path), path_function *)
REDIRECTED(int, rmdir, (const char *path), path_function *)
REDIRECTED(int, access, (const char *path, int mode), access_function *, mode)
REDIRECTED(int, stat, (const char *path, struct stat *out), stat_function *, out)
REDIRECTED(int, lstat, (const char *path, struct stat *out), stat_function *, out)
REDIRECTED(int, stat64, (const char *path, struct stat64 *out), stat64_function *, out)
REDIRECTED(int, lstat64, (const char *path, struct stat64 *out), stat64_function *, out)
REDIRECTED(FILE *, fopen, (const char *path, const char *mode), fopen_function *, mode)
REDIRECTED(FILE *, fopen64, (const char *path, const char *mode), fopen_function *, mode)
REDIRECTED(DIR *, opendir, (const char *path), opendir_function *)
REDIRECTED(void *, dlopen, (const char *path, int flags), dlopen_function *, flags)
REDIRECTED(int, __open_2, (const char *path, int flags), open_2_function *, flags)
REDIRECTED(int, __open64_2, (const char *path, int flags), open_2_function *, flags)

/* glibc before 2.33 has these behind stat and lstat */
EXPORT int __xstat(int version, const char *path, struct stat *out);
EXPORT int __xstat(int version, const char *path, struct stat *out)
{
    char buffer[PATH_MAX];
    return NEXT(xstat_function *, "__xstat")(version, redirect(path, buffer), out);
}

EXPORT int __lxstat(int version, const char *path, struct stat *out);
EXPORT int __lxstat(int version, const char *path, struct stat *out)
{
    char buffer[PATH_MAX];
    return NEXT(xstat_function *, "__lxstat")(version, redirect(path, buffer), out);
}

#define OPEN_BODY(name)                                                                                      \
    {                                                                                                        \
        char buffer[PATH_MAX];                                                                               \
        mode_t mode = 0;                                                                                     \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {                                         \
            va_list arguments;                                                                               \
            va_start(arguments, flags);                                                                      \
            mode = va_arg(arguments, mode_t);                                                                \
            va_end(arguments);                                                                               \
        }                                                                                                    \
        return NEXT(open_function *, name)(redirect(path, buffer), flags, mode);                             \
    }

EXPORT int open(const char *path, int flags, ...) OPEN_BODY("open") EXPORT
    int open64(const char *path, int flags, ...) OPEN_BODY("open64")
