#include "pcscd/pcscd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

/* Maps one user or group number to itself. */
static bool map_id(const char *path, unsigned id)
{
    char text[64];
    snprintf(text, sizeof text, "%u %u 1", id, id);
    return write_file(path, text);
}

/* A mount namespace; where that takes more rights than we have, in a user namespace in which we have them and
 * are still known by our own numbers. */
static const char *new_namespaces(void)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (user == 0 && unshare(CLONE_NEWNS) == 0)
        return NULL;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        return "unshare";
    if (!write_file("/proc/self/setgroups", "deny"))
        return "write /proc/self/setgroups";
    if (!map_id("/proc/self/uid_map", user))
        return "write /proc/self/uid_map";
    if (!map_id("/proc/self/gid_map", group))
        return "write /proc/self/gid_map";
    return NULL;
}

static bool cover(const char *path, const char *directory, const char *name)
{
    char source[PATH_MAX];
    snprintf(source, sizeof source, "%s/%s", directory, name);
    return mount(source, path, NULL, MS_BIND, NULL) == 0;
}

const char *isolate_by_namespaces(const struct pcscd *pcscd)
{
    const char *failed = new_namespaces();
    if (failed)
        return failed;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return "mount / private";
    /* where there is no such directory there are no drivers of real readers either, and no place for ours */
    bool needed = pcscd->usb_readers.count > 0 || access(PCSCD_USB_DROP_DIR, F_OK) == 0;
    if (needed && !cover(PCSCD_USB_DROP_DIR, pcscd->directory, "drivers"))
        return "mount over " PCSCD_USB_DROP_DIR;
    if (!cover("/run", pcscd->directory, "run"))
        return "mount over /run";
    return NULL;
}

bool isolate_preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char *all = NULL;
    bool ok = asprintf(&all, "%s%s%s", library, others ? ":" : "", others ? others : "") >= 0 &&
              setenv("LD_PRELOAD", all, 1) == 0;
    if (ok)
        free(all);
    return ok;
}
