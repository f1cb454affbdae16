/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig's messages to its user, on standard error. */
#ifndef CARDRIG_RIG_LOG_H
#define CARDRIG_RIG_LOG_H

/* Prints "cardrig: " and the text as one line. oneline() makes the text harmless, so that a card script or a
 * client cannot control the terminal. */
void rig_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
