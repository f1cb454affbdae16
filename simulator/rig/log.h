/* SPDX-License-Identifier: BSD-3-Clause */
/* What cardrig has to say to its user, on standard error, one line at a time. */
#ifndef CARDRIG_RIG_LOG_H
#define CARDRIG_RIG_LOG_H

/* Prints "cardrig: " and the line, as oneline() makes it: what comes from a card script or a client cannot
 * play with a terminal. */
void rig_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
