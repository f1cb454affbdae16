/* SPDX-License-Identifier: BSD-3-Clause */
/* The resources of a process as the kernel reports them: memory, descriptors and threads. */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    long memory_kib; /* anonymous memory in RAM: heap and stacks, without pages of libraries */
    unsigned descriptors, threads;
};

/* Returns a live child with this name, or any child if name is null; 0 if there is none. Does not
 * use the list of children in /proc: that list can be incomplete while other children end. */
pid_t process_child(pid_t parent, const char *name);

/* Returns a child of our parent process: another part of the rig that we run in. */
pid_t process_beside_us(const char *name);

/* Reads the resources of process->pid. Returns false if there is no such process, or no permission. */
bool process_look(struct process *process);

#endif
