#include "readers.h"

#include <pthread.h>

/* pcscd 1.9.9 has 16; builds with more exist. */
#define READERS_MAX 64

struct entry {
    struct rig *rig; /* NULL: free */
    lun number;
    unsigned users;
    bool removed;
};

static struct entry table[READERS_MAX];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unused = PTHREAD_COND_INITIALIZER;

static struct entry *find(lun number)
{
    for (struct entry *e = table; e < table + READERS_MAX; e++)
        if (e->rig && e->number == number)
            return e;
    return NULL;
}

bool readers_add(lun number, struct rig *rig)
{
    bool added = false;
    pthread_mutex_lock(&table_lock);
    if (!find(number)) {
        for (struct entry *e = table; e < table + READERS_MAX && !added; e++)
            if (!e->rig) {
                *e = (struct entry){.rig = rig, .number = number};
                added = true;
            }
    }
    pthread_mutex_unlock(&table_lock);
    return added;
}

struct rig *readers_get(lun number)
{
    struct rig *rig = NULL;
    pthread_mutex_lock(&table_lock);
    struct entry *e = find(number);
    if (e && !e->removed) {
        e->users++;
        rig = e->rig;
    }
    pthread_mutex_unlock(&table_lock);
    return rig;
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
    rig_hang_up(e->rig); /* bounds the wait below: all that is under way returns */
    while (e->users > 0)
        pthread_cond_wait(&unused, &table_lock);
    struct rig *rig = e->rig;
    *e = (struct entry){0};
    pthread_mutex_unlock(&table_lock);
    rig_free(rig);
    return true;
}
