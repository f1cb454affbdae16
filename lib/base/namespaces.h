/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces of our own, with and without privileges: namespaces(7), user_namespaces(7). */
#ifndef CARDRIG_BASE_NAMESPACES_H
#define CARDRIG_BASE_NAMESPACES_H

/* Leaves the process's namespaces of these kinds (CLONE_NEWNS, CLONE_NEWNET) for new ones. Where
 * that takes more rights than we have, in a user namespace in which we have them and keep our own
 * user and group number; those of others become unknown there. The process must have one thread.
 * On failure the name of the step, with errno, and the process may be in some of them; else NULL. */
const char *namespaces_enter(int kinds);

/* What to do where that failed, as far as it can be found out: a setting that forbids it, mostly. */
const char *namespaces_remedy(int kinds);

#endif
