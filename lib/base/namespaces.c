/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/namespaces.h"

#include "base/descriptor.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close_keeping_errno(fd);
    return ok;
}

/* Maps one user or group ID to itself. */
static bool map_id(const char *path, unsigned id)
{
    char text[64];
    snprintf(text, sizeof text, "%u %u 1", id, id);
    return write_file(path, text);
}

const char *namespaces_enter(int kinds)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (user == 0 && unshare(kinds) == 0)
        return NULL;
    if (unshare(CLONE_NEWUSER | kinds) < 0)
        return "unshare";
    if (!write_file("/proc/self/setgroups", "deny"))
        return "write /proc/self/setgroups";
    if (!map_id("/proc/self/uid_map", user))
        return "write /proc/self/uid_map";
    if (!map_id("/proc/self/gid_map", group))
        return "write /proc/self/gid_map";
    return NULL;
}

static long number_in(const char *path)
{
    long number = -1;
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%ld", &number) != 1)
            number = -1;
        fclose(file);
    }
    return number;
}

static bool seccomp_filters_us(void)
{
    char line[256];
    int mode = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file) && sscanf(line, "Seccomp: %d", &mode) != 1)
        ;
    if (file)
        fclose(file);
    return mode == 2;
}

const char *namespaces_remedy(int kinds)
{
    if (number_in("/proc/sys/user/max_user_namespaces") == 0 && geteuid() != 0)
        return "sysctl user.max_user_namespaces=10000";
    if ((kinds & CLONE_NEWNS) && number_in("/proc/sys/user/max_mnt_namespaces") == 0)
        return "sysctl user.max_mnt_namespaces=10000";
    if ((kinds & CLONE_NEWNET) && number_in("/proc/sys/user/max_net_namespaces") == 0)
        return "sysctl user.max_net_namespaces=10000";
    if (number_in("/proc/sys/kernel/unprivileged_userns_clone") == 0 && geteuid() != 0)
        return "sysctl kernel.unprivileged_userns_clone=1";
    if (number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 && geteuid() != 0)
        return "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for cardrig";
    if (seccomp_filters_us())
        return "a container that allows them (docker, podman: --security-opt seccomp=unconfined)";
    return "a machine, or a container, that allows them";
}
