/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: commands to the reader, and its features. */
#ifndef SCARDMANAGE_CONTROL_H
#define SCARDMANAGE_CONTROL_H

#include "scardmanage_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The maximum length of what is sent to a reader, and of what it returns, in bytes. */
#define SCARDMANAGE_CONTROL_MAX 65536u

/*
 * Sends a control code to the reader with SCardControl(). Waits while another client holds a
 * transaction. Without a card in the reader, the library connects to the reader for this call
 * (SCARD_SHARE_DIRECT).
 *
 *   code             the control code, for example SCARD_CTL_CODE(2048)
 *   input            what to send; may be null if input_length is 0
 *   input_length     its length in bytes, up to SCARDMANAGE_CONTROL_MAX
 *   output           receives what the reader returns; may be null if *output_length is 0
 *   output_length    in: the size of output in bytes; more than SCARDMANAGE_CONTROL_MAX is not used.
 *                    Out: the number of bytes received, 0 after a failure
 *
 * A control code belongs to the driver of one reader. After a reconnect with accept_other_index the
 * reader may be another one of the same model. To use a feature of PC/SC part 10, call
 * scardmanage_control_feature().
 *
 *   S_OK                      success
 *   E_POINTER                 m, output_length, or a pointer that is needed is null
 *   E_INVALIDARG              input is too long
 *   E_INSUFFICIENT_BUFFER     output is too small
 *   E_UNSUPPORTED_FEATURE     the reader does not know the code
 *   E_NOT_TRANSACTED          the driver has failed
 *   E_READER_UNAVAILABLE      the reader is unplugged
 *   W_RESET_CARD, W_REMOVED_CARD
 *                             reconnect first; some PC/SC stacks
 *   E_TIMEOUT, E_CANCELLED    the reader may have got it, or may still get it
 *   8010xxxx                  codes of SCardControl() and SCardConnect()
 */
SCARDMANAGE_API scardmanage_result scardmanage_control(scardmanage *m, uint32_t code, const uint8_t *input,
                                                       size_t input_length, uint8_t *output,
                                                       size_t *output_length);

/* Features of readers: PC/SC part 10 v2.02.09, 2.2. */
#define SCARDMANAGE_FEATURE_VERIFY_PIN_START       0x01u
#define SCARDMANAGE_FEATURE_VERIFY_PIN_FINISH      0x02u
#define SCARDMANAGE_FEATURE_MODIFY_PIN_START       0x03u
#define SCARDMANAGE_FEATURE_MODIFY_PIN_FINISH      0x04u
#define SCARDMANAGE_FEATURE_GET_KEY_PRESSED        0x05u
#define SCARDMANAGE_FEATURE_VERIFY_PIN_DIRECT      0x06u
#define SCARDMANAGE_FEATURE_MODIFY_PIN_DIRECT      0x07u
#define SCARDMANAGE_FEATURE_MCT_READER_DIRECT      0x08u
#define SCARDMANAGE_FEATURE_MCT_UNIVERSAL          0x09u
#define SCARDMANAGE_FEATURE_IFD_PIN_PROPERTIES     0x0Au
#define SCARDMANAGE_FEATURE_ABORT                  0x0Bu
#define SCARDMANAGE_FEATURE_SET_SPE_MESSAGE        0x0Cu
#define SCARDMANAGE_FEATURE_WRITE_DISPLAY          0x0Fu
#define SCARDMANAGE_FEATURE_GET_KEY                0x10u
#define SCARDMANAGE_FEATURE_IFD_DISPLAY_PROPERTIES 0x11u
#define SCARDMANAGE_FEATURE_GET_TLV_PROPERTIES     0x12u
#define SCARDMANAGE_FEATURE_CCID_ESC_COMMAND       0x13u

/*
 * Uses a feature of the reader: asks the reader which control code stands for it, and sends that. So it
 * also works after a reconnect to another reader of the same model.
 *
 *   feature  a SCARDMANAGE_FEATURE_ value
 *   others   as for scardmanage_control()
 *
 *   E_UNSUPPORTED_FEATURE  the reader does not have the feature, or no features at all
 *   others                 as for scardmanage_control()
 *
 * Source: PC/SC part 10, 2.2 (CM_IOCTL_GET_FEATURE_REQUEST).
 */
SCARDMANAGE_API scardmanage_result scardmanage_control_feature(scardmanage *m, uint8_t feature,
                                                               const uint8_t *input, size_t input_length,
                                                               uint8_t *output, size_t *output_length);

#ifdef __cplusplus
}
#endif

#endif
