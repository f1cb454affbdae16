/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines of the driver. They go to pcscd's log, and to stderr if the host of the driver is not pcscd. */
#ifndef CARDRIG_DRIVER_LOG_H
#define CARDRIG_DRIVER_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_ERROR, LOG_LEVEL_CRITICAL }; /* pcscd's numbers */

void driver_log(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
