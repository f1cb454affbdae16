#include "cli/leftovers.h"

#include "cli/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AT_ONCE_MAX 256  /* more are ended in further rounds */
#define ROUNDS      16   /* a process may start others while we look */
#define KILLED_MS   1000 /* until a process that was killed is gone */

/* Whether a process was started with the entry in its environment. */
static bool has_entry(const char *pid, const char *entry)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/environ", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false; /* gone, or somebody else's */
    bool found = false;
    char *text = NULL;
    size_t size = 0;
    while (!found && getdelim(&text, &size, '\0', file) > 0)
        found = strcmp(text, entry) == 0;
    free(text);
    fclose(file);
    return found;
}

/* Whether a process is a child of ours: one that the command has left to us, unless it is a part of the rig.
 */
static bool is_adopted(const char *pid)
{
    char path[300], text[400];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    /* the name, in parentheses, may contain anything */
    const char *after = strrchr(text, ')');
    char state;
    int parent;
    return after && sscanf(after + 1, " %c %d", &state, &parent) == 2 && parent == getpid() && state != 'Z';
}

static bool is_left(const char *pid, const char *entry, const pid_t *parts, unsigned part_count)
{
    for (unsigned i = 0; i < part_count; i++)
        if (parts[i] == atoi(pid))
            return false;
    return has_entry(pid, entry) || (parts && is_adopted(pid));
}

/* Handles of the processes that are left (glibc before 2.36 has no functions for them); a handle, unlike a
 * number, cannot come to mean another process. */
static unsigned find(const char *entry, const pid_t *parts, unsigned part_count, struct pollfd *handles)
{
    unsigned count = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    for (struct dirent *item; count < AT_ONCE_MAX && (item = readdir(proc));) {
        pid_t pid = atoi(item->d_name);
        if (pid <= 0 || pid == getpid() || !is_left(item->d_name, entry, parts, part_count))
            continue;
        int handle = (int)syscall(SYS_pidfd_open, pid, 0);
        if (handle >= 0 && is_left(item->d_name, entry, parts, part_count))
            handles[count++] = (struct pollfd){.fd = handle, .events = POLLIN};
        else if (handle >= 0)
            close(handle);
    }
    closedir(proc);
    return count;
}

/* Signals all, and waits for each to end, until the deadline. */
static void signal_and_wait(struct pollfd *handles, unsigned count, int signal, int64_t deadline)
{
    for (unsigned i = 0; i < count; i++)
        syscall(SYS_pidfd_send_signal, handles[i].fd, signal, NULL, 0);
    for (unsigned i = 0; i < count; i++) {
        int64_t left = deadline - now_ms();
        poll(&handles[i], 1, left > 0 ? (int)left : 0);
    }
}

unsigned leftovers_end(const char *entry, const pid_t *parts, unsigned part_count, int patience_ms)
{
    unsigned total = 0;
    struct pollfd handles[AT_ONCE_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        unsigned count = find(entry, parts, part_count, handles);
        if (count == 0)
            break;
        total += count;
        signal_and_wait(handles, count, SIGTERM, now_ms() + patience_ms);
        signal_and_wait(handles, count, SIGKILL, now_ms() + KILLED_MS);
        for (unsigned i = 0; i < count; i++)
            close(handles[i].fd);
    }
    return total;
}
