/* SPDX-License-Identifier: BSD-3-Clause */
#include "grace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROUNDS = 4 };

/* Reads proc_pid_status(5) of a thread. A thread that cannot be looked at counts as awake. Returns false if
 * it has ended. */
static bool read_status(pid_t id, bool *awake, unsigned long *slept)
{
    char path[64], status[4096];
    snprintf(path, sizeof path, "/proc/self/task/%ld/status", (long)id);
    *awake = true;
    *slept = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    ssize_t length = read(fd, status, sizeof status - 1);
    close(fd);
    if (length <= 0) /* ESRCH, if it has ended since */
        return false;
    status[length] = '\0';
    const char *state = strstr(status, "\nState:\t");
    const char *switches = strstr(status, "\nvoluntary_ctxt_switches:\t");
    *awake = state && !strchr("SIZX", state[8]); /* running, or in the kernel for a moment: R, D */
    *slept = switches ? strtoul(switches + 26, NULL, 10) : 0;
    return true;
}

static void begin_round(struct grace *grace)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    pid_t self = (pid_t)syscall(SYS_gettid);
    grace->count = 0;
    grace->more = !tasks && errno != ENOENT;
    while (tasks && (task = readdir(tasks))) {
        pid_t id = (pid_t)strtol(task->d_name, NULL, 10);
        bool awake;
        unsigned long slept;
        if (id <= 0 || id == self || !read_status(id, &awake, &slept) || !awake)
            continue;
        grace->more = grace->count == GRACE_THREADS_MAX;
        if (grace->more)
            break;
        grace->threads[grace->count].id = id;
        grace->threads[grace->count++].slept = slept;
    }
    if (tasks)
        closedir(tasks);
}

/* Drops the threads that have slept since the round began. */
static void look_again(struct grace *grace)
{
    size_t left = 0;
    for (size_t i = 0; i < grace->count; i++) {
        bool awake;
        unsigned long slept;
        if (read_status(grace->threads[i].id, &awake, &slept) && awake && slept == grace->threads[i].slept)
            grace->threads[left++] = grace->threads[i];
    }
    grace->count = left;
}

void grace_begin(struct grace *grace)
{
    grace->rounds = ROUNDS;
    begin_round(grace);
}

bool grace_is_over(struct grace *grace)
{
    while (grace->rounds > 0) {
        bool quiet = grace->count == 0 && !grace->more; /* nobody was awake when the round began */
        look_again(grace);
        if (grace->count > 0)
            return false;
        if (grace->more) {
            begin_round(grace);
            return false;
        }
        /* when nobody is awake, nobody holds a mutex for long: one more look will do */
        grace->rounds = quiet && grace->rounds > 2 ? 1 : grace->rounds - 1;
        if (grace->rounds > 0)
            begin_round(grace);
    }
    return true;
}
