/* SPDX-License-Identifier: BSD-3-Clause */
/* A process with a PC/SC client that gets in the way of the tests' one: it cannot be in theirs, as
 * libpcsclite lets threads of one process get in each other's way, too. */
#ifndef TESTS_SUPPORT_OTHERS_H
#define TESTS_SUPPORT_OTHERS_H

#include <stdbool.h>
#include <sys/types.h>

struct others {
    pid_t pid;
    int socket;
};

/* Forks, so before there are threads. False: no process, or it can't connect to the reader. */
bool others_start(struct others *others, const char *reader);

/* What it does, and has done when the call returns: 'w' and 'c' reset the card, warm or cold; 'b' begins a
 * transaction, 'e' ends it. False if PC/SC said anything but success. After an event it acknowledges that. */
bool others_do(struct others *others, char what);

/* The same in two parts: without waiting for it, and waiting for that. */
void others_begin(struct others *others, char what);
bool others_end(struct others *others);

void others_stop(struct others *others);

#endif
