/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/sign.h"

#include <string.h>

#include <lauxlib.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/options.h"

struct sign_work {
    const struct crypto_key *key;
    struct crypto_options options;
    const unsigned char *data, *signature;
    size_t length, signature_length;
    bool valid;
};

/* ECDSA signatures: DER, and r and s side by side (IEEE 1363) */

static bool give_raw(struct crypto *crypto, const unsigned char *der, size_t length, size_t half)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    bool ok = pair && crypto_give(crypto, "signature", NULL, 2 * half);

    if (ok) {
        unsigned char *out = crypto_last(crypto)->bytes;
        ok = BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int)half) >= 0 &&
             BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, (int)half) >= 0;
    }
    ECDSA_SIG_free(pair);
    return ok;
}

/* Returns the signature in DER, which the caller frees with OPENSSL_free(), or NULL if it cannot be one. */
static unsigned char *raw_to_der(const struct sign_work *work, size_t half, int *length)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(work->signature, (int)half, NULL);
    BIGNUM *s = BN_bin2bn(work->signature + half, (int)half, NULL);
    unsigned char *der = NULL;

    *length = -1;
    if (pair && r && s && ECDSA_SIG_set0(pair, r, s)) {
        r = s = NULL; /* the pair has them now */
        *length = i2d_ECDSA_SIG(pair, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return *length < 0 ? NULL : der;
}

/* Keys that sign a hash: RSA and ECDSA */

static bool check_hash_length(struct crypto *crypto, const struct sign_work *work)
{
    EVP_MD *md = EVP_MD_fetch(crypto->libctx, work->options.hash, NULL);
    size_t expected = md ? (size_t)EVP_MD_get_size(md) : 0;
    const char *name = work->options.hash;

    EVP_MD_free(md);
    if (expected == 0)
        return crypto_fail(crypto, "%s is not available in this OpenSSL", name);
    return work->length == expected ||
           crypto_fail(crypto, "data has %zu bytes, but a value of %s has %zu", work->length, name, expected);
}

static EVP_PKEY_CTX *start(struct crypto *crypto, const struct sign_work *work, bool verify)
{
    const struct crypto_options *options = &work->options;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(crypto->libctx, *work->key->slot, NULL);
    OSSL_PARAM params[4], *p = params;
    int salt = options->salt >= 0 ? options->salt : (int)work->length;

    if (options->padding) { /* an RSA key */
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, (char *)options->padding, 0);
        if (options->hash)
            *p++ = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, (char *)options->hash, 0);
        if (strcmp(options->padding, "pss") == 0)
            *p++ = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt);
    }
    *p = OSSL_PARAM_construct_end();
    if (ctx && (verify ? EVP_PKEY_verify_init_ex(ctx, params) : EVP_PKEY_sign_init_ex(ctx, params)) > 0)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

static bool sign_hash(struct crypto *crypto, const struct sign_work *work)
{
    unsigned char out[CRYPTO_RSA_MAX / 8];
    size_t length = sizeof out;
    EVP_PKEY_CTX *ctx = start(crypto, work, false);
    bool ok = ctx && EVP_PKEY_sign(ctx, out, &length, work->data, work->length) > 0;

    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        return crypto_fail_because(crypto, "cannot sign");
    return work->options.raw ? give_raw(crypto, out, length, work->key->curve->length)
                             : crypto_give(crypto, "signature", out, length);
}

static bool verify_der(struct crypto *crypto, struct sign_work *work, const unsigned char *signature,
                       size_t length)
{
    EVP_PKEY_CTX *ctx = start(crypto, work, true);

    if (!ctx)
        return crypto_fail_because(crypto, "cannot verify");
    work->valid = EVP_PKEY_verify(ctx, signature, length, work->data, work->length) == 1;
    EVP_PKEY_CTX_free(ctx);
    return true;
}

static bool verify_hash(struct crypto *crypto, struct sign_work *work)
{
    size_t half = work->key->curve ? work->key->curve->length : 0;
    int length;

    if (!work->options.raw)
        return verify_der(crypto, work, work->signature, work->signature_length);
    if (work->signature_length != 2 * half)
        return true;
    unsigned char *der = raw_to_der(work, half, &length);
    bool ok = der ? verify_der(crypto, work, der, (size_t)length) : crypto_fail(crypto, "out of memory");
    OPENSSL_free(der);
    return ok;
}

/* Keys that sign the message itself: Ed25519 and Ed448 */

static bool sign_message(struct crypto *crypto, const struct sign_work *work)
{
    unsigned char out[128];
    size_t length = sizeof out;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx &&
              EVP_DigestSignInit_ex(ctx, NULL, NULL, crypto->libctx, NULL, *work->key->slot, NULL) > 0 &&
              EVP_DigestSign(ctx, out, &length, work->data, work->length) > 0;

    EVP_MD_CTX_free(ctx);
    return ok ? crypto_give(crypto, "signature", out, length) : crypto_fail_because(crypto, "cannot sign");
}

static bool verify_message(struct crypto *crypto, struct sign_work *work)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        ctx && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, crypto->libctx, NULL, *work->key->slot, NULL) > 0;

    if (ok)
        work->valid =
            EVP_DigestVerify(ctx, work->signature, work->signature_length, work->data, work->length) == 1;
    EVP_MD_CTX_free(ctx);
    return ok || crypto_fail_because(crypto, "cannot verify");
}

/* The methods */

static bool is_raw(const struct crypto_key *key)
{
    return key->curve && key->curve->raw;
}

static bool sign(struct crypto *crypto, void *arg)
{
    const struct sign_work *work = arg;

    if (work->options.hash && !check_hash_length(crypto, work))
        return false;
    return is_raw(work->key) ? sign_message(crypto, work) : sign_hash(crypto, work);
}

static bool verify(struct crypto *crypto, void *arg)
{
    struct sign_work *work = arg;

    if (work->options.hash && !check_hash_length(crypto, work))
        return false;
    return is_raw(work->key) ? verify_message(crypto, work) : verify_hash(crypto, work);
}

/* Checks the length of what is signed, argument 2. Of a hash, the work checks it. */
static void check_length(lua_State *L, const struct sign_work *work)
{
    size_t modulus = (size_t)(work->key->bits + 7) / 8;
    lua_Integer length = (lua_Integer)work->length;

    if (work->options.hash || work->key->curve)
        return;
    if (strcmp(work->options.padding, "none") == 0) {
        if (work->length != modulus)
            luaL_argerror(
                L, 2,
                lua_pushfstring(L, "%I bytes, expected the %I of the modulus", length, (lua_Integer)modulus));
    } else if (work->length > modulus - 11) {
        luaL_argerror(L, 2,
                      lua_pushfstring(L, "%I bytes, expected at most %I, as the padding needs 11", length,
                                      (lua_Integer)modulus - 11));
    }
}

static void prepare(lua_State *L, struct sign_work *work, int options)
{
    luaL_argcheck(L, !work->key->curve || work->key->curve->signs, 1, "a key for X25519 or X448 cannot sign");
    crypto_check_sign_options(L, options, work->key, &work->options);
    work->data = (const unsigned char *)crypto_check_bytes(
        L, 2, is_raw(work->key) ? CRYPTO_DATA_MAX : CRYPTO_SECRET_MAX, &work->length);
    check_length(L, work);
}

int crypto_key_sign(lua_State *L)
{
    struct sign_work work = {.key = crypto_check_private_key(L, 1)};

    prepare(L, &work, 3);
    crypto_run(L, crypto_key_cost(work.key) + crypto_cost(work.length), sign, &work);
    crypto_push(L, "signature");
    return 1;
}

int crypto_key_verify(lua_State *L)
{
    struct sign_work work = {.key = crypto_check_key(L, 1)};

    prepare(L, &work, 4);
    work.signature = (const unsigned char *)crypto_check_bytes(L, 3, CRYPTO_FILE_MAX, &work.signature_length);
    crypto_run(L, crypto_key_cost(work.key) + crypto_cost(work.length), verify, &work);
    lua_pushboolean(L, work.valid);
    return 1;
}
