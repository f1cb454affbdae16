/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into pcscd behind cardrig's own library: makes the one that is installed like those of other
 * systems. $DOCTORED says how: a list of
 *
 *   no-activation  built without libsystemd: it does not take a socket that was opened for it
 *   polkit         built with polkit, which denies everything here
 *   no-access      polkit really denies access to the service, while the file $DOCTORED_WHEN is there
 *   no-card        the same for access to cards
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEXT(type, name) __extension__((type)dlsym(RTLD_NEXT, name))

int sd_listen_fds(int unset_environment);
void *polkit_authority_get_sync(void *cancellable, void *error);
void *polkit_unix_process_new_for_owner(int pid, unsigned long long start_time, int uid);
void *polkit_authority_check_authorization_sync(void *authority, void *subject, const char *action,
                                                void *details, int flags, void *cancellable, void *error);
int polkit_authorization_result_get_is_authorized(void *result);
void *g_object_new(size_t type, const char *first_property, ...);
int doctored_accept(int fd, struct sockaddr *address, socklen_t *size) __asm__("accept");
ssize_t doctored_read(int fd, void *buffer, size_t size) __asm__("read");

static char object; /* stands for all of GObject's */

static bool is_doctored(const char *how)
{
    const char *all = getenv("DOCTORED");
    return all && strstr(all, how);
}

int sd_listen_fds(int unset_environment)
{
    return is_doctored("no-activation") ? 0 : NEXT(int (*)(int), "sd_listen_fds")(unset_environment);
}

/* polkit: called only if nobody stands before us */

void *polkit_authority_get_sync(void *cancellable, void *error)
{
    (void)cancellable, (void)error;
    return &object;
}

void *polkit_unix_process_new_for_owner(int pid, unsigned long long start_time, int uid)
{
    (void)pid, (void)start_time, (void)uid;
    return &object;
}

void *polkit_authority_check_authorization_sync(void *authority, void *subject, const char *action,
                                                void *details, int flags, void *cancellable, void *error)
{
    (void)authority, (void)subject, (void)action, (void)details, (void)flags, (void)cancellable, (void)error;
    return &object;
}

int polkit_authorization_result_get_is_authorized(void *result)
{
    (void)result;
    return 0;
}

/* A pcscd without polkit has no GObject either. */
void *g_object_new(size_t type, const char *first_property, ...)
{
    typedef void *new_function(size_t type, const char *first_property, ...);
    new_function *real = NEXT(new_function *, "g_object_new");
    return real ? real(type, first_property) : &object;
}

#define POLKIT(type, name) __extension__((type)dlsym(RTLD_DEFAULT, name))

/* As IsClientAuthorized() of pcscd. */
static bool is_authorized(void)
{
    void *authority = POLKIT(void *(*)(void *, void *), "polkit_authority_get_sync")(NULL, NULL);
    void *subject =
        POLKIT(void *(*)(int, unsigned long long, int), "polkit_unix_process_new_for_owner")(1, 0, 0);
    void *result = POLKIT(void *(*)(void *, void *, const char *, void *, int, void *, void *),
                          "polkit_authority_check_authorization_sync")(
        authority, subject, "org.debian.pcsc-lite.access_pcsc", NULL, 1, NULL, NULL);
    return authority && subject && result &&
           POLKIT(int (*)(void *), "polkit_authorization_result_get_is_authorized")(result);
}

static bool denies_now(const char *how)
{
    const char *when = getenv("DOCTORED_WHEN");
    return is_doctored(how) && when && access(when, F_OK) == 0;
}

/* As pcscd does it: polkit takes longer than the client, who has sent its request by then. pcscd gets a
 * connection that has ended. */
static void close_with_unread_request(int client)
{
    int ended[2];
    struct pollfd request = {.fd = client, .events = POLLIN};
    poll(&request, 1, 1000);
    usleep(5000); /* it sends in two parts */
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ended) != 0)
        return;
    close(ended[1]);
    dup2(ended[0], client);
    close(ended[0]);
}

/* Where pcscd gets a client, its version with polkit would ask next. */
int doctored_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    int client = NEXT(int (*)(int, struct sockaddr *, socklen_t *), "accept")(fd, address, size);
    if (client >= 0 && is_doctored("polkit") && !is_authorized())
        shutdown(client, SHUT_RDWR);
    if (client >= 0 && denies_now("no-access"))
        close_with_unread_request(client);
    return client;
}

#define SCARD_CONNECT 4 /* pcsc_msg_commands in winscard_msg.h */

/* pcscd ends the connection when it has read a request to connect to a card: its header, then the rest. */
ssize_t doctored_read(int fd, void *buffer, size_t size)
{
    static _Thread_local bool is_request;
    ssize_t length = NEXT(ssize_t(*)(int, void *, size_t), "read")(fd, buffer, size);
    uint32_t header[2] = {0};
    if (length == (ssize_t)sizeof header)
        memcpy(header, buffer, sizeof header);
    bool ends = is_request && denies_now("no-card");
    is_request = header[1] == SCARD_CONNECT;
    return ends ? 0 : length;
}
