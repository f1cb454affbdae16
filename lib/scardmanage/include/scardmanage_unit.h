/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: units of work, that is, commands that belong together. Included by scardmanage.h. */
#ifndef SCARDMANAGE_UNIT_H
#define SCARDMANAGE_UNIT_H

#include "scardmanage_options.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sends commands that belong together, such as SELECT and READ BINARY. scardmanage_run() calls it in
 * the thread of the caller while the card is locked. It may use the same functions as a rebuild
 * function. What it gets from the card becomes valid when scardmanage_run() returns S_OK: it may be
 * called again, and must then start over.
 *
 *   report   of the last reconnect of this call of scardmanage_run(). Its step is NONE if none was needed
 *   context  that of scardmanage_run()
 *
 * If a function of this library returns a failure, the unit should return that. The unit may also
 * return E_SESSION_LOST: it has found that the card is not in the state in which the rebuild function
 * has left it, for example because another client has selected another application, and it has
 * changed nothing.
 */
typedef scardmanage_result scardmanage_unit(scardmanage *m, const scardmanage_report *report, void *context);

/*
 * Runs a unit of work: locks the card, calls the unit, and releases the lock. All commands of the unit
 * run in one session with the card, or the unit starts over: after a reset or a removal, and if the
 * reader or the service goes away, or the card does not answer, nothing more is sent in that call of
 * the unit. The library then reconnects, calls the identify and the rebuild function as after any
 * reconnect, and calls the unit again from its beginning. It reconnects before the first call if the
 * card was reset or removed earlier, or did not answer the last command.
 *
 *   unit        the function to call
 *   context     passed to it
 *   repeatable  0: the unit is called again only if none of its commands can have reached the card, or
 *               if it returns E_SESSION_LOST. Not 0: it is called again in any case, up to four times
 *   options     of the reconnects; null for those of the object. Their timeout_ms includes the time in
 *               the unit
 *   report      of the last reconnect, with sent filled in; may be null
 *
 * If the unit returns E_SESSION_LOST, the rebuild function is called even if the card was not reset,
 * and the session gets another number. To have the card reset, too, set first_step to WARM.
 *
 * Locks that the unit has acquired and not released remain if scardmanage_run() returns S_OK, and are
 * released otherwise. The disposition with which the unit releases a lock takes effect at its end.
 *
 * In a unit, and in an identify or rebuild function, scardmanage_run() only calls the function: it
 * becomes a part of the unit that runs already, and repeatable and options are not used.
 *
 *   S_OK             the unit returned S_OK
 *   W_RESET_CARD, W_REMOVED_CARD, and other codes of a lost session
 *                    the unit has not succeeded, and must not be repeated
 *   E_SESSION_LOST   the unit returned that four times, or there is no rebuild function that could help
 *   E_INVALIDARG     scardmanage_set_options() would refuse the options; or the size of the report is
 *                    below that of the first version, or above 4096
 *   others           what the unit returned; E_FAIL if that was no failure and not S_OK. Codes of
 *                    scardmanage_reconnect_ex() and scardmanage_lock()
 */
SCARDMANAGE_API scardmanage_result scardmanage_run(scardmanage *m, scardmanage_unit *unit, void *context,
                                                   int repeatable, const scardmanage_options *options,
                                                   scardmanage_report *report);

/*
 * Returns the number of the session with the card. A session begins when the object is attached to a
 * card, and again after each reset, removal or rebuild, also after a reset by scardmanage_unlock().
 * Its state on the card (selected files, presented PINs, keys) does not outlive it. An object never has
 * the same number twice. The function does not wait, and does not ask PC/SC: whether the session has
 * ended in the meantime shows in the next call that uses the card.
 *
 *   session  receives the number, or 0 if there was no session yet
 *
 *   S_OK              success
 *   E_POINTER         m or session is null
 *   E_INVALID_HANDLE  not attached
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_session(scardmanage *m, uint64_t *session);

#ifdef __cplusplus
}
#endif

#endif
