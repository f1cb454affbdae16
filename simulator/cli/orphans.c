/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/orphans.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE_MAX 256  /* processes per round; more are ended in further rounds */
#define ROUNDS_MAX  1000 /* processes may start others during a round, and leave orphans when they end */
#define MOMENT_MS   100  /* for a process that is about to end by itself, as an agent that was told to */
#define KILLED_MS   1000 /* the longest wait for the end of a process after SIGKILL */

/* Selects the processes to end. */
struct wanted {
    const char *mark; /* NULL: all our children except the spared ones */
    const pid_t *spared;
    size_t spared_count;
};

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

/* Returns whether a process was started with the mark in its environment. */
static bool has_mark(pid_t pid, const char *mark)
{
    FILE *file = open_proc(pid, "environ");
    if (!file)
        return false; /* it has ended, or belongs to another user */
    bool found = false;
    char *text = NULL;
    size_t size = 0;
    while (!found && getdelim(&text, &size, '\0', file) > 0)
        found = strcmp(text, mark) == 0;
    free(text);
    fclose(file);
    return found;
}

/* Returns whether the real, effective and saved user IDs of a process are all ours. Another user may have
 * started a set-user-ID program with our mark. */
static bool runs_as_our_user(pid_t pid)
{
    FILE *file = open_proc(pid, "status");
    unsigned real, effective, saved, self = getuid();
    char line[256];
    bool ours = false;
    while (file && !ours && fgets(line, sizeof line, file))
        ours = sscanf(line, "Uid: %u %u %u", &real, &effective, &saved) == 3 && real == self &&
               effective == self && saved == self;
    if (file)
        fclose(file);
    return ours;
}

static bool is_living_child(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static bool is_wanted(const struct wanted *wanted, pid_t pid)
{
    if (pid == getpid())
        return false;
    if (wanted->mark)
        return has_mark(pid, wanted->mark) && runs_as_our_user(pid);
    for (size_t i = 0; i < wanted->spared_count; i++)
        if (wanted->spared[i] == pid)
            return false;
    return is_living_child(pid);
}

static int send_to(int handle, int signal)
{
    return (int)syscall(SYS_pidfd_send_signal, handle, signal, NULL, 0);
}

/* Reads the next candidate, from the kernel's list of our children, or from /proc. The list of children is
 * complete as long as none of them is reaped meanwhile, and only this thread reaps them. */
static bool next_candidate(FILE *children, DIR *proc, pid_t *pid)
{
    struct dirent *item;
    if (children)
        return fscanf(children, "%d", pid) == 1;
    while (proc && (item = readdir(proc)))
        if ((*pid = atoi(item->d_name)) > 0)
            return true;
    return false;
}

/* Opens pidfds for the selected processes that we may signal, and returns their number. Unlike a pid, a
 * pidfd can never refer to another process later. glibc before 2.36 has no wrappers for these system calls.
 */
static unsigned open_wanted(const struct wanted *wanted, struct pollfd *handles)
{
    unsigned count = 0;
    FILE *children = wanted->mark ? NULL : fopen("/proc/thread-self/children", "re");
    DIR *proc = children ? NULL : opendir("/proc");
    for (pid_t pid; count < AT_ONCE_MAX && next_candidate(children, proc, &pid);) {
        if (!is_wanted(wanted, pid))
            continue;
        int handle = (int)syscall(SYS_pidfd_open, pid, 0);
        if (handle >= 0 && is_wanted(wanted, pid) && send_to(handle, 0) == 0)
            handles[count++] = (struct pollfd){.fd = handle, .events = POLLIN};
        else if (handle >= 0)
            close(handle);
    }
    if (children)
        fclose(children);
    if (proc)
        closedir(proc);
    return count;
}

/* Waits until the processes have ended, or until the deadline. Returns how many have not. */
static unsigned wait_for_end(struct pollfd *handles, unsigned count, int64_t deadline)
{
    unsigned left = 0;
    for (unsigned i = 0; i < count; i++) {
        int64_t ms = deadline - clock_ms();
        left += poll(&handles[i], 1, ms > 0 ? (int)ms : 0) <= 0;
    }
    return left;
}

static void signal_and_wait(struct pollfd *handles, unsigned count, int signal, int64_t deadline)
{
    for (unsigned i = 0; i < count; i++) {
        send_to(handles[i].fd, signal);
        send_to(handles[i].fd, SIGCONT); /* it may be stopped */
    }
    wait_for_end(handles, count, deadline);
}

/* Returns how many have not ended by themselves. */
static unsigned end_processes(const struct wanted *wanted, int patience_ms)
{
    unsigned total = 0;
    struct pollfd handles[AT_ONCE_MAX];
    for (int round = 0; round < ROUNDS_MAX; round++) {
        unsigned count = open_wanted(wanted, handles);
        if (count == 0)
            break;
        total += wait_for_end(handles, count, clock_ms() + (patience_ms > 0 ? MOMENT_MS : 0));
        signal_and_wait(handles, count, SIGTERM, clock_ms() + patience_ms);
        signal_and_wait(handles, count, SIGKILL, clock_ms() + KILLED_MS);
        for (unsigned i = 0; i < count; i++)
            close(handles[i].fd);
    }
    return total;
}

unsigned orphans_end(const pid_t *spared, size_t spared_count, int patience_ms)
{
    return end_processes(&(struct wanted){.spared = spared, .spared_count = spared_count}, patience_ms);
}

unsigned orphans_end_marked(const char *mark, int patience_ms)
{
    return end_processes(&(struct wanted){.mark = mark}, patience_ms);
}
