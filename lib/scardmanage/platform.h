/* What the library needs from the operating system besides PC/SC: memory, a mutex, a clock. */
#ifndef SCARDMANAGE_PLATFORM_H
#define SCARDMANAGE_PLATFORM_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef pthread_mutex_t platform_mutex;

/* The one way this library gets memory; zeroed. Null if there is none. */
void *platform_alloc(size_t size);
void platform_free(void *memory);

int platform_mutex_init(platform_mutex *mutex); /* 0 on success */
void platform_mutex_destroy(platform_mutex *mutex);
void platform_lock(platform_mutex *mutex);
void platform_unlock(platform_mutex *mutex);

/* Microseconds on a clock that is never set back. */
uint64_t platform_now_us(void);

#endif
