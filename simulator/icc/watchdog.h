/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A limit on the CPU time of one call into Lua.
 *
 * The instruction budget of the sandbox counts the instructions of the Lua interpreter. But some functions of
 * Lua's own libraries can run for hours without such an instruction: a string pattern that backtracks, or
 * table.move over the whole range of integers. So a timer checks, four times per second of CPU time, whether
 * the same call is still in progress. After too many of these checks, its signal handler leaves the call with
 * a non-local jump. The data that the call was working on are then in an unknown state: discard them, do
 * not repair them.
 *
 * The signal handler belongs to the process. Everything else belongs to the calling thread: each thread has
 * its own timer, which counts the CPU time of that thread and signals that thread.
 *
 * - The signal is WATCHDOG_SIGNAL. It comes only while the thread uses CPU time. Like any signal it can make
 *   a system call outside of Lua return EINTR.
 * - A thread's timer starts with its first call, and ends with the thread. A child after fork() has no timer;
 *   its first call starts one, with no help from the caller.
 * - A call makes no system calls, except the first one of a thread, and one that expires.
 */
#ifndef CARDRIG_ICC_WATCHDOG_H
#define CARDRIG_ICC_WATCHDOG_H

#include <signal.h>
#include <stdbool.h>

/* Not SIGRTMIN itself, which other code is most likely to use. */
#define WATCHDOG_SIGNAL  (SIGRTMIN + 3)

#define WATCHDOG_TICK_MS 250
#define WATCHDOG_TICKS   8 /* a call ends after so many ticks */

enum watchdog_result {
    WATCHDOG_RETURNED, /* the call returned */
    WATCHDOG_EXPIRED,  /* the call ran out of time and was aborted */
    WATCHDOG_REFUSED   /* the timer could not be started, with errno; the call was not made */
};

/*
 * Calls body(arg), and aborts it at the limit of CPU time. Calls do not nest: body must not call this
 * function. After WATCHDOG_EXPIRED, a local variable that body has changed is reliable only if it is in
 * memory. It is if its address was taken, as it was for arg.
 */
enum watchdog_result watchdog_run(void (*body)(void *arg), void *arg);

/*
 * Returns whether the call in progress has used half of its time. Code that can end the call in an orderly
 * way checks this, so that the watchdog aborts only calls that never get to such code.
 */
bool watchdog_near(void);

/*
 * The watchdog does not abort the code between these two. Put them around work on the heap, and around calls
 * into code that a jump must not leave. If the time runs out in between, watchdog_release() aborts the call
 * and does not return. They do not nest. Outside of watchdog_run() they do nothing.
 */
void watchdog_hold(void);
void watchdog_release(void);

/*
 * Gives the call in progress its whole time again. For work between watchdog_hold() and
 * watchdog_release() that may take long, and whose amount the caller limits in another way.
 */
void watchdog_restart(void);

/*
 * Aborts the call in progress as if its time had run out. Returns only if no call is in progress.
 */
void watchdog_escape(void);

/*
 * Changes the limit of this thread: a call ends after `ticks` ticks of tick_ms milliseconds of CPU time, or
 * up to one tick later. The default is WATCHDOG_TICKS ticks of WATCHDOG_TICK_MS. For tests. Must not be
 * called inside watchdog_run().
 */
void watchdog_set_limit(unsigned tick_ms, unsigned ticks);

#endif
