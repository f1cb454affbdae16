/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libscardmanage: authentication between an application and a card, with keys.
 *
 * The library computes no cryptogram and checks none: the application has the keys, or asks somebody
 * who has. The card forgets its challenge when it is reset, and another client can make it forget. So a
 * challenge is good for one use, in the session and under the lock in which the card returned it. The
 * library sends no cryptogram that cannot be right: a card counts wrong ones, as it counts wrong PINs.
 *
 * Lifetime, threads and units are as in scardmanage_verify.h. The results that all functions can
 * return are those of scardmanage_run(), and
 *
 *   E_POINTER             a pointer is null and must not be
 *   E_INVALIDARG          a length is out of range; nothing was sent
 *   E_INVALID_HANDLE      the attachment of the object has ended
 *   W_REMOVED_CARD        the card was out of the reader, and nothing says that it is the same; nothing was
 *                         sent. See scardmanage_run()
 *   E_INVALID_VALUE       the card does not accept data of this form (6700, 6A80, 6A85, 6A87)
 *   W_CARD_NOT_AUTHENTICATED
 *                         something has to be verified before (6982)
 *   E_NO_ACCESS           the card does not allow this now (6984, 6985)
 *   E_FILE_NOT_FOUND      the card has no such key (6A82, 6A88)
 *   E_UNSUPPORTED_FEATURE the card does not have the command or the algorithm (6A81, 6A86, 6B00, 6D00, 6E00 and
 *                         others)
 *   E_UNEXPECTED          any other status word, or none; or more data than asked for
 *
 * algorithm and key are P1 and P2 of the commands. 0 stands for an algorithm or a key that the card knows without
 * being told. Otherwise the algorithm is the card's own number for it. For the key, bits 1 to 5 are a number, and
 * bit 8 says whether it is specific to the current DF (ISO/IEC 7816-4:2013, 11.5.1).
 */
#ifndef SCARDMANAGE_AUTH_H
#define SCARDMANAGE_AUTH_H

#include "scardmanage.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The maximum length in bytes of a cryptogram that scardmanage_auth_application_ex() sends. */
#define SCARDMANAGE_CRYPTOGRAM_MAX 1024

typedef struct scardmanage_auth scardmanage_auth;

/* Set size; 0 in any other field selects its default. See scardmanage_options for versions. */
typedef struct scardmanage_auth_options {
    size_t size;  /* sizeof(scardmanage_auth_options) */
    uint32_t cla; /* the class byte of all commands, up to 0xFE. Default: 0 */
} scardmanage_auth_options;

#define SCARDMANAGE_AUTH_OPTIONS_INIT                                                                        \
    {                                                                                                        \
        sizeof(scardmanage_auth_options), 0                                                                  \
    }

/*
 * Creates an object for the current attachment of m. Does not use the card; there need not be one.
 *
 *   options  copied; null for the defaults
 *   out      receives the object, or null after a failure. Free it with scardmanage_auth_free()
 *
 *   S_OK              success
 *   E_POINTER         m or out is null
 *   E_INVALIDARG      the size of options is too small, or above 4096; a field is out of range; or
 *                     bytes are set that this version does not know
 *   E_INVALID_HANDLE  m is not attached
 *   E_OUTOFMEMORY     out of memory
 *
 * Source: ISCardManage::CreateCardAuth.
 */
SCARDMANAGE_API scardmanage_result scardmanage_create_auth(scardmanage *m,
                                                           const scardmanage_auth_options *options,
                                                           scardmanage_auth **out);

/* Frees the object, which may be null. */
SCARDMANAGE_API void scardmanage_auth_free(scardmanage_auth *auth);

/*
 * Gets a challenge from the card: GET CHALLENGE. The object remembers when it was, not the challenge.
 *
 *   algorithm  the algorithm for which the challenge is, or 0
 *   challenge  receives the challenge
 *   length     in: the length to ask for, 1 to 65,536; most cards have 8 bytes, and some accept no other
 *              number. Out: the length of the challenge, at least 1
 *
 *   S_OK                   success
 *   E_INSUFFICIENT_BUFFER  the challenge of the card is longer (61XX)
 *
 * Source: ISCardAuth::GetChallenge; ISO/IEC 7816-4:2013, 11.5.3.
 */
SCARDMANAGE_API scardmanage_result scardmanage_auth_get_challenge(scardmanage_auth *auth, uint8_t algorithm,
                                                                  uint8_t *challenge, size_t *length);

/*
 * Authenticates the application to the card: EXTERNAL AUTHENTICATE, with a cryptogram for the last challenge that
 * the object has got. Lock the card before you get the challenge, and keep it locked, or do both in a unit of
 * scardmanage_run(). In between, you may send other commands. Whatever the card answers, the challenge is used up.
 *
 *   cryptogram         what the application has computed
 *   cryptogram_length  in bytes, 1 to 65,535
 *   tries              receives the number of tries left for the key if the card says so, otherwise
 *                      SCARDMANAGE_TRIES_UNKNOWN; may be null. Written whatever the result is
 *
 *   S_OK              the card has accepted the cryptogram
 *   E_ICC_CREATEORDER there is no challenge: none was got, or it is used up; nothing was sent
 *   W_RESET_CARD      the card was reset or removed after it had returned the challenge; nothing was sent.
 *                     Begin with another challenge
 *   E_NOT_TRANSACTED  the card was not locked all the time since then; nothing was sent
 *   W_WRONG_CHV       refused (63CX, 6300)
 *   W_CHV_BLOCKED     the key is blocked (6983, 63C0)
 *   others            if the card was lost after the cryptogram had been sent: the code of the loss, and it
 *                     is not known whether the card has seen it
 *
 * Source: ISCardAuth::APP_Auth; ISO/IEC 7816-4:2013, 11.5.4.
 */
SCARDMANAGE_API scardmanage_result scardmanage_auth_application(scardmanage_auth *auth, uint8_t algorithm,
                                                                uint8_t key, const uint8_t *cryptogram,
                                                                size_t cryptogram_length, int *tries);

/*
 * Computes a cryptogram for scardmanage_auth_application_ex(). It runs in the thread of the caller, in a unit: see
 * scardmanage_run() for the functions that it may call. Other clients wait in the meantime.
 *
 *   cryptogram         receives the cryptogram
 *   cryptogram_length  in: SCARDMANAGE_CRYPTOGRAM_MAX. Out: the length of the cryptogram, at least 1
 *
 * If it does not return S_OK, nothing is sent, and that is the result. If it returns a positive number, the
 * result is E_FAIL.
 */
typedef scardmanage_result scardmanage_auth_function(const uint8_t *challenge, size_t challenge_length,
                                                     uint8_t *cryptogram, size_t *cryptogram_length,
                                                     void *context);

/*
 * Authenticates the application in one unit: gets a challenge, calls the function of the caller, and sends
 * the cryptogram. If the card is lost before that is sent, the unit begins again with another challenge. So the
 * function may be called several times.
 *
 *   challenge_length  the length to ask for, 1 to SCARDMANAGE_CRYPTOGRAM_MAX
 *
 * The other parameters and the results are those of scardmanage_auth_get_challenge() and
 * scardmanage_auth_application(), except E_ICC_CREATEORDER and E_NOT_TRANSACTED.
 */
SCARDMANAGE_API scardmanage_result scardmanage_auth_application_ex(scardmanage_auth *auth, uint8_t algorithm,
                                                                   uint8_t key, size_t challenge_length,
                                                                   scardmanage_auth_function *function,
                                                                   void *context, int *tries);

/*
 * Has the card authenticate itself to the application: INTERNAL AUTHENTICATE. The card computes a cryptogram from
 * data of the application, which then checks it. The command is sent at most once.
 *
 *   data               the challenge for the card
 *   data_length        in bytes, 1 to 65,535
 *   cryptogram         receives what the card has computed; may overlap with data
 *   cryptogram_length  in: the maximum length to ask for, 1 to 65,536. Up to 256, and if data_length is at most
 *                      255, the command is a short one. Out: the length of the cryptogram
 *
 *   S_OK                   success
 *   E_INSUFFICIENT_BUFFER  the cryptogram is longer (61XX)
 *
 * Source: ISCardAuth::ICC_Auth; ISO/IEC 7816-4:2013, 11.5.2.
 */
SCARDMANAGE_API scardmanage_result scardmanage_auth_card(scardmanage_auth *auth, uint8_t algorithm,
                                                         uint8_t key, const uint8_t *data, size_t data_length,
                                                         uint8_t *cryptogram, size_t *cryptogram_length);

/*
 * Authenticates the user of the card to somebody who has sent a challenge: INTERNAL AUTHENTICATE, with a key for
 * users. Most cards want a PIN before. Parameters and results are those of scardmanage_auth_card().
 *
 * Source: ISCardAuth::User_Auth; ISO/IEC 7816-4:2013, 11.5.2.
 */
SCARDMANAGE_API scardmanage_result scardmanage_auth_user(scardmanage_auth *auth, uint8_t algorithm,
                                                         uint8_t key, const uint8_t *data, size_t data_length,
                                                         uint8_t *cryptogram, size_t *cryptogram_length);

/*
 * Returns the status word of the last response to a command of this object.
 *
 *   status_word  receives SW1 and SW2 as one number; 0: there was no response yet
 *
 *   S_OK       success, even if the attachment has ended
 *   E_POINTER  a pointer is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_auth_get_status_word(scardmanage_auth *auth,
                                                                    uint16_t *status_word);

#ifdef __cplusplus
}
#endif

#endif
