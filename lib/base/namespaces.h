/* SPDX-License-Identifier: BSD-3-Clause */
/* New namespaces for this process, with and without privileges: namespaces(7), user_namespaces(7). */
#ifndef CARDRIG_BASE_NAMESPACES_H
#define CARDRIG_BASE_NAMESPACES_H

/*
 * Moves the process into new namespaces of these kinds (CLONE_NEWNS, CLONE_NEWNET). If it lacks the
 * privilege, it also enters a new user namespace, in which it has the privilege and keeps its user and
 * group ID. All other users and groups are unknown there. The process must have only one thread.
 *
 * Returns NULL, or the name of the step that failed, with errno. After a failure, the process may
 * already be in some of the new namespaces.
 */
const char *namespaces_enter(int kinds);

/* Returns what the user can do if namespaces_enter has failed, as far as that can be found out. Usually
 * a setting forbids namespaces. */
const char *namespaces_remedy(int kinds);

#endif
