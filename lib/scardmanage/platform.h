/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The differences between systems: threads, a clock (platform_threads.c), and the behaviour of PC/SC
 * (platform.c). Only these files and the beginning of scardmanage_types.h depend on the system.
 *
 * The code for macOS is written from its headers, and has never been run. Its PCSC.framework is derived
 * from pcsc-lite. It has the same functions, constants of the same names, and a 32-bit DWORD and LONG.
 * SCARD_READERSTATE is packed, but has the same fields.
 */
#ifndef SCARDMANAGE_PLATFORM_H
#define SCARDMANAGE_PLATFORM_H

#include "scardmanage.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef PLATFORM_THREADS_H /* a test that has threads and a clock of its own */
#include PLATFORM_THREADS_H
#elif defined _WIN32
typedef SRWLOCK platform_mutex;            /* needs no memory, and no destruction */
#define PLATFORM_MUTEX       SRWLOCK_INIT /* a static initializer */
typedef CONDITION_VARIABLE platform_event; /* like SRWLOCK */
typedef HANDLE platform_thread;
typedef DWORD platform_thread_id;
typedef HANDLE platform_signal;
typedef DWORD platform_thread_end; /* the return type of a thread function, which returns 0 */
#define PLATFORM_THREAD_CALL WINAPI
#else
#include <pthread.h>
typedef pthread_mutex_t platform_mutex;
#define PLATFORM_MUTEX PTHREAD_MUTEX_INITIALIZER
typedef pthread_cond_t platform_event;
typedef pthread_t platform_thread;
typedef pthread_t platform_thread_id;
typedef struct {
    int read, write; /* the ends of a pipe */
} platform_signal;
typedef void *platform_thread_end;
#define PLATFORM_THREAD_CALL
#endif

#ifndef PLATFORM_THREADS_H
#include <stdatomic.h>
typedef struct {
    platform_event event;
    atomic_uint wakes; /* number of wake-ups so far. The mutex guards the other fields */
    unsigned sleepers;
    uint64_t usual_us; /* moving average of how long waits took */
} platform_cond;
#endif

int platform_mutex_init(platform_mutex *mutex); /* returns 0 on success */
void platform_mutex_destroy(platform_mutex *mutex);
void platform_lock(platform_mutex *mutex);
void platform_unlock(platform_mutex *mutex);

int platform_cond_init(platform_cond *cond); /* returns 0 on success */
void platform_cond_destroy(platform_cond *cond);
void platform_cond_wake(platform_cond *cond); /* wakes all waiting threads. Call it with the mutex held */
/* Waits for a wake-up, or until platform_now_us() reaches until_us. UINT64_MAX means no limit.
 * Spurious wake-ups are possible. */
void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us);
/* Waits for a wake-up that comes at once, for up to us microseconds, without sleeping. */
void platform_cond_wait_awake(platform_cond *cond, platform_mutex *mutex, uint64_t us);

/* Starts a thread that receives no signals. Returns 0 on success. Join or detach each thread once. */
int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument);
void platform_thread_join(platform_thread thread);
void platform_thread_detach(platform_thread thread);
platform_thread_id platform_thread_self(void);
bool platform_thread_is(platform_thread_id a, platform_thread_id b);

/* A signal for poll() and event loops. It is readable while it is set. Set and clear it in turn. */
int platform_signal_init(platform_signal *signal); /* not set. Returns 0 on success */
void platform_signal_destroy(platform_signal *signal);
void platform_signal_set(platform_signal *signal);
void platform_signal_clear(platform_signal *signal);
intptr_t platform_signal_descriptor(const platform_signal *signal);

/* Returns microseconds on a monotonic clock. */
uint64_t platform_now_us(void);

/* Overwrites memory. The compiler does not optimize this away even if the memory is not read again. */
void platform_wipe(void *memory, size_t size);

/* Returns whether the service is there, but closes each connection before anything is sent. Only for a
 * client for which SCardEstablishContext() has returned SCARD_E_NO_SERVICE. */
bool platform_service_refuses_us(void);

/* Returns whether the handle still holds its transaction after a successful SCardReconnect(). */
bool platform_reconnect_keeps_transaction(void);

/* Returns whether SCardStatus() has the event counter in the upper half of its state.
 * SCardGetStatusChange() has it on every system. */
bool platform_status_has_event_counter(void);

/* Returns whether SCardGetAttrib() returns SCARD_E_SHARING_VIOLATION at once while another client
 * holds a transaction, and has no other effect. */
bool platform_attribute_reveals_transaction(void);

/* Returns whether nothing was sent if SCardTransmit() returns SCARD_W_RESET_CARD,
 * SCARD_W_REMOVED_CARD, SCARD_E_INVALID_HANDLE or SCARD_E_PROTO_MISMATCH. */
bool platform_refusal_precedes_transmit(void);

/* Returns the control code that asks a reader for its features: PC/SC part 10, 2.2. */
uint32_t platform_feature_request_code(void);

/* Returns whether two reader names are the same except for the numbers that the service appends. */
bool platform_same_reader_model(const char *a, const char *b);

/* Converts the state that SCardStatus() returned. protocol is the active protocol, or 0. */
scardmanage_state platform_state_from_pcsc(DWORD state, uint32_t protocol);

#endif
