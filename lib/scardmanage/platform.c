#include "platform.h"

#include <time.h>

int platform_mutex_init(platform_mutex *mutex)
{
    return pthread_mutex_init(mutex, NULL);
}

void platform_mutex_destroy(platform_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

void platform_lock(platform_mutex *mutex)
{
    pthread_mutex_lock(mutex);
}

void platform_unlock(platform_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

uint64_t platform_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
