/* SPDX-License-Identifier: BSD-3-Clause */
/* A process with a PC/SC client that interferes with that of the test. It cannot be in the process
 * of the test, because in libpcsclite threads of one process also block each other. */
#ifndef TESTS_SUPPORT_OTHERS_H
#define TESTS_SUPPORT_OTHERS_H

#include <stdbool.h>
#include <sys/types.h>

struct others {
    pid_t pid;
    int socket;
};

/* Forks, so call it before there are threads. Returns false if there is no process, or if it cannot
 * connect to the reader. */
bool others_start(struct others *others, const char *reader);

/* Makes the other client do something, and waits until it is done: 'w' and 'c' reset the card
 * (warm, cold), 'b' begins a transaction, 'e' ends it. If its handle has an event, the client
 * acknowledges it and tries again. Returns false if PC/SC did not return success. */
bool others_do(struct others *others, char what);

/* The same in two parts: others_begin() does not wait, others_end() waits and returns the result. */
void others_begin(struct others *others, char what);
bool others_end(struct others *others);

void others_stop(struct others *others);

#endif
