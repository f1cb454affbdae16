/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a private pcscd: makes it end with its parent. cardrig already makes the process that it
 * starts end with cardrig. If that process is a wrapper with pcscd as its child, pcscd must end with the
 * wrapper.
 */
#include <signal.h>
#include <sys/prctl.h>

__attribute__((constructor)) static void follow_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}
