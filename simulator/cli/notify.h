/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports to systemd, as sd_notify(3) does, without its library. */
#ifndef CARDRIG_CLI_NOTIFY_H
#define CARDRIG_CLI_NOTIFY_H

/* Sends text, such as "READY=1", to the process that has started us and wants to know: $NOTIFY_SOCKET. What
 * cannot be told is not told. */
void notify(const char *text);

#endif
