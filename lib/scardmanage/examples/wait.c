/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits until there is a card in the reader, and prints its ATR:
 *
 *     scardmanage-wait READER [SECONDS]
 *
 * Continues to wait while the reader is unplugged or the service is down. Ctrl-C ends the program, at any
 * moment; this shows how to cancel calls from another thread. For systems with POSIX signals.
 */
#include <scardmanage.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what, scardmanage_result result)
{
    fprintf(stderr, "scardmanage-wait: %s: %s (%08X)\n", what, scardmanage_strerror(result),
            (unsigned)result);
    return EXIT_FAILURE;
}

/* A signal handler must not call the library. A thread that waits for the signal may. */
static void *cancel_when_interrupted(void *m)
{
    int number;
    sigset_t interrupts;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    sigwait(&interrupts, &number);
    scardmanage_set_cancelled(m, 1); /* stays, so it also ends a call that has not begun yet */
    return NULL;
}

/* Starts the only thread that receives the signals. It runs until the program ends. */
static int start_interrupt_thread(scardmanage *m)
{
    pthread_t thread;
    sigset_t interrupts;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &interrupts, NULL);
    return pthread_create(&thread, NULL, cancel_when_interrupted, m);
}

static scardmanage_result wait_for_card(scardmanage *m, const char *reader, uint32_t timeout_ms)
{
    scardmanage_result result = scardmanage_attach_by_ifd(m, reader);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_wait_for_card(m, timeout_ms);
    return result == SCARDMANAGE_S_OK ? scardmanage_reconnect(m) : result;
}

static void print_atr(scardmanage *m)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    if (scardmanage_get_atr(m, atr, &length) != SCARDMANAGE_S_OK)
        length = 0; /* it was removed again */
    for (size_t i = 0; i < length; i++)
        printf("%02X%s", atr[i], i + 1 < length ? " " : "\n");
}

int main(int argc, char **argv)
{
    scardmanage *m;
    if (argc < 2 || argc > 3) {
        fputs("Usage: scardmanage-wait READER [SECONDS]\n", stderr);
        return EXIT_FAILURE;
    }
    uint32_t timeout_ms = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) * 1000 : SCARDMANAGE_FOREVER;
    scardmanage_result result = scardmanage_create(&m);
    if (result != SCARDMANAGE_S_OK)
        return complain("making an object", result);
    if (start_interrupt_thread(m) != 0)
        return complain("starting a thread", SCARDMANAGE_E_OUTOFMEMORY);
    result = wait_for_card(m, argv[1], timeout_ms);
    if (result != SCARDMANAGE_S_OK)
        return complain(argv[1], result);
    print_atr(m);
    scardmanage_detach(m); /* not freed, because the thread may still use it */
    return EXIT_SUCCESS;
}
