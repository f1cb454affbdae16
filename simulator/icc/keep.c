/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/keep.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "icc/state_file.h"

struct keep {
    struct keep *next;
    const void *place;
    char *name, *file; /* file: NULL: none */
    int fd;            /* of the file, or -1 */
    unsigned users;    /* cards that have not been freed */
    char *bytes;       /* NULL: none */
    size_t length;
};

struct keep_store {
    pthread_mutex_t lock;
    struct keep *first;
};

struct keep_store *keep_store_new(void)
{
    struct keep_store *store = calloc(1, sizeof *store);
    if (store)
        pthread_mutex_init(&store->lock, NULL);
    return store;
}

/* Overwrites the bytes, which may be keys, before they are freed. */
static void free_bytes(struct keep *keep)
{
    if (keep->bytes)
        explicit_bzero(keep->bytes, keep->length);
    free(keep->bytes);
}

static void keep_free(struct keep *keep)
{
    if (keep->fd >= 0)
        close(keep->fd);
    free_bytes(keep);
    free(keep->name);
    free(keep->file);
    free(keep);
}

void keep_store_free(struct keep_store *store)
{
    if (!store)
        return;
    for (struct keep *keep = store->first, *next; keep; keep = next) {
        next = keep->next;
        keep_free(keep);
    }
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static struct keep *find(const struct keep_store *store, const void *place, const char *name,
                         const char *file)
{
    struct keep *keep = store->first;
    while (keep && (file ? !keep->file || strcmp(keep->file, file) != 0
                         : keep->file || keep->place != place || strcmp(keep->name, name) != 0))
        keep = keep->next;
    return keep;
}

static struct keep *add(struct keep_store *store, const char *name, const char *file, struct error *error)
{
    struct keep *keep = calloc(1, sizeof *keep);
    if (!keep) {
        error_set(error, "out of memory");
        return NULL;
    }
    keep->fd = -1;
    keep->name = strdup(name);
    keep->file = file ? strdup(file) : NULL;
    bool ok = keep->name && (keep->file || !file);
    if (!ok)
        error_set(error, "out of memory");
    if (ok && file)
        ok = (keep->fd = state_file_open(file, &keep->bytes, &keep->length, error)) >= 0;
    if (!ok) {
        keep_free(keep);
        return NULL;
    }
    keep->next = store->first;
    store->first = keep;
    return keep;
}

struct keep *keep_open(struct keep_store *store, const void *place, const char *name, const char *file,
                       struct error *error)
{
    pthread_mutex_lock(&store->lock);
    struct keep *keep = find(store, place, name, file);
    if (!keep) {
        keep = add(store, name, file, error);
    } else if (keep->users > 0 && keep->place != place) {
        error_set(error, "state=%s: a card in another slot uses this file", file);
        keep = NULL;
    }
    if (keep) {
        keep->place = place;
        keep->users++;
    }
    pthread_mutex_unlock(&store->lock);
    return keep;
}

void keep_close(struct keep_store *store, struct keep *keep)
{
    pthread_mutex_lock(&store->lock);
    keep->users--;
    pthread_mutex_unlock(&store->lock);
}

size_t keep_length(struct keep_store *store, const struct keep *keep)
{
    pthread_mutex_lock(&store->lock);
    size_t length = keep->length;
    pthread_mutex_unlock(&store->lock);
    return length;
}

size_t keep_copy(struct keep_store *store, const struct keep *keep, char *out, size_t size)
{
    pthread_mutex_lock(&store->lock);
    size_t length = keep->length < size ? keep->length : size;
    if (length > 0)
        memcpy(out, keep->bytes, length);
    pthread_mutex_unlock(&store->lock);
    return length;
}

static bool replace(struct keep *keep, const char *bytes, size_t length, struct error *error)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return error_set(error, "out of memory");
    if (keep->file) {
        int fd = state_file_replace(keep->file, keep->fd, bytes, length, error);
        if (fd < 0) {
            free(copy);
            return false;
        }
        keep->fd = fd;
    }
    free_bytes(keep);
    keep->bytes = memcpy(copy, bytes, length);
    keep->length = length;
    return true;
}

bool keep_write(struct keep_store *store, struct keep *keep, const char *bytes, size_t length,
                struct error *error)
{
    pthread_mutex_lock(&store->lock);
    bool same = keep->bytes && keep->length == length && memcmp(keep->bytes, bytes, length) == 0;
    bool ok = same || replace(keep, bytes, length, error);
    pthread_mutex_unlock(&store->lock);
    return ok;
}
