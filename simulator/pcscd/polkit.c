/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preloaded into a private pcscd: answers in place of polkit, and authorizes every client. The polkit rules
 * concern the machine's cards, not the rig's. Every client that can reach the rig's socket may use the rig's
 * cards. The polkit daemon may also be absent, and only pcscd 2.x can run without it.
 *
 * These are the functions that IsClientAuthorized() of pcscd calls. pcscd passes their results only back to
 * them and to g_object_unref().
 */
#include <dlfcn.h>
#include <stddef.h>

#define G_TYPE_OBJECT ((size_t)20 << 2)

#pragma GCC visibility push(default)
void *polkit_authority_get_sync(void *cancellable, void *error);
void *polkit_unix_process_new_for_owner(int pid, unsigned long long start_time, int uid);
void *polkit_authority_check_authorization_sync(void *authority, void *subject, const char *action,
                                                void *details, int flags, void *cancellable, void *error);
int polkit_authorization_result_get_is_authorized(void *result);
#pragma GCC visibility pop

/* A pcscd that is linked with polkit is linked with GObject as well. */
static void *new_object(void)
{
    typedef void *new_function(size_t type, const char *first_property, ...);
    new_function *g_object_new = __extension__((new_function *)dlsym(RTLD_DEFAULT, "g_object_new"));
    return g_object_new ? g_object_new(G_TYPE_OBJECT, NULL) : NULL;
}

void *polkit_authority_get_sync(void *cancellable, void *error)
{
    (void)cancellable, (void)error;
    return new_object();
}

void *polkit_unix_process_new_for_owner(int pid, unsigned long long start_time, int uid)
{
    (void)pid, (void)start_time, (void)uid;
    return new_object();
}

void *polkit_authority_check_authorization_sync(void *authority, void *subject, const char *action,
                                                void *details, int flags, void *cancellable, void *error)
{
    (void)authority, (void)subject, (void)action, (void)details, (void)flags, (void)cancellable, (void)error;
    return new_object();
}

int polkit_authorization_result_get_is_authorized(void *result)
{
    (void)result;
    return 1;
}
