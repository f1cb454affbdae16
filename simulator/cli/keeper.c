/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void be_keeper(pid_t group, int front, int line)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* signals to the group do not concern the keeper */
    prctl(PR_SET_NAME, "cardrig-keeper");
    setpgid(0, group);
    close(front);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null_fd >= 0 && fd <= STDERR_FILENO; fd++)
        dup2(null_fd, fd);
    char byte;
    while (read(line, &byte, 1) < 0 && errno == EINTR)
        ;
    setpgid(0, 0); /* the end of a process outside a group cannot orphan the group */
    _exit(0);
}

bool keeper_start(struct keeper *keeper, pid_t group, int front)
{
    int line[2];
    if (pipe2(line, O_CLOEXEC) < 0)
        return false;
    keeper->pid = fork();
    if (keeper->pid == 0) {
        close(line[1]);
        be_keeper(group, front, line[0]);
    }
    int error = errno;
    close(line[0]);
    keeper->line = line[1];
    if (keeper->pid > 0) {
        setpgid(keeper->pid, group); /* in both processes, as either may run first */
        return true;
    }
    close(line[1]);
    errno = error;
    return false;
}

void keeper_end(struct keeper *keeper)
{
    siginfo_t info;
    /* if the keeper was reaped already, its pid may belong to another process */
    if (waitid(P_PID, (id_t)keeper->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        setpgid(keeper->pid, keeper->pid);
        kill(keeper->pid, SIGKILL); /* SIGKILL also ends a stopped process */
        waitpid(keeper->pid, NULL, 0);
    }
    close(keeper->line);
}
