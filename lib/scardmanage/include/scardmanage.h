/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libscardmanage: get an application back to its card.
 *
 * An object is attached to one card: by a card handle that the caller owns, or by the name of a
 * reader. Meanwhile others may reset the card, or it may be removed, inserted again or exchanged.
 * scardmanage_reconnect() brings the attachment back to a working state and reports what happened.
 * It never goes on with another card unless the caller allows it. Works over any PC/SC stack.
 *
 * Threads. Any thread may call any function; calls on one object run one after the other. While an
 * object is being freed, nothing else may use it. An object does not survive fork().
 *
 * Time. No function waits for longer than timeout_ms of the options, a minute by default, or, for
 * scardmanage_wait_for_card(), of its argument. It then returns E_TIMEOUT, even where PC/SC itself
 * waits without limit: while another client holds a
 * transaction, or the service does not answer. scardmanage_cancel() ends calls early. Calls that need
 * the card wait while another client holds a transaction.
 *
 * To be able to return in time, each attachment makes its PC/SC calls in a thread of its own. If
 * PC/SC does not return, the thread stays in PC/SC when the caller has its E_TIMEOUT or E_CANCELLED.
 * As soon as PC/SC returns, the thread undoes what the call had begun. Until then further calls on
 * the attachment time out. Only attaching, detaching and freeing do not wait for it.
 *
 * Results. The tables below leave out the prefix SCARDMANAGE_. Besides what they list, every function
 * that returns a result can return
 *
 *   E_POINTER         a pointer to an object or a result is null
 *   E_INVALID_HANDLE  the object is not attached
 *   E_TIMEOUT         the time is up
 *   E_CANCELLED       another thread has called scardmanage_cancel()
 *   E_NO_SERVICE      the connection to the service was lost, or there is no service
 *   E_OUTOFMEMORY     there is no memory (PC/SC: SCARD_E_NO_MEMORY)
 *   8010xxxx          any other code that a PC/SC function has returned, unchanged
 *
 * as far as it has such a pointer, needs an attachment, waits, or calls PC/SC. When a function fails,
 * what it writes through pointers is unspecified unless its comment says otherwise.
 *
 * Source. The functions that name a method of ISCardManage have its contract, as Microsoft documents
 * it (MicrosoftDocs/win32, SecAuthN). The others are extensions of this library.
 */
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

/* A 32-bit HRESULT: 0 is success, a negative value is a failure. Compare it with the constants below,
 * and not with those of PC/SC: on Linux PC/SC's LONG has 64 bits, so that SCARD_W_RESET_CARD is
 * positive and never equals an HRESULT. */
typedef int32_t scardmanage_result;

/* The HRESULT of a code that a PC/SC function returned. */
#define SCARDMANAGE_RESULT(code)  ((scardmanage_result)(uint32_t)(code))

#define SCARDMANAGE_S_OK          ((scardmanage_result)0)
#define SCARDMANAGE_E_POINTER     SCARDMANAGE_RESULT(0x80004003u)
#define SCARDMANAGE_E_FAIL        SCARDMANAGE_RESULT(0x80004005u)
#define SCARDMANAGE_E_OUTOFMEMORY SCARDMANAGE_RESULT(0x8007000Eu)
#define SCARDMANAGE_E_INVALIDARG  SCARDMANAGE_RESULT(0x80070057u)

/* The codes of PC/SC that this library gives a meaning to. It passes on others as they come. */
#define SCARDMANAGE_E_CANCELLED           SCARDMANAGE_RESULT(0x80100002u)
#define SCARDMANAGE_E_INVALID_HANDLE      SCARDMANAGE_RESULT(0x80100003u) /* not attached; or a dead handle */
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
#define SCARDMANAGE_W_RESET_CARD          SCARDMANAGE_RESULT(0x80100068u) /* reset by others: reconnect */
#define SCARDMANAGE_W_REMOVED_CARD        SCARDMANAGE_RESULT(0x80100069u) /* was removed: reconnect */

/* Milliseconds without limit. */
#define SCARDMANAGE_FOREVER UINT32_MAX

/* The most bytes of an ATR: 33 by ISO/IEC 7816-3:2006, 8.2.1, but 36 in the structs of some stacks. */
#define SCARDMANAGE_ATR_MAX 36

/* Protocols, with PC/SC's values. Options take several; where a protocol is reported it is one of
 * these, or 0 for none. */
#define SCARDMANAGE_PROTOCOL_T0  0x1u
#define SCARDMANAGE_PROTOCOL_T1  0x2u
#define SCARDMANAGE_PROTOCOL_RAW 0x4u

typedef struct scardmanage scardmanage;
struct scardmanage_report;

/* What a reconnect does to get back to the card, gentlest first. */
typedef enum scardmanage_step {
    SCARDMANAGE_STEP_NONE = 0,    /* in a report: nothing had to be done. In options: the default */
    SCARDMANAGE_STEP_LEAVE = 1,   /* acknowledge the event; the card is not touched */
    SCARDMANAGE_STEP_WARM = 2,    /* warm reset: the card stays powered */
    SCARDMANAGE_STEP_COLD = 3,    /* cold reset: power off and on */
    SCARDMANAGE_STEP_REOPEN = 4,  /* a new handle; never for a handle that the caller owns */
    SCARDMANAGE_STEP_RESTART = 5, /* a new context, after the service went away, and a new handle */
} scardmanage_step;

/* Which card is in the reader, compared with the one before. A report of several rounds has the
 * gravest, which is the highest. */
typedef enum scardmanage_verdict {
    SCARDMANAGE_VERDICT_UNKNOWN = 0,    /* the call failed before this was known */
    SCARDMANAGE_VERDICT_UNCHANGED = 1,  /* the same card, and nobody has reset it */
    SCARDMANAGE_VERDICT_RESET = 2,      /* the same card, reset by others */
    SCARDMANAGE_VERDICT_REINSERTED = 3, /* it was, or may have been, removed; by its ATR it is the same */
    SCARDMANAGE_VERDICT_DIFFERENT = 4,  /* it was removed, and by its ATR this is another one */
    SCARDMANAGE_VERDICT_FIRST = 5,      /* the attachment had no card before */
    SCARDMANAGE_VERDICT_ABSENT = 6,     /* there is no card in the reader */
} scardmanage_verdict;

/* What became of the lock during a reconnect. */
typedef enum scardmanage_lock_state {
    SCARDMANAGE_LOCK_NONE = 0,       /* there was no lock, and there is none */
    SCARDMANAGE_LOCK_KEPT = 1,       /* held all the time: no other client was at the card */
    SCARDMANAGE_LOCK_REACQUIRED = 2, /* lost, and held again: others may have been at the card */
    SCARDMANAGE_LOCK_LOST = 3,       /* lost; the next reconnect that succeeds takes it again */
} scardmanage_lock_state;

typedef enum scardmanage_share {
    SCARDMANAGE_SHARE_KEEP = 0,      /* as the handle is; shared for a new handle */
    SCARDMANAGE_SHARE_EXCLUSIVE = 1, /* no other client may connect */
    SCARDMANAGE_SHARE_SHARED = 2,    /* others may connect, too */
} scardmanage_share;

/* What is done to the card when a lock is released. The values are PC/SC's. */
typedef enum scardmanage_disposition {
    SCARDMANAGE_LEAVE = 0,   /* nothing */
    SCARDMANAGE_RESET = 1,   /* warm reset */
    SCARDMANAGE_UNPOWER = 2, /* power off and on again */
    SCARDMANAGE_EJECT = 3,   /* eject it, if the reader can */
} scardmanage_disposition;

/* The state of a reader and its card, the same on every stack. */
typedef enum scardmanage_state {
    SCARDMANAGE_STATE_UNKNOWN = 0,
    SCARDMANAGE_STATE_ABSENT = 1,     /* no card */
    SCARDMANAGE_STATE_PRESENT = 2,    /* a card that is not powered, or has an event to acknowledge */
    SCARDMANAGE_STATE_SWALLOWED = 3,  /* a card that does not answer */
    SCARDMANAGE_STATE_POWERED = 4,    /* powered */
    SCARDMANAGE_STATE_NEGOTIABLE = 5, /* it has answered to reset; no protocol is active yet */
    SCARDMANAGE_STATE_SPECIFIC = 6,   /* a protocol is active */
} scardmanage_state;

/*
 * What a reconnect may do. Set size; in every other field 0 means the default. Or start from
 * SCARDMANAGE_OPTIONS_INIT.
 *
 * Versions. Later versions of this library append fields to its structs, and program and library may
 * be of different versions. A smaller struct, of an older program, is accepted: the fields that it
 * does not have are 0, or are not reported. A larger one, of a newer program, is accepted if all that
 * this version does not know is 0, and refused with E_INVALIDARG otherwise. In a report that part is
 * set to 0.
 */
typedef struct scardmanage_options {
    size_t size;                 /* sizeof(scardmanage_options) */
    scardmanage_step first_step; /* begin with this step, even if a gentler one would do. Default LEAVE */
    scardmanage_step last_step;  /* go no further. Default RESTART; COLD for a handle of the caller's */
    uint32_t protocols;          /* SCARDMANAGE_PROTOCOL_ bits: one of these must become active. Default: the
                                    active one if the card still offers it, else T=0 or T=1 */
    scardmanage_share share;     /* default KEEP */
    int accept_other_card;       /* not 0: go on with a different card */

    /* How long any call may take, in milliseconds, or SCARDMANAGE_FOREVER. Default 60,000. The time of
     * the rebuild function counts, too. */
    uint32_t timeout_ms;
    /* How long a reconnect waits, within timeout_ms, for a card to be inserted, for the reader to be
     * plugged in, and for the service to start, in milliseconds. Default: not at all. */
    uint32_t wait_ms;
    /* Not 0: a reader that was unplugged may come back with another number, that is, with a name that
     * is the same except for the number that the service appends. The reconnect goes on with that
     * reader if there is exactly one such, and it stays the attachment's reader, even if the reconnect
     * fails. Readers of one kind can only be told apart by their card, which is compared as after a
     * removal. */
    int accept_other_index;
    /*
     * Brings the card back to the state that the caller needs, by SELECT and VERIFY for example.
     * Called at the end of each reconnect that has taken a step, in the thread that called reconnect.
     * The card is locked for the object meanwhile, whether the caller holds the lock or not, so no
     * other client comes in between.
     *
     * It may call scardmanage_transmit(), scardmanage_lock(), scardmanage_unlock(),
     * scardmanage_status(), scardmanage_cancel() and the scardmanage_get_ functions on the object. All
     * others return E_FAIL. Calls from other threads wait.
     *
     *   report   as the reconnect is going to return it; valid during the call
     *   context  rebuild_context
     *
     * If it returns anything but S_OK, the reconnect fails with that code, and the card still counts
     * as lost. If the card was reset or removed meanwhile, the reconnect starts again.
     */
    scardmanage_result (*rebuild)(scardmanage *m, const struct scardmanage_report *report, void *context);
    void *rebuild_context;
} scardmanage_options;

#define SCARDMANAGE_OPTIONS_INIT                                                                             \
    {                                                                                                        \
        sizeof(scardmanage_options), SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_STEP_RESTART, 0,                    \
            SCARDMANAGE_SHARE_KEEP, 0, 60000, 0, 0, 0, 0                                                     \
    }

/* What a reconnect did. It is filled in when the reconnect fails, too. Set size before the call. */
typedef struct scardmanage_report {
    size_t size;                          /* sizeof(scardmanage_report) */
    scardmanage_step step;                /* the last step taken; after S_OK the one that worked */
    scardmanage_verdict verdict;          /* which card is in the reader */
    scardmanage_lock_state lock;          /* what became of the lock */
    uint32_t attempts;                    /* steps tried, including those that failed */
    uint64_t elapsed_us;                  /* microseconds that the call took */
    scardmanage_result last_result;       /* what the last PC/SC call returned */
    uint32_t old_protocol;                /* SCARDMANAGE_PROTOCOL_, or 0 for none */
    uint32_t new_protocol;                /* the same; after a failure the latest that was seen */
    uint8_t old_atr_len;                  /* bytes; 0: not known */
    uint8_t new_atr_len;                  /* bytes; 0: none was seen */
    uint8_t old_atr[SCARDMANAGE_ATR_MAX]; /* as the card has sent it, TS first */
    uint8_t new_atr[SCARDMANAGE_ATR_MAX]; /* the same; if a card was refused, its ATR */
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

/*
 * Makes an object that is attached to nothing, with default options and the memory of the C library.
 *
 *   out  receives the object, or null after a failure. Free it with scardmanage_free()
 *
 *   S_OK           success
 *   E_POINTER      out is null
 *   E_OUTOFMEMORY  there is no memory
 */
SCARDMANAGE_API scardmanage_result scardmanage_create(scardmanage **out);

/*
 * Where an object gets its memory. An allocator belongs to one object and not to the process, because
 * several parts of a program may use this library. It is given when the object is made, and cannot be
 * changed later.
 *
 * The functions must be thread-safe: they are called from any thread that uses the object, from
 * threads of the library, and for several objects at the same time. The object may be locked
 * meanwhile, so they must not call any function on it. They must return, and must not throw. Memory
 * that PC/SC allocates, and that the system needs for a thread, does not come from here.
 */
typedef struct scardmanage_allocator {
    size_t size;   /* sizeof(scardmanage_allocator) */
    void *context; /* passed to each function. Must stay valid until scardmanage_free() has returned and
                      all blocks are released. The blocks of a call that PC/SC does not return from are
                      released when PC/SC returns, which may be later than scardmanage_free() */
    /* Returns a block of size bytes, never 0, with any content, aligned as by malloc(); or null. */
    void *(*allocate)(void *context, size_t size);
    /* As realloc() of a block that is not null, to a size that is not 0. Null leaves the old block. */
    void *(*reallocate)(void *context, void *memory, size_t size);
    /* Frees a block, never null. */
    void (*release)(void *context, void *memory);
} scardmanage_allocator;

/*
 * As scardmanage_create(), with the caller's allocator. If a function of the object gets null from
 * the allocator, it returns E_OUTOFMEMORY.
 *
 *   source  copied; null: the C library's
 *   out     receives the object, or null after a failure. Free it with scardmanage_free()
 *
 *   S_OK           success
 *   E_POINTER      out is null
 *   E_INVALIDARG   source: a size that is too small, a null function, or bytes set that this version
 *                  does not know
 *   E_OUTOFMEMORY  there is no memory
 */
SCARDMANAGE_API scardmanage_result scardmanage_create_with_allocator(const scardmanage_allocator *source,
                                                                     scardmanage **out);

/*
 * Detaches the object if it is attached, and frees it. Not to be called from a rebuild function.
 *
 *   m  null is allowed
 */
SCARDMANAGE_API void scardmanage_free(scardmanage *m);

/*
 * Sets the options of an object. Attaching uses protocols and share; reconnecting without options of
 * its own uses all of them; every call that takes no time itself uses timeout_ms. Best called before
 * attaching.
 *
 *   options  copied; null restores the defaults
 *
 *   S_OK          success
 *   E_POINTER     m is null
 *   E_INVALIDARG  a size that is too small, a field out of range, unknown protocol bits, RAW together
 *                 with another protocol, a first step beyond the last, RESTART as the first step, or
 *                 bytes set that this version does not know
 *   E_FAIL        called from a rebuild function
 */
SCARDMANAGE_API scardmanage_result scardmanage_set_options(scardmanage *m,
                                                           const scardmanage_options *options);

/*
 * Makes all calls on the object that other threads are in, or wait to begin, return E_CANCELLED at
 * once. Calls that begin later are not affected. A cancelled call leaves behind what it leaves behind
 * when it times out. From a rebuild function, this cancels the reconnect that has called it. Not to be
 * called from a signal handler.
 *
 *   S_OK       success, even if there was nothing to cancel
 *   E_POINTER  m is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_cancel(scardmanage *m);

/*
 * Attaching
 */

/*
 * Attaches the object to a card handle from SCardConnect(). If the object is attached already, it is
 * detached first. The library uses a context of its own to observe the reader.
 *
 *   handle  stays the caller's, who keeps it open while it is attached, and closes it after detaching
 *
 * A handle whose card was reset or removed may be attached, too. PC/SC does not even give the
 * reader's name then, so the library learns it in the reconnect that the caller needs anyway. Until
 * then the state is UNKNOWN, and other calls return W_RESET_CARD or W_REMOVED_CARD. A card that was
 * removed counts as different, as the library has never seen it. pcsc-lite remembers only the latest
 * event of a handle: after a removal and another client's reset the card looks as if it was only
 * reset. To be sure, attach while the handle works.
 *
 *   S_OK           success
 *   E_INVALIDARG   handle is not a card handle
 *   E_OUTOFMEMORY  there is no memory
 *   8010xxxx       codes of SCardStatus() and SCardEstablishContext()
 *
 * After a failure the object is detached. Source: ISCardManage::AttachByHandle.
 */
SCARDMANAGE_API scardmanage_result scardmanage_attach_by_handle(scardmanage *m, SCARDHANDLE handle);

/*
 * Attaches the object to a reader, with a context and a handle of the library's own. If the object is
 * attached already, it is detached first.
 *
 *   reader  a name as SCardListReaders() gives it, at most 255 bytes; copied
 *
 * Does not wait for a card. With no card in the reader, or one that does not answer, the attachment
 * has no handle yet: scardmanage_lock() and scardmanage_transmit() return E_NO_SMARTCARD. A reconnect
 * opens the card once there is one. The first card never counts as different.
 *
 *   S_OK                 success
 *   E_POINTER            m or reader is null; the object is as it was
 *   E_INVALIDARG         reader is empty; the object is as it was
 *   E_UNKNOWN_READER     there is no such reader
 *   E_SHARING_VIOLATION  another client has connected exclusively
 *   E_PROTO_MISMATCH     the card does not offer the protocol that the options ask for, or another one
 *                        is active
 *   E_OUTOFMEMORY        there is no memory
 *   8010xxxx             codes of SCardConnect() and SCardEstablishContext()
 *
 * After other failures the object is detached. Source: ISCardManage::AttachByIFD; an IFD is a reader.
 */
SCARDMANAGE_API scardmanage_result scardmanage_attach_by_ifd(scardmanage *m, const char *reader);

/*
 * Ends the attachment, and releases the lock, however often it was taken. A handle of the caller's
 * stays open.
 *
 *   S_OK                 success
 *   E_INVALID_HANDLE     the object was not attached
 *   E_FAIL               called from a rebuild function; still attached
 *   W_UNRESPONSIVE_CARD  detached, but pcsc-lite did not release the lock on the caller's handle: the
 *                        card was reset and no longer answers. Closing the handle releases the lock
 *   E_OUTOFMEMORY        detached, but there was no memory to release the lock on the caller's handle.
 *                        Closing the handle releases it
 *   E_TIMEOUT            detached, but a PC/SC call has not returned yet. The lock is released when it
 *   E_CANCELLED          returns. Do not close the handle before: libpcsclite does not allow that while
 *                        a call uses it
 *
 * Source: ISCardManage::Detach.
 */
SCARDMANAGE_API scardmanage_result scardmanage_detach(scardmanage *m);

/*
 * Reconnecting
 */

/*
 * Gets back to the card with the options of the object: scardmanage_reconnect_ex(m, NULL, NULL).
 *
 * Source: ISCardManage::Reconnect.
 */
SCARDMANAGE_API scardmanage_result scardmanage_reconnect(scardmanage *m);

/*
 * Gets back to the card by the gentlest step that works, from options->first_step to
 * options->last_step. Before, it observes reader and handle without touching the card.
 *
 *   options  null: those of the object
 *   report   written unless E_POINTER or E_INVALIDARG is returned; null: not wanted
 *
 * A card is the same if it was not removed, or if the ATR that it shows is one that this card has
 * shown since it was inserted; warm and cold ATR may differ. Two cards with one ATR cannot be told
 * apart. A card that did not answer the last command is reset, even if nothing else has happened. A
 * change of protocol needs a reset of the card, and so last_step WARM or beyond.
 *
 * After S_OK, protocol and ATR are current, and the lock is held as often as before. After a failure
 * the attachment is as it was, and the reconnect may be called again. If a reset or removal of the
 * card is not acknowledged yet, lock, transmit and status go on to return W_RESET_CARD or
 * W_REMOVED_CARD; E_NO_SMARTCARD if reopening has failed, and there is no handle.
 *
 *   S_OK                 success
 *   E_NO_SMARTCARD       there is no card, and options->wait_ms has passed
 *   W_REMOVED_CARD       a different card is there, and options->accept_other_card is not set
 *   W_UNRESPONSIVE_CARD  no step that is allowed made the card answer
 *   W_UNPOWERED_CARD     no step that is allowed powered the card
 *   W_RESET_CARD         others kept resetting the card, or a step is needed that is not allowed
 *   E_PROTO_MISMATCH     the card does not offer the protocol, or a reset is needed and not allowed
 *   E_READER_UNAVAILABLE the reader is unplugged, and options->wait_ms has passed
 *   E_NO_SERVICE         there is no service, and options->wait_ms has passed; or it was restarted, and
 *                        options->last_step is below RESTART
 *   E_INVALID_HANDLE     not attached; or the caller's handle has died with the service or its reader,
 *                        and both are back: attach a new one; or the library's handle has died, and
 *                        options->last_step is below REOPEN
 *   E_SHARING_VIOLATION  another client has connected exclusively
 *   E_INVALIDARG         options that scardmanage_set_options() refuses; REOPEN as the first step for a
 *                        handle of the caller's; or a report size below that of the first version, or
 *                        above 4096
 *   E_FAIL               called from a rebuild function
 *   E_OUTOFMEMORY        there is no memory
 *   8010xxxx             codes of SCardReconnect(), SCardConnect() and SCardBeginTransaction()
 *   others               what the rebuild function has returned
 */
SCARDMANAGE_API scardmanage_result scardmanage_reconnect_ex(scardmanage *m,
                                                            const scardmanage_options *options,
                                                            scardmanage_report *report);

/*
 * Waits until there is a card in the reader, and returns at once if there is one. Waits on while the
 * reader is unplugged or the service is down. Does not touch the card, nor compare it with the one
 * before: scardmanage_reconnect() does that.
 *
 *   timeout_ms  milliseconds; 0: do not wait; or SCARDMANAGE_FOREVER. The options do not count. If the
 *               service does not answer, the call may take a second longer
 *
 *   S_OK            there is a card
 *   E_TIMEOUT       the time is up
 *   E_CANCELLED     cancelled
 *   W_RESET_CARD    the name of the reader is not known yet: reconnect. See
 *   W_REMOVED_CARD  scardmanage_attach_by_handle()
 *   E_FAIL          called from a rebuild function
 *   E_OUTOFMEMORY   there is no memory
 *   8010xxxx        codes of SCardGetStatusChange()
 */
SCARDMANAGE_API scardmanage_result scardmanage_wait_for_card(scardmanage *m, uint32_t timeout_ms);

/*
 * Exclusive use
 */

/*
 * Locks the card for this attachment. Waits while another client holds a transaction. May be nested:
 * there is one PC/SC transaction, which ends with the last of as many calls of scardmanage_unlock().
 * The lock survives resets. When the card was removed, a reconnect takes the lock again.
 *
 *   S_OK            the card is locked
 *   E_NO_SMARTCARD  no card was opened yet
 *   W_RESET_CARD    reconnect first
 *   W_REMOVED_CARD  reconnect first
 *   E_TIMEOUT       not locked
 *   E_CANCELLED     not locked
 *   E_FAIL          nested 2^32 - 1 times already
 *
 * Source: ISCardManage::SCardLock.
 */
SCARDMANAGE_API scardmanage_result scardmanage_lock(scardmanage *m);

/*
 * Releases the lock. Only the outermost call ends the transaction, with the strongest disposition
 * that any of the nested calls had: LEAVE < RESET < UNPOWER < EJECT. The attachment goes on to work
 * after a RESET or UNPOWER: the library acknowledges this reset, and keeps the protocol if it can.
 * Other clients get W_RESET_CARD.
 *
 *   S_OK                 released
 *   W_RESET_CARD         released, but the card had been reset by others while it was locked
 *   W_REMOVED_CARD       released, but the card had been removed while it was locked
 *   W_UNRESPONSIVE_CARD  released, but the card did not answer to the reset. One exception: if the
 *                        card of a caller's handle was reset before and no longer answers, pcsc-lite
 *                        keeps it locked until it answers, is removed, or the handle is closed. The
 *                        next reconnect that succeeds releases it, too
 *   E_CANT_DISPOSE       released, but the reader cannot eject
 *   E_NOT_TRANSACTED     it was not locked
 *   E_INVALIDARG         no such disposition; nothing is released
 *   E_OUTOFMEMORY        there is no memory; nothing is released
 *   E_TIMEOUT            released as soon as PC/SC returns
 *   E_CANCELLED          released as soon as PC/SC returns
 *   8010xxxx             codes of SCardEndTransaction(); released
 *
 * Source: ISCardManage::SCardUnlock.
 */
SCARDMANAGE_API scardmanage_result scardmanage_unlock(scardmanage *m, scardmanage_disposition disposition);

/*
 * Using the card
 */

/*
 * Gets the state of reader and card, and the active protocol.
 *
 *   state     written in any case; UNKNOWN if nothing was found out
 *   protocol  SCARDMANAGE_PROTOCOL_, or 0 for none; written in any case
 *
 *   S_OK            success, also with ABSENT after the card was removed, and with PRESENT when the
 *                   first card has come to a reader that was attached without one
 *   E_POINTER       m, state or protocol is null; nothing is written
 *   W_RESET_CARD    there is a card, but it was reset: reconnect. state is PRESENT or SWALLOWED
 *   W_REMOVED_CARD  there is a card, but it was removed before, or is another one: reconnect. The same
 *   8010xxxx        codes of SCardStatus() and SCardGetStatusChange()
 *
 * Source: ISCardManage::Status.
 */
SCARDMANAGE_API scardmanage_result scardmanage_status(scardmanage *m, scardmanage_state *state,
                                                      uint32_t *protocol);

/*
 * Gets the ATR of the card in the reader.
 *
 *   atr     receives the bytes as the card has sent them, TS first
 *   length  in: bytes of room in atr; SCARDMANAGE_ATR_MAX is enough. Out: bytes of the ATR
 *
 *   S_OK                   success
 *   E_POINTER              m, atr or length is null
 *   E_NO_SMARTCARD         there is no card
 *   E_INSUFFICIENT_BUFFER  too little room; *length says how much is needed
 *   W_RESET_CARD           as scardmanage_status(), with the ATR of the card that is there now;
 *   W_REMOVED_CARD         *length is 0 if that is not known
 *   8010xxxx               codes of SCardStatus() and SCardGetStatusChange()
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_atr(scardmanage *m, uint8_t *atr, size_t *length);

/*
 * Gets the name of the reader.
 *
 *   name    receives the name with a terminating zero; null: only the length is wanted
 *   length  in: bytes of room in name; 256 is enough. Out: bytes of the name with the zero
 *
 *   S_OK                   success
 *   E_POINTER              m or length is null
 *   E_INSUFFICIENT_BUFFER  too little room; *length says how much is needed
 *   W_RESET_CARD           the name is not known yet: reconnect. See
 *   W_REMOVED_CARD         scardmanage_attach_by_handle()
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_reader(scardmanage *m, char *name, size_t *length);

/*
 * Gets the card handle, for PC/SC calls that this library does not make: SCardControl(),
 * SCardGetAttrib() and SCardSetAttrib(). Do not close or reconnect it, nor begin a transaction with
 * it.
 *
 *   handle  belongs to the library, or to the caller if it was attached. Valid until the next
 *           reconnect or detach
 *
 *   S_OK            success
 *   E_POINTER       m or handle is null
 *   E_NO_SMARTCARD  there is no handle yet
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_handle(scardmanage *m, SCARDHANDLE *handle);

/*
 * Sends a command APDU in the active protocol, and waits for the response APDU. The buffers are the
 * caller's, and must not overlap.
 *
 *   command          the APDU
 *   command_length   its length in bytes, 1 to 131,072
 *   response         receives the response, with SW1 and SW2 as its last bytes
 *   response_length  in: bytes of room in response, at least 2; 65,538 is enough for any response.
 *                    Out: bytes received, 0 after a failure
 *
 *   S_OK                   success, whatever the status word is
 *   E_POINTER              a pointer is null
 *   E_INVALIDARG           a command that is empty or too long
 *   E_INSUFFICIENT_BUFFER  less room than 2 bytes; or the response, which is lost, was longer
 *   E_NO_SMARTCARD         no card was opened yet
 *   W_RESET_CARD           nothing was sent: reconnect first
 *   W_REMOVED_CARD         nothing was sent: reconnect first
 *   E_PROTO_MISMATCH       nothing was sent: no protocol is active
 *   E_TIMEOUT              the command may have been sent, or may still be
 *   E_CANCELLED            the command may have been sent, or may still be
 *   E_OUTOFMEMORY          nothing was sent
 *   8010xxxx               codes of SCardTransmit()
 */
SCARDMANAGE_API scardmanage_result scardmanage_transmit(scardmanage *m, const uint8_t *command,
                                                        size_t command_length, uint8_t *response,
                                                        size_t *response_length);

/*
 * As scardmanage_transmit(), but reconnects by itself, and calls the rebuild function, if the card was
 * reset or removed, the reader or the service went away, or the card does not answer.
 *
 *   repeatable  0: the command is sent at most once, and only after a reconnect if the card was lost
 *               before. Not 0, for a command that may run twice without harm: it is sent again if it
 *               may have reached the card, up to four times in all. After a failure that PC/SC does not
 *               remember, as when the card does not answer, the next reconnect begins with a harder
 *               step
 *   options     of the reconnects; null: those of the object
 *   report      of the last reconnect, with sent filled in; null: not wanted
 *
 * Returns what scardmanage_transmit() and scardmanage_reconnect_ex() return. E_FAIL if called from a
 * rebuild function.
 */
SCARDMANAGE_API scardmanage_result scardmanage_transmit_ex(scardmanage *m, const uint8_t *command,
                                                           size_t command_length, uint8_t *response,
                                                           size_t *response_length, int repeatable,
                                                           const scardmanage_options *options,
                                                           scardmanage_report *report);

/*
 * Words: static strings in English, in lower case, never null, for any value
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
