/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: commands. Included by scardmanage.h. */
#ifndef SCARDMANAGE_TRANSMIT_H
#define SCARDMANAGE_TRANSMIT_H

#include "scardmanage_options.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sends a command APDU with the active protocol, and receives the response APDU. The caller provides
 * both buffers, which must not overlap.
 *
 *   command          the APDU
 *   command_length   its length in bytes, 1 to 131,072
 *   response         receives the response; its last two bytes are SW1 and SW2
 *   response_length  in: the size of response in bytes, at least 2; 65,538 is enough for any response.
 *                    Out: the number of bytes received, 0 after a failure
 *
 *   S_OK                   success, whatever the status word is
 *   E_POINTER              a pointer is null
 *   E_INVALIDARG           the command is empty or too long
 *   E_INSUFFICIENT_BUFFER  response has less than 2 bytes; or the response was too long, and is lost
 *   E_NO_SMARTCARD         the attachment has no handle: reconnect first
 *   W_RESET_CARD           nothing was sent: reconnect first
 *   W_REMOVED_CARD         nothing was sent: reconnect first
 *   E_PROTO_MISMATCH       nothing was sent: no protocol is active
 *   E_TIMEOUT              the command may have been sent, or may be sent later
 *   E_CANCELLED            the command may have been sent, or may be sent later
 *   E_OUTOFMEMORY          nothing was sent
 *   8010xxxx               codes of SCardTransmit()
 */
SCARDMANAGE_API scardmanage_result scardmanage_transmit(scardmanage *m, const uint8_t *command,
                                                        size_t command_length, uint8_t *response,
                                                        size_t *response_length);

/*
 * Like scardmanage_transmit(), but if the card was reset or removed, the reader or the service went
 * away, or the card does not answer, it reconnects and calls the rebuild function.
 *
 * The command is then sent to a card whose state is what the rebuild function has made of it. Do not
 * use this function for a command that depends on an earlier one, such as READ BINARY after SELECT:
 * between two calls the card may be reset, or another client may select something else, and the
 * second command would succeed in the wrong place. Use scardmanage_run() for such commands.
 *
 *   repeatable  0: sends the command at most once. After a reconnect, sends it only if it certainly
 *               had not reached the card.
 *               Not 0, for a command that may run more than once without harm: also sends it again if
 *               it may have reached the card, up to four times in total. After a failure that PC/SC
 *               does not remember, for example if the card does not answer, the next reconnect begins
 *               with a harder step
 *   options     of the reconnects; null for those of the object
 *   report      of the last reconnect, with sent filled in; may be null
 *
 * Returns the results of scardmanage_transmit() and scardmanage_reconnect_ex(), and E_FAIL if called
 * from a rebuild function.
 */
SCARDMANAGE_API scardmanage_result scardmanage_transmit_ex(scardmanage *m, const uint8_t *command,
                                                           size_t command_length, uint8_t *response,
                                                           size_t *response_length, int repeatable,
                                                           const scardmanage_options *options,
                                                           scardmanage_report *report);

/*
 * Like scardmanage_transmit(), for a command that contains a secret, such as a key or a PIN in a command
 * of your own: the hook of the object sees zeros in its place, and of the response only the status word.
 * The commands for PINs of ISO/IEC 7816-4 need not be marked, see scardmanage_hook.
 *
 *   secret_offset  where the secret begins in the command
 *   secret_length  its length in bytes, at least 1
 *
 *   E_INVALIDARG   also if the secret is not in the command
 *   others         as for scardmanage_transmit()
 */
SCARDMANAGE_API scardmanage_result scardmanage_transmit_secret(scardmanage *m, const uint8_t *command,
                                                               size_t command_length, size_t secret_offset,
                                                               size_t secret_length, uint8_t *response,
                                                               size_t *response_length);

/* Some readers exchange TPDUs instead of APDUs, and leave it to the application to get a response in
 * parts, or to send a long command in parts. The library does that if these bits are set. */
/* After 61XX: send GET RESPONSE until the response is complete. After 6CXX: send the command again with
 * the Le that the card asks for. ISO/IEC 7816-4:2013, 5.3.4. */
#define SCARDMANAGE_TRANSPORT_GET_RESPONSE 0x1u
/* Send a command with more than 255 bytes of data as a chain of short commands. ISO/IEC 7816-4:2013,
 * 5.3.3. Only if the card supports that, which its historical bytes or EF.ATR say (8.1.1.2.7) */
#define SCARDMANAGE_TRANSPORT_CHAINING 0x2u

/*
 * Sets what scardmanage_transmit() and the other functions that send commands do about responses and
 * commands in parts. By default they do nothing. All parts of a command are sent in one transaction:
 * if the caller does not hold the lock, the library begins and ends one for each command.
 *
 *   transport  SCARDMANAGE_TRANSPORT_ bits
 *
 *   S_OK          success
 *   E_POINTER     m is null
 *   E_INVALIDARG  transport has other bits
 */
SCARDMANAGE_API scardmanage_result scardmanage_set_transport(scardmanage *m, uint32_t transport);

#ifdef __cplusplus
}
#endif

#endif
