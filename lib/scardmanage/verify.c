/* SPDX-License-Identifier: BSD-3-Clause */
/* Cardholder verification: ISO/IEC 7816-4:2013, 11.5. */
#include "scardmanage_verify.h"

#include "interface_object.h"
#include "status_word.h"

#include <string.h>

#define INS_VERIFY        0x20
#define INS_CHANGE        0x24
#define INS_DISABLE       0x26
#define INS_ENABLE        0x28
#define INS_RESET_COUNTER 0x2C

/* P1 */
#define P1_NOT_VERIFIED           0xFF /* VERIFY: forget that the code was verified */
#define P1_WITHOUT_CODE           0x01 /* CHANGE REFERENCE DATA, ENABLE and DISABLE VERIFICATION REQUIREMENT */
#define P1_WITHOUT_NEW_CODE       0x01 /* RESET RETRY COUNTER */
#define P1_WITHOUT_RESETTING_CODE 0x02 /* RESET RETRY COUNTER */

#define REQUIREMENT_FLAGS         (SCARDMANAGE_CHV_ENABLE | SCARDMANAGE_CHV_DISABLE)
#define REFERENCE_NUMBER_MAX      31u /* ISO/IEC 7816-4:2013, 11.5.1 */
#define REFERENCE_LOCAL           0x80u

struct scardmanage_verify {
    struct interface_object base;
    scardmanage_verify_options options; /* not changed after creation */
};

struct code {
    const uint8_t *bytes;
    size_t length; /* 0: none */
};

/* A command with one or two codes, or none. */
struct request {
    scardmanage_verify *verify;
    uint8_t ins, p1, p2;
    bool asks_first; /* whether minimum_tries applies: the card counts the tries of the code that p2 names */
    size_t length;
    uint8_t data[2 * SCARDMANAGE_CODE_MAX];
    /* The answer: */
    int tries;
    bool is_verified;
};

/*
 * Objects
 */

static scardmanage_result read_options(const scardmanage_verify_options *options,
                                       scardmanage_verify_options *out)
{
    static const scardmanage_verify_options defaults = SCARDMANAGE_VERIFY_OPTIONS_INIT;
    *out = defaults;
    if (!options)
        return SCARDMANAGE_S_OK;
    if (!options_struct_is_readable(options, options->size, sizeof *options, sizeof *options))
        return SCARDMANAGE_E_INVALIDARG;
    *out = *options;
    bool valid = out->cla <= 0xFE && out->padded_length <= SCARDMANAGE_CODE_MAX &&
                 out->padding_byte <= 0xFF && out->minimum_tries <= 15;
    return valid ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
}

scardmanage_result scardmanage_create_verify(scardmanage *m, const scardmanage_verify_options *options,
                                             scardmanage_verify **out)
{
    scardmanage_verify_options read;
    struct interface_object *object;
    if (!m || !out)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    scardmanage_result result = read_options(options, &read);
    if (result == SCARDMANAGE_S_OK)
        result = interface_object_create(m, sizeof **out, &object);
    if (result != SCARDMANAGE_S_OK)
        return result;
    *out = (scardmanage_verify *)object;
    (*out)->options = read;
    return SCARDMANAGE_S_OK;
}

void scardmanage_verify_free(scardmanage_verify *verify)
{
    interface_object_free(verify ? &verify->base : NULL);
}

scardmanage_result scardmanage_verify_get_status_word(scardmanage_verify *verify, uint16_t *status_word)
{
    if (!verify || !status_word)
        return SCARDMANAGE_E_POINTER;
    *status_word = interface_object_status_word(&verify->base);
    return SCARDMANAGE_S_OK;
}

/*
 * Commands
 */

/* Sets request->p2. ISO/IEC 7816-4:2013, 11.5.1. */
static scardmanage_result set_reference(struct request *request, uint32_t flags, uint32_t reference)
{
    switch (flags) {
    case 0:
        request->p2 = (uint8_t)reference;
        return reference <= 0xFF ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
    case SCARDMANAGE_CHV_GLOBAL:
        request->p2 = (uint8_t)reference;
        break;
    case SCARDMANAGE_CHV_LOCAL:
        request->p2 = (uint8_t)(REFERENCE_LOCAL | reference);
        break;
    default:
        return SCARDMANAGE_E_INVALIDARG;
    }
    return reference <= REFERENCE_NUMBER_MAX ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
}

/* Appends a code with its padding to the data of the request. */
static scardmanage_result add_code(struct request *request, const struct code *code)
{
    const scardmanage_verify_options *options = &request->verify->options;
    size_t length = options->padded_length != 0 ? options->padded_length : code->length;
    if (code->length == 0)
        return SCARDMANAGE_S_OK;
    if (!code->bytes)
        return SCARDMANAGE_E_POINTER;
    if (code->length > SCARDMANAGE_CODE_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    if (code->length > length)
        return SCARDMANAGE_E_INVALID_CHV;
    uint8_t *out = request->data + request->length;
    memset(out, (int)options->padding_byte, length);
    memcpy(out, code->bytes, code->length);
    request->length += length;
    return SCARDMANAGE_S_OK;
}

static struct command command_of(const struct request *request)
{
    return (struct command){.cla = (uint8_t)request->verify->options.cla,
                            .ins = request->ins,
                            .p1 = request->p1,
                            .p2 = request->p2,
                            .data = request->data,
                            .data_length = request->length};
}

/* In a unit, before it has presented a code: sends VERIFY without data. */
static scardmanage_result send_without_code(const struct request *request, uint8_t p1)
{
    struct interface_object *object = &request->verify->base;
    struct command command = command_of(request);
    command.ins = INS_VERIFY;
    command.p1 = p1;
    command.data_length = 0;
    scardmanage_result result = interface_object_send(object, &command, NULL, NULL);
    return result == SCARDMANAGE_S_OK ? result : interface_object_start_over(object, result);
}

/* Reads the answer to VERIFY without data. Returns S_OK if it answers the question. */
static scardmanage_result read_state(struct request *request)
{
    uint16_t status_word = interface_object_status_word(&request->verify->base);
    scardmanage_result result = status_word_result(status_word, STATUS_OF_CODE);
    request->is_verified = result == SCARDMANAGE_S_OK;
    request->tries = status_word_tries(status_word);
    if (result == SCARDMANAGE_W_WRONG_CHV || result == SCARDMANAGE_W_CHV_BLOCKED)
        return SCARDMANAGE_S_OK;
    return result == SCARDMANAGE_E_INVALID_CHV ? SCARDMANAGE_E_UNSUPPORTED_FEATURE : result;
}

static scardmanage_result ask(struct request *request)
{
    scardmanage_result result = send_without_code(request, 0);
    return result == SCARDMANAGE_S_OK ? read_state(request) : result;
}

/* A card whose code is verified does not say how many tries are left: all, because the last code was right. */
static scardmanage_result check_tries(struct request *request)
{
    scardmanage_result result = ask(request);
    if (result != SCARDMANAGE_S_OK || request->is_verified)
        return result;
    if (request->tries == 0)
        return SCARDMANAGE_W_CHV_BLOCKED;
    if (request->tries == SCARDMANAGE_TRIES_UNKNOWN)
        return SCARDMANAGE_E_UNSUPPORTED_FEATURE;
    return request->tries < (int)request->verify->options.minimum_tries ? SCARDMANAGE_E_TOO_FEW_TRIES
                                                                        : SCARDMANAGE_S_OK;
}

/*
 * Units
 */

static scardmanage_result ask_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    (void)m;
    (void)report;
    return ask(context);
}

/* Not repeatable: once a code was sent, the card may have counted a try. */
static scardmanage_result present_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct request *request = context;
    struct interface_object *object = &request->verify->base;
    struct command command = command_of(request);
    scardmanage_result result = SCARDMANAGE_S_OK;
    (void)report;
    if (request->length > 0)
        result = object_check_identity(m);
    if (result == SCARDMANAGE_S_OK && request->asks_first && request->verify->options.minimum_tries > 0)
        result = check_tries(request);
    if (result != SCARDMANAGE_S_OK)
        return result;
    request->tries = SCARDMANAGE_TRIES_UNKNOWN;
    result = interface_object_send(object, &command, NULL, NULL);
    if (result != SCARDMANAGE_S_OK)
        return object->was_sent ? result : interface_object_start_over(object, result);
    uint16_t status_word = interface_object_status_word(object);
    request->tries = status_word_tries(status_word);
    return status_word_result(status_word, STATUS_OF_CODE);
}

/* A card that does not know P1 FF may take the first command for a question. The second one finds out what the first
 * one did. The card is reset when the transaction of the unit ends. */
static scardmanage_result reset_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct request *request = context;
    (void)report;
    scardmanage_result result = send_without_code(request, P1_NOT_VERIFIED);
    if (result == SCARDMANAGE_S_OK)
        result = send_without_code(request, 0);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = read_state(request);
    bool is_done = result == SCARDMANAGE_S_OK && !request->is_verified;
    if (is_done || result == SCARDMANAGE_E_FILE_NOT_FOUND)
        return result;
    result = scardmanage_lock(m);
    return result == SCARDMANAGE_S_OK ? scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET) : result;
}

/*
 * Functions
 */

static struct request new_request(scardmanage_verify *verify, uint8_t ins)
{
    return (struct request){.verify = verify, .ins = ins, .tries = SCARDMANAGE_TRIES_UNKNOWN};
}

/* Adds the codes to the request and runs it, unless it is wrong already. Then overwrites the request. */
static scardmanage_result present(struct request *request, scardmanage_result result,
                                  const struct code *first, const struct code *second, int *tries)
{
    if (result == SCARDMANAGE_S_OK)
        result = add_code(request, first);
    if (result == SCARDMANAGE_S_OK)
        result = add_code(request, second);
    if (result == SCARDMANAGE_S_OK)
        result = interface_object_run(&request->verify->base, present_unit, request, false);
    if (tries)
        *tries = request->tries;
    platform_wipe(request, sizeof *request);
    return result;
}

scardmanage_result scardmanage_verify_get_tries(scardmanage_verify *verify, uint32_t flags,
                                                uint32_t reference, int *is_verified, int *tries)
{
    struct request request = new_request(verify, INS_VERIFY);
    if (!verify || !tries)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = set_reference(&request, flags, reference);
    if (result == SCARDMANAGE_S_OK)
        result = interface_object_run(&verify->base, ask_unit, &request, true);
    if (is_verified)
        *is_verified = request.is_verified;
    *tries = request.tries;
    return result;
}

scardmanage_result scardmanage_verify_code(scardmanage_verify *verify, const uint8_t *code,
                                           size_t code_length, uint32_t flags, uint32_t reference, int *tries)
{
    struct request request = new_request(verify, INS_VERIFY);
    const struct code presented = {code, code_length}, none = {NULL, 0};
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (!verify || !code)
        result = SCARDMANAGE_E_POINTER;
    else if (code_length == 0) /* the card would take it for a question */
        result = SCARDMANAGE_E_INVALIDARG;
    else
        result = set_reference(&request, flags, reference);
    request.asks_first = true;
    return present(&request, result, &presented, &none, tries);
}

scardmanage_result scardmanage_verify_change_code(scardmanage_verify *verify, const uint8_t *old_code,
                                                  size_t old_code_length, const uint8_t *new_code,
                                                  size_t new_code_length, uint32_t flags, uint32_t reference,
                                                  int *tries)
{
    struct request request = new_request(verify, INS_CHANGE);
    const struct code from = {old_code, old_code_length}, to = {new_code, new_code_length};
    uint32_t requirement = flags & REQUIREMENT_FLAGS;
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (requirement != 0)
        request.ins = requirement == SCARDMANAGE_CHV_ENABLE ? INS_ENABLE : INS_DISABLE;
    request.p1 = old_code_length == 0 ? P1_WITHOUT_CODE : 0;
    request.asks_first = old_code_length > 0;
    if (!verify)
        result = SCARDMANAGE_E_POINTER;
    else if (requirement == REQUIREMENT_FLAGS || (requirement != 0) != (new_code_length == 0))
        result = SCARDMANAGE_E_INVALIDARG;
    else
        result = set_reference(&request, flags & ~REQUIREMENT_FLAGS, reference);
    return present(&request, result, &from, &to, tries);
}

scardmanage_result scardmanage_verify_unblock(scardmanage_verify *verify, const uint8_t *resetting_code,
                                              size_t resetting_code_length, const uint8_t *new_code,
                                              size_t new_code_length, uint32_t flags, uint32_t reference,
                                              int *tries)
{
    struct request request = new_request(verify, INS_RESET_COUNTER);
    const struct code resetting = {resetting_code, resetting_code_length}, to = {new_code, new_code_length};
    request.p1 = (uint8_t)((resetting_code_length == 0 ? P1_WITHOUT_RESETTING_CODE : 0) |
                           (new_code_length == 0 ? P1_WITHOUT_NEW_CODE : 0));
    scardmanage_result result = verify ? set_reference(&request, flags, reference) : SCARDMANAGE_E_POINTER;
    return present(&request, result, &resetting, &to, tries);
}

scardmanage_result scardmanage_verify_reset_security_state(scardmanage_verify *verify, uint32_t flags,
                                                           uint32_t reference)
{
    struct request request = new_request(verify, INS_VERIFY);
    if (!verify)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = set_reference(&request, flags, reference);
    return result == SCARDMANAGE_S_OK ? interface_object_run(&verify->base, reset_unit, &request, true)
                                      : result;
}
