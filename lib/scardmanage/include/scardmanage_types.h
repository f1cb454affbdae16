/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: results, protocols, and what the functions of scardmanage.h return. */
#ifndef SCARDMANAGE_TYPES_H
#define SCARDMANAGE_TYPES_H

#include <stddef.h>
#include <stdint.h>
#ifdef __APPLE__
#include <PCSC/winscard.h>
#include <PCSC/wintypes.h>
#else
#ifdef _WIN32
#include <windows.h>
#endif
#include <winscard.h>
#endif

#if defined(_WIN32)
#ifdef scardmanage_EXPORTS /* CMake defines it when it builds the library */
#define SCARDMANAGE_API __declspec(dllexport)
#else
#define SCARDMANAGE_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define SCARDMANAGE_API __attribute__((visibility("default")))
#else
#define SCARDMANAGE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A 32-bit HRESULT: 0 is success, a negative value is a failure. Compare it with the constants
 * below, not with those of PC/SC: LONG has 64 bits in pcsc-lite on Linux, so SCARD_W_RESET_CARD is
 * positive there and never equals an HRESULT. */
typedef int32_t scardmanage_result;

/* Converts a code that a PC/SC function returned to an HRESULT. */
#define SCARDMANAGE_RESULT(code)  ((scardmanage_result)(uint32_t)(code))

#define SCARDMANAGE_S_OK          ((scardmanage_result)0)
#define SCARDMANAGE_E_POINTER     SCARDMANAGE_RESULT(0x80004003u)
#define SCARDMANAGE_E_FAIL        SCARDMANAGE_RESULT(0x80004005u)
#define SCARDMANAGE_E_OUTOFMEMORY SCARDMANAGE_RESULT(0x8007000Eu)
#define SCARDMANAGE_E_INVALIDARG  SCARDMANAGE_RESULT(0x80070057u)

/* The PC/SC codes that have a meaning of their own in this library. The library returns all other
 * codes of PC/SC unchanged. */
#define SCARDMANAGE_E_CANCELLED           SCARDMANAGE_RESULT(0x80100002u)
#define SCARDMANAGE_E_INVALID_HANDLE      SCARDMANAGE_RESULT(0x80100003u) /* not attached, or a dead handle */
#define SCARDMANAGE_E_INSUFFICIENT_BUFFER SCARDMANAGE_RESULT(0x80100008u)
#define SCARDMANAGE_E_UNKNOWN_READER      SCARDMANAGE_RESULT(0x80100009u)
#define SCARDMANAGE_E_TIMEOUT             SCARDMANAGE_RESULT(0x8010000Au)
#define SCARDMANAGE_E_SHARING_VIOLATION   SCARDMANAGE_RESULT(0x8010000Bu)
#define SCARDMANAGE_E_NO_SMARTCARD        SCARDMANAGE_RESULT(0x8010000Cu)
#define SCARDMANAGE_E_CANT_DISPOSE        SCARDMANAGE_RESULT(0x8010000Eu) /* the reader cannot eject */
#define SCARDMANAGE_E_PROTO_MISMATCH      SCARDMANAGE_RESULT(0x8010000Fu)
#define SCARDMANAGE_E_NOT_TRANSACTED      SCARDMANAGE_RESULT(0x80100016u) /* unlocked without a lock */
#define SCARDMANAGE_E_READER_UNAVAILABLE  SCARDMANAGE_RESULT(0x80100017u)
#define SCARDMANAGE_E_NO_SERVICE          SCARDMANAGE_RESULT(0x8010001Du)
#define SCARDMANAGE_W_UNRESPONSIVE_CARD   SCARDMANAGE_RESULT(0x80100066u)
#define SCARDMANAGE_W_UNPOWERED_CARD      SCARDMANAGE_RESULT(0x80100067u)
#define SCARDMANAGE_W_RESET_CARD          SCARDMANAGE_RESULT(0x80100068u) /* reset by others: reconnect */
#define SCARDMANAGE_W_REMOVED_CARD        SCARDMANAGE_RESULT(0x80100069u) /* card removed: reconnect */

/* Codes of PC/SC for the files, PINs and keys of a card. */
#define SCARDMANAGE_E_INVALID_VALUE          SCARDMANAGE_RESULT(0x80100011u)
#define SCARDMANAGE_E_UNEXPECTED             SCARDMANAGE_RESULT(0x8010001Fu)
#define SCARDMANAGE_E_ICC_INSTALLATION       SCARDMANAGE_RESULT(0x80100020u)
#define SCARDMANAGE_E_ICC_CREATEORDER        SCARDMANAGE_RESULT(0x80100021u)
#define SCARDMANAGE_E_UNSUPPORTED_FEATURE    SCARDMANAGE_RESULT(0x80100022u)
#define SCARDMANAGE_E_DIR_NOT_FOUND          SCARDMANAGE_RESULT(0x80100023u)
#define SCARDMANAGE_E_FILE_NOT_FOUND         SCARDMANAGE_RESULT(0x80100024u)
#define SCARDMANAGE_E_NO_DIR                 SCARDMANAGE_RESULT(0x80100025u)
#define SCARDMANAGE_E_NO_FILE                SCARDMANAGE_RESULT(0x80100026u)
#define SCARDMANAGE_E_NO_ACCESS              SCARDMANAGE_RESULT(0x80100027u)
#define SCARDMANAGE_E_WRITE_TOO_MANY         SCARDMANAGE_RESULT(0x80100028u)
#define SCARDMANAGE_E_BAD_SEEK               SCARDMANAGE_RESULT(0x80100029u)
#define SCARDMANAGE_E_INVALID_CHV            SCARDMANAGE_RESULT(0x8010002Au)
#define SCARDMANAGE_W_WRONG_CHV              SCARDMANAGE_RESULT(0x8010006Bu)
#define SCARDMANAGE_W_CHV_BLOCKED            SCARDMANAGE_RESULT(0x8010006Cu)
#define SCARDMANAGE_W_EOF                    SCARDMANAGE_RESULT(0x8010006Du)
#define SCARDMANAGE_W_CARD_NOT_AUTHENTICATED SCARDMANAGE_RESULT(0x8010006Fu)

/* Codes of this library. The state on the card that a unit needs is lost, see scardmanage_run(). A card has
 * fewer tries left for a PIN than the caller wants to risk, see scardmanage_verify_options. */
#define SCARDMANAGE_E_SESSION_LOST  SCARDMANAGE_RESULT(0xA0100001u)
#define SCARDMANAGE_E_TOO_FEW_TRIES SCARDMANAGE_RESULT(0xA0100002u)

/* How many tries are left for a PIN or a key: the card has not said so. */
#define SCARDMANAGE_TRIES_UNKNOWN (-1)

/* A timeout in milliseconds that never expires. */
#define SCARDMANAGE_FOREVER UINT32_MAX

/* The maximum length of an ATR in bytes. ISO/IEC 7816-3:2006, 8.2.1 allows 33; the structs of some
 * PC/SC stacks have 36. */
#define SCARDMANAGE_ATR_MAX 36

/* Protocols, with the values of PC/SC. Options take one or more of them. Where the library reports
 * a protocol, it is one of these, or 0 for none. */
#define SCARDMANAGE_PROTOCOL_T0  0x1u
#define SCARDMANAGE_PROTOCOL_T1  0x2u
#define SCARDMANAGE_PROTOCOL_RAW 0x4u

typedef struct scardmanage scardmanage;
/* The steps that a reconnect takes to reach the card again, gentlest first. */
typedef enum scardmanage_step {
    SCARDMANAGE_STEP_NONE = 0,    /* in a report: no step was needed. In options: the default */
    SCARDMANAGE_STEP_LEAVE = 1,   /* acknowledge the event; does not touch the card */
    SCARDMANAGE_STEP_WARM = 2,    /* warm reset: the card stays powered */
    SCARDMANAGE_STEP_COLD = 3,    /* cold reset: power off and on */
    SCARDMANAGE_STEP_REOPEN = 4,  /* open a new handle; never for a handle that the caller owns */
    SCARDMANAGE_STEP_RESTART = 5, /* open a new context and a new handle, after the service went away */
} scardmanage_step;

/* How the card in the reader compares with the card before the reconnect. If the reconnect had to
 * start over, the report has the highest of the verdicts. */
typedef enum scardmanage_verdict {
    SCARDMANAGE_VERDICT_UNKNOWN = 0,    /* the call failed before it knew */
    SCARDMANAGE_VERDICT_UNCHANGED = 1,  /* the same card; no client has reset it */
    SCARDMANAGE_VERDICT_RESET = 2,      /* the same card, reset by another client */
    SCARDMANAGE_VERDICT_REINSERTED = 3, /* was or may have been removed; ATR and identity are the same */
    SCARDMANAGE_VERDICT_DIFFERENT = 4,  /* was removed; ATR or identity is that of a different card */
    SCARDMANAGE_VERDICT_FIRST = 5,      /* the attachment had no card before */
    SCARDMANAGE_VERDICT_ABSENT = 6,     /* no card in the reader */
} scardmanage_verdict;

/* What a reconnect did to the lock. */
typedef enum scardmanage_lock_state {
    SCARDMANAGE_LOCK_NONE = 0,       /* the caller does not hold the lock */
    SCARDMANAGE_LOCK_KEPT = 1,       /* held throughout: no other client used the card */
    SCARDMANAGE_LOCK_REACQUIRED = 2, /* lost and acquired again: other clients may have used the card */
    SCARDMANAGE_LOCK_LOST = 3,       /* lost; the next successful reconnect acquires it again */
} scardmanage_lock_state;

typedef enum scardmanage_share {
    SCARDMANAGE_SHARE_KEEP = 0,      /* keep that of the handle; shared for a new handle */
    SCARDMANAGE_SHARE_EXCLUSIVE = 1, /* no other client can connect */
    SCARDMANAGE_SHARE_SHARED = 2,    /* other clients can connect */
} scardmanage_share;

/* What happens to the card when the lock is released. The values are those of PC/SC. */
typedef enum scardmanage_disposition {
    SCARDMANAGE_DISPOSITION_LEAVE = 0,   /* no effect on the card */
    SCARDMANAGE_DISPOSITION_RESET = 1,   /* warm reset */
    SCARDMANAGE_DISPOSITION_UNPOWER = 2, /* power off, then on again */
    SCARDMANAGE_DISPOSITION_EJECT = 3,   /* eject, if the reader can */
} scardmanage_disposition;

/* The state of a reader and its card. The values are the same on every PC/SC stack. */
typedef enum scardmanage_state {
    SCARDMANAGE_STATE_UNKNOWN = 0,
    SCARDMANAGE_STATE_ABSENT = 1,     /* no card */
    SCARDMANAGE_STATE_PRESENT = 2,    /* a card that is not powered, or whose event is not acknowledged */
    SCARDMANAGE_STATE_SWALLOWED = 3,  /* an unresponsive card */
    SCARDMANAGE_STATE_POWERED = 4,    /* a powered card */
    SCARDMANAGE_STATE_NEGOTIABLE = 5, /* the card has sent its ATR; no protocol is active yet */
    SCARDMANAGE_STATE_SPECIFIC = 6,   /* a protocol is active */
} scardmanage_state;

#ifdef __cplusplus
}
#endif

#endif
