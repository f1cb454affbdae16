/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock, the threads and the resources of the model test itself (board.h, thread.h, process.h). */
#include "board.h"
#include "failures.h"
#include "libpcsclite.h"
#include "process.h"
#include "thread.h"
#include "threads.h"

int64_t board_now(void)
{
    return (int64_t)(scheduler_now_us() / 1000);
}

void board_sleep(int64_t ms)
{
    fiber_sleep((uint64_t)ms * 1000);
}

/* One at a time: a thread is a fiber, and the struct is only its name. */
struct thread *thread_start(void (*run)(void *), void *argument)
{
    return (struct thread *)(uintptr_t)fiber_start("the other thread of the model", run, argument);
}

void thread_join(struct thread *thread)
{
    fiber_join((fiber_id)(uintptr_t)thread);
}

void thread_sleep_us(long us)
{
    fiber_sleep((uint64_t)us);
}

/* A context is a descriptor on the real stack. Memory is counted in blocks. */
bool process_look(struct process *process)
{
    process->descriptors = client_contexts();
    process->threads = fiber_count(THREADS_NAME);
    process->memory_kib = failures_blocks();
    return true;
}
