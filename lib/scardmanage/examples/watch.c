/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prints what happens to all readers and their cards, until it is interrupted:
 *
 *     scardmanage-watch [EVENTS]
 *
 * With EVENTS, it ends after so many. This shows how to watch readers in an event loop: here it is poll(),
 * with signals as another source of events. For Linux, because of signalfd().
 */
#include <scardmanage_watch.h>

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

static int complain(const char *what, scardmanage_result result)
{
    fprintf(stderr, "scardmanage-watch: %s: %s (%08X)\n", what, scardmanage_strerror(result),
            (unsigned)result);
    return EXIT_FAILURE;
}

static void print_reader(const scardmanage_watch_event *event)
{
    printf("%s: ", event->reader);
    if (event->happened & SCARDMANAGE_WATCH_READER_ADDED)
        printf("reader added, ");
    switch (event->state) {
    case SCARDMANAGE_STATE_UNKNOWN:
        printf("reader removed");
        break;
    case SCARDMANAGE_STATE_ABSENT:
        printf("no card");
        break;
    case SCARDMANAGE_STATE_SWALLOWED:
        printf("unresponsive card");
        break;
    default:
        printf("card");
        for (uint32_t i = 0; i < event->atr_len; i++)
            printf(" %02X", event->atr[i]);
    }
    putchar('\n');
}

static void print_event(const scardmanage_watch_event *event)
{
    if (event->reader[0] != '\0')
        print_reader(event);
    else
        printf("service: %s\n", scardmanage_strerror(event->service));
    fflush(stdout);
}

/* Prints all events that are there. Returns how many. */
static long print_events(scardmanage_watch *watch, long limit)
{
    scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
    long count = 0;
    while (count < limit && scardmanage_watch_next(watch, &event, 0) == SCARDMANAGE_S_OK) {
        print_event(&event);
        count++;
    }
    return count;
}

/* SIGINT and SIGTERM can be read from the descriptor. */
static int open_signals(void)
{
    sigset_t interrupts;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    sigprocmask(SIG_BLOCK, &interrupts, NULL);
    return signalfd(-1, &interrupts, SFD_CLOEXEC);
}

int main(int argc, char **argv)
{
    scardmanage_watch *watch;
    intptr_t descriptor;
    long left = argc > 1 ? strtol(argv[1], NULL, 10) : LONG_MAX;
    int signals = open_signals();
    scardmanage_result result = scardmanage_watch_create(NULL, &watch);
    if (result != SCARDMANAGE_S_OK)
        return complain("creating a watch", result);
    result = scardmanage_watch_descriptor(watch, &descriptor);
    if (result != SCARDMANAGE_S_OK)
        return complain("getting its descriptor", result);
    struct pollfd sources[] = {{.fd = (int)descriptor, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    while (left > 0 && poll(sources, 2, -1) > 0 && !sources[1].revents)
        left -= print_events(watch, left);
    scardmanage_watch_free(watch);
    return EXIT_SUCCESS;
}
