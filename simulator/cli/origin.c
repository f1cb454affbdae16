/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/origin.h"

#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_WANTED 1024

static void our_signals(sigset_t *mask)
{
    static const int ours[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
    sigemptyset(mask);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        sigaddset(mask, ours[i]);
}

void origin_leave(struct origin *origin)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, act = {.sa_handler = SIG_DFL};
    sigset_t mask;
    our_signals(&mask);
    sigaddset(&mask, SIGTTOU); /* messages must reach the terminal although we are in its background */
    sigprocmask(SIG_BLOCK, &mask, &origin->mask);
    /* if SIGCHLD were ignored, as it may be by inheritance, the kernel would reap our children itself */
    sigaction(SIGCHLD, &act, &origin->child);
    sigaction(SIGPIPE, &ignore, &origin->pipe);
    sigaction(SIGXFSZ, &ignore, &origin->file_size);
    origin->umask = umask(077);
    origin->group = getpgrp();
    getrlimit(RLIMIT_NOFILE, &origin->files);
    struct rlimit files = origin->files;
    if (files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

bool origin_restore(const struct origin *origin)
{
    umask(origin->umask);
    setpgid(0, origin->group); /* fails only if all processes of the caller's group have ended */
    return setrlimit(RLIMIT_NOFILE, &origin->files) == 0 && sigaction(SIGCHLD, &origin->child, NULL) == 0 &&
           sigaction(SIGPIPE, &origin->pipe, NULL) == 0 &&
           sigaction(SIGXFSZ, &origin->file_size, NULL) == 0 &&
           sigprocmask(SIG_SETMASK, &origin->mask, NULL) == 0;
}

int origin_open_signal_fd(void)
{
    sigset_t mask;
    our_signals(&mask);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}
