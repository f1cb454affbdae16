/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What differs between systems: threads, a clock, and what PC/SC does differently. Only this file,
 * platform.c and the top of scardmanage.h ask which system they are for.
 *
 * The code for macOS is written from its headers, and has not been run. Its PCSC.framework is derived
 * from pcsc-lite: the same functions, with 32-bit DWORD and LONG, and constants of the same names;
 * SCARD_READERSTATE is packed, but has the same fields.
 */
#ifndef SCARDMANAGE_PLATFORM_H
#define SCARDMANAGE_PLATFORM_H

#include "scardmanage.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
typedef SRWLOCK platform_mutex;           /* needs no memory, and is not destroyed */
#define PLATFORM_MUTEX SRWLOCK_INIT       /* a static one */
typedef CONDITION_VARIABLE platform_cond; /* the same */
typedef HANDLE platform_thread;
typedef DWORD platform_thread_id;
typedef DWORD platform_thread_end; /* what a thread's function returns: 0 */
#define PLATFORM_THREAD_CALL WINAPI
#else
#include <pthread.h>
typedef pthread_mutex_t platform_mutex;
#define PLATFORM_MUTEX PTHREAD_MUTEX_INITIALIZER
typedef pthread_cond_t platform_cond;
typedef pthread_t platform_thread;
typedef pthread_t platform_thread_id;
typedef void *platform_thread_end;
#define PLATFORM_THREAD_CALL
#endif

int platform_mutex_init(platform_mutex *mutex); /* 0 on success */
void platform_mutex_destroy(platform_mutex *mutex);
void platform_lock(platform_mutex *mutex);
void platform_unlock(platform_mutex *mutex);

int platform_cond_init(platform_cond *cond); /* 0 on success */
void platform_cond_destroy(platform_cond *cond);
void platform_cond_wake(platform_cond *cond); /* wakes all threads that wait */
/* Waits until woken up, perhaps without a reason, or until platform_now_us() is until_us;
 * UINT64_MAX: for ever. */
void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us);

/* Starts a thread that takes no signals. 0 on success. Join or detach each once. */
int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument);
void platform_thread_join(platform_thread thread);
void platform_thread_detach(platform_thread thread);
platform_thread_id platform_thread_self(void);
bool platform_thread_is(platform_thread_id a, platform_thread_id b);

/* Microseconds on the monotonic clock. */
uint64_t platform_now_us(void);

/* Overwrites memory that is not read again, which the compiler may not leave out. */
void platform_wipe(void *memory, size_t size);

/* Whether the handle's transaction is still held after SCardReconnect() has succeeded. */
bool platform_reconnect_keeps_transaction(void);

/* Whether SCardStatus() counts removals and insertions in the upper half of its state, as
 * SCardGetStatusChange() does everywhere. */
bool platform_status_has_event_counter(void);

/* Whether SCardGetAttrib() returns SCARD_E_SHARING_VIOLATION at once while another client holds a
 * transaction, and has no other effect. */
bool platform_attribute_reveals_transaction(void);

/* Whether SCARD_W_RESET_CARD, SCARD_W_REMOVED_CARD, SCARD_E_INVALID_HANDLE and
 * SCARD_E_PROTO_MISMATCH from SCardTransmit() mean that nothing was sent. */
bool platform_refusal_precedes_transmit(void);

/* Whether two readers' names are the same except for the numbers that the service appends. */
bool platform_same_reader_model(const char *a, const char *b);

/* Converts the state that SCardStatus() returned. protocol: the active one, or 0. */
scardmanage_state platform_state_from_pcsc(DWORD state, uint32_t protocol);

#endif
