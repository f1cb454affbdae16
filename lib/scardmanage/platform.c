#include "platform.h"

#ifdef _WIN32

int platform_mutex_init(platform_mutex *mutex)
{
    InitializeSRWLock(mutex);
    return 0;
}

void platform_mutex_destroy(platform_mutex *mutex)
{
    (void)mutex;
}

void platform_lock(platform_mutex *mutex)
{
    AcquireSRWLockExclusive(mutex);
}

void platform_unlock(platform_mutex *mutex)
{
    ReleaseSRWLockExclusive(mutex);
}

uint64_t platform_now_us(void)
{
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    uint64_t seconds = (uint64_t)(now.QuadPart / per_second.QuadPart);
    uint64_t rest = (uint64_t)(now.QuadPart % per_second.QuadPart);
    return seconds * 1000000u + rest * 1000000u / (uint64_t)per_second.QuadPart;
}

bool platform_reconnect_keeps_transaction(void)
{
    return false;
}

bool platform_status_counts_moves(void)
{
    return false;
}

/* One value, and scardmanage_state has the same ones. */
scardmanage_state platform_state(DWORD state, uint32_t protocol)
{
    if (state >= SCARD_POWERED && state <= SCARD_SPECIFIC && protocol != 0)
        return SCARDMANAGE_STATE_SPECIFIC;
    return state <= SCARD_SPECIFIC ? (scardmanage_state)state : SCARDMANAGE_STATE_UNKNOWN;
}

#else

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
    clock_gettime(CLOCK_MONOTONIC, &now); /* macOS: since 10.12 */
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* pcsc-lite holds a transaction until it is ended or the card is pulled (RFSetReaderEventState() in
 * readerfactory.c); SCardReconnect() leaves it alone, so that beginning another one after it only adds to the
 * count. macOS is taken to do the same. */
bool platform_reconnect_keeps_transaction(void)
{
    return true;
}

/* pcsc-lite does (SCardStatus() in winscard_clnt.c); that macOS does is nowhere said. */
bool platform_status_counts_moves(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

/* Bits, and never SCARD_SPECIFIC. */
scardmanage_state platform_state(DWORD state, uint32_t protocol)
{
    if (state & SCARD_ABSENT)
        return SCARDMANAGE_STATE_ABSENT;
    if (state & SCARD_SWALLOWED)
        return SCARDMANAGE_STATE_SWALLOWED;
    if (!(state & SCARD_POWERED))
        return state & SCARD_PRESENT ? SCARDMANAGE_STATE_PRESENT : SCARDMANAGE_STATE_UNKNOWN;
    if (protocol != 0)
        return SCARDMANAGE_STATE_SPECIFIC;
    return state & SCARD_NEGOTIABLE ? SCARDMANAGE_STATE_NEGOTIABLE : SCARDMANAGE_STATE_POWERED;
}

#endif
