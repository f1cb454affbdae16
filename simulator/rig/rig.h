/* SPDX-License-Identifier: BSD-3-Clause */
/* A rig: readers with cards, and the directory with the rig link and the control socket. */
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

/* Makes a rig without readers. It has a new directory, and listens there for drivers and control clients.
 * Returns NULL and sets *error on failure. */
struct rig *rig_new(uint64_t seed, struct error *error);

/* The place of a rig that has no directory of its own. */
struct rig_place {
    const char *directory;                  /* from directory_claim; it must outlive the rig */
    bool link;                              /* the rig listens for drivers */
    const struct access_list *driver_users; /* allowed besides root and us; must outlive the rig */
};

/* Makes a rig without readers at a place. On failure returns NULL and sets *error, and may leave sockets in
 * the directory, which its holder must remove. */
struct rig *rig_new_at(const struct rig_place *place, uint64_t seed, struct error *error);

/* Closes the rig's sockets and frees the rig, but does not remove its directory; see directory_remove.
 * Returns false if a thread has not ended in time. What that thread may use is not freed, and the process
 * must end by _exit(). Accepts NULL. */
bool rig_free(struct rig *rig);

/* For a process whose child serves the rig: closes the sockets, and leaves the trace to the child. If the
 * sockets stayed open here, clients would wait in vain after the child's death. */
void rig_leave(struct rig *rig);

/* Returns the path of the rig's directory. In it, "link" and "control" are sockets, and "usb" is the folder
 * of the USB devices. */
const char *rig_directory(const struct rig *rig);
uint64_t rig_seed(const struct rig *rig);
struct slots *rig_slots_of(struct rig *rig);

/* Listens for the vpcd cards of readers that take vpcd cards. No slot may be added after this call. Returns
 * false and sets *error on failure. */
bool rig_listen_for_vpcd(struct rig *rig, struct error *error);

/* Offers the slots as vpcd cards while the rig serves, see vpcd_offers_new. No slot may be added after this
 * call. Returns false and sets *error on failure. */
bool rig_set_vpcd(struct rig *rig, const struct address *address, bool listen, struct error *error);

/* Returns whether the slot is offered as a vpcd card, and sets *address and *listens as vpcd_offers_address
 * does. */
bool rig_vpcd_card(const struct rig *rig, const struct slot *slot, struct address *address, bool *listens);

/* Returns whether a driver or a vpcd reader is connected to a slot, and sets *ready to whether PC/SC
 * clients can use it. The driver of an unplugged reader stays connected until pcscd drops the reader. */
bool rig_driver_connected(const struct rig *rig, const struct slot *slot, bool *ready);

/* Sets the connection to the supervisor, for the process that serves a rig whose pcscd is ours. The caller
 * keeps lifeline. */
void rig_set_lifeline(struct rig *rig, int lifeline);

/* Sets *state to the state of the rig's pcscd and *note to a remark on how it runs, or "". Returns false if
 * pcscd is not ours. */
bool rig_has_service(const struct rig *rig, enum service_state *state, const char **note);

/* Begins an action with the rig's pcscd. When it is done, calls done in the thread that serves the rig;
 * error is NULL, or says why it failed. Returns false and sets *error if it cannot begin the action. */
typedef void rig_service_done(struct rig *rig, uint64_t ticket, const char *error);
bool rig_service(struct rig *rig, enum service_action action, uint64_t ticket, rig_service_done *done,
                 struct error *error);

/* Runs work(arg), which may take long, in a new thread. Returns false if the rig does not serve or no
 * thread can be started. With rig_post that thread makes a call in the thread that serves the rig, see
 * loop_post. */
bool rig_start(struct rig *rig, void (*work)(void *arg), void *arg);
void rig_post(struct rig *rig, struct loop_call *call);

/* Answers a control client, and then tries the requests that were busy again; see control_server_answer. */
void rig_answer(struct rig *rig, uint64_t ticket, char *answer);

/* Serves drivers, and answers control clients by the function answer (control_answer). Returns when stop_fd
 * (-1: none) can be read, when the other end of stop_fd is closed, or when the supervisor asks for it or
 * dies. Can be called once. Returns false on failure, after it has logged why. */
bool rig_serve(struct rig *rig, control_function *answer, int stop_fd);

#endif
