/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a private pcscd: it ends with its parent. cardrig sees to that for the process that it
 * starts; where this is a wrapper that starts pcscd as its child, that is to end with the wrapper.
 */
#include <signal.h>
#include <sys/prctl.h>

__attribute__((constructor)) static void follow_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}
