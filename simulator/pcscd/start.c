/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/error.h"
#include "pcscd/pcscd.h"

#include "base/descriptor.h"
#include "base/output.h"
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_FD 3 /* the first descriptor that systemd passes: sd_listen_fds(3) */

static const char run_step[] = "run it";

/* The message to the parent from a child that cannot start pcscd. */
struct failure {
    int error;
    char step[64];
};

void pcscd_socket(const char *directory, char path[PCSCD_SOCKET_MAX])
{
    snprintf(path, PCSCD_SOCKET_MAX, "%.86s/run/pcscd/pcscd.comm", directory);
}

static int listen_for_clients(const char *directory)
{
    struct sockaddr_un address;
    char path[PCSCD_SOCKET_MAX];
    pcscd_socket(directory, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* the socket needs no access control of its own: the directory keeps other users out */
    if (fd >= 0 && unix_address(&address, path) &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    close_keeping_errno(fd);
    return -1;
}

static bool set_environment(const char *directory)
{
    char number[16], drivers[PATH_MAX], preload[PATH_MAX];
    snprintf(number, sizeof number, "%d", (int)getpid());
    snprintf(drivers, sizeof drivers, "%s/drivers", directory);
    snprintf(preload, sizeof preload, "%s/" CONFIGURE_PRELOAD, directory);
    /* the caller's filters concern the machine's readers; PCSCLITE_HP_DROPDIR exists from pcscd 2.0 on */
    return unsetenv("PCSCLITE_FILTER_IGNORE_READER_NAMES") == 0 &&
           unsetenv("PCSCLITE_FILTER_EXTEND_READER_NAMES") == 0 &&
           setenv("PCSCLITE_HP_DROPDIR", drivers, 1) == 0 && setenv("LISTEN_PID", number, 1) == 0 &&
           setenv("LISTEN_FDS", "1", 1) == 0 && setenv("CARDRIG_REDIRECT", directory, 1) == 0 &&
           isolate_preload(preload);
}

#ifdef PCSCD_PRELOAD
static bool set_sanitizer(void)
{
    /* pcscd does not free all its memory at exit, which is not a leak of cardrig */
    return setenv("ASAN_OPTIONS", "detect_leaks=0", 1) == 0 && isolate_preload(PCSCD_PRELOAD);
}
#else
static bool set_sanitizer(void)
{
    return true;
}
#endif

/* Executes pcscd in this process. Returns only on failure, with the name of the step that failed, and errno
 * set. */
static const char *become_pcscd(const struct pcscd *pcscd, enum pcscd_isolation isolation, int listen_fd,
                                int log_fd, pid_t parent)
{
    char config[PATH_MAX];
    snprintf(config, sizeof config, "%s/reader.conf.d", pcscd->directory);

    setsid(); /* signals from the terminal must reach only the command */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
        dup2(log_fd, STDERR_FILENO) < 0)
        return "redirect the output";
    const char *failed = isolation == PCSCD_ISOLATION_NAMESPACES ? isolate_by_namespaces(pcscd) : NULL;
    if (failed)
        return failed;
    /* umockdev's library goes after ours: it calls the C library directly, so that it would bypass ours */
    if (!usb_set_environment(pcscd) || !set_environment(pcscd->directory) || !set_sanitizer())
        return "set the environment";
    /* duplicated twice: dup2() of a descriptor to itself would leave it close-on-exec */
    int moved = fcntl(listen_fd, F_DUPFD_CLOEXEC, LISTEN_FD + 1);
    if (moved < 0 || dup2(moved, LISTEN_FD) < 0)
        return "pass the socket";
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        return "follow its parent";
    const char *arguments[8] = {"pcscd", "--foreground", "--config", config};
    int count = 4;
    if (pcscd->debug) {
        arguments[count++] = "--debug";
        arguments[count++] = "--apdu";
    }
    execv(pcscd->program, (char *const *)(uintptr_t)arguments);
    return run_step;
}

/* Starts pcscd in a child. Returns true once it runs. Returns false and sets *failure if it could not be
 * started; the child has been reaped then. */
static bool try_start(struct pcscd *pcscd, enum pcscd_isolation isolation, int listen_fd, int log_fd,
                      struct failure *failure)
{
    *failure = (struct failure){.step = "fork"};
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) {
        failure->error = errno;
        return false;
    }
    pid_t parent = getpid();
    pcscd->pid = fork();
    if (pcscd->pid == 0) {
        /* the report pipe must not be on LISTEN_FD */
        int report_fd = fcntl(report[1], F_DUPFD_CLOEXEC, LISTEN_FD + 1);
        const char *step = "pass the socket";
        if (report_fd < 0)
            report_fd = report[1];
        else
            step = become_pcscd(pcscd, isolation, listen_fd, log_fd, parent);
        failure->error = errno;
        snprintf(failure->step, sizeof failure->step, "%s", step);
        ssize_t written = write(report_fd, failure, sizeof *failure);
        _exit(written == sizeof *failure ? 126 : 127);
    }
    failure->error = errno;
    close(report[1]);
    bool started = pcscd->pid > 0 && read(report[0], failure, sizeof *failure) == 0;
    close(report[0]);
    if (!started && pcscd->pid > 0)
        waitpid(pcscd->pid, NULL, 0);
    return started;
}

bool pcscd_finish_log(const struct pcscd *pcscd, struct error *error)
{
    static const char line[] = "(pcscd has ended)\n";
    int fd = open(pcscd->log, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENXIO)
        return true; /* a FIFO that is no longer read */
    /* a FIFO that is full may still take this short line, but has lost lines of pcscd */
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    bool full = fd >= 0 && poll(&room, 1, 0) == 0;
    bool ok = fd >= 0 && !full && output_write(fd, line, sizeof line - 1) == sizeof line - 1;
    int reason = full ? EAGAIN : errno;
    if (fd >= 0 && close(fd) < 0 && ok) {
        reason = errno;
        ok = false;
    }
    if (!ok)
        error_set(error, "pcscd's log %s is not complete: %s", pcscd->log,
                  reason == EAGAIN ? "the reader was too slow" : strerror(reason));
    return ok;
}

bool pcscd_start(struct pcscd *pcscd, struct error *error)
{
    pcscd->note[0] = '\0';
    if (pcscd->log_fd <= 0)
        pcscd->log_fd = output_open(pcscd->log, error);
    if (pcscd->log_fd < 0)
        return false;
    char pid_file[PATH_MAX];
    snprintf(pid_file, sizeof pid_file, "%s/run/pcscd/pcscd.pid", pcscd->directory);
    unlink(pid_file); /* if an earlier pcscd was killed, its pid may belong to another process by now */
    int listen_fd = pcscd->listen_fd > 0 ? pcscd->listen_fd : listen_for_clients(pcscd->directory);
    bool started = false;
    struct failure failure = {.error = errno, .step = "make its socket"};
    if (listen_fd < 0)
        goto out;
    if (pcscd->isolation != PCSCD_ISOLATION_REDIRECT) {
        started = try_start(pcscd, PCSCD_ISOLATION_NAMESPACES, listen_fd, pcscd->log_fd, &failure);
        if (started || pcscd->isolation == PCSCD_ISOLATION_NAMESPACES || strcmp(failure.step, run_step) == 0)
            goto out;
        snprintf(pcscd->note, sizeof pcscd->note,
                 "no namespaces here (%s: %s): its paths are redirected instead", failure.step,
                 strerror(failure.error));
    }
    started = try_start(pcscd, PCSCD_ISOLATION_REDIRECT, listen_fd, pcscd->log_fd, &failure);
out:
    if (!started)
        error_set(error, "cannot start %s: %s: %s", pcscd->program, failure.step, strerror(failure.error));
    /* only pcscd holds the socket, so that clients notice when pcscd is gone */
    if (listen_fd >= 0 && listen_fd != pcscd->listen_fd)
        close(listen_fd);
    return started;
}
