/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process has: memory, descriptors and threads, as the kernel tells. */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    long memory_kib; /* anonymous memory in RAM: heap and stacks, without the pages of libraries */
    unsigned descriptors, threads;
};

/* A child that is alive, by its name, or any (NULL). 0: there is no such child. Not by the list of children that
 * /proc has, which leaves out some while others end. */
pid_t process_child(pid_t parent, const char *name);

/* A child of the process that started us: a part of the rig that we run in. */
pid_t process_beside_us(const char *name);

/* Looks; false when there is no such process, or it is not ours to look at. */
bool process_look(struct process *process);

#endif
