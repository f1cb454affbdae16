/* SPDX-License-Identifier: BSD-3-Clause */
#include "others.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <winscard.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

static LONG once(SCARDHANDLE handle, char what)
{
    DWORD protocol;
    switch (what) {
    case 'w':
        return SCardReconnect(handle, SCARD_SHARE_SHARED, ANY, SCARD_RESET_CARD, &protocol);
    case 'c':
        return SCardReconnect(handle, SCARD_SHARE_SHARED, ANY, SCARD_UNPOWER_CARD, &protocol);
    case 'b':
        return SCardBeginTransaction(handle);
    case 'e':
        return SCardEndTransaction(handle, SCARD_LEAVE_CARD);
    default:
        return SCARD_E_INVALID_PARAMETER;
    }
}

static LONG perform(SCARDHANDLE handle, char what)
{
    DWORD protocol;
    LONG rv = once(handle, what);
    while (rv == SCARD_W_RESET_CARD || rv == SCARD_W_REMOVED_CARD) {
        rv = SCardReconnect(handle, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol);
        if (rv == SCARD_S_SUCCESS)
            rv = once(handle, what);
    }
    return rv;
}

static void serve(const char *reader, int socket)
{
    SCARDCONTEXT context;
    SCARDHANDLE handle;
    DWORD protocol;
    LONG rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
    if (rv == SCARD_S_SUCCESS)
        rv = SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &handle, &protocol);
    char what, done = rv == SCARD_S_SUCCESS;
    while (write(socket, &done, 1) == 1 && read(socket, &what, 1) == 1)
        done = perform(handle, what) == SCARD_S_SUCCESS;
    _exit(0);
}

bool others_start(struct others *others, const char *reader)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    others->pid = fork();
    if (others->pid == 0) {
        close(ends[0]);
        serve(reader, ends[1]);
    }
    close(ends[1]);
    others->socket = ends[0];
    return others->pid > 0 && others_end(others);
}

bool others_end(struct others *others)
{
    char done;
    return read(others->socket, &done, 1) == 1 && done;
}

void others_begin(struct others *others, char what)
{
    if (write(others->socket, &what, 1) != 1)
        others_stop(others);
}

bool others_do(struct others *others, char what)
{
    others_begin(others, what);
    return others_end(others);
}

void others_stop(struct others *others)
{
    int status;
    close(others->socket);
    kill(others->pid, SIGKILL);
    waitpid(others->pid, &status, 0);
}
