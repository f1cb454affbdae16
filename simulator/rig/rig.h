/* SPDX-License-Identifier: BSD-3-Clause */
/* A rig: readers with cards, behind a rig link and a control socket in a directory of their own. */
#ifndef CARDRIG_RIG_RIG_H
#define CARDRIG_RIG_RIG_H

#include "base/error.h"
#include "rig/access.h"
#include "rig/control_server.h"
#include "rig/lifeline.h"
#include "rig/loop.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rig;

/* A rig without readers, in a new directory, in which it listens. On failure NULL, and error says why. */
struct rig *rig_new(uint64_t seed, struct error *error);

/* Where a rig is that is not to have a directory of its own, and who may come there. */
struct rig_place {
    const char *directory;                  /* as of directory_claim; it outlives the rig */
    bool link;                              /* whether drivers can connect */
    const struct access_list *driver_users; /* whose drivers may, besides root's and our own; likewise */
};

/* Likewise, at a place. On failure the directory's holder has to remove what there is. */
struct rig *rig_new_at(const struct rig_place *place, uint64_t seed, struct error *error);

/* Closes its sockets and frees it. The directory stays: see directory_remove. False: a thread has not ended
 * in time, and what it may use is still there: the process must end by _exit(). */
bool rig_free(struct rig *rig);

/* For a process whose child serves the rig: closes the sockets, so that nobody waits at them in vain should
 * that child die, and leaves the trace to it. */
void rig_leave(struct rig *rig);

/* Where its files are; "link" and "control" are its sockets, "usb" is the folder of its USB devices. */
const char *rig_directory(const struct rig *rig);
uint64_t rig_seed(const struct rig *rig);
struct slots *rig_slots_of(struct rig *rig);

/* Listens for the vpcd cards of readers that have such, of which there are to be no more. False with error.
 */
bool rig_listen_for_vpcd(struct rig *rig, struct error *error);

/* Has the slots, of which there are to be no more, be cards of the vpcd protocol while the rig serves, as
 * vpcd_cards_new does. False with error. */
bool rig_set_vpcd(struct rig *rig, const struct address *address, bool listen, struct error *error);

/* Where a slot is as a vpcd card, see vpcd_cards_address. False: it is not one. */
bool rig_vpcd_card(const struct rig *rig, const struct slot *slot, struct address *address, bool *listens);

/* Whether a driver, or a vpcd reader, is connected to a slot; ready: pcscd has taken it in as well, and
 * clients find it. The driver of a reader that was pulled out is until pcscd has let the reader go. */
bool rig_driver_connected(const struct rig *rig, const struct slot *slot, bool *ready);

/* For the process that serves a rig whose pcscd is ours: the line to the process that supervises both, which
 * stays the caller's. */
void rig_set_lifeline(struct rig *rig, int lifeline);

/* The state of the rig's pcscd, and how it runs where that is worth words, else "". False: it is not ours. */
bool rig_has_service(const struct rig *rig, enum service_state *state, const char **note);

/* Does something with the rig's pcscd; when that is done, or has failed (with error, else NULL), calls
 * done, in the thread that serves the rig. False with error. */
typedef void rig_service_done(struct rig *rig, uint64_t ticket, const char *error);
bool rig_service(struct rig *rig, enum service_action action, uint64_t ticket, rig_service_done *done,
                 struct error *error);

/* For work that may take its time: has work(arg) called in a thread of its own. False: the rig does not
 * serve, or there is no thread left. rig_post is for that thread: has something done in the one that serves
 * the rig. */
bool rig_start(struct rig *rig, void (*work)(void *arg), void *arg);
void rig_post(struct rig *rig, struct loop_letter *letter);

/* Answers a control client, as control_server_answer; then those who wait for a slot are served. */
void rig_answer(struct rig *rig, uint64_t ticket, char *answer);

/* Serves drivers, and control clients by their function (control_answer), until stop_fd (-1: none) can be
 * read, or its other end is closed, or the lifeline ends it. Once. False: that could not be begun or
 * continued, which has been logged. */
bool rig_serve(struct rig *rig, control_function *answer, int stop_fd);

#endif
