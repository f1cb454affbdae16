/* SPDX-License-Identifier: BSD-3-Clause */
#include "readers.h"

#include "link/link.h"

#include <pthread.h>

struct entry {
    struct channel *channel; /* NULL: the entry is free */
    lun number;
    unsigned users;
    bool removed;
};

static struct entry table[LINK_MAX_SLOTS];
static struct entry *table_end = table; /* after the last entry that was ever used */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unused = PTHREAD_COND_INITIALIZER;

static struct entry *find(lun number)
{
    for (struct entry *e = table; e < table_end; e++)
        if (e->channel && e->number == number)
            return e;
    return NULL;
}

bool readers_add(lun number, struct channel *channel)
{
    pthread_mutex_lock(&table_lock);
    struct entry *e = table;
    while (e < table_end && e->channel)
        e++;
    bool added = !find(number) && e < table + LINK_MAX_SLOTS;
    if (added) {
        *e = (struct entry){.channel = channel, .number = number};
        if (e == table_end)
            table_end++;
    }
    pthread_mutex_unlock(&table_lock);
    return added;
}

struct channel *readers_get(lun number)
{
    struct channel *channel = NULL;
    pthread_mutex_lock(&table_lock);
    struct entry *e = find(number);
    if (e && !e->removed) {
        e->users++;
        channel = e->channel;
    }
    pthread_mutex_unlock(&table_lock);
    return channel;
}

void readers_put(lun number)
{
    pthread_mutex_lock(&table_lock);
    struct entry *e = find(number);
    if (--e->users == 0)
        pthread_cond_broadcast(&unused);
    pthread_mutex_unlock(&table_lock);
}

bool readers_remove(lun number)
{
    pthread_mutex_lock(&table_lock);
    struct entry *e = find(number);
    if (!e || e->removed) {
        pthread_mutex_unlock(&table_lock);
        return false;
    }
    e->removed = true;
    channel_hang_up(e->channel); /* makes all calls under way return, so that the wait below ends */
    while (e->users > 0)
        pthread_cond_wait(&unused, &table_lock);
    struct channel *channel = e->channel;
    *e = (struct entry){0};
    pthread_mutex_unlock(&table_lock);
    channel_free(channel);
    return true;
}
