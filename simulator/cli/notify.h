/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifies systemd as sd_notify(3) does, without its library. */
#ifndef CARDRIG_CLI_NOTIFY_H
#define CARDRIG_CLI_NOTIFY_H

/* Sends text, such as "READY=1", to the socket in $NOTIFY_SOCKET, if the variable is set. Ignores errors. */
void notify(const char *text);

#endif
