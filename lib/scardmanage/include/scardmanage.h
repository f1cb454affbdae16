/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: get an application back to its card.
 *
 * One object is one attachment: to a card handle that the caller owns, or to a reader by its name. While the
 * card is reset by others, pulled, put back or exchanged, scardmanage_reconnect() brings the attachment back
 * to a working state, tells what happened, and never goes on with another card unless the caller says so.
 * Works over any PC/SC stack.
 *
 * Every function may be called from any thread; calls on one object run one after the other. Nothing else
 * may use an object while it is being freed. An object does not survive a fork().
 *
 * No function waits for longer than the timeout_ms of the options (a minute, unless they say otherwise), also
 * where PC/SC itself would: while another client holds a transaction, or the service does not answer. It then
 * returns SCARDMANAGE_E_TIMEOUT. scardmanage_cancel() ends calls early. To be able to, each attachment makes
 * its PC/SC calls in a thread of its own. A call that PC/SC does not let go of goes on in there, with nobody
 * to report to: what it had begun is undone when it returns, and until then further calls on the attachment
 * time out; only detaching, attaching anew and freeing do not wait for it.
 *
 * Functions that are not documented otherwise return SCARDMANAGE_E_POINTER for a null object or result
 * pointer, and SCARDMANAGE_E_INVALID_HANDLE on an object that is not attached. A function that calls the
 * resource manager may also return any code that PC/SC gave (8010xxxx), unchanged, except that
 * SCARD_E_NO_MEMORY becomes SCARDMANAGE_E_OUTOFMEMORY, and the several codes that tell of a lost connection
 * to the service become SCARDMANAGE_E_NO_SERVICE. When a function fails, its out-parameters other than a
 * report are unspecified unless stated.
 *
 * Calls that need the card wait while another client holds a transaction. */
#ifndef SCARDMANAGE_H
#define SCARDMANAGE_H

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
#ifdef scardmanage_EXPORTS /* CMake defines it while it builds the library */
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

/* A 32-bit HRESULT: 0 is success, negative is failure. Compare with the constants below, not with PC/SC's
 * own: its LONG has 64 bits on Linux, so that SCARD_W_RESET_CARD is positive there and never equals an
 * HRESULT. */
typedef int32_t scardmanage_result;

/* The HRESULT for a code that a PC/SC function returned. */
#define SCARDMANAGE_RESULT(code)  ((scardmanage_result)(uint32_t)(code))

#define SCARDMANAGE_S_OK          ((scardmanage_result)0)
#define SCARDMANAGE_E_POINTER     SCARDMANAGE_RESULT(0x80004003u)
#define SCARDMANAGE_E_FAIL        SCARDMANAGE_RESULT(0x80004005u)
#define SCARDMANAGE_E_OUTOFMEMORY SCARDMANAGE_RESULT(0x8007000Eu)
#define SCARDMANAGE_E_INVALIDARG  SCARDMANAGE_RESULT(0x80070057u)

/* Smart card codes this library gives a meaning to; others are passed on as they come. */
#define SCARDMANAGE_E_CANCELLED SCARDMANAGE_RESULT(0x80100002u)
#define SCARDMANAGE_E_INVALID_HANDLE                                                                         \
    SCARDMANAGE_RESULT(0x80100003u) /* not attached; or the handle has been closed */
#define SCARDMANAGE_E_INSUFFICIENT_BUFFER SCARDMANAGE_RESULT(0x80100008u)
#define SCARDMANAGE_E_UNKNOWN_READER      SCARDMANAGE_RESULT(0x80100009u)
#define SCARDMANAGE_E_TIMEOUT             SCARDMANAGE_RESULT(0x8010000Au)
#define SCARDMANAGE_E_SHARING_VIOLATION   SCARDMANAGE_RESULT(0x8010000Bu)
#define SCARDMANAGE_E_NO_SMARTCARD        SCARDMANAGE_RESULT(0x8010000Cu)
#define SCARDMANAGE_E_CANT_DISPOSE        SCARDMANAGE_RESULT(0x8010000Eu) /* the reader cannot eject */
#define SCARDMANAGE_E_PROTO_MISMATCH      SCARDMANAGE_RESULT(0x8010000Fu)
#define SCARDMANAGE_E_NOT_TRANSACTED      SCARDMANAGE_RESULT(0x80100016u) /* unlock without lock */
#define SCARDMANAGE_E_READER_UNAVAILABLE  SCARDMANAGE_RESULT(0x80100017u)
#define SCARDMANAGE_E_NO_SERVICE          SCARDMANAGE_RESULT(0x8010001Du)
#define SCARDMANAGE_W_UNRESPONSIVE_CARD   SCARDMANAGE_RESULT(0x80100066u)
#define SCARDMANAGE_W_UNPOWERED_CARD      SCARDMANAGE_RESULT(0x80100067u)
#define SCARDMANAGE_W_RESET_CARD          SCARDMANAGE_RESULT(0x80100068u) /* reset by someone: reconnect */
#define SCARDMANAGE_W_REMOVED_CARD        SCARDMANAGE_RESULT(0x80100069u) /* gone, or another one: reconnect */

/* A time in milliseconds that never ends. */
#define SCARDMANAGE_FOREVER UINT32_MAX

/* No ATR is longer: 33 bytes by ISO/IEC 7816-3, 36 in the structures of some stacks. */
#define SCARDMANAGE_ATR_MAX 36

/* Protocols: bits for options, one of them (or 0 for none) where a protocol is reported. The values are
 * PC/SC's. */
#define SCARDMANAGE_PROTOCOL_T0  0x1u
#define SCARDMANAGE_PROTOCOL_T1  0x2u
#define SCARDMANAGE_PROTOCOL_RAW 0x4u

typedef struct scardmanage scardmanage;
struct scardmanage_report;

/* How far a reconnect goes, gentlest first. */
typedef enum scardmanage_step {
    SCARDMANAGE_STEP_NONE = 0,    /* in a report: nothing had to be done. In options: the default */
    SCARDMANAGE_STEP_LEAVE = 1,   /* acknowledge what happened; the card is not touched */
    SCARDMANAGE_STEP_WARM = 2,    /* reset the card, power stays on */
    SCARDMANAGE_STEP_COLD = 3,    /* power off and on */
    SCARDMANAGE_STEP_REOPEN = 4,  /* a new handle; never done to a handle that the caller owns */
    SCARDMANAGE_STEP_RESTART = 5, /* a new context, after the service went away, and a new handle */
} scardmanage_step;

/* Which card is there, compared with the one before. In a report of several rounds: the gravest. */
typedef enum scardmanage_verdict {
    SCARDMANAGE_VERDICT_UNKNOWN = 0,   /* not looked at: the call failed before */
    SCARDMANAGE_VERDICT_UNCHANGED = 1, /* the same card, and nobody reset it */
    SCARDMANAGE_VERDICT_RESET = 2,     /* the same card, reset by someone else */
    SCARDMANAGE_VERDICT_REINSERTED =
        3,                             /* a card left and came back; by its ATR it is the same. Also if nobody
                                          can tell: the service was restarted, or the reader unplugged */
    SCARDMANAGE_VERDICT_DIFFERENT = 4, /* a card came that by its ATR is another */
    SCARDMANAGE_VERDICT_FIRST = 5,     /* the attachment had no card before */
    SCARDMANAGE_VERDICT_ABSENT = 6,    /* no card in the reader */
} scardmanage_verdict;

/* What became of the lock during a reconnect. */
typedef enum scardmanage_lock_state {
    SCARDMANAGE_LOCK_NONE = 0,       /* none was held, none is */
    SCARDMANAGE_LOCK_KEPT = 1,       /* held all the time: nobody else came between */
    SCARDMANAGE_LOCK_REACQUIRED = 2, /* was lost, is held again: others may have been at the card */
    SCARDMANAGE_LOCK_LOST = 3,       /* was lost; the next reconnect that succeeds takes it again */
} scardmanage_lock_state;

typedef enum scardmanage_share {
    SCARDMANAGE_SHARE_KEEP = 0,      /* as it is; shared for a new handle */
    SCARDMANAGE_SHARE_EXCLUSIVE = 1, /* no other client may connect */
    SCARDMANAGE_SHARE_SHARED = 2,
} scardmanage_share;

/* What happens to the card when a lock is released. The values are PC/SC's. */
typedef enum scardmanage_disposition {
    SCARDMANAGE_LEAVE = 0,
    SCARDMANAGE_RESET = 1,
    SCARDMANAGE_UNPOWER = 2,
    SCARDMANAGE_EJECT = 3,
} scardmanage_disposition;

/* The state of the reader: one value, the same on every stack. */
typedef enum scardmanage_state {
    SCARDMANAGE_STATE_UNKNOWN = 0,    /* cannot be told */
    SCARDMANAGE_STATE_ABSENT = 1,     /* no card */
    SCARDMANAGE_STATE_PRESENT = 2,    /* a card; not powered, or with an event to be acknowledged */
    SCARDMANAGE_STATE_SWALLOWED = 3,  /* a card that does not answer */
    SCARDMANAGE_STATE_POWERED = 4,    /* powered */
    SCARDMANAGE_STATE_NEGOTIABLE = 5, /* answered to reset, protocol not yet chosen */
    SCARDMANAGE_STATE_SPECIFIC = 6,   /* a protocol is active */
} scardmanage_state;

/* What a reconnect may do. Set size, and 0 means the default in every other field, or start from
 * SCARDMANAGE_OPTIONS_INIT.
 *
 * Later versions append fields to the structs here, and program and library may be of different versions. A
 * struct that is smaller, from an older program, is accepted: what it does not have is 0, or not reported.
 * One that is larger, from a newer program, is accepted if all that this version does not know is 0: it is
 * refused rather than ignored. In a report that part is set to 0. */
typedef struct scardmanage_options {
    size_t size;                 /* sizeof(scardmanage_options) */
    scardmanage_step first_step; /* begin here even if a gentler step would do. Default LEAVE */
    scardmanage_step last_step; /* go no further. Default RESTART; a handle of the caller's is never reopened,
                                   COLD is its last */
    uint32_t protocols; /* SCARDMANAGE_PROTOCOL_ bits, one of which must become active. Default: the protocol
                           in use if the card still offers it, else T=0 or T=1 */
    scardmanage_share share; /* default KEEP */
    int accept_other_card;   /* not 0: go on with a different card */

    /* How long any call may take, in milliseconds. Default 60,000; or SCARDMANAGE_FOREVER. What the rebuild
     * function does counts, too. */
    uint32_t timeout_ms;
    /* How long a reconnect waits for a card if there is none, for the reader if it was unplugged, and for the
     * service if it is down, in milliseconds, within timeout_ms. Default: not at all. */
    uint32_t wait_ms;
    /* Not 0: if the reader was unplugged and comes back with another number (the same name but for the
     * number that the service appends), go on with that one, if there is exactly one such. That may be one
     * that was there before: nothing but its card tells readers of one kind apart, and the card is judged as
     * one that was put back. It is the attachment's reader then, also if the reconnect fails. */
    int accept_other_index;
    /* Brings the card back to the state that the caller needs (SELECT, VERIFY) after a reconnect that did
     * anything but find everything unchanged. Called at the end of it in the thread that called reconnect,
     * while the card is locked for this object, whether the caller holds the lock or not: nobody else comes
     * between. May use scardmanage_transmit(), lock, unlock, status and the scardmanage_get_ functions on the
     * object; any other returns E_FAIL, and calls from other threads wait. report is as the reconnect will
     * give it, context is rebuild_context.
     *
     * Anything but S_OK makes the reconnect fail with that code, and the card still counts as lost. If the
     * card was reset or moved again meanwhile, the reconnect begins anew. */
    scardmanage_result (*rebuild)(scardmanage *m, const struct scardmanage_report *report, void *context);
    void *rebuild_context;
} scardmanage_options;

#define SCARDMANAGE_OPTIONS_INIT                                                                             \
    {                                                                                                        \
        sizeof(scardmanage_options), SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_STEP_RESTART, 0,                    \
            SCARDMANAGE_SHARE_KEEP, 0, 60000, 0, 0, 0, 0                                                     \
    }

/* What a reconnect did; filled in when it fails, too. Set size before the call. */
typedef struct scardmanage_report {
    size_t size;                    /* sizeof(scardmanage_report) */
    scardmanage_step step;          /* the last step taken; on success the one that worked */
    scardmanage_verdict verdict;    /* which card is there */
    scardmanage_lock_state lock;    /* what became of the lock */
    uint32_t attempts;              /* steps tried, those that failed included */
    uint64_t elapsed_us;            /* microseconds on the monotonic clock */
    scardmanage_result last_result; /* what the last PC/SC call said */
    uint32_t old_protocol;          /* SCARDMANAGE_PROTOCOL_, 0 for none */
    uint32_t new_protocol;          /* the same; after a failure what was last seen */
    uint8_t old_atr_len;            /* 0: not known */
    uint8_t new_atr_len;            /* 0: none seen */
    uint8_t old_atr[SCARDMANAGE_ATR_MAX];
    uint8_t new_atr[SCARDMANAGE_ATR_MAX]; /* after a refusal that of the refused card */
    uint32_t sent;                        /* scardmanage_transmit_ex(): how often the command was sent */
    uint64_t waited_us; /* microseconds of elapsed_us spent waiting for card, reader or service */
} scardmanage_report;

#define SCARDMANAGE_REPORT_INIT                                                                              \
    {                                                                                                        \
        sizeof(scardmanage_report), SCARDMANAGE_STEP_NONE, SCARDMANAGE_VERDICT_UNKNOWN,                      \
            SCARDMANAGE_LOCK_NONE, 0, 0, 0, 0, 0, 0, 0, {0}, {0}, 0, 0                                       \
    }

/*
 * Objects
 */

/* Makes an object that is attached to nothing, with default options and the C library's memory. It belongs to
 * the caller: scardmanage_free().
 *
 * S_OK, E_POINTER, E_OUTOFMEMORY. */
SCARDMANAGE_API scardmanage_result scardmanage_create(scardmanage **out);

/* Where an object's memory comes from. It belongs to the object and not to the process: several parts of one
 * program may use this library, and none may take another's memory over, or change the function under blocks
 * that are in use. So it is given once, when the object is made, and never changes.
 *
 * The functions must be safe to call from any thread that uses the object, and at the same time for several
 * objects, and from threads of the library's own. They may be called with the object locked: they must not
 * call any function on it, must return, and must not throw. What they return is aligned as malloc() does it.
 * What PC/SC allocates itself does not come from here, nor what the system takes for a thread. */
typedef struct scardmanage_allocator {
    size_t size;   /* sizeof(scardmanage_allocator) */
    void *context; /* passed to each; not touched. Stays valid until scardmanage_free() has returned and all
                      blocks are released: those of a call that PC/SC does not let go of, later than that */
    /* A block of size bytes, never 0, with any content. Null if there is none. */
    void *(*allocate)(void *context, size_t size);
    /* As realloc() with neither null nor 0. If there is none: null, and the old block as it was. */
    void *(*reallocate)(void *context, void *memory, size_t size);
    /* Takes back a block, never null. */
    void (*release)(void *context, void *memory);
} scardmanage_allocator;

/* As scardmanage_create(), with memory from source, which is copied; null: the C library's. When any
 * function of the object gets null from it, it returns E_OUTOFMEMORY.
 *
 * S_OK; E_POINTER for a null out; E_INVALIDARG for a size that is too small, a null function, or bytes this
 * version does not know; E_OUTOFMEMORY. */
SCARDMANAGE_API scardmanage_result scardmanage_create_with_allocator(const scardmanage_allocator *source,
                                                                     scardmanage **out);

/* Detaches if need be and frees. A null pointer is allowed. Not from a rebuild function. */
SCARDMANAGE_API void scardmanage_free(scardmanage *m);

/* Sets what attaching uses (protocols, share) and what reconnecting without options of its own uses (all
 * fields). Copied; null restores the defaults. Allowed before attaching, and best done then.
 *
 * S_OK; E_POINTER for a null object; E_INVALIDARG for a size that is too small, a field out of range,
 * unknown protocol bits, RAW together with another, a first step beyond the last, RESTART as the first, or
 * bytes this version does not know; E_FAIL in a rebuild function. */
SCARDMANAGE_API scardmanage_result scardmanage_set_options(scardmanage *m,
                                                           const scardmanage_options *options);

/* Makes all calls on the object that other threads are in, or waiting to get into, return E_CANCELLED at
 * once. Calls that begin later are not affected. What a cancelled call leaves is what it leaves when it times
 * out. May be called from a rebuild function, too, and then cancels the reconnect around it. Not from a
 * signal handler.
 *
 * S_OK, also if there was nothing to cancel; E_POINTER. */
SCARDMANAGE_API scardmanage_result scardmanage_cancel(scardmanage *m);

/*
 * Attaching
 */

/* Links to a card handle from SCardConnect(). The handle stays the caller's, who keeps it open while
 * attached and closes it after detaching. Uses a context of its own to look at the reader. An object that is
 * attached is detached first. A handle whose card was reset or removed is attachable. PC/SC does not tell
 * the reader's name then, so this library learns it only in the reconnect that the caller needs anyway;
 * until then the state is UNKNOWN, and other calls return W_RESET_CARD or W_REMOVED_CARD. Having never seen
 * the card, the library takes a removed one for a different one. (pcsc-lite remembers only the latest event
 * of a handle: a removal followed by another client's reset looks like a reset. Attach while the handle
 * works to be told the truth.)
 *
 * S_OK; E_INVALIDARG if the handle is none; E_OUTOFMEMORY; smart card codes. After a failure the object is
 * detached. */
SCARDMANAGE_API scardmanage_result scardmanage_attach_by_handle(scardmanage *m, SCARDHANDLE handle);

/* Links to a reader by its name as SCardListReaders() gives it (at most 255 bytes; copied), with a context
 * and a handle of its own. With no card in the reader, or one that does not answer, the attachment has no
 * handle yet: scardmanage_lock() and scardmanage_transmit() return E_NO_SMARTCARD, and a reconnect opens the
 * card once there is one; the first card is no different card. Does not wait for a card. An object that is
 * attached is detached first.
 *
 * S_OK; E_POINTER for a null name; E_INVALIDARG for an empty one; E_UNKNOWN_READER; E_SHARING_VIOLATION if
 * another client has the reader for itself; E_PROTO_MISMATCH if the options ask for a protocol that the card
 * does not offer, or another is active; E_OUTOFMEMORY; other smart card codes. After a failure the object is
 * detached (E_POINTER, E_INVALIDARG: as it was). */
SCARDMANAGE_API scardmanage_result scardmanage_attach_by_ifd(scardmanage *m, const char *reader);

/* Ends the attachment and releases the lock, however often it was taken. A handle of the caller's stays
 * open.
 *
 * S_OK; E_INVALID_HANDLE if not attached; E_FAIL in a rebuild function; W_UNRESPONSIVE_CARD if pcsc-lite
 * refused to release the lock on a handle of the caller's because its card was reset and no longer answers,
 * E_OUTOFMEMORY if there was no memory to release it, E_TIMEOUT or E_CANCELLED if PC/SC does not let go, in
 * which case it is released as soon as it does: detached all the same, closing the handle releases it. But
 * after E_TIMEOUT and E_CANCELLED a call is still under way on the handle, and libpcsclite does not bear that
 * it is closed meanwhile. */
SCARDMANAGE_API scardmanage_result scardmanage_detach(scardmanage *m);

/*
 * Reconnecting
 */

/* Back to the card, with the options that were set. The same as scardmanage_reconnect_ex(m, NULL, NULL). */
SCARDMANAGE_API scardmanage_result scardmanage_reconnect(scardmanage *m);

/* Back to the card, by the gentlest step that works from options->first_step to options->last_step.
 *
 * Looks first, without touching anything. An empty reader is E_NO_SMARTCARD, a reader that was unplugged
 * E_READER_UNAVAILABLE and a service that is down E_NO_SERVICE if options->wait_ms has passed; a different
 * card is W_REMOVED_CARD unless options->accept_other_card. All leave the attachment as it is, and it may be
 * called again. A card
 * is the same if it never left the reader, or if the ATR it shows is one that this card has shown since it
 * was inserted (warm and cold ATR may differ). Two cards with one ATR cannot be told apart.
 *
 * After S_OK protocol and ATR are current, and the lock is held exactly as often as before. A card that did
 * not answer to the last command is reset, though nothing else is known to have happened to it. Another
 * protocol than the active one needs a reset of the card and is therefore reached from WARM on.
 *
 * After a failure the attachment is as it was: lock, transmit and status say W_RESET_CARD or W_REMOVED_CARD
 * if the card was reset or moved and that is not acknowledged yet (E_NO_SMARTCARD if reopening failed and
 * there is no handle).
 *
 * options: null means those that were set. report: null if not wanted; written unless E_POINTER or
 * E_INVALIDARG is returned.
 *
 * A handle of the caller's does not survive the service, nor the reader's being unplugged: then it is
 * E_INVALID_HANDLE as soon as service and reader are back, for good.
 *
 * S_OK; E_NO_SMARTCARD; W_REMOVED_CARD; W_UNRESPONSIVE_CARD, W_UNPOWERED_CARD if no allowed step woke the
 * card; E_PROTO_MISMATCH if the card does not offer the protocol, or last_step does not allow the reset that
 * it takes; W_RESET_CARD if others kept resetting the card, or it would take more than the allowed steps;
 * E_READER_UNAVAILABLE if the reader is gone; E_SHARING_VIOLATION; E_INVALIDARG for options as
 * scardmanage_set_options() refuses them, for REOPEN as the first step on a handle of the caller's, or for a
 * report size below that of the first version, or above 4096; E_OUTOFMEMORY; other smart card codes. */
SCARDMANAGE_API scardmanage_result scardmanage_reconnect_ex(scardmanage *m,
                                                            const scardmanage_options *options,
                                                            scardmanage_report *report);

/* Waits until there is a card in the reader; returns at once if there is one. Wakes up with the insertion;
 * the card is not touched, nor judged: that is what scardmanage_reconnect() does. Goes on waiting while the
 * reader is unplugged or the service down. timeout_ms: 0 only looks; SCARDMANAGE_FOREVER; the options'
 * timeout_ms is not considered. If the service does not answer, it may take a second longer.
 *
 * S_OK; E_TIMEOUT; E_CANCELLED; W_RESET_CARD, W_REMOVED_CARD if the reader is not known yet
 * (scardmanage_attach_by_handle()); E_OUTOFMEMORY; other smart card codes. */
SCARDMANAGE_API scardmanage_result scardmanage_wait_for_card(scardmanage *m, uint32_t timeout_ms);

/*
 * Exclusive use
 */

/* Takes the card for this attachment; waits while another client has it. May be nested: one transaction is
 * held underneath, and released by as many calls of scardmanage_unlock(). It survives resets, and
 * reconnecting restores it after the card was out.
 *
 * S_OK; E_NO_SMARTCARD if there is no handle yet; W_RESET_CARD, W_REMOVED_CARD: reconnect first; E_TIMEOUT,
 * E_CANCELLED: not locked; E_FAIL if nested 2^32 times. */
SCARDMANAGE_API scardmanage_result scardmanage_lock(scardmanage *m);

/* Releases it. Only the outermost call ends the transaction, with the strongest disposition of all nested
 * calls (LEAVE < RESET < UNPOWER < EJECT). After RESET and UNPOWER the attachment works: its own reset is
 * acknowledged, the protocol stays if it can, and other clients are told W_RESET_CARD. UNPOWER switches the
 * power off and on again.
 *
 * S_OK; E_INVALIDARG for another disposition, E_OUTOFMEMORY: nothing released; E_NOT_TRANSACTED if not
 * locked. All other codes mean released, too: W_REMOVED_CARD, W_RESET_CARD if the card had been out or reset
 * while it was locked; W_UNRESPONSIVE_CARD if it did not answer to the reset that was asked for;
 * E_CANT_DISPOSE if the reader cannot eject. One exception: on a handle of the caller's whose card was reset
 * before and fell silent, pcsc-lite keeps the card locked (W_UNRESPONSIVE_CARD) until it answers again, or
 * leaves, or the handle is closed; the next reconnect that succeeds makes up for it. */
SCARDMANAGE_API scardmanage_result scardmanage_unlock(scardmanage *m, scardmanage_disposition disposition);

/*
 * Using the card
 */

/* The state of the reader and the active protocol (SCARDMANAGE_PROTOCOL_, 0 for none).
 *
 * S_OK, also with ABSENT after the card was taken out, and with PRESENT when a reader that was attached empty
 * has got its first card; E_POINTER for any null pointer; W_RESET_CARD, W_REMOVED_CARD if a card is there but
 * was reset, or came back or instead, and a reconnect is due: state is PRESENT or SWALLOWED, protocol 0. */
SCARDMANAGE_API scardmanage_result scardmanage_status(scardmanage *m, scardmanage_state *state,
                                                      uint32_t *protocol);

/* The ATR of the card in the reader. *length: bytes of room in atr (SCARDMANAGE_ATR_MAX is enough), then
 * bytes written.
 *
 * S_OK; E_POINTER; E_NO_SMARTCARD; E_INSUFFICIENT_BUFFER, *length says how much is needed; W_RESET_CARD,
 * W_REMOVED_CARD as scardmanage_status(), with the ATR of the card that is there now (*length 0 if that
 * can't be known). */
SCARDMANAGE_API scardmanage_result scardmanage_get_atr(scardmanage *m, uint8_t *atr, size_t *length);

/* The reader's name. *length: bytes of room in name (256 is enough), then bytes needed or written, with the
 * terminating zero. name may be null to ask for the length.
 *
 * S_OK; E_POINTER; E_INSUFFICIENT_BUFFER; W_RESET_CARD or W_REMOVED_CARD if it is not known yet
 * (scardmanage_attach_by_handle()). */
SCARDMANAGE_API scardmanage_result scardmanage_get_reader(scardmanage *m, char *name, size_t *length);

/* The card handle underneath, for PC/SC calls that this library does not make (SCardControl(),
 * SCardGetAttrib()). It belongs to the library, or to the caller if attached by handle; valid until the next
 * reconnect or detach. Don't close or reconnect it, nor begin a transaction with it.
 *
 * S_OK; E_POINTER; E_NO_SMARTCARD if there is none. */
SCARDMANAGE_API scardmanage_result scardmanage_get_handle(scardmanage *m, SCARDHANDLE *handle);

/* Sends a command APDU in the active protocol. *response_len: bytes of room in response (65538 is enough for
 * any), then bytes received. The buffers are the caller's; they must not overlap.
 *
 * S_OK; E_POINTER; E_INVALIDARG for a command that is empty or longer than 131,072 bytes;
 * E_INSUFFICIENT_BUFFER for less room than 2 bytes, or a longer answer, which is lost; E_NO_SMARTCARD;
 * W_RESET_CARD, W_REMOVED_CARD: reconnect first, nothing was sent; E_PROTO_MISMATCH if no protocol is active;
 * E_TIMEOUT, E_CANCELLED: it may have been sent; E_OUTOFMEMORY: it was not; other smart card codes.
 * *response_len is 0 after a failure. */
SCARDMANAGE_API scardmanage_result scardmanage_transmit(scardmanage *m, const uint8_t *command,
                                                        size_t command_len, uint8_t *response,
                                                        size_t *response_len);

/* As scardmanage_transmit(), and reconnects by itself, rebuild function included, if the card was reset or
 * moved, reader or service went away, or the card fell silent. Without repeatable the command is sent once at
 * most: what it reconnects from is known to have happened before. With repeatable, which is for commands that
 * may be carried out more than once without harm, it is also sent again if it may have reached the card, at
 * most four times; if the failure left no trace (a card that fell silent), each time by a harder step.
 *
 * options: null means those that were set. report: of the last reconnect, with sent filled in; null if not
 * wanted.
 *
 * As scardmanage_transmit() and scardmanage_reconnect_ex(); E_FAIL in a rebuild function. */
SCARDMANAGE_API scardmanage_result scardmanage_transmit_ex(scardmanage *m, const uint8_t *command,
                                                           size_t command_len, uint8_t *response,
                                                           size_t *response_len, int repeatable,
                                                           const scardmanage_options *options,
                                                           scardmanage_report *report);

/*
 * Words. Static strings in English, lower case, never null.
 */

SCARDMANAGE_API const char *scardmanage_strerror(scardmanage_result result);
SCARDMANAGE_API const char *scardmanage_step_name(scardmanage_step step);
SCARDMANAGE_API const char *scardmanage_verdict_name(scardmanage_verdict verdict);
SCARDMANAGE_API const char *scardmanage_lock_name(scardmanage_lock_state lock);
SCARDMANAGE_API const char *scardmanage_state_name(scardmanage_state state);
SCARDMANAGE_API const char *scardmanage_protocol_name(uint32_t protocol);

#ifdef __cplusplus
}
#endif

#endif
