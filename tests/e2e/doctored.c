/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into pcscd behind cardrig's own library: makes the one that is installed like those of other
 * systems. $DOCTORED says how: a list of
 *
 *   no-activation  built without libsystemd: it does not take a socket that was opened for it
 *   polkit         built with polkit, which denies everything here
 */
#include <dlfcn.h>
#include <stdbool.h>
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

/* Where pcscd gets a client, its version with polkit would ask next. */
int doctored_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    int client = NEXT(int (*)(int, struct sockaddr *, socklen_t *), "accept")(fd, address, size);
    if (client >= 0 && is_doctored("polkit") && !is_authorized())
        shutdown(client, SHUT_RDWR);
    return client;
}
