/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of scardmanage_watch.h, for tests in Python: reads a command from each line of its input, and answers
 * in one line of JSON.
 *
 *   next MS    the next event          list MS      the readers, without taking an event
 *   names MS   scardmanage_list_readers()           poll MS      waits for the descriptor
 *   cancel 1   from now on; cancel 0: no longer     later MS     cancels after this time, in a thread
 *   drain MS   takes events until none comes for this time; answers how many, and the last of each reader
 *   free 0     frees the watch, and creates it again */
#include "scardmanage_watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READERS_MAX 64

static scardmanage_watch *watch;

static void create(void)
{
    scardmanage_result result = scardmanage_watch_create(NULL, &watch);
    if (result == SCARDMANAGE_S_OK)
        return;
    fprintf(stderr, "watch_client: %s\n", scardmanage_strerror(result));
    exit(1);
}

static void print_event(const scardmanage_watch_event *event)
{
    static const char *const names[] = {"started", "lost", "added", "removed", "in", "out", "changed"};
    const char *comma = "";
    printf("{\"happened\": [");
    for (unsigned bit = 0; bit < sizeof names / sizeof names[0]; bit++)
        if (event->happened & 1u << bit) {
            printf("%s\"%s\"", comma, names[bit]);
            comma = ", ";
        }
    printf(
        "], \"changes\": %u, \"service\": \"%08X\", \"state\": \"%s\", \"counter\": %u, \"exclusive\": %u, ",
        event->changes, (unsigned)event->service, scardmanage_state_name(event->state), event->counter,
        event->exclusive);
    printf("\"reader\": \"%s\", \"atr\": \"", event->reader);
    for (uint32_t i = 0; i < event->atr_len; i++)
        printf("%02x", event->atr[i]);
    printf("\"}");
}

static void next(uint32_t ms)
{
    scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
    scardmanage_result result = scardmanage_watch_next(watch, &event, ms);
    printf("{\"code\": \"%08X\", \"event\": ", (unsigned)result);
    print_event(&event);
    printf("}\n");
}

static void drain(uint32_t ms)
{
    scardmanage_watch_event last[READERS_MAX];
    unsigned count = 0, events = 0;
    for (;;) {
        scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
        if (scardmanage_watch_next(watch, &event, ms) != SCARDMANAGE_S_OK)
            break;
        unsigned i = 0;
        while (i < count && strcmp(last[i].reader, event.reader) != 0)
            i++;
        if (i == READERS_MAX)
            abort();
        count += i == count;
        last[i] = event;
        events++;
    }
    printf("{\"events\": %u, \"last\": [", events);
    for (unsigned i = 0; i < count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_event(&last[i]);
    }
    printf("]}\n");
}

static void list(uint32_t ms)
{
    scardmanage_watch_event readers[READERS_MAX] = {SCARDMANAGE_WATCH_EVENT_INIT};
    size_t count = READERS_MAX;
    scardmanage_result result = scardmanage_watch_list(watch, readers, &count, ms);
    printf("{\"code\": \"%08X\", \"readers\": [", (unsigned)result);
    for (size_t i = 0; i < count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_event(&readers[i]);
    }
    printf("]}\n");
}

static void names(uint32_t ms)
{
    char all[16384];
    size_t length = sizeof all, size = 0;
    const char *comma = "";
    scardmanage_result result = scardmanage_list_readers(NULL, &size, ms);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_list_readers(all, &length, ms);
    printf("{\"code\": \"%08X\", \"names\": [", (unsigned)result);
    if (result == SCARDMANAGE_S_OK) {
        if (length != size)
            abort();
        for (const char *name = all; *name != '\0'; name += strlen(name) + 1) {
            printf("%s\"%s\"", comma, name);
            comma = ", ";
        }
    }
    printf("]}\n");
}

static void wait_for_descriptor(int ms)
{
    intptr_t descriptor = -1;
    scardmanage_result result = scardmanage_watch_descriptor(watch, &descriptor);
    struct pollfd readable = {.fd = (int)descriptor, .events = POLLIN};
    printf("{\"code\": \"%08X\", \"readable\": %s}\n", (unsigned)result,
           poll(&readable, 1, ms) == 1 ? "true" : "false");
}

static void *cancel_later(void *ms)
{
    long long ns = (long long)(intptr_t)ms * 1000000;
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)},
              NULL);
    scardmanage_watch_set_cancelled(watch, 1);
    return NULL;
}

static void carry_out(const char *command, uint32_t ms)
{
    pthread_t thread;
    if (strcmp(command, "next") == 0)
        next(ms);
    else if (strcmp(command, "list") == 0)
        list(ms);
    else if (strcmp(command, "names") == 0)
        names(ms);
    else if (strcmp(command, "drain") == 0)
        drain(ms);
    else if (strcmp(command, "poll") == 0)
        wait_for_descriptor((int)ms);
    else if (strcmp(command, "cancel") == 0)
        printf("{\"code\": \"%08X\"}\n", (unsigned)scardmanage_watch_set_cancelled(watch, (int)ms));
    else if (strcmp(command, "later") == 0 &&
             pthread_create(&thread, NULL, cancel_later, (void *)(intptr_t)ms) == 0)
        printf("{\"code\": \"%d\"}\n", pthread_detach(thread));
    else if (strcmp(command, "free") == 0) {
        scardmanage_watch_free(watch);
        create();
        printf("{}\n");
    } else
        abort();
}

int main(void)
{
    char command[16];
    unsigned ms;
    create();
    while (scanf("%15s %u", command, &ms) == 2) {
        carry_out(command, ms);
        fflush(stdout);
    }
    scardmanage_watch_free(watch);
    return 0;
}
