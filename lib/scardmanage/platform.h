/* SPDX-License-Identifier: BSD-3-Clause */
/* What differs between systems, and nothing else: threads, a clock, and what PC/SC does differently. Only
 * here, in platform.c, and at the top of scardmanage.h does the source ask which system it is for.
 *
 * macOS is by inspection only. Its PCSC.framework is derived from pcsc-lite: the same functions, with 32-bit
 * DWORD and LONG, and constants of the same names; SCARD_READERSTATE is packed, but has the same fields. */
#ifndef SCARDMANAGE_PLATFORM_H
#define SCARDMANAGE_PLATFORM_H

#include "scardmanage.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef _WIN32
typedef SRWLOCK platform_mutex;           /* takes no memory, and needs not be destroyed */
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
void platform_cond_wake(platform_cond *cond); /* all who wait */
/* Until woken up, perhaps for nothing, or until platform_now_us() has got there; UINT64_MAX is never. */
void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us);

/* A thread that takes no signals. 0 on success. Each is joined or let go once. */
int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument);
void platform_thread_join(platform_thread thread);
void platform_thread_let_go(platform_thread thread);
platform_thread_id platform_thread_self(void);
bool platform_thread_is(platform_thread_id a, platform_thread_id b);

/* Microseconds on a clock that is never set back. */
uint64_t platform_now_us(void);

/* Overwrites, also where the compiler sees nobody read it again. */
void platform_wipe(void *memory, size_t size);

/* Whether a successful SCardReconnect() leaves a transaction of the handle standing. */
bool platform_reconnect_keeps_transaction(void);

/* Whether SCardStatus() counts removals and insertions in the upper half of its state, as
 * SCardGetStatusChange() does everywhere. */
bool platform_status_counts_moves(void);

/* Whether SCardGetAttrib() says SCARD_E_SHARING_VIOLATION at once while another client holds a transaction,
 * and asks no more of anybody than that. */
bool platform_attribute_tells_transaction(void);

/* Whether SCARD_W_RESET_CARD, SCARD_W_REMOVED_CARD, SCARD_E_INVALID_HANDLE and SCARD_E_PROTO_MISMATCH from
 * SCardTransmit() mean that nothing was sent. */
bool platform_refusal_precedes_transmit(void);

/* Whether two readers' names are the same but for the numbers that the service appends to tell readers apart.
 */
bool platform_same_reader_model(const char *a, const char *b);

/* What SCardStatus() said. protocol: the active one, or 0. */
scardmanage_state platform_state(DWORD state, uint32_t protocol);

#endif
