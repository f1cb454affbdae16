/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/keep.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "icc/state_file.h"

/* What is kept. */
struct entry {
    struct entry *next;
    const void *place;
    char *name, *card, *file; /* file: NULL: none */
    int fd;                   /* of the file, or -1 */
    struct keep *users;       /* the newest first, which owns the bytes */
    char *bytes;              /* NULL: none */
    size_t length;
};

struct keep {
    struct keep *next; /* the card before it */
    struct keep_store *store;
    struct entry *entry;
};

struct keep_store {
    pthread_mutex_t lock;
    struct entry *first;
    bool for_checks; /* no file is written */
};

struct keep_store *keep_store_new(void)
{
    struct keep_store *store = calloc(1, sizeof *store);
    if (store)
        pthread_mutex_init(&store->lock, NULL);
    return store;
}

struct keep_store *keep_store_new_for_checks(void)
{
    struct keep_store *store = keep_store_new();
    if (store)
        store->for_checks = true;
    return store;
}

/* Overwrites the bytes, which may be keys, before they are freed. */
static void free_bytes(struct entry *entry)
{
    if (entry->bytes)
        explicit_bzero(entry->bytes, entry->length);
    free(entry->bytes);
}

static void entry_free(struct entry *entry)
{
    if (entry->fd >= 0)
        close(entry->fd);
    free_bytes(entry);
    free(entry->name);
    free(entry->card);
    free(entry->file);
    free(entry);
}

void keep_store_free(struct keep_store *store)
{
    if (!store)
        return;
    for (struct entry *entry = store->first, *next; entry; entry = next) {
        next = entry->next;
        entry_free(entry);
    }
    pthread_mutex_destroy(&store->lock);
    free(store);
}

void keep_store_leave(struct keep_store *store)
{
    for (struct entry *entry = store ? store->first : NULL; entry; entry = entry->next) {
        if (entry->fd >= 0)
            close(entry->fd);
        entry->fd = -1;
    }
}

static struct entry *find(const struct keep_store *store, const void *place, const char *name,
                          const char *file)
{
    struct entry *entry = store->first;
    while (entry && (file ? !entry->file || strcmp(entry->file, file) != 0
                          : entry->file || entry->place != place || strcmp(entry->name, name) != 0))
        entry = entry->next;
    return entry;
}

static bool open_file(const struct keep_store *store, struct entry *entry, struct error *error)
{
    if (store->for_checks)
        return state_file_read(entry->file, entry->card, &entry->bytes, &entry->length, error);
    entry->fd = state_file_open(entry->file, entry->card, &entry->bytes, &entry->length, error);
    return entry->fd >= 0;
}

static struct entry *add(struct keep_store *store, const char *name, const char *card, const char *file,
                         struct error *error)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        error_set(error, "out of memory");
        return NULL;
    }
    entry->fd = -1;
    entry->name = strdup(name);
    entry->card = strdup(card);
    entry->file = file ? strdup(file) : NULL;
    bool ok = entry->name && entry->card && (entry->file || !file);
    if (!ok)
        error_set(error, "out of memory");
    if (ok && file)
        ok = open_file(store, entry, error);
    if (!ok) {
        entry_free(entry);
        return NULL;
    }
    entry->next = store->first;
    store->first = entry;
    return entry;
}

/* Under the lock. Returns the entry for a card, or NULL. */
static struct entry *open_entry(struct keep_store *store, const void *place, const char *name,
                                const char *card, const char *file, struct error *error)
{
    struct entry *entry = find(store, place, name, file);
    if (!entry)
        return add(store, name, card, file, error);
    if (entry->users && entry->place != place)
        error_set(error, "state=%s: a card of another slot uses this file", file);
    else if (strcmp(entry->card, card) != 0)
        error_set(error, "state=%s: the state of the card '%.100s', expected one of '%.100s'", file,
                  entry->card, card);
    else
        return entry;
    return NULL;
}

/* Under the lock. A file has the bytes, and so has whoever needs them; where there are none, none are lost. */
static void drop_if_unused(struct keep_store *store, struct entry *entry)
{
    struct entry **link = &store->first;
    if (entry->users || (entry->bytes && !entry->file))
        return;
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    entry_free(entry);
}

struct keep *keep_open(struct keep_store *store, const void *place, const char *name, const char *card,
                       const char *file, struct error *error)
{
    struct keep *keep = calloc(1, sizeof *keep);
    if (!keep) {
        error_set(error, "out of memory");
        return NULL;
    }
    pthread_mutex_lock(&store->lock);
    struct entry *entry = open_entry(store, place, name, card, file, error);
    if (entry) {
        *keep = (struct keep){.next = entry->users, .store = store, .entry = entry};
        entry->users = keep;
        entry->place = place;
    }
    pthread_mutex_unlock(&store->lock);
    if (entry)
        return keep;
    free(keep);
    return NULL;
}

void keep_close(struct keep *keep)
{
    struct keep_store *store = keep->store;
    pthread_mutex_lock(&store->lock);
    struct keep **link = &keep->entry->users;
    while (*link != keep)
        link = &(*link)->next;
    *link = keep->next;
    drop_if_unused(store, keep->entry);
    pthread_mutex_unlock(&store->lock);
    free(keep);
}

size_t keep_copy(struct keep *keep, char *out, size_t size)
{
    pthread_mutex_lock(&keep->store->lock);
    size_t length = keep->entry->length;
    if (length > 0 && size > 0)
        memcpy(out, keep->entry->bytes, length < size ? length : size);
    pthread_mutex_unlock(&keep->store->lock);
    return length;
}

const char *keep_where(const struct keep *keep)
{
    return keep->entry->file ? keep->entry->file : "what the card has kept";
}

static bool replace(const struct keep_store *store, struct entry *entry, const char *bytes, size_t length,
                    struct error *error)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return error_set(error, "out of memory");
    if (entry->file && !store->for_checks) {
        int fd = state_file_replace(entry->file, entry->fd, entry->card, bytes, length, error);
        if (fd < 0) {
            free(copy);
            return false;
        }
        entry->fd = fd;
    }
    free_bytes(entry);
    entry->bytes = memcpy(copy, bytes, length);
    entry->length = length;
    return true;
}

bool keep_write(struct keep *keep, const char *bytes, size_t length, struct error *error)
{
    struct entry *entry = keep->entry;
    pthread_mutex_lock(&keep->store->lock);
    bool same = entry->bytes && entry->length == length && memcmp(entry->bytes, bytes, length) == 0;
    bool ok = same;
    if (entry->users != keep)
        ok =
            error_set(error, "another card has taken the place of this one, which can keep nothing any more");
    else if (!same)
        ok = replace(keep->store, entry, bytes, length, error);
    pthread_mutex_unlock(&keep->store->lock);
    return ok;
}
