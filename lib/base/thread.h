/* SPDX-License-Identifier: BSD-3-Clause */
/* Additions to POSIX threads. */
#ifndef CARDRIG_BASE_THREAD_H
#define CARDRIG_BASE_THREAD_H

#include <pthread.h>
#include <time.h>

/* thread_condition_init makes a condition variable whose deadlines are on a clock that never goes back.
 * thread_deadline returns such a deadline, that many milliseconds from now. */
void thread_condition_init(pthread_cond_t *condition);
struct timespec thread_deadline(int milliseconds);

#endif
