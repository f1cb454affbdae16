/* SPDX-License-Identifier: BSD-3-Clause */
#include "platform.h"

#include <string.h>

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

int platform_cond_init(platform_cond *cond)
{
    InitializeConditionVariable(cond);
    return 0;
}

void platform_cond_destroy(platform_cond *cond)
{
    (void)cond;
}

void platform_cond_wake(platform_cond *cond)
{
    WakeAllConditionVariable(cond);
}

void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us)
{
    uint64_t now = platform_now_us();
    uint64_t left_ms = until_us > now ? (until_us - now + 999) / 1000 : 0;
    SleepConditionVariableSRW(cond, mutex, left_ms < INFINITE ? (DWORD)left_ms : INFINITE, 0);
}

int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument)
{
    *thread = CreateThread(NULL, 0, run, argument, 0, NULL);
    return !*thread;
}

void platform_thread_join(platform_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

/* The thread continues to run code of this library, so the library must not be unloaded. */
void platform_thread_detach(platform_thread thread)
{
    HMODULE self;
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                       (const char *)(uintptr_t)platform_thread_detach, &self);
    CloseHandle(thread);
}

platform_thread_id platform_thread_self(void)
{
    return GetCurrentThreadId();
}

bool platform_thread_is(platform_thread_id a, platform_thread_id b)
{
    return a == b;
}

void platform_wipe(void *memory, size_t size)
{
    SecureZeroMemory(memory, size);
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

bool platform_status_has_event_counter(void)
{
    return false;
}

/* On Windows it waits, like all other calls. */
bool platform_attribute_reveals_transaction(void)
{
    return false;
}

bool platform_refusal_precedes_transmit(void)
{
    return false;
}

/* "Vendor Model 0": the number is decimal. */
bool platform_same_reader_model(const char *a, const char *b)
{
    const char *a_number = strrchr(a, ' '), *b_number = strrchr(b, ' ');
    if (!a_number || !b_number || a_number - a != b_number - b || strncmp(a, b, (size_t)(a_number - a)) != 0)
        return false;
    return strspn(a_number + 1, "0123456789") == strlen(a_number + 1) &&
           strspn(b_number + 1, "0123456789") == strlen(b_number + 1);
}

/* The state is a single value, as in scardmanage_state. */
scardmanage_state platform_state_from_pcsc(DWORD state, uint32_t protocol)
{
    if (state >= SCARD_POWERED && state <= SCARD_SPECIFIC && protocol != 0)
        return SCARDMANAGE_STATE_SPECIFIC;
    return state <= SCARD_SPECIFIC ? (scardmanage_state)state : SCARDMANAGE_STATE_UNKNOWN;
}

#else

#include <signal.h>
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

#ifdef __APPLE__

int platform_cond_init(platform_cond *cond)
{
    return pthread_cond_init(cond, NULL);
}

void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us)
{
    uint64_t now = platform_now_us();
    uint64_t left = until_us > now ? until_us - now : 0;
    struct timespec time = {.tv_sec = (time_t)(left / 1000000), .tv_nsec = (long)(left % 1000000 * 1000)};
    if (until_us == UINT64_MAX)
        pthread_cond_wait(cond, mutex);
    else
        pthread_cond_timedwait_relative_np(cond, mutex, &time);
}

#else

int platform_cond_init(platform_cond *cond)
{
    pthread_condattr_t monotonic;
    int error = pthread_condattr_init(&monotonic);
    if (error != 0)
        return error;
    error = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (error == 0)
        error = pthread_cond_init(cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return error;
}

void platform_cond_wait(platform_cond *cond, platform_mutex *mutex, uint64_t until_us)
{
    struct timespec time = {.tv_sec = (time_t)(until_us / 1000000),
                            .tv_nsec = (long)(until_us % 1000000 * 1000)};
    if (until_us == UINT64_MAX)
        pthread_cond_wait(cond, mutex);
    else
        pthread_cond_timedwait(cond, mutex, &time);
}

#endif

void platform_cond_destroy(platform_cond *cond)
{
    pthread_cond_destroy(cond);
}

void platform_cond_wake(platform_cond *cond)
{
    pthread_cond_broadcast(cond);
}

int platform_thread_start(platform_thread *thread, platform_thread_end(PLATFORM_THREAD_CALL *run)(void *),
                          void *argument)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

void platform_thread_join(platform_thread thread)
{
    pthread_join(thread, NULL);
}

void platform_thread_detach(platform_thread thread)
{
    pthread_detach(thread);
}

platform_thread_id platform_thread_self(void)
{
    return pthread_self();
}

bool platform_thread_is(platform_thread_id a, platform_thread_id b)
{
    return pthread_equal(a, b) != 0;
}

void platform_wipe(void *memory, size_t size)
{
    volatile unsigned char *bytes = memory;
    while (size-- > 0)
        *bytes++ = 0;
}

uint64_t platform_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* macOS: since 10.12 */
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* pcsc-lite holds a transaction until it is ended or the card is removed (RFSetReaderEventState()
 * in readerfactory.c). SCardReconnect() does not end it, and beginning another one afterwards only
 * increments a count. macOS is assumed to do the same. */
bool platform_reconnect_keeps_transaction(void)
{
    return true;
}

/* pcsc-lite has it (SCardStatus() in winscard_clnt.c); macOS does not document it. */
bool platform_status_has_event_counter(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

/* pcsc-lite checks for a transaction first (SCardGetAttrib() in winscard.c), and libpcsclite does
 * not repeat this call, as it does other calls. */
bool platform_attribute_reveals_transaction(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

/* pcsc-lite checks the handle, its events and the protocol before it calls the driver
 * (SCardTransmit() in winscard.c). */
bool platform_refusal_precedes_transmit(void)
{
#ifdef __APPLE__
    return false;
#else
    return true;
#endif
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

static bool is_number(const char *at)
{
    return at[0] == ' ' && is_hex(at[1]) && is_hex(at[2]);
}

/* "Vendor Model (serial) RR SS": the reader number, and the slot number, which must be equal. */
bool platform_same_reader_model(const char *a, const char *b)
{
    size_t length = strlen(a);
    if (length < 7 || strlen(b) != length || memcmp(a, b, length - 6) != 0)
        return false;
    a += length - 6;
    b += length - 6;
    return is_number(a) && is_number(b) && is_number(a + 3) && memcmp(a + 3, b + 3, 3) == 0;
}

/* The state is a bit mask; SCARD_SPECIFIC is never set. */
scardmanage_state platform_state_from_pcsc(DWORD state, uint32_t protocol)
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
