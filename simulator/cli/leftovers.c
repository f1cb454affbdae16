#include "cli/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE_MAX 256 /* more are ended in further rounds */
#define ROUNDS      16  /* a process may start others while we look */
#define PATIENCE_MS 1000

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

/* Handles of the processes with the entry; a handle, unlike a number, cannot come to mean another process. */
static unsigned find(const char *entry, struct pollfd *handles)
{
    unsigned count = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return 0;
    for (struct dirent *item; count < AT_ONCE_MAX && (item = readdir(proc));) {
        pid_t pid = atoi(item->d_name);
        if (pid <= 0 || pid == getpid() || !has_entry(item->d_name, entry))
            continue;
        int handle = pidfd_open(pid, 0);
        if (handle >= 0 && has_entry(item->d_name, entry))
            handles[count++] = (struct pollfd){.fd = handle, .events = POLLIN};
        else if (handle >= 0)
            close(handle);
    }
    closedir(proc);
    return count;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Signals all, and waits for each to end, until the deadline. */
static void signal_and_wait(struct pollfd *handles, unsigned count, int signal, long deadline)
{
    for (unsigned i = 0; i < count; i++)
        pidfd_send_signal(handles[i].fd, signal, NULL, 0);
    for (unsigned i = 0; i < count; i++) {
        long left = deadline - now_ms();
        poll(&handles[i], 1, left > 0 ? (int)left : 0);
    }
}

unsigned leftovers_end(const char *entry)
{
    unsigned total = 0;
    struct pollfd handles[AT_ONCE_MAX];
    for (int round = 0; round < ROUNDS; round++) {
        unsigned count = find(entry, handles);
        if (count == 0)
            break;
        total += count;
        signal_and_wait(handles, count, SIGTERM, now_ms() + PATIENCE_MS);
        signal_and_wait(handles, count, SIGKILL, now_ms() + PATIENCE_MS);
        for (unsigned i = 0; i < count; i++)
            close(handles[i].fd);
    }
    return total;
}
