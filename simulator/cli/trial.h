/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs something in a child process with a time limit, and collects its output. A child that exceeds the
 * limit gets SIGTERM, and 5 s later SIGKILL. */
#ifndef CARDRIG_CLI_TRIAL_H
#define CARDRIG_CLI_TRIAL_H

#include <stdbool.h>
#include <stddef.h>

struct trial {
    bool ended;        /* by itself, within the time limit */
    int status;        /* from waitpid(2); -1: the child could not be started */
    long milliseconds; /* how long it took */
    char said[2048];   /* its standard output and error, truncated, and NUL-terminated */
};

/* Calls the function in a child, which exits with the function's result. seconds is the time limit. */
void trial_call(struct trial *trial, int (*function)(void *arg), void *arg, int seconds);

/* Runs a program in a child. arguments[0] is its path, and NULL ends the list. */
void trial_run(struct trial *trial, const char *const arguments[], int seconds);

/* Returns whether the child ended by itself with exit status 0. */
bool trial_passed(const struct trial *trial);

#endif
