/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libscardmanage: the readers, and what happens to them and to their cards.
 *
 * A watch is an object of its own, which needs no attachment. It has a thread and a PC/SC context, and
 * watches all readers. Each reader and the service have at most one event that the caller has not
 * fetched: what happens before it is fetched is merged into it. So the latest state of each reader is
 * never lost, however slow the caller is, and the memory does not grow. A watch continues when the
 * service is restarted.
 *
 * pcsc-lite reports most changes within milliseconds. What it misses, the watch notices within 0.1
 * seconds, or within a second while a reader has an unresponsive card.
 *
 * Threads, results and structs are as in scardmanage.h. While one thread frees a watch, no other thread
 * may use it.
 */
#ifndef SCARDMANAGE_WATCH_H
#define SCARDMANAGE_WATCH_H

#include "scardmanage.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scardmanage_watch scardmanage_watch;

/* What has happened since the last event of the reader, as a mask. What was merged has several bits, and
 * the state says how it ended. */
#define SCARDMANAGE_WATCH_SERVICE_STARTED 0x01u
#define SCARDMANAGE_WATCH_SERVICE_LOST    0x02u
#define SCARDMANAGE_WATCH_READER_ADDED    0x04u
#define SCARDMANAGE_WATCH_READER_REMOVED  0x08u
#define SCARDMANAGE_WATCH_CARD_INSERTED   0x10u
#define SCARDMANAGE_WATCH_CARD_REMOVED    0x20u
/* The same card has another ATR, or has become unresponsive or responsive. */
#define SCARDMANAGE_WATCH_CARD_CHANGED 0x40u

/* A reader or the service. Set size before the call. */
typedef struct scardmanage_watch_event {
    size_t size;       /* sizeof(scardmanage_watch_event) */
    uint32_t happened; /* SCARDMANAGE_WATCH_ bits */
    uint32_t changes;  /* the number of changes; above the number of bits if the same happened twice */
    scardmanage_result service; /* S_OK, or why the service cannot be used: E_NO_SERVICE, for example */
    scardmanage_state state;    /* UNKNOWN: not there. ABSENT, PRESENT, or SWALLOWED: unresponsive card */
    uint32_t counter;           /* the event counter of the reader: counts insertions and removals */
    uint32_t exclusive;         /* 1: a client has connected exclusively. A change of this is no event */
    uint32_t atr_len;           /* in bytes; 0 if there is no ATR */
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    char reader[256]; /* its name, with a terminating zero; empty for the service */
} scardmanage_watch_event;

#define SCARDMANAGE_WATCH_EVENT_INIT                                                                         \
    {                                                                                                        \
        sizeof(scardmanage_watch_event), 0, 0, 0, SCARDMANAGE_STATE_UNKNOWN, 0, 0, 0, {0},                   \
        {                                                                                                    \
            0                                                                                                \
        }                                                                                                    \
    }

/*
 * Creates a watch, which begins at once. Its first events are those of the service and of the readers
 * that are there.
 *
 *   source  the allocator, as for scardmanage_create_with_allocator(); null for that of the C library.
 *           Only this function allocates: a watch does not run out of memory later
 *   out     receives the watch, or null after a failure. Free it with scardmanage_watch_free()
 *
 *   S_OK           success, even if there is no service
 *   E_POINTER      out is null
 *   E_INVALIDARG   source is not valid
 *   E_OUTOFMEMORY  out of memory
 */
SCARDMANAGE_API scardmanage_result scardmanage_watch_create(const scardmanage_allocator *source,
                                                            scardmanage_watch **out);

/*
 * Ends the watch and frees it. This takes up to 0.1 seconds. If the service does not answer, it takes a
 * second; the memory is then released when PC/SC returns.
 *
 *   w  may be null
 */
SCARDMANAGE_API void scardmanage_watch_free(scardmanage_watch *w);

/*
 * Fetches the next event, oldest first.
 *
 *   event       receives the event
 *   timeout_ms  how long to wait for one, in milliseconds; 0 to return without waiting, or
 *               SCARDMANAGE_FOREVER
 *
 *   S_OK          success
 *   E_POINTER     w or event is null
 *   E_INVALIDARG  the size of event is below that of the first version, or above 4096
 *   E_TIMEOUT     there was no event
 *   E_CANCELLED   cancelled, even if there are events
 */
SCARDMANAGE_API scardmanage_result scardmanage_watch_next(scardmanage_watch *w,
                                                          scardmanage_watch_event *event,
                                                          uint32_t timeout_ms);

/*
 * Returns the readers that are there and their states, as they were last seen. Fetches no events. Waits
 * until the watch has seen the readers for the first time.
 *
 *   readers     receives the readers; happened is 0. Set size in the first one. May be null if *count
 *               is 0
 *   count       in: the number of elements in readers. Out: the number of readers
 *   timeout_ms  as for scardmanage_watch_next()
 *
 *   S_OK                   success
 *   E_POINTER              w or count is null, or readers is null and *count is not 0
 *   E_INVALIDARG           the size of the first element is not valid
 *   E_INSUFFICIENT_BUFFER  there are more readers than elements; those that fit were returned
 *   E_TIMEOUT              the watch has not seen the readers yet
 *   E_CANCELLED            cancelled
 *   E_NO_SERVICE, 8010xxxx why the service cannot be used; *count is 0
 */
SCARDMANAGE_API scardmanage_result scardmanage_watch_list(scardmanage_watch *w,
                                                          scardmanage_watch_event *readers, size_t *count,
                                                          uint32_t timeout_ms);

/*
 * Returns a descriptor for poll() and event loops. It is readable while there are events to fetch, and
 * while the watch is cancelled. Only wait for it: do not read from it, and do not close it.
 *
 *   descriptor  receives a file descriptor; on Windows the HANDLE of an event, for
 *               WaitForMultipleObjects(). Valid until the watch is freed
 *
 *   S_OK           success
 *   E_POINTER      w or descriptor is null
 *   E_OUTOFMEMORY  the system has none left
 */
SCARDMANAGE_API scardmanage_result scardmanage_watch_descriptor(scardmanage_watch *w, intptr_t *descriptor);

/*
 * Cancels calls until that is taken back, as scardmanage_set_cancelled(): current and later calls of
 * scardmanage_watch_next() and scardmanage_watch_list() return E_CANCELLED. The watch continues, and no
 * event is lost. Do not call it from a signal handler.
 *
 *   S_OK       success
 *   E_POINTER  w is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_watch_set_cancelled(scardmanage_watch *w, int cancelled);

/*
 * Returns the names of all readers. Needs no object. It uses a thread for its PC/SC calls, so that it
 * returns in time. The memory for that comes from the C library.
 *
 *   names       receives the names, each with a terminating zero, and another zero behind the last; null
 *               to get only the length
 *   length      in: the size of names in bytes. Out: the length of the list, 1 if there is no reader
 *   timeout_ms  in milliseconds, or SCARDMANAGE_FOREVER
 *
 *   S_OK                   success, even if there is no reader
 *   E_POINTER              length is null
 *   E_INSUFFICIENT_BUFFER  names is too small; *length is the size required
 *   E_TIMEOUT              the service does not answer
 *   E_OUTOFMEMORY          out of memory
 *   E_NO_SERVICE, 8010xxxx why the service cannot be used
 */
SCARDMANAGE_API scardmanage_result scardmanage_list_readers(char *names, size_t *length, uint32_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
