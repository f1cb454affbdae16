/* What a process has: memory, descriptors and threads, as the kernel tells. */
#ifndef CARDRIG_SOAK_PROCESS_H
#define CARDRIG_SOAK_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    long memory_kib; /* anonymous memory in RAM: heap and stacks, without the pages of libraries */
    unsigned descriptors, threads;
};

/* A child of the process that started us, by its name: the parts of the rig that we run in. 0: none. */
pid_t process_beside_us(const char *name);

/* Looks; false when there is no such process, or it is not ours to look at. */
bool process_look(struct process *process);

#endif
