/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a private pcscd: shortens its first sleeps. Before pcscd serves clients, its main thread
 * waits until each reader's thread has checked for a card, and polls for that every 10 ms
 * (RFWaitForReaderInit()). The rig's readers take a fraction of a millisecond. The first polls therefore
 * come sooner: after FIRST_NS, and then at intervals that double up to 10 ms. No other sleep of pcscd is
 * exactly 10 ms long.
 */
#include <errno.h>
#include <time.h>

#define NAP_NS   10000000L
#define FIRST_NS 100000L

__attribute__((visibility("default"))) int nanosleep(const struct timespec *requested, struct timespec *left)
{
    static _Thread_local long nap_ns = FIRST_NS;
    struct timespec time = *requested;
    if (time.tv_sec == 0 && time.tv_nsec == NAP_NS && nap_ns < NAP_NS) {
        time.tv_nsec = nap_ns;
        nap_ns *= 2;
    }
    int error = clock_nanosleep(CLOCK_REALTIME, 0, &time, left);
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
