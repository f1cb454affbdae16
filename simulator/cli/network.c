/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/network.h"

#include "base/namespaces.h"

#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Brings the loopback device up. The kernel then assigns 127.0.0.1 to it, and ::1 if there is IPv6. */
static bool bring_up_loopback(void)
{
    struct ifreq device = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &device) == 0;
    device.ifr_flags = (short)(device.ifr_flags | IFF_UP);
    ok = ok && ioctl(fd, SIOCSIFFLAGS, &device) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Returns the capability bounding set, which limits what a program gets from execve(2). */
static uint64_t bounding_set(void)
{
    uint64_t set = 0;
    int has;
    for (unsigned long i = 0; i < 64 && (has = prctl(PR_CAPBSET_READ, i)) >= 0; i++)
        set |= (uint64_t)has << i;
    return set;
}

/* Restricts capabilities after entering a user namespace, whose creator has all of them in it. Drops from
 * the bounding set what was not in it before, so that programs cannot get more capabilities than before.
 * Unless we are root, also clears our own capability sets. */
static bool drop_capabilities(uint64_t bounding)
{
    uint64_t more = bounding_set() & ~bounding;
    for (unsigned long i = 0; i < 64; i++)
        if ((more >> i & 1) && prctl(PR_CAPBSET_DROP, i) < 0)
            return false;
    if (geteuid() == 0)
        return true;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0;
}

const char *network_enter_private(void)
{
    uint64_t bounding = bounding_set();
    const char *failed = namespaces_enter(CLONE_NEWNET);
    if (failed)
        return failed;
    if (!bring_up_loopback())
        return "bring up the loopback device";
    if (!drop_capabilities(bounding))
        return "drop capabilities";
    return NULL;
}

const char *network_remedy(void)
{
    return namespaces_remedy(CLONE_NEWNET);
}
