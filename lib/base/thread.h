/* SPDX-License-Identifier: BSD-3-Clause */
/* What POSIX threads leave to their users. */
#ifndef CARDRIG_BASE_THREAD_H
#define CARDRIG_BASE_THREAD_H

#include <pthread.h>
#include <time.h>

/* A condition whose deadlines are of a clock that only goes forward; and such a deadline, so many ms from
 * now. */
void thread_condition_init(pthread_cond_t *condition);
struct timespec thread_deadline(int milliseconds);

#endif
