/* SPDX-License-Identifier: BSD-3-Clause */
/* Authentication with keys: ISO/IEC 7816-4:2013, 11.5. */
#include "scardmanage_auth.h"

#include "interface_object.h"
#include "status_word.h"

#define INS_EXTERNAL_AUTHENTICATE 0x82
#define INS_GET_CHALLENGE         0x84
#define INS_INTERNAL_AUTHENTICATE 0x88

struct scardmanage_auth {
    struct interface_object base;
    scardmanage_auth_options options; /* not changed after creation */

    /* Used in units only: */
    bool has_challenge;         /* one that is not used up */
    struct card_mark challenge; /* when the card returned it */
};

/*
 * Objects
 */

static scardmanage_result read_options(const scardmanage_auth_options *options, scardmanage_auth_options *out)
{
    static const scardmanage_auth_options defaults = SCARDMANAGE_AUTH_OPTIONS_INIT;
    *out = defaults;
    if (!options)
        return SCARDMANAGE_S_OK;
    if (!options_struct_is_readable(options, options->size, sizeof *options, sizeof *options))
        return SCARDMANAGE_E_INVALIDARG;
    *out = *options;
    return out->cla <= 0xFE ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
}

scardmanage_result scardmanage_create_auth(scardmanage *m, const scardmanage_auth_options *options,
                                           scardmanage_auth **out)
{
    scardmanage_auth_options read;
    struct interface_object *object;
    if (!m || !out)
        return SCARDMANAGE_E_POINTER;
    *out = NULL;
    scardmanage_result result = read_options(options, &read);
    if (result == SCARDMANAGE_S_OK)
        result = interface_object_create(m, sizeof **out, &object);
    if (result != SCARDMANAGE_S_OK)
        return result;
    *out = (scardmanage_auth *)object;
    (*out)->options = read;
    return SCARDMANAGE_S_OK;
}

void scardmanage_auth_free(scardmanage_auth *auth)
{
    interface_object_free(auth ? &auth->base : NULL);
}

scardmanage_result scardmanage_auth_get_status_word(scardmanage_auth *auth, uint16_t *status_word)
{
    if (!auth || !status_word)
        return SCARDMANAGE_E_POINTER;
    *status_word = interface_object_status_word(&auth->base);
    return SCARDMANAGE_S_OK;
}

/*
 * Commands. The functions run in units.
 */

struct challenge {
    uint8_t *bytes;
    size_t length; /* to ask for, then of the challenge */
};

static scardmanage_result get_challenge(scardmanage_auth *auth, uint8_t algorithm,
                                        struct challenge *challenge)
{
    struct command command = {.cla = (uint8_t)auth->options.cla,
                              .ins = INS_GET_CHALLENGE,
                              .p1 = algorithm,
                              .expected = (uint32_t)challenge->length};
    auth->has_challenge = false; /* the card forgets the one before */
    scardmanage_result result =
        interface_object_send(&auth->base, &command, challenge->bytes, &challenge->length);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = status_word_result(interface_object_status_word(&auth->base), STATUS_OF_COMPUTE);
    if (result == SCARDMANAGE_S_OK && challenge->length == 0)
        return SCARDMANAGE_E_UNEXPECTED;
    auth->has_challenge = result == SCARDMANAGE_S_OK;
    object_get_mark(auth->base.m, &auth->challenge);
    return result;
}

/* Returns S_OK if the card still knows the challenge. */
static scardmanage_result check_challenge(scardmanage_auth *auth)
{
    struct card_mark now;
    object_get_mark(auth->base.m, &now);
    if (!auth->has_challenge)
        return SCARDMANAGE_E_ICC_CREATEORDER;
    if (now.session != auth->challenge.session)
        return SCARDMANAGE_W_RESET_CARD;
    return now.transaction == auth->challenge.transaction ? SCARDMANAGE_S_OK : SCARDMANAGE_E_NOT_TRANSACTED;
}

struct proof {
    scardmanage_auth *auth;
    uint8_t algorithm, key;
    const uint8_t *cryptogram;
    size_t length;
    int tries;
};

static scardmanage_result send_cryptogram(struct proof *proof)
{
    scardmanage_auth *auth = proof->auth;
    struct command command = {.cla = (uint8_t)auth->options.cla,
                              .ins = INS_EXTERNAL_AUTHENTICATE,
                              .p1 = proof->algorithm,
                              .p2 = proof->key,
                              .data = proof->cryptogram,
                              .data_length = proof->length};
    scardmanage_result result = object_check_identity(auth->base.m);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = interface_object_send(&auth->base, &command, NULL, NULL);
    if (auth->base.was_sent)
        auth->has_challenge = false;
    if (result != SCARDMANAGE_S_OK)
        return result;
    uint16_t status_word = interface_object_status_word(&auth->base);
    proof->tries = status_word_tries(status_word);
    return status_word_result(status_word, STATUS_OF_AUTHENTICATE);
}

/*
 * Functions
 */

struct challenge_request {
    scardmanage_auth *auth;
    uint8_t algorithm;
    size_t wanted;
    struct challenge challenge;
};

static scardmanage_result challenge_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct challenge_request *request = context;
    (void)m;
    (void)report;
    request->challenge.length = request->wanted;
    return get_challenge(request->auth, request->algorithm, &request->challenge);
}

scardmanage_result scardmanage_auth_get_challenge(scardmanage_auth *auth, uint8_t algorithm,
                                                  uint8_t *challenge, size_t *length)
{
    if (!auth || !challenge || !length)
        return SCARDMANAGE_E_POINTER;
    struct challenge_request request = {auth, algorithm, *length, {challenge, 0}};
    if (*length == 0 || *length > COMMAND_RESPONSE_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = interface_object_run(&auth->base, challenge_unit, &request, true);
    *length = result == SCARDMANAGE_S_OK ? request.challenge.length : 0;
    return result;
}

static scardmanage_result proof_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct proof *proof = context;
    (void)m;
    (void)report;
    scardmanage_result result = check_challenge(proof->auth);
    return result == SCARDMANAGE_S_OK ? send_cryptogram(proof) : result;
}

scardmanage_result scardmanage_auth_application(scardmanage_auth *auth, uint8_t algorithm, uint8_t key,
                                                const uint8_t *cryptogram, size_t cryptogram_length,
                                                int *tries)
{
    struct proof proof = {auth, algorithm, key, cryptogram, cryptogram_length, SCARDMANAGE_TRIES_UNKNOWN};
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (!auth || !cryptogram)
        result = SCARDMANAGE_E_POINTER;
    else if (cryptogram_length == 0 || cryptogram_length > COMMAND_DATA_MAX)
        result = SCARDMANAGE_E_INVALIDARG;
    else
        result = interface_object_run(&auth->base, proof_unit, &proof, false);
    if (tries)
        *tries = proof.tries;
    return result;
}

struct whole_proof {
    struct proof proof;
    size_t challenge_length;
    scardmanage_auth_function *function;
    void *context;
};

/* Has the function of the caller compute a cryptogram of up to SCARDMANAGE_CRYPTOGRAM_MAX bytes. */
static scardmanage_result compute(const struct whole_proof *whole, const struct challenge *challenge,
                                  uint8_t *cryptogram, size_t *length)
{
    *length = SCARDMANAGE_CRYPTOGRAM_MAX;
    scardmanage_result result =
        whole->function(challenge->bytes, challenge->length, cryptogram, length, whole->context);
    bool is_valid = *length > 0 && *length <= SCARDMANAGE_CRYPTOGRAM_MAX;
    return result > 0 || (result == SCARDMANAGE_S_OK && !is_valid) ? SCARDMANAGE_E_FAIL : result;
}

/* Not repeatable: once the cryptogram is sent, the card may have counted a try. */
static scardmanage_result whole_proof_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct whole_proof *whole = context;
    struct proof *proof = &whole->proof;
    struct interface_object *object = &proof->auth->base;
    uint8_t bytes[SCARDMANAGE_CRYPTOGRAM_MAX], cryptogram[SCARDMANAGE_CRYPTOGRAM_MAX];
    struct challenge challenge = {bytes, whole->challenge_length};
    (void)m;
    (void)report;
    scardmanage_result result = get_challenge(proof->auth, proof->algorithm, &challenge);
    if (result != SCARDMANAGE_S_OK)
        return interface_object_start_over(object, result);
    result = compute(whole, &challenge, cryptogram, &proof->length);
    proof->cryptogram = cryptogram;
    if (result == SCARDMANAGE_S_OK)
        result = send_cryptogram(proof);
    platform_wipe(cryptogram, sizeof cryptogram);
    return object->was_sent ? result : interface_object_start_over(object, result);
}

scardmanage_result scardmanage_auth_application_ex(scardmanage_auth *auth, uint8_t algorithm, uint8_t key,
                                                   size_t challenge_length,
                                                   scardmanage_auth_function *function, void *context,
                                                   int *tries)
{
    struct whole_proof whole = {
        {auth, algorithm, key, NULL, 0, SCARDMANAGE_TRIES_UNKNOWN}, challenge_length, function, context};
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (!auth || !function)
        result = SCARDMANAGE_E_POINTER;
    else if (challenge_length == 0 || challenge_length > SCARDMANAGE_CRYPTOGRAM_MAX)
        result = SCARDMANAGE_E_INVALIDARG;
    else
        result = interface_object_run(&auth->base, whole_proof_unit, &whole, false);
    if (tries)
        *tries = whole.proof.tries;
    return result;
}

struct computation {
    scardmanage_auth *auth;
    struct command command;
    uint8_t *cryptogram;
    size_t length;
};

static scardmanage_result compute_unit(scardmanage *m, const scardmanage_report *report, void *context)
{
    struct computation *computation = context;
    struct interface_object *object = &computation->auth->base;
    (void)m;
    (void)report;
    scardmanage_result result =
        interface_object_send(object, &computation->command, computation->cryptogram, &computation->length);
    return result == SCARDMANAGE_S_OK
               ? status_word_result(interface_object_status_word(object), STATUS_OF_COMPUTE)
               : result;
}

scardmanage_result scardmanage_auth_card(scardmanage_auth *auth, uint8_t algorithm, uint8_t key,
                                         const uint8_t *data, size_t data_length, uint8_t *cryptogram,
                                         size_t *cryptogram_length)
{
    if (!auth || !data || !cryptogram || !cryptogram_length)
        return SCARDMANAGE_E_POINTER;
    if (data_length == 0 || data_length > COMMAND_DATA_MAX || *cryptogram_length == 0 ||
        *cryptogram_length > COMMAND_RESPONSE_MAX)
        return SCARDMANAGE_E_INVALIDARG;
    struct computation computation = {.auth = auth,
                                      .command = {.cla = (uint8_t)auth->options.cla,
                                                  .ins = INS_INTERNAL_AUTHENTICATE,
                                                  .p1 = algorithm,
                                                  .p2 = key,
                                                  .data = data,
                                                  .data_length = data_length,
                                                  .expected = (uint32_t)*cryptogram_length},
                                      .cryptogram = cryptogram};
    scardmanage_result result = interface_object_run(&auth->base, compute_unit, &computation, false);
    *cryptogram_length = result == SCARDMANAGE_S_OK ? computation.length : 0;
    return result;
}

/* The card computes the same; the key and the party that checks the cryptogram are others. */
scardmanage_result scardmanage_auth_user(scardmanage_auth *auth, uint8_t algorithm, uint8_t key,
                                         const uint8_t *data, size_t data_length, uint8_t *cryptogram,
                                         size_t *cryptogram_length)
{
    return scardmanage_auth_card(auth, algorithm, key, data, data_length, cryptogram, cryptogram_length);
}
