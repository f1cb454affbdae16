/* What differs between systems, and nothing else: a mutex, a clock, and what PC/SC does differently. Only
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
typedef SRWLOCK platform_mutex; /* takes no memory, and needs not be destroyed */
#else
#include <pthread.h>
typedef pthread_mutex_t platform_mutex;
#endif

int platform_mutex_init(platform_mutex *mutex); /* 0 on success */
void platform_mutex_destroy(platform_mutex *mutex);
void platform_lock(platform_mutex *mutex);
void platform_unlock(platform_mutex *mutex);

/* Microseconds on a clock that is never set back. */
uint64_t platform_now_us(void);

/* Whether a successful SCardReconnect() leaves a transaction of the handle standing. */
bool platform_reconnect_keeps_transaction(void);

/* Whether SCardStatus() counts removals and insertions in the upper half of its state, as
 * SCardGetStatusChange() does everywhere. */
bool platform_status_counts_moves(void);

/* What SCardStatus() said. protocol: the active one, or 0. */
scardmanage_state platform_state(DWORD state, uint32_t protocol);

#endif
