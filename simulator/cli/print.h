/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands print of what others have said. */
#ifndef CARDRIG_CLI_PRINT_H
#define CARDRIG_CLI_PRINT_H

/* Prints a line on standard output, as oneline() makes it: names come from card scripts, and answers from a
 * server that may be another than is thought. */
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same on standard error, without "cardrig: " before it: see rig_log(). */
void print_error_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
