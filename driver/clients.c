/* SPDX-License-Identifier: BSD-3-Clause */
#include "clients.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_CALL_SIZE 256

/* Returns the number of the socket, or 0 if fd is not a connection that was accepted from a client. */
static uint64_t client_socket(int fd)
{
    struct sockaddr_un name = {0};
    socklen_t name_size = sizeof name, size = sizeof(int);
    int type = 0, listens = 0;
    struct stat status;
    /* only the side that has accepted a connection has the name of a file */
    if (getsockname(fd, (struct sockaddr *)&name, &name_size) < 0 || name.sun_family != AF_UNIX ||
        !name.sun_path[0] || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_STREAM ||
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || listens || fstat(fd, &status) < 0)
        return 0;
    return status.st_ino;
}

void clients_note(struct clients *clients)
{
    DIR *descriptors = opendir("/proc/self/fd");
    const struct dirent *entry;
    clients->count = 0;
    while (descriptors && (entry = readdir(descriptors))) {
        int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and "..": 0, which is no client */
        uint64_t socket = client_socket(fd);
        if (!socket)
            continue;
        if (clients->count == CLIENTS_MAX) {
            clients->count = 0;
            break;
        }
        clients->connections[clients->count].fd = fd;
        clients->connections[clients->count++].socket = socket;
    }
    if (descriptors)
        closedir(descriptors);
}

/* Reads proc_pid_syscall(5) of a thread. Returns false if that is not possible. */
static bool read_system_call(const char *thread, char text[SYSTEM_CALL_SIZE])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/syscall", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, SYSTEM_CALL_SIZE - 1);
    close(fd);
    text[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static bool is_poll(long number)
{
#ifdef SYS_poll
    if (number == SYS_poll)
        return true;
#endif
#ifdef SYS_ppoll_time64
    if (number == SYS_ppoll_time64)
        return true;
#endif
#ifdef SYS_ppoll
    if (number == SYS_ppoll)
        return true;
#endif
    return false;
}

/* Returns the descriptor from which a thread waits to read in poll(), if it is the only one, or -1. */
static int awaited_descriptor(const char *thread, int memory)
{
    char before[SYSTEM_CALL_SIZE], after[SYSTEM_CALL_SIZE];
    long number;
    unsigned long address, count;
    struct pollfd awaited;
    if (!read_system_call(thread, before) || sscanf(before, "%ld %lx %lx", &number, &address, &count) != 3 ||
        !is_poll(number) || count != 1) /* or "running" */
        return -1;
    /* the thread may go on at any time, and end: its memory is read as a file, and counts only if it still waits */
    if (pread(memory, &awaited, sizeof awaited, (off_t)address) != sizeof awaited ||
        !read_system_call(thread, after) || strcmp(before, after) != 0)
        return -1;
    return awaited.events == POLLIN ? awaited.fd : -1;
}

static void drop(struct clients *clients, size_t i)
{
    clients->connections[i] = clients->connections[--clients->count];
}

/* Drops the clients for whose next call a thread waits. */
static void drop_idle(struct clients *clients)
{
    DIR *tasks = opendir("/proc/self/task");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    long self = syscall(SYS_gettid);
    const struct dirent *task;
    while (tasks && memory >= 0 && (task = readdir(tasks))) {
        if (strtol(task->d_name, NULL, 10) == self || task->d_name[0] == '.')
            continue;
        int fd = awaited_descriptor(task->d_name, memory);
        for (size_t i = clients->count; i-- > 0;)
            if (clients->connections[i].fd == fd)
                drop(clients, i);
    }
    if (tasks)
        closedir(tasks);
    if (memory >= 0)
        close(memory);
}

bool clients_have_gone(struct clients *clients)
{
    drop_idle(clients);
    for (size_t i = clients->count; i-- > 0;) {
        struct pollfd connection = {.fd = clients->connections[i].fd};
        bool hung_up = poll(&connection, 1, 0) == 1 && (connection.revents & POLLHUP);
        if (client_socket(connection.fd) != clients->connections[i].socket)
            drop(clients, i); /* its thread has closed it, so that thread is not in the call */
        else if (!hung_up)
            return false;
    }
    return clients->count > 0;
}
