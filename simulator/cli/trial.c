/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/trial.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CANNOT_RUN 127
#define GRACE_MS   5000 /* time to end after SIGTERM */

/* Reads until every process has closed the pipe, and then returns true. Returns false at the deadline. */
static bool read_all(struct trial *trial, int fd, int64_t deadline)
{
    size_t length = strlen(trial->said);
    for (;;) {
        char more[512];
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_ms();
        if (left <= 0 || poll(&polled, 1, (int)left) == 0)
            return false;
        ssize_t got = read(fd, more, sizeof more);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0;
        size_t room = sizeof trial->said - 1 - length, kept = (size_t)got < room ? (size_t)got : room;
        memcpy(trial->said + length, more, kept);
        length += kept;
        trial->said[length] = '\0';
    }
}

static void be_child(int output, int (*function)(void *arg), void *arg)
{
    setpgid(0, 0);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    int status = function(arg);
    fflush(stdout);
    _exit(status);
}

/* Reaps the child. Kills its process group if it has not ended by the deadline: it may have closed its
 * output but still run. */
static void reap_or_kill(struct trial *trial, pid_t pid, int64_t deadline)
{
    while (waitpid(pid, &trial->status, WNOHANG) == 0) {
        if (clock_ms() >= deadline) {
            trial->ended = false;
            kill(-pid, SIGKILL);
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

void trial_call(struct trial *trial, int (*function)(void *arg), void *arg, int seconds)
{
    int64_t start = clock_ms();
    int output[2];
    *trial = (struct trial){.status = -1};
    fflush(stdout);
    if (pipe2(output, O_CLOEXEC) < 0) {
        snprintf(trial->said, sizeof trial->said, "cannot make a pipe: %s", strerror(errno));
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        be_child(output[1], function, arg);
    int error = errno;
    close(output[1]);
    if (pid < 0)
        snprintf(trial->said, sizeof trial->said, "cannot start a process: %s", strerror(error));
    else {
        setpgid(pid, pid); /* in both processes, as either may run first */
        int64_t deadline = start + seconds * 1000L;
        trial->ended = read_all(trial, output[0], deadline);
        if (!trial->ended && kill(-pid, SIGTERM) == 0)
            read_all(trial, output[0], clock_ms() + GRACE_MS);
        reap_or_kill(trial, pid, deadline);
    }
    trial->milliseconds = (long)(clock_ms() - start);
    close(output[0]);
}

static int run(void *arg)
{
    char *const *arguments = arg;
    execv(arguments[0], arguments);
    fprintf(stderr, "cannot run %s: %s\n", arguments[0], strerror(errno));
    return CANNOT_RUN;
}

void trial_run(struct trial *trial, const char *const arguments[], int seconds)
{
    trial_call(trial, run, (void *)(uintptr_t)arguments, seconds);
}

bool trial_passed(const struct trial *trial)
{
    return trial->ended && trial->status == 0;
}
