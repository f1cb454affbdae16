/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a private pcscd: shortens its first naps. Before it serves its clients, pcscd's main thread
 * waits until each reader's thread has seen whether there is a card, and looks every 10 ms
 * (RFWaitForReaderInit()). The rig's readers take a fraction of one, so the first looks come sooner: after
 * FIRST_NS, then after twice as long each, up to the 10 ms. No other sleep of pcscd's is that long.
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
