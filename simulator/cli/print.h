/* SPDX-License-Identifier: BSD-3-Clause */
/* Output of text that comes from card scripts, rigs and other programs. */
#ifndef CARDRIG_CLI_PRINT_H
#define CARDRIG_CLI_PRINT_H

struct script_head;

/* Prints one line to standard output, made safe by oneline(): names come from card scripts, and answers may
 * come from a server that is not a rig. */
void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints one line to standard error in the same way, without the prefix "cardrig: " of rig_log(). */
void print_error_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the arguments that a script takes, one a line, with print_line(). */
void print_script_arguments(const struct script_head *head);

#endif
