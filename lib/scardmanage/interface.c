/* SPDX-License-Identifier: BSD-3-Clause */
/* The interfaces that are registered with an object. */
#include "scardmanage_interface.h"

#include "internal.h"
#include "scardmanage_auth.h"
#include "scardmanage_file.h"
#include "scardmanage_verify.h"

#include <string.h>

struct interface_entry {
    struct interface_entry *next;
    unsigned references; /* one while it is registered, one for each call of create that runs */
    bool has_guid;
    scardmanage_guid guid;
    char name[SCARDMANAGE_INTERFACE_NAME_MAX + 1]; /* empty: none */
    scardmanage_result (*create)(scardmanage *m, void *user_data, void *context, void **out);
    void *context;
    void (*release)(void *context);
};

/*
 * The interfaces of this library
 */

static scardmanage_result create_auth(scardmanage *m, void *user_data, void *context, void **out)
{
    scardmanage_auth *auth = NULL;
    (void)context;
    scardmanage_result result = scardmanage_create_auth(m, user_data, &auth);
    *out = auth;
    return result;
}

static scardmanage_result create_verify(scardmanage *m, void *user_data, void *context, void **out)
{
    scardmanage_verify *verify = NULL;
    (void)context;
    scardmanage_result result = scardmanage_create_verify(m, user_data, &verify);
    *out = verify;
    return result;
}

static scardmanage_result create_file_access(scardmanage *m, void *user_data, void *context, void **out)
{
    scardmanage_file_access *access = NULL;
    (void)context;
    scardmanage_result result = scardmanage_create_file_access(m, user_data, &access);
    *out = access;
    return result;
}

static const struct interface_entry built_in[] = {
    {.has_guid = true, .guid = SCARDMANAGE_GUID_AUTH, .create = create_auth},
    {.has_guid = true, .guid = SCARDMANAGE_GUID_VERIFY, .create = create_verify},
    {.has_guid = true, .guid = SCARDMANAGE_GUID_FILE_ACCESS, .create = create_file_access},
};

/*
 * Finding. A name is null or "" if there is none.
 */

static bool has_guid(const struct interface_entry *entry, const scardmanage_guid *guid)
{
    return guid && entry->has_guid && memcmp(&entry->guid, guid, sizeof *guid) == 0;
}

static bool has_name(const struct interface_entry *entry, const char *name)
{
    return name && name[0] != '\0' && strcmp(entry->name, name) == 0;
}

/* Returns null if there is no such interface. */
static const struct interface_entry *find_built_in(const scardmanage_guid *guid)
{
    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (has_guid(&built_in[i], guid))
            return &built_in[i];
    return NULL;
}

/* Returns the link to the entry, which is null if there is no such entry. A GUID excludes a name. Call this with
 * the mutex held. */
static struct interface_entry **find(scardmanage *m, const scardmanage_guid *guid, const char *name)
{
    struct interface_entry **link = &m->interfaces;
    while (*link && !has_guid(*link, guid) && (guid || !has_name(*link, name)))
        link = &(*link)->next;
    return link;
}

static bool is_name(const char *name)
{
    return name[0] != '\0' && memchr(name, '\0', SCARDMANAGE_INTERFACE_NAME_MAX + 1);
}

/*
 * Registering
 */

/* Drops a reference. */
static void drop(scardmanage *m, struct interface_entry *entry)
{
    platform_lock(&m->mutex);
    bool last = --entry->references == 0;
    platform_unlock(&m->mutex);
    if (!last)
        return;
    if (entry->release)
        entry->release(entry->context);
    allocator_release(&m->allocator, entry);
}

static bool is_valid(const scardmanage_interface *provider)
{
    return options_struct_is_readable(provider, provider->size, sizeof *provider, sizeof *provider) &&
           provider->create && (provider->guid || provider->name) &&
           (!provider->name || is_name(provider->name));
}

/* Returns whether the entry was added. */
static bool add(scardmanage *m, struct interface_entry *entry)
{
    const scardmanage_guid *guid = entry->has_guid ? &entry->guid : NULL;
    platform_lock(&m->mutex);
    bool is_new = !*find(m, NULL, entry->name) && (!guid || !*find(m, guid, NULL));
    if (is_new) {
        entry->next = m->interfaces;
        m->interfaces = entry;
    }
    platform_unlock(&m->mutex);
    return is_new;
}

scardmanage_result scardmanage_register_interface(scardmanage *m, const scardmanage_interface *provider)
{
    if (!m || !provider)
        return SCARDMANAGE_E_POINTER;
    if (!is_valid(provider) || find_built_in(provider->guid))
        return SCARDMANAGE_E_INVALIDARG;
    struct interface_entry *entry = allocator_allocate(&m->allocator, sizeof *entry);
    if (!entry)
        return SCARDMANAGE_E_OUTOFMEMORY;
    entry->references = 1;
    entry->create = provider->create;
    entry->context = provider->context;
    entry->release = provider->release;
    entry->has_guid = provider->guid;
    if (provider->guid)
        entry->guid = *provider->guid;
    if (provider->name)
        memcpy(entry->name, provider->name, strlen(provider->name) + 1);
    if (add(m, entry))
        return SCARDMANAGE_S_OK;
    allocator_release(&m->allocator, entry);
    return SCARDMANAGE_E_INVALIDARG;
}

scardmanage_result scardmanage_unregister_interface(scardmanage *m, const scardmanage_guid *guid,
                                                    const char *name)
{
    if (!m || (!guid && !name))
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    struct interface_entry **link = find(m, guid, name), *entry = *link;
    if (entry)
        *link = entry->next;
    platform_unlock(&m->mutex);
    if (!entry)
        return SCARDMANAGE_E_ICC_INSTALLATION;
    drop(m, entry);
    return SCARDMANAGE_S_OK;
}

void interface_forget_all(scardmanage *m)
{
    while (m->interfaces) {
        struct interface_entry *entry = m->interfaces;
        m->interfaces = entry->next;
        drop(m, entry);
    }
}

/*
 * Creating
 */

/* Returns a referenced entry, or null. */
static struct interface_entry *get(scardmanage *m, const scardmanage_guid *guid, const char *name)
{
    platform_lock(&m->mutex);
    struct interface_entry *entry = *find(m, guid, name);
    if (entry)
        entry->references++;
    platform_unlock(&m->mutex);
    return entry;
}

static scardmanage_result create(scardmanage *m, const struct interface_entry *entry, void *user_data,
                                 void **out)
{
    void *object = NULL;
    scardmanage_result result = entry->create(m, user_data, entry->context, &object);
    if (result > 0 || (result == SCARDMANAGE_S_OK && !object))
        return SCARDMANAGE_E_FAIL;
    if (result == SCARDMANAGE_S_OK)
        *out = object;
    return result;
}

scardmanage_result scardmanage_create_interface(scardmanage *m, const scardmanage_guid *guid,
                                                const char *name, void *user_data, void **out)
{
    struct card_mark mark;
    if (!m || !out)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    if (!guid && !name)
        return SCARDMANAGE_E_POINTER;
    if (!guid && !is_name(name))
        return SCARDMANAGE_E_INVALIDARG;
    object_get_mark(m, &mark);
    if (mark.attachment == 0)
        return SCARDMANAGE_E_INVALID_HANDLE;
    const struct interface_entry *own = find_built_in(guid);
    if (own)
        return create(m, own, user_data, out);
    struct interface_entry *entry = get(m, guid, name);
    if (!entry)
        return SCARDMANAGE_E_ICC_INSTALLATION;
    scardmanage_result result = create(m, entry, user_data, out);
    drop(m, entry);
    return result;
}
