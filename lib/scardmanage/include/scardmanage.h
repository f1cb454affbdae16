/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libscardmanage: reconnects an application to its smart card.
 *
 * An object is attached to one card, either through a card handle that the caller owns or by the
 * name of a reader. While it is attached, other clients may reset the card, and the card may be
 * removed, inserted again or exchanged. scardmanage_reconnect() restores the attachment to a working
 * state and reports what happened. It never continues with a different card unless the caller allows
 * that. The library works with any PC/SC stack.
 *
 * Threads. Any thread may call any function. The library runs calls on the same object one after the
 * other. While one thread frees an object, no other thread may use it. After fork(), the child
 * process must not use the object.
 *
 * Time. A function returns E_TIMEOUT after timeout_ms of the options, one minute by default. It does
 * so even where PC/SC itself waits without limit: while another client holds a transaction, and while
 * the service does not answer. scardmanage_wait_for_card() has a timeout of its own.
 * scardmanage_cancel() ends calls early. Calls that need the card wait while another client holds a
 * transaction.
 *
 * To return in time, each attachment makes its PC/SC calls in a separate thread. If a PC/SC call is
 * still running when the caller gets E_TIMEOUT or E_CANCELLED, the thread waits for it, and then
 * undoes what the call had begun. Until then, further calls on the attachment time out. Only
 * attaching, detaching and freeing do not wait for the thread.
 *
 * Results. The tables below omit the prefix SCARDMANAGE_, and list only results that are specific to
 * a function. A function can also return
 *
 *   E_POINTER         a pointer to an object or a result is null
 *   E_INVALID_HANDLE  the object is not attached
 *   E_TIMEOUT         the timeout has expired
 *   E_CANCELLED       another thread has called scardmanage_cancel() or scardmanage_set_cancelled()
 *   E_NO_SERVICE      there is no service, or the connection to it was lost
 *   E_OUTOFMEMORY     out of memory (PC/SC: SCARD_E_NO_MEMORY)
 *   8010xxxx          any other code that a PC/SC function returned, unchanged
 *
 * if it takes such a pointer, needs an attachment, waits, or calls PC/SC. When a function fails, what
 * it writes through pointers is unspecified unless its comment says otherwise.
 *
 * Sources. A function whose comment names a method of ISCardManage follows the contract of that
 * method, as Microsoft documents it (MicrosoftDocs/win32, SecAuthN). The other functions are
 * extensions.
 */
#ifndef SCARDMANAGE_H
#define SCARDMANAGE_H

#include "scardmanage_options.h"
#include "scardmanage_transmit.h"
#include "scardmanage_types.h"
#include "scardmanage_unit.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Objects
 */

/*
 * Creates an object that is not attached, with default options. It takes its memory from the C
 * library.
 *
 *   out  receives the object, or null after a failure. Free it with scardmanage_free()
 *
 *   S_OK           success
 *   E_POINTER      out is null
 *   E_OUTOFMEMORY  out of memory
 */
SCARDMANAGE_API scardmanage_result scardmanage_create(scardmanage **out);

/*
 * Provides the memory of an object. An allocator belongs to one object, not to the process, because
 * several parts of a program may use this library. It is set when the object is created, and cannot
 * be changed later.
 *
 * The functions must be thread-safe: any thread that uses the object and any thread of the library
 * may call them, also for several objects at the same time. The object may be locked during such a
 * call, so the functions must not call any function on it. They must return, and must not throw an
 * exception. Memory that PC/SC allocates, and that the system needs for threads, does not come from
 * the allocator.
 */
typedef struct scardmanage_allocator {
    size_t size;   /* sizeof(scardmanage_allocator) */
    void *context; /* passed to each function. Must stay valid until scardmanage_free() has returned and all
                    * blocks are released. If a PC/SC call is still running then, its blocks are released when
                    * it returns, which may be after scardmanage_free() */
    /* Returns a block of size bytes with any content, aligned as by malloc(), or null. size is
     * never 0. */
    void *(*allocate)(void *context, size_t size);
    /* Like realloc(). memory is never null, size is never 0. If it returns null, the old block
     * remains. */
    void *(*reallocate)(void *context, void *memory, size_t size);
    /* Frees a block. memory is never null. */
    void (*release)(void *context, void *memory);
} scardmanage_allocator;

/*
 * Like scardmanage_create(), with an allocator of the caller. If the allocator returns null, the
 * function of the object that needed memory returns E_OUTOFMEMORY.
 *
 *   source  the allocator, which is copied; null for that of the C library
 *   out     receives the object, or null after a failure. Free it with scardmanage_free()
 *
 *   S_OK           success
 *   E_POINTER      out is null
 *   E_INVALIDARG   the size of source is too small, or above 4096; one of its functions is null; or it
 *                  has bytes set that this version does not know
 *   E_OUTOFMEMORY  out of memory
 */
SCARDMANAGE_API scardmanage_result scardmanage_create_with_allocator(const scardmanage_allocator *source,
                                                                     scardmanage **out);

/*
 * Detaches the object if it is attached, and frees it. A rebuild function must not call this.
 *
 *   m  the object; may be null
 */
SCARDMANAGE_API void scardmanage_free(scardmanage *m);

/*
 * Sets the options of an object, preferably before attaching. Attaching uses protocols and share.
 * Reconnecting uses all options, unless the call has options of its own. Every call that has no
 * timeout of its own uses timeout_ms.
 *
 *   options  copied; null restores the defaults
 *
 *   S_OK          success
 *   E_POINTER     m is null
 *   E_INVALIDARG  size is below that of the first version, or above 4096; a field is out of range;
 *                 protocols has unknown bits, or RAW and another protocol; first_step is RESTART, or
 *                 comes after last_step; or bytes are set that this version does not know
 *   E_FAIL        called from a rebuild function
 */
SCARDMANAGE_API scardmanage_result scardmanage_set_options(scardmanage *m,
                                                           const scardmanage_options *options);

/*
 * Changes timeout_ms of the options of the object, for all calls that begin later. For a call that may
 * take longer, or must not take as long, call this function before it. It may also be called in a
 * rebuild function; the timeout of the reconnect still applies to that.
 *
 *   timeout_ms  as in the options: 0 for the default, or SCARDMANAGE_FOREVER
 *
 *   S_OK       success
 *   E_POINTER  m is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_set_timeout(scardmanage *m, uint32_t timeout_ms);

/*
 * Makes all current calls of other threads on the object return E_CANCELLED at once, including calls
 * that still wait for another call to end. Calls that begin later are not affected. A cancelled call
 * has the same after-effects as one that times out. In a rebuild function, this cancels the reconnect
 * that called the function. Do not call it from a signal handler.
 *
 *   S_OK       success, even if there was nothing to cancel
 *   E_POINTER  m is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_cancel(scardmanage *m);

/*
 * Cancels calls until that is taken back: current calls of other threads, as scardmanage_cancel(), and
 * all calls that begin later, in any thread. So a thread that ends the program need not know whether
 * another thread has begun its call yet. Unlocking, detaching and freeing still work. Do not call it
 * from a signal handler.
 *
 *   cancelled  not 0: calls return E_CANCELLED; 0: calls that begin later work again
 *
 *   S_OK       success
 *   E_POINTER  m is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_set_cancelled(scardmanage *m, int cancelled);

/*
 * Attaching
 */

/*
 * Attaches the object to a card handle from SCardConnect(). If the object is already attached, it is
 * detached first. The library observes the reader with a context of its own.
 *
 *   handle  remains the caller's. Keep it open while it is attached, and close it after detaching
 *
 * The card of the handle may have been reset or removed. PC/SC then does not even return the name of
 * the reader, so the library learns it in the reconnect that the caller needs anyway. Until then the
 * state is UNKNOWN, and other calls return W_RESET_CARD or W_REMOVED_CARD. If the card was removed,
 * the card in the reader counts as different, because the library has never seen the one before.
 * pcsc-lite remembers only the latest event of a handle: after a removal and then a reset by another
 * client, the card looks as if it was only reset. To exclude that, attach while the handle works.
 *
 *   S_OK           success
 *   E_INVALIDARG   handle is not a card handle
 *   E_OUTOFMEMORY  out of memory
 *   8010xxxx       codes of SCardStatus() and SCardEstablishContext()
 *   others         what the caller's identify or rebuild function returned
 *
 * After a failure the object is detached. Source: ISCardManage::AttachByHandle.
 */
SCARDMANAGE_API scardmanage_result scardmanage_attach_by_handle(scardmanage *m, SCARDHANDLE handle);

/*
 * Attaches the object to a reader. The library opens its own context and handle. If the object is
 * already attached, it is detached first.
 *
 *   reader  a name as returned by SCardListReaders(), at most 255 bytes; copied
 *
 * Does not wait for a card. If the reader is empty or its card is unresponsive, the attachment has no
 * handle yet: scardmanage_lock() and scardmanage_transmit() return E_NO_SMARTCARD. A reconnect opens
 * a handle once there is a card. The first card never counts as different.
 *
 *   S_OK                 success
 *   E_POINTER            m or reader is null; the object is unchanged
 *   E_INVALIDARG         reader is empty; the object is unchanged
 *   E_UNKNOWN_READER     there is no such reader
 *   E_SHARING_VIOLATION  another client has connected exclusively
 *   E_PROTO_MISMATCH     the card does not offer the protocol that the options request, or another
 *                        protocol is active
 *   E_OUTOFMEMORY        out of memory
 *   8010xxxx             codes of SCardConnect() and SCardEstablishContext()
 *   others               what the caller's identify or rebuild function returned
 *
 * After any other failure the object is detached. Source: ISCardManage::AttachByIFD; an IFD is a
 * reader.
 */
SCARDMANAGE_API scardmanage_result scardmanage_attach_by_ifd(scardmanage *m, const char *reader);

/*
 * Ends the attachment. Releases the lock, however often it was acquired. A handle that the caller
 * owns stays open.
 *
 *   S_OK                 success
 *   E_INVALID_HANDLE     the object was not attached
 *   E_FAIL               called from a rebuild function; still attached
 *   W_UNRESPONSIVE_CARD  detached, but pcsc-lite did not release the lock on the caller's handle: the
 *                        card was reset and no longer answers. Closing the handle releases the lock
 *   E_OUTOFMEMORY        detached, but there was no memory to release the lock on the caller's handle.
 *                        Closing the handle releases it
 *   E_TIMEOUT, E_CANCELLED
 *                        detached, but a PC/SC call has not returned yet. The lock is released when it
 *                        returns, except as with W_UNRESPONSIVE_CARD. Do not close the handle before
 *                        that: libpcsclite does not allow a handle to be closed while a call uses it
 *
 * Source: ISCardManage::Detach.
 */
SCARDMANAGE_API scardmanage_result scardmanage_detach(scardmanage *m);

/*
 * Reconnecting
 */

/*
 * Reconnects to the card with the options of the object, as scardmanage_reconnect_ex(m, NULL, NULL).
 *
 * Source: ISCardManage::Reconnect.
 */
SCARDMANAGE_API scardmanage_result scardmanage_reconnect(scardmanage *m);

/*
 * Reconnects to the card. First observes the reader and the handle, which does not touch the card.
 * Then takes the gentlest step that works, from options->first_step to options->last_step.
 *
 *   options  null for those of the object
 *   report   filled in unless the function returns E_POINTER or E_INVALIDARG; may be null
 *
 * The card is the same if it was not removed, or if its ATR is one that the same card has shown since
 * it was inserted: the ATRs of a cold and of a warm reset may differ. Two cards with the same ATR
 * cannot be told apart. If the card did not answer the last command, the reconnect resets it even if
 * nothing else has happened. A change of protocol requires a reset, and therefore a last_step of WARM
 * or beyond.
 *
 * After S_OK, the protocol and the ATR are current, and the lock is held as often as before. After a
 * failure the attachment remains as it was, and the caller may reconnect again. As long as a reset or
 * removal of the card is not acknowledged, scardmanage_lock(), scardmanage_transmit() and
 * scardmanage_status() return W_RESET_CARD or W_REMOVED_CARD. If reopening failed and there is no
 * handle, scardmanage_lock() and scardmanage_transmit() return E_NO_SMARTCARD.
 *
 *   S_OK                 success
 *   E_NO_SMARTCARD       there is no card, and options->wait_ms has expired
 *   W_REMOVED_CARD       the card is different, and options->accept_other_card is not set
 *   W_UNRESPONSIVE_CARD  none of the allowed steps made the card answer
 *   W_UNPOWERED_CARD     none of the allowed steps powered the card
 *   W_RESET_CARD         other clients kept resetting the card, or the step needed is not allowed
 *   E_PROTO_MISMATCH     the card does not offer the protocol, or the reset needed is not allowed
 *   E_READER_UNAVAILABLE the reader is unplugged, and options->wait_ms has expired
 *   E_NO_SERVICE         there is no service, and options->wait_ms has expired; or the service was
 *                        restarted, and options->last_step is below RESTART
 *   E_INVALID_HANDLE     not attached; or the caller's handle died with the service or the reader, and
 *                        both are back: attach a new handle; or the library's handle died, and
 *                        options->last_step is below REOPEN
 *   E_SHARING_VIOLATION  another client has connected exclusively
 *   E_INVALIDARG         scardmanage_set_options() would refuse the options; or the first step is
 *                        REOPEN for a handle that the caller owns; or the size of the report is below
 *                        that of the first version, or above 4096
 *   E_FAIL               called from a rebuild function
 *   E_OUTOFMEMORY        out of memory
 *   8010xxxx             codes of SCardReconnect(), SCardConnect() and SCardBeginTransaction()
 *   others               what the rebuild function returned
 */
SCARDMANAGE_API scardmanage_result scardmanage_reconnect_ex(scardmanage *m,
                                                            const scardmanage_options *options,
                                                            scardmanage_report *report);

/* What to wait for. */
typedef enum scardmanage_wait_for {
    /* There is a card in the reader. */
    SCARDMANAGE_WAIT_CARD = 1,
    /* The card of the attachment is no longer there: the reader is empty or has a card that was inserted
     * later, or the reader or the service is, or was, away. */
    SCARDMANAGE_WAIT_REMOVAL = 2,
    /* Anything has changed: the card, its answering, the reader or the service; compared with what the
     * last successful wait for a change has seen, or attaching. So a program that waits in a loop misses
     * no change. Let only one thread do that. */
    SCARDMANAGE_WAIT_CHANGE = 3,
} scardmanage_wait_for;

/*
 * Waits for the card, the reader or the service of the attachment. Returns at once if what it waits for
 * is true already. Continues to wait for a card while the reader is unplugged or the service is down.
 * Does not touch the card, and does not compare it with the card before: scardmanage_reconnect() does.
 * To wait for the same card, use wait_ms and wait_for_my_card of the options.
 *
 * Other threads can use the object meanwhile, and see its state with scardmanage_status(). The same is
 * true while a reconnect waits. Only attaching and detaching wait for the call to end: cancel it first.
 * The first wait of an attachment creates a thread and a PC/SC context, which remain until it ends.
 *
 *   what        a value of scardmanage_wait_for
 *   timeout_ms  in milliseconds; 0 to return without waiting, or SCARDMANAGE_FOREVER. It replaces
 *               timeout_ms of the options. If the service does not answer, the call may take one
 *               second longer
 *
 *   S_OK            it is true
 *   E_TIMEOUT       the timeout has expired
 *   E_CANCELLED     cancelled
 *   E_INVALIDARG    what is not valid
 *   W_RESET_CARD, W_REMOVED_CARD
 *                   the name of the reader is not known yet: reconnect, see
 *                   scardmanage_attach_by_handle()
 *   E_FAIL          called from a rebuild function
 *   E_OUTOFMEMORY   out of memory
 *   8010xxxx        codes of SCardGetStatusChange()
 */
SCARDMANAGE_API scardmanage_result scardmanage_wait(scardmanage *m, scardmanage_wait_for what,
                                                    uint32_t timeout_ms);

/* The same as scardmanage_wait() for SCARDMANAGE_WAIT_CARD. */
SCARDMANAGE_API scardmanage_result scardmanage_wait_for_card(scardmanage *m, uint32_t timeout_ms);

/*
 * Exclusive use
 */

/*
 * Locks the card for this attachment. Waits while another client holds a transaction. Locks may be
 * nested: there is one PC/SC transaction, which ends when scardmanage_unlock() has been called as
 * often as scardmanage_lock(). The lock survives resets. After a removal of the card, a reconnect
 * acquires it again.
 *
 *   S_OK            the card is locked
 *   E_NO_SMARTCARD  the attachment has no handle: reconnect first
 *   W_RESET_CARD    reconnect first
 *   W_REMOVED_CARD  reconnect first
 *   E_TIMEOUT       not locked
 *   E_CANCELLED     not locked
 *   E_FAIL          already nested 2^32 - 1 times
 *
 * Source: ISCardManage::SCardLock.
 */
SCARDMANAGE_API scardmanage_result scardmanage_lock(scardmanage *m);

/*
 * Releases the lock. Only the outermost call ends the transaction, with the strongest disposition of
 * all the nested calls: LEAVE < RESET < UNPOWER < EJECT. After RESET or UNPOWER the attachment still
 * works: the library acknowledges the reset, and keeps the protocol if possible. Other clients get
 * W_RESET_CARD.
 *
 *   S_OK                 released
 *   W_RESET_CARD         released, but another client had reset the card while it was locked
 *   W_REMOVED_CARD       released, but the card had been removed while it was locked
 *   W_UNRESPONSIVE_CARD  released, but the card did not answer to the reset. Exception: if the card of
 *                        a caller's handle had been reset before and no longer answers, pcsc-lite keeps
 *                        it locked until the card answers or is removed, or the handle is closed. The
 *                        next successful reconnect also releases the lock
 *   E_CANT_DISPOSE       released, but the reader cannot eject the card
 *   E_NOT_TRANSACTED     the card was not locked
 *   E_INVALIDARG         disposition is not valid; nothing is released
 *   E_OUTOFMEMORY        out of memory; nothing is released
 *   E_TIMEOUT            will be released as soon as PC/SC returns
 *   E_CANCELLED          will be released as soon as PC/SC returns
 *   8010xxxx             codes of SCardEndTransaction(); released
 *
 * Source: ISCardManage::SCardUnlock.
 */
SCARDMANAGE_API scardmanage_result scardmanage_unlock(scardmanage *m, scardmanage_disposition disposition);

/*
 * Using the card
 */

/*
 * Returns the state of the reader and its card, and the active protocol.
 *
 *   state     always written; UNKNOWN if the state could not be determined
 *   protocol  always written; a SCARDMANAGE_PROTOCOL_ value, or 0 for none
 *
 *   S_OK            success. state is ABSENT after the card was removed, and PRESENT if a reader that
 *                   was attached while it was empty now has its first card
 *   E_POINTER       m, state or protocol is null; nothing is written
 *   W_RESET_CARD    there is a card, but it was reset: reconnect. state is PRESENT or SWALLOWED
 *   W_REMOVED_CARD  there is a card, but it was removed in between, or is a different one: reconnect.
 *                   state is PRESENT or SWALLOWED
 *   8010xxxx        codes of SCardStatus() and SCardGetStatusChange()
 *
 * Source: ISCardManage::Status.
 */
SCARDMANAGE_API scardmanage_result scardmanage_status(scardmanage *m, scardmanage_state *state,
                                                      uint32_t *protocol);

/*
 * Returns the ATR of the card in the reader.
 *
 *   atr     receives the bytes as the card sent them, beginning with TS
 *   length  in: the size of atr in bytes; SCARDMANAGE_ATR_MAX is enough. Out: the length of the ATR
 *
 *   S_OK                   success
 *   E_POINTER              m, atr or length is null
 *   E_NO_SMARTCARD         there is no card
 *   E_INSUFFICIENT_BUFFER  atr is too small; *length is the size required
 *   W_RESET_CARD, W_REMOVED_CARD
 *                          as for scardmanage_status(); atr is that of the card in the reader, and
 *                          *length is 0 if it is not known
 *   8010xxxx               codes of SCardStatus() and SCardGetStatusChange()
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_atr(scardmanage *m, uint8_t *atr, size_t *length);

/*
 * Returns the name of the reader.
 *
 *   name    receives the name with a terminating zero; null to get only the length
 *   length  in: the size of name in bytes; 256 is enough. Out: the length including the zero
 *
 *   S_OK                   success
 *   E_POINTER              m or length is null
 *   E_INSUFFICIENT_BUFFER  name is too small; *length is the size required
 *   W_RESET_CARD, W_REMOVED_CARD
 *                          the name is not known yet: reconnect, see scardmanage_attach_by_handle()
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_reader(scardmanage *m, char *name, size_t *length);

/*
 * Returns the card handle, for PC/SC functions that this library does not wrap: SCardControl(),
 * SCardGetAttrib() and SCardSetAttrib(). Do not close or reconnect it, and do not begin a transaction
 * with it.
 *
 *   handle  the caller's own handle if that was attached, otherwise a handle that belongs to the
 *           library. Valid until the next reconnect or detach
 *
 *   S_OK            success
 *   E_POINTER       m or handle is null
 *   E_NO_SMARTCARD  the attachment has no handle: reconnect first
 */
SCARDMANAGE_API scardmanage_result scardmanage_get_handle(scardmanage *m, SCARDHANDLE *handle);

/*
 * Names and messages: static strings in English, in lower case. Never null; any value is accepted.
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
