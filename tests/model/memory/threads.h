/* SPDX-License-Identifier: BSD-3-Clause */
/* The threads of libscardmanage (platform.h) are fibers here. */
#ifndef CARDRIG_MODEL_THREADS_H
#define CARDRIG_MODEL_THREADS_H

#include "scheduler.h"

typedef struct {
    fiber_id owner; /* 0: free */
} platform_mutex;
#define PLATFORM_MUTEX                                                                                       \
    {                                                                                                        \
        0                                                                                                    \
    }
typedef struct {
    char address;
} platform_cond;
typedef struct {
    bool is_set;
} platform_signal;
typedef fiber_id platform_thread;
typedef fiber_id platform_thread_id;
typedef void *platform_thread_end;
#define PLATFORM_THREAD_CALL

#define THREADS_NAME "a thread of the library" /* of its fibers */

#endif
