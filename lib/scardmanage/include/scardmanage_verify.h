/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libscardmanage: cardholder verification.
 *
 * An object presents codes (PINs, passwords) to the card of a scardmanage, and changes and unblocks
 * them. It never presents a code by itself: not a second time after the card was reset, and not to
 * a card that was out of the reader and that nobody has identified. It keeps no code, and overwrites its
 * copies in memory. Commands that belong together run as a unit of scardmanage_run(), so all functions
 * may also be called in a unit of the caller.
 *
 * Lifetime. An object belongs to the attachment for which it was created. After scardmanage_detach(), a
 * new attachment or scardmanage_free(), its functions return E_INVALID_HANDLE. Free it before or after
 * the scardmanage. While one thread frees an object, no other thread may use it; apart from that, any
 * thread may call any function.
 *
 * Results. In addition to those that each function lists, a function can return any result of
 * scardmanage_run() with the options of the scardmanage. In particular:
 *
 *   E_POINTER               a pointer is null and must not be
 *   E_INVALIDARG            a flag, a reference or a length is out of range; nothing was sent
 *   E_INVALID_HANDLE        the attachment of the object has ended
 *   W_RESET_CARD, W_REMOVED_CARD, W_UNRESPONSIVE_CARD, E_NO_SMARTCARD, E_READER_UNAVAILABLE, E_NO_SERVICE
 *                           the card was lost, or did not answer, after a code had been sent, and it is
 *                           not known whether the card has seen it: ask for the tries left. Or the library
 *                           did not get back to the card, and nothing was sent
 *   W_REMOVED_CARD          also: the card was out of the reader, and nothing says that it is the same;
 *                           nothing was sent. See scardmanage_run()
 *   W_WRONG_CHV             the card has refused the code (63CX, 6300)
 *   W_CHV_BLOCKED           the code is blocked (6983, 63C0)
 *   E_INVALID_CHV           the card does not accept a code of this form (6700, 6A80, 6A85, 6A87)
 *   W_CARD_NOT_AUTHENTICATED
 *                           something else has to be verified before (6982)
 *   E_NO_ACCESS             the card does not allow this now (6984, 6985)
 *   E_FILE_NOT_FOUND        the card has no such code (6A82, 6A88)
 *   E_UNSUPPORTED_FEATURE   the card does not have the command, or not in this form (6A81, 6A86, 6B00, 6D00,
 *                           6E00 and others)
 *   E_UNEXPECTED            any other status word, or none
 *
 * scardmanage_verify_get_status_word() returns the status word.
 *
 * References. A code is named by flags and reference, from which P2 of the commands is made (ISO/IEC
 * 7816-4:2013, 11.5.1). With SCARDMANAGE_CHV_GLOBAL or SCARDMANAGE_CHV_LOCAL, reference is a number from 0 to
 * 31: of a global code, as in the MF, or of a local one, as in the current DF. With neither flag,
 * reference is P2 itself, from 0 to 255.
 */
#ifndef SCARDMANAGE_VERIFY_H
#define SCARDMANAGE_VERIFY_H

#include "scardmanage.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags. The values are those of the SCARD_FLAGS that a vendor's type library gives to ISCardVerify. */
#define SCARDMANAGE_CHV_GLOBAL  0x80u
#define SCARDMANAGE_CHV_LOCAL   0x100u
#define SCARDMANAGE_CHV_ENABLE  0x200u /* scardmanage_verify_change_code(): require the code */
#define SCARDMANAGE_CHV_DISABLE 0x400u /* the same: do not require it */

/* The maximum length of a code in bytes. */
#define SCARDMANAGE_CODE_MAX 127

typedef struct scardmanage_verify scardmanage_verify;

/* Set size; 0 in any other field selects its default. See scardmanage_options for versions. */
typedef struct scardmanage_verify_options {
    size_t size;  /* sizeof(scardmanage_verify_options) */
    uint32_t cla; /* the class byte of all commands, up to 0xFE. Default: 0 */
    /* All codes are filled up to this length with padding_byte, up to SCARDMANAGE_CODE_MAX. A longer code is
     * refused with E_INVALID_CHV. Default: 0, codes are sent as they are. */
    uint32_t padded_length;
    uint32_t padding_byte; /* up to 0xFF; cards want 0x00 or 0xFF */
    /* Not 0, up to 15: before a code is presented, the card is asked for the number of tries left, in the
     * same unit. If there are fewer than this, or the card does not say how many, the code is not
     * presented. 2 leaves the last try alone. Not for cards that take a question for a wrong code: see
     * scardmanage_verify_get_tries(). Default: 0, the card is not asked. */
    uint32_t minimum_tries;
} scardmanage_verify_options;

#define SCARDMANAGE_VERIFY_OPTIONS_INIT                                                                      \
    {                                                                                                        \
        sizeof(scardmanage_verify_options), 0, 0, 0, 0                                                       \
    }

/*
 * Creates an object for the current attachment of m. Does not use the card; there need not be one.
 *
 *   options  copied; null for the defaults
 *   out      receives the object, or null after a failure. Free it with scardmanage_verify_free()
 *
 *   S_OK              success
 *   E_POINTER         m or out is null
 *   E_INVALIDARG      the size of options is too small, or above 4096; a field is out of range; or
 *                     bytes are set that this version does not know
 *   E_INVALID_HANDLE  m is not attached
 *   E_OUTOFMEMORY     out of memory
 *
 * Source: ISCardManage::CreateCHVerification.
 */
SCARDMANAGE_API scardmanage_result scardmanage_create_verify(scardmanage *m,
                                                             const scardmanage_verify_options *options,
                                                             scardmanage_verify **out);

/* Frees the object, which may be null. What is verified on the card stays verified. */
SCARDMANAGE_API void scardmanage_verify_free(scardmanage_verify *verify);

/*
 * Asks the card for the state of a code, without presenting it: VERIFY without data.
 *
 * Not every card can be asked. Some answer that the length is wrong or that they do not have the
 * command: E_UNSUPPORTED_FEATURE. Some old cards take the question for a wrong code and count it: read
 * the manual of the card before you ask. A card whose code is verified says so instead of a number.
 *
 *   is_verified  receives 1 if the code is verified or not required, otherwise 0; may be null
 *   tries        receives the number of tries left, 0 if the code is blocked, or SCARDMANAGE_TRIES_UNKNOWN
 *
 *   S_OK                   the card has answered the question, even if the code is blocked
 *   E_UNSUPPORTED_FEATURE  the card cannot be asked (also 6700, 6A80, 6A85, 6A87)
 *
 * Source: ISO/IEC 7816-4:2013, 11.5.6.
 */
SCARDMANAGE_API scardmanage_result scardmanage_verify_get_tries(scardmanage_verify *verify, uint32_t flags,
                                                                uint32_t reference, int *is_verified,
                                                                int *tries);

/*
 * Presents a code: VERIFY. Presents it at most once. If the code is refused, do not present it again: ask a
 * person.
 *
 *   code    the code, without padding, 1 to SCARDMANAGE_CODE_MAX bytes
 *   tries   receives the number of tries left if the card says so, otherwise SCARDMANAGE_TRIES_UNKNOWN; may
 *           be null. Written whatever the result is
 *
 *   S_OK                   verified
 *   W_WRONG_CHV            refused
 *   W_CHV_BLOCKED          refused, and blocked
 *   E_INVALID_CHV          has the wrong form; or is longer than padded_length, and nothing was sent
 *   E_TOO_FEW_TRIES        not presented: fewer tries are left than minimum_tries
 *   E_UNSUPPORTED_FEATURE  also: not presented, because minimum_tries is set, and the card cannot be asked. A
 *                          card that says that the code is verified, or not required, gets it
 *
 * Source: ISCardVerify::Verify; ISO/IEC 7816-4:2013, 11.5.6.
 */
SCARDMANAGE_API scardmanage_result scardmanage_verify_code(scardmanage_verify *verify, const uint8_t *code,
                                                           size_t code_length, uint32_t flags,
                                                           uint32_t reference, int *tries);

/*
 * Replaces a code: CHANGE REFERENCE DATA. If old_code is empty, the card must allow to set the code without
 * the old one.
 *
 * With SCARDMANAGE_CHV_ENABLE or SCARDMANAGE_CHV_DISABLE instead: ENABLE or DISABLE VERIFICATION REQUIREMENT,
 * which says whether the code is required. old_code is then the code, or empty; new_code must be empty.
 *
 *   old_code, new_code  the codes, without padding, 0 to SCARDMANAGE_CODE_MAX bytes; may be null if empty
 *   tries               as for scardmanage_verify_code(), of the old code
 *
 * Returns the results of scardmanage_verify_code().
 *
 * Source: ISCardVerify::ChangeCode; ISO/IEC 7816-4:2013, 11.5.7 to 11.5.9.
 */
SCARDMANAGE_API scardmanage_result scardmanage_verify_change_code(
    scardmanage_verify *verify, const uint8_t *old_code, size_t old_code_length, const uint8_t *new_code,
    size_t new_code_length, uint32_t flags, uint32_t reference, int *tries);

/*
 * Unblocks a code: RESET RETRY COUNTER, in the form that follows from what is empty.
 *
 *   resetting_code  the code that allows this (PUK), without padding, 0 to SCARDMANAGE_CODE_MAX bytes. Empty
 *                   if something else allows it that was verified before; may be null then
 *   new_code        the new code; empty: the code stays as it is; may be null then
 *   flags, reference
 *                   name the code to unblock
 *   tries           as for scardmanage_verify_code(), of the resetting code. ISO/IEC 7816-4 has no way to
 *                   ask for them, so minimum_tries does not apply
 *
 * Returns the results of scardmanage_verify_code(), for the resetting code.
 *
 * Source: ISCardVerify::Unblock; ISO/IEC 7816-4:2013, 11.5.10.
 */
SCARDMANAGE_API scardmanage_result scardmanage_verify_unblock(scardmanage_verify *verify,
                                                              const uint8_t *resetting_code,
                                                              size_t resetting_code_length,
                                                              const uint8_t *new_code, size_t new_code_length,
                                                              uint32_t flags, uint32_t reference, int *tries);

/*
 * Makes the card forget that a code was verified: VERIFY with P1 FF. If the card does not have that, or
 * still says that the code is verified, the card is reset by scardmanage_unlock() with RESET, which
 * makes it forget everything. Not for cards that take a question for a wrong code: for them, lock and
 * unlock with RESET yourself.
 *
 *   S_OK  success. If the card has to be reset, and the caller holds the lock or calls this in a unit, that
 *         happens when the lock is released. No other client can use the card before
 *   others  also the results of scardmanage_unlock()
 *
 * Source: ISCardVerify::ResetSecurityState; ISO/IEC 7816-4:2013, 11.5.6.
 */
SCARDMANAGE_API scardmanage_result scardmanage_verify_reset_security_state(scardmanage_verify *verify,
                                                                           uint32_t flags,
                                                                           uint32_t reference);

/*
 * Returns the status word of the last response to a command of this object.
 *
 *   status_word  receives SW1 and SW2 as one number, such as 0x63C2; 0: there was no response yet
 *
 *   S_OK       success, even if the attachment has ended
 *   E_POINTER  a pointer is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_verify_get_status_word(scardmanage_verify *verify,
                                                                      uint16_t *status_word);

#ifdef __cplusplus
}
#endif

#endif
