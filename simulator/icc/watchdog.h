/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A limit on the CPU time of one call into Lua.
 *
 * The instruction budget of the sandbox counts what the Lua interpreter executes. Some functions of Lua's own
 * libraries can keep the processor busy for hours without executing one such instruction: a string pattern
 * that backtracks, table.move over the whole range of the integers. For these a timer looks, four times per
 * second of CPU time, whether the call in progress is still the one it saw before, and when it has seen it
 * too often it jumps out of it. Whatever the call was working on is then in an unknown state and must be
 * thrown away, not repaired.
 *
 * The handler of the signal belongs to the process, all else to the thread that calls: each has its own
 * timer, which counts that thread's CPU time and signals that thread.
 *
 * - The signal is WATCHDOG_SIGNAL. It comes only while the thread uses CPU time. It can make a system call
 *   outside of Lua return EINTR, as any signal can.
 * - A thread's timer starts with its first call, and ends with the thread. A child made by fork() has no
 *   timer; it starts its own with its own first call, and needs to do nothing for that.
 * - A call costs no system call, apart from a thread's first one.
 */
#ifndef CARDRIG_ICC_WATCHDOG_H
#define CARDRIG_ICC_WATCHDOG_H

#include <signal.h>
#include <stdbool.h>

/* not the first one: that is what programs take that did not think about it */
#define WATCHDOG_SIGNAL  (SIGRTMIN + 3)

#define WATCHDOG_TICK_MS 250
#define WATCHDOG_TICKS   8

enum watchdog_result {
    WATCHDOG_RETURNED, /* the call came back by itself */
    WATCHDOG_EXPIRED,  /* it did not, and was left in the middle */
    WATCHDOG_REFUSED   /* the timer could not be started (errno says why); the call was not made */
};

/*
 * Calls body(arg), for at most the limit of CPU time. Calls do not nest: body must not come here again.
 * Locals that body changes through arg are reliable after WATCHDOG_EXPIRED only if they live in memory (they
 * do when their address was taken, as it was for arg).
 */
enum watchdog_result watchdog_run(void (*body)(void *arg), void *arg);

/*
 * Has the call in progress used half of its time? A place that can end the call in an orderly way asks this,
 * so that only those are left in the middle that come to no such place.
 */
bool watchdog_near(void);

/*
 * What happens between these two is not left in the middle: work on the heap, and calls into code that knows
 * nothing of sudden departures. Time that runs out meanwhile takes effect in watchdog_release(), which then
 * does not return. They do not nest. Outside of watchdog_run() they do nothing.
 */
void watchdog_hold(void);
void watchdog_release(void);

/*
 * Leaves the call in progress at once, as if its time had run out. Returns only if there is none.
 */
void watchdog_escape(void);

/*
 * Sets another limit: a call ends after `ticks` ticks of `tick_ms` milliseconds of CPU time, or up to one
 * tick later, for this thread. For tests; the default is WATCHDOG_TICKS ticks of WATCHDOG_TICK_MS. Not to
 * be called inside a call.
 */
void watchdog_set_limit(unsigned tick_ms, unsigned ticks);

#endif
