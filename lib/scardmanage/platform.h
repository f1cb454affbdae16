/* What the library needs from the operating system besides PC/SC: a mutex, a clock. */
#ifndef SCARDMANAGE_PLATFORM_H
#define SCARDMANAGE_PLATFORM_H

#include <pthread.h>
#include <stdint.h>

typedef pthread_mutex_t platform_mutex;

int platform_mutex_init(platform_mutex *mutex); /* 0 on success */
void platform_mutex_destroy(platform_mutex *mutex);
void platform_lock(platform_mutex *mutex);
void platform_unlock(platform_mutex *mutex);

/* Microseconds on a clock that is never set back. */
uint64_t platform_now_us(void);

#endif
