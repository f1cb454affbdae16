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

/* The kernel gives it 127.0.0.1, and ::1 where there is IPv6, when it comes up. */
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

/* Those that a program which is run can have. */
static uint64_t bounding_set(void)
{
    uint64_t set = 0;
    int has;
    for (unsigned long i = 0; i < 64 && (has = prctl(PR_CAPBSET_READ, i)) >= 0; i++)
        set |= (uint64_t)has << i;
    return set;
}

/* Who makes a user namespace has all capabilities in it. What is run there can have those that it
 * could have before; root has them at once. */
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
