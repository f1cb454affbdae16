/* SPDX-License-Identifier: BSD-3-Clause */
/* A second thread of the model test. */
#ifndef CARDRIG_MODEL_THREAD_H
#define CARDRIG_MODEL_THREAD_H

#include <stdbool.h>

struct thread;

/* Returns null on failure. */
struct thread *thread_start(void (*run)(void *), void *argument);
/* Waits until the thread has ended, and frees it. */
void thread_join(struct thread *thread);
void thread_sleep_us(long us);

#endif
