/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/access.h"

#include "base/descriptor.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel's format of an ACL, as in linux/posix_acl_xattr.h, which not every C library has. */
enum { ACL_VERSION = 2 };
enum acl_tag { ACL_OWNER = 0x01, ACL_USER = 0x02, ACL_GROUP = 0x04, ACL_MASK = 0x10, ACL_OTHER = 0x20 };
enum { ACL_NOTHING = 0, ACL_READ_WRITE = 6 };
#define ACL_NO_ID UINT32_MAX

struct acl {
    uint32_t version;
    struct acl_entry {
        uint16_t tag, permissions;
        uint32_t id;
    } entry[ACCESS_MAX + 5];
};

bool access_add(struct access_list *list, uid_t user)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->user[i] == user)
            return true;
    if (user != 0 && list->count == ACCESS_MAX)
        return false;
    if (user != 0)
        list->user[list->count++] = user;
    return true;
}

bool access_allows(const struct access_list *list, uid_t user)
{
    bool allowed = user == 0 || user == geteuid();
    for (unsigned i = 0; !allowed && list && i < list->count; i++)
        allowed = user == list->user[i];
    return allowed;
}

static void add_entry(struct acl *acl, unsigned *count, enum acl_tag tag, unsigned permissions, uint32_t id)
{
    acl->entry[(*count)++] =
        (struct acl_entry){htole16((uint16_t)tag), htole16((uint16_t)permissions), htole32(id)};
}

/* Fills in the ACL. Returns its size in bytes. */
static size_t make_acl(const struct access_list *list, struct acl *acl)
{
    unsigned count = 0;
    acl->version = htole32(ACL_VERSION);
    add_entry(acl, &count, ACL_OWNER, ACL_READ_WRITE, ACL_NO_ID);
    add_entry(acl, &count, ACL_USER, ACL_READ_WRITE, 0);
    for (unsigned i = 0; i < list->count; i++)
        add_entry(acl, &count, ACL_USER, ACL_READ_WRITE, list->user[i]);
    add_entry(acl, &count, ACL_GROUP, ACL_NOTHING, ACL_NO_ID);
    add_entry(acl, &count, ACL_MASK, ACL_READ_WRITE, ACL_NO_ID);
    add_entry(acl, &count, ACL_OTHER, ACL_NOTHING, ACL_NO_ID);
    return sizeof acl->version + count * sizeof acl->entry[0];
}

/* Opens the socket at path, which must be ours, and writes a name that leads to this very socket even if
 * path is replaced. Returns a descriptor that the caller must close after using the name, or -1 with
 * errno. */
static int pin_down(const char *path, char name[32])
{
    struct stat status;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode) || status.st_uid != geteuid()) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    snprintf(name, 32, "/proc/self/fd/%d", fd);
    return fd;
}

bool access_grant(const struct access_list *list, const char *path)
{
    char name[32];
    struct acl acl;
    if (geteuid() == 0 && list->count == 0)
        return true;
    size_t size = make_acl(list, &acl);
    int fd = pin_down(path, name);
    bool ok = fd >= 0 && setxattr(name, "system.posix_acl_access", &acl, size, 0) == 0;
    close_keeping_errno(fd);
    return ok;
}

bool access_grant_all(const char *path)
{
    char name[32];
    int fd = pin_down(path, name);
    bool ok = fd >= 0 && chmod(name, 0666) == 0;
    close_keeping_errno(fd);
    return ok;
}

const char *access_user_text(uid_t user, char text[ACCESS_USER_TEXT])
{
    const struct passwd *entry = getpwuid(user);
    if (entry)
        snprintf(text, ACCESS_USER_TEXT, "%s", entry->pw_name);
    else
        snprintf(text, ACCESS_USER_TEXT, "%lu", (unsigned long)user);
    return text;
}
