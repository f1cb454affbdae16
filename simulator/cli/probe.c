/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/probe.h"

#include "base/descriptor.h"
#include "base/unix_socket.h"
#include "cli/cli.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <winscard.h>

#define LIBRARY     "libpcsclite.so.1"
#define CSOCK       "PCSCLITE_CSOCK_NAME"
#define CMD_VERSION 0x11

/* The first message of a client. The answer is its body alone. See winscard_msg.h of pcsc-lite. */
struct version_message {
    struct {
        uint32_t size, command;
    } header;
    struct {
        int32_t major, minor;
        uint32_t result;
    } body;
};

/* A function of the client library. This program is not linked with the library, so that it runs without
 * it. */
#define CALL(library, name) (__extension__((__typeof__(&name))dlsym(library, #name)))

bool probe_library(char *path, size_t size, struct error *error)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    struct link_map *map = NULL;
    bool found = library && dlinfo(library, RTLD_DI_LINKMAP, &map) == 0;
    if (found)
        snprintf(path, size, "%s", map->l_name);
    else
        error_set(error, "%s", dlerror());
    if (library)
        dlclose(library);
    return found;
}

/* Connects to the socket as a client, and exits when the connection is closed without an answer. */
static void be_client(const char *socket_path)
{
    SCARDCONTEXT context;
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library && setenv(CSOCK, socket_path, 1) == 0 && CALL(library, SCardEstablishContext))
        CALL(library, SCardEstablishContext)(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
    _exit(0);
}

bool probe_library_protocol(const char *directory, struct probe_protocol *protocol)
{
    struct sockaddr_un address;
    struct version_message message = {.header = {0}};
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/probe", directory);
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || !unix_address(&address, path) ||
        bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, 1) < 0) {
        close_keeping_errno(listening);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0)
        be_client(path);
    int client = pid < 0 ? -1 : accept(listening, NULL, NULL);
    bool got = client >= 0 && recv(client, &message, sizeof message, MSG_WAITALL) == sizeof message &&
               message.header.command == CMD_VERSION;
    *protocol = (struct probe_protocol){message.body.major, message.body.minor};
    close(client);
    close(listening);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return got;
}

/* Asks the service at $PCSCLITE_CSOCK_NAME for its protocol version. Returns false on failure. */
static bool service_protocol(struct probe_protocol *protocol)
{
    struct sockaddr_un address;
    struct version_message message = {.header = {sizeof message.body, CMD_VERSION}, .body = {4, 3, 0}};
    const char *path = getenv(CSOCK);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool got = fd >= 0 && path && unix_address(&address, path) &&
               connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
               send(fd, &message, sizeof message, MSG_NOSIGNAL) == sizeof message &&
               recv(fd, &message.body, sizeof message.body, MSG_WAITALL) == sizeof message.body;
    if (fd >= 0)
        close(fd);
    *protocol = (struct probe_protocol){message.body.major, message.body.minor};
    return got;
}

static int cannot(void *library, const char *what, LONG result)
{
    struct probe_protocol service;
    printf("%s: %s", what, CALL(library, pcsc_stringify_error)(result));
    if (service_protocol(&service))
        printf(" (pcscd speaks protocol %d:%d; libpcsclite has to, too)", service.major, service.minor);
    putchar('\n');
    return EXIT_FAILED;
}

int probe_card(void)
{
    SCARDCONTEXT context;
    SCARDHANDLE card;
    DWORD protocol, state, name_length = 0, length = MAX_ATR_SIZE;
    BYTE atr[MAX_ATR_SIZE];
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        printf("%s\n", dlerror());
        return EXIT_FAILED;
    }
    LONG result = CALL(library, SCardEstablishContext)(SCARD_SCOPE_SYSTEM, NULL, NULL, &context);
    if (result != SCARD_S_SUCCESS)
        return cannot(library, "SCardEstablishContext", result);
    const char *reader = getenv("CARDRIG_READER");
    result = CALL(library, SCardConnect)(context, reader ? reader : "", SCARD_SHARE_SHARED,
                                         SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &card, &protocol);
    if (result != SCARD_S_SUCCESS)
        return cannot(library, "SCardConnect", result);
    result = CALL(library, SCardStatus)(card, NULL, &name_length, &state, &protocol, atr, &length);
    if (result != SCARD_S_SUCCESS)
        return cannot(library, "SCardStatus", result);
    printf("ATR");
    for (DWORD i = 0; i < length; i++)
        printf(" %02X", atr[i]);
    putchar('\n');
    return EXIT_OK;
}
