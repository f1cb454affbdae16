/* SPDX-License-Identifier: BSD-3-Clause */
/* Trying things out in a child: whatever it does, it is over some seconds after a deadline, and what it
 * printed is there. */
#ifndef CARDRIG_CLI_TRIAL_H
#define CARDRIG_CLI_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

struct trial {
    bool ended;        /* by itself, before the deadline */
    int status;        /* as of waitpid */
    long milliseconds; /* that it took */
    char said[2048];   /* on standard output and error; the end is cut off */
};

/* Calls the function in a child, which exits with what it returns. */
void trial_call(struct trial *trial, int (*function)(void *arg), void *arg, int seconds);

/* Runs a program in a child. */
void trial_run(struct trial *trial, const char *const arguments[], int seconds);

/* Whether it ended with exit status 0. */
bool trial_passed(const struct trial *trial);

#endif
