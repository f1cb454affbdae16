/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IFD handler that answers in process, with no I/O at all: what a call costs with it is what pcscd itself
 * costs, the floor that others are measured by. Its card (bench_card.h) is always there. A DEVICENAME is
 * /dev/null:null=N, of which nothing matters but that pcscd wants one.
 */
#include "bench_card.h"

#include <ifdhandler.h>

#include <semaphore.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define EXPORT      __attribute__((visibility("default")))
#define READERS_MAX 64

/* What wakes the thread of a reader that waits for its card to move, when the reader goes. */
static sem_t wake[READERS_MAX];

static sem_t *wake_of(DWORD Lun)
{
    return &wake[(Lun >> 16) % READERS_MAX];
}

EXPORT RESPONSECODE IFDHCreateChannelByName(DWORD Lun, LPSTR DeviceName)
{
    (void)DeviceName;
    return sem_init(wake_of(Lun), 0, 0) == 0 ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

EXPORT RESPONSECODE IFDHCreateChannel(DWORD Lun, DWORD Channel)
{
    (void)Channel;
    return IFDHCreateChannelByName(Lun, NULL);
}

EXPORT RESPONSECODE IFDHCloseChannel(DWORD Lun)
{
    return sem_destroy(wake_of(Lun)) == 0 ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

/* The card never moves; without this, pcscd would ask every 400 ms whether it has. */
static RESPONSECODE wait_for_event(DWORD Lun, int timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000 + 1;
    sem_clockwait(wake_of(Lun), CLOCK_MONOTONIC, &end);
    return IFD_SUCCESS;
}

static RESPONSECODE stop_waiting(DWORD Lun)
{
    return sem_post(wake_of(Lun)) == 0 ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

static RESPONSECODE give(const void *value, size_t size, PDWORD Length, PUCHAR Value)
{
    if (*Length < size)
        return IFD_ERROR_INSUFFICIENT_BUFFER;
    memcpy(Value, value, size);
    *Length = size;
    return IFD_SUCCESS;
}

EXPORT RESPONSECODE IFDHGetCapabilities(DWORD Lun, DWORD Tag, PDWORD Length, PUCHAR Value)
{
    static const UCHAR one = 1, many = READERS_MAX;
    RESPONSECODE (*waiting)(DWORD, int) = wait_for_event;
    RESPONSECODE (*stopping)(DWORD) = stop_waiting;
    (void)Lun;
    switch (Tag) {
    case TAG_IFD_ATR:
        return give(bench_card_atr, sizeof bench_card_atr, Length, Value);
    case TAG_IFD_SIMULTANEOUS_ACCESS:
        return give(&many, 1, Length, Value);
    case TAG_IFD_THREAD_SAFE:
    case TAG_IFD_SLOT_THREAD_SAFE:
    case TAG_IFD_SLOTS_NUMBER:
        return give(&one, 1, Length, Value);
    case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT:
        return give(&waiting, sizeof waiting, Length, Value);
    case TAG_IFD_STOP_POLLING_THREAD:
        return give(&stopping, sizeof stopping, Length, Value);
    default:
        return IFD_ERROR_TAG;
    }
}

EXPORT RESPONSECODE IFDHSetCapabilities(DWORD Lun, DWORD Tag, DWORD Length, PUCHAR Value)
{
    (void)Lun;
    (void)Tag;
    (void)Length;
    (void)Value;
    return IFD_ERROR_TAG;
}

EXPORT RESPONSECODE IFDHSetProtocolParameters(DWORD Lun, DWORD Protocol, UCHAR Flags, UCHAR PTS1, UCHAR PTS2,
                                              UCHAR PTS3)
{
    (void)Lun;
    (void)Flags;
    (void)PTS1;
    (void)PTS2;
    (void)PTS3;
    return Protocol == SCARD_PROTOCOL_T1 ? IFD_SUCCESS : IFD_PROTOCOL_NOT_SUPPORTED;
}

EXPORT RESPONSECODE IFDHPowerICC(DWORD Lun, DWORD Action, PUCHAR Atr, PDWORD AtrLength)
{
    (void)Lun;
    if (Action == IFD_POWER_DOWN) {
        *AtrLength = 0;
        return IFD_SUCCESS;
    }
    *AtrLength = MAX_ATR_SIZE;
    return give(bench_card_atr, sizeof bench_card_atr, AtrLength, Atr);
}

EXPORT RESPONSECODE IFDHTransmitToICC(DWORD Lun, SCARD_IO_HEADER SendPci, PUCHAR TxBuffer, DWORD TxLength,
                                      PUCHAR RxBuffer, PDWORD RxLength, PSCARD_IO_HEADER RecvPci)
{
    (void)Lun;
    size_t length;
    const uint8_t *answer = bench_card_answer(TxBuffer, TxLength, &length);
    if (RecvPci)
        RecvPci->Protocol = SendPci.Protocol;
    return give(answer, length, RxLength, RxBuffer);
}

EXPORT RESPONSECODE IFDHICCPresence(DWORD Lun)
{
    (void)Lun;
    return IFD_ICC_PRESENT;
}

EXPORT RESPONSECODE IFDHControl(DWORD Lun, DWORD ControlCode, PUCHAR TxBuffer, DWORD TxLength,
                                PUCHAR RxBuffer, DWORD RxLength, LPDWORD BytesReturned)
{
    (void)Lun;
    (void)ControlCode;
    (void)TxBuffer;
    (void)TxLength;
    (void)RxBuffer;
    (void)RxLength;
    *BytesReturned = 0;
    return IFD_NOT_SUPPORTED;
}
