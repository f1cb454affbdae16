/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/secret.h"

#include <string.h>

#include <lauxlib.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/ec_parts.h"
#include "icc/crypto/options.h"

/* RSA */

struct rsa_work {
    const struct crypto_key *key;
    struct crypto_options options;
    const unsigned char *data;
    size_t length;
    bool encrypt;
};

static EVP_PKEY_CTX *start(struct crypto *crypto, const struct rsa_work *work)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(crypto->libctx, *work->key->slot, NULL);
    char *padding = (char *)work->options.padding, *hash = (char *)work->options.hash;
    unsigned reject = 0; /* newer versions of OpenSSL would return random data for wrong padding */
    OSSL_PARAM params[4], *p = params;

    *p++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, padding, 0);
    if (hash)
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, hash, 0);
    else if (!work->encrypt)
        *p++ = OSSL_PARAM_construct_uint("implicit-rejection", &reject);
    *p = OSSL_PARAM_construct_end();
    if (ctx &&
        (work->encrypt ? EVP_PKEY_encrypt_init_ex(ctx, params) : EVP_PKEY_decrypt_init_ex(ctx, params)) > 0)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

/* What cannot be decrypted gives no result: it came from outside the card. */
static bool convert(struct crypto *crypto, void *arg)
{
    const struct rsa_work *work = arg;
    unsigned char out[CRYPTO_RSA_MAX / 8];
    size_t length = sizeof out;
    EVP_PKEY_CTX *ctx = start(crypto, work);
    bool ok;

    if (!ctx)
        return crypto_fail_because(crypto, "cannot %s", work->encrypt ? "encrypt" : "decrypt");
    ok = (work->encrypt ? EVP_PKEY_encrypt(ctx, out, &length, work->data, work->length)
                        : EVP_PKEY_decrypt(ctx, out, &length, work->data, work->length)) > 0;
    if (ok)
        ok = crypto_give(crypto, "data", out, length);
    else
        ok = !work->encrypt || crypto_fail_because(crypto, "cannot encrypt");
    OPENSSL_cleanse(out, sizeof out);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int encrypt_or_decrypt(lua_State *L, bool encrypt)
{
    struct rsa_work work = {.encrypt = encrypt};

    work.key = encrypt ? crypto_check_key(L, 1) : crypto_check_private_key(L, 1);
    luaL_argcheck(L, !work.key->curve, 1, "only RSA keys encrypt and decrypt");
    work.data = (const unsigned char *)crypto_check_bytes(L, 2, CRYPTO_SECRET_MAX, &work.length);
    crypto_check_encrypt_options(L, 3, &work.options);
    crypto_run(L, crypto_key_cost(work.key), convert, &work);
    crypto_push(L, "data");
    return 1;
}

int crypto_key_encrypt(lua_State *L)
{
    return encrypt_or_decrypt(L, true);
}

int crypto_key_decrypt(lua_State *L)
{
    return encrypt_or_decrypt(L, false);
}

/* Curves */

struct derive_work {
    const struct crypto_key *key;
    struct crypto_ec_parts peer;
};

/* A point that is not on the curve gives no result, and so does one with which there is no secret. */
static bool derive(struct crypto *crypto, void *arg)
{
    const struct derive_work *work = arg;
    unsigned char out[EVP_MAX_MD_SIZE + 2]; /* P-521 has 66 bytes */
    size_t length = sizeof out;
    EVP_PKEY *peer = crypto_ec_from_parts(crypto, &work->peer);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(crypto->libctx, *work->key->slot, NULL);
    bool ok = true;

    if (!ctx || EVP_PKEY_derive_init(ctx) <= 0)
        ok = crypto_fail_because(crypto, "cannot derive a secret");
    else if (peer && EVP_PKEY_derive_set_peer(ctx, peer) > 0 && EVP_PKEY_derive(ctx, out, &length) > 0)
        ok = crypto_give(crypto, "secret", out, length);
    OPENSSL_cleanse(out, sizeof out);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer);
    return ok;
}

int crypto_key_derive(lua_State *L)
{
    struct derive_work work = {.key = crypto_check_private_key(L, 1)};

    luaL_argcheck(L, work.key->curve && work.key->curve->derives, 1,
                  "only keys on curves derive secrets, except Ed25519 and Ed448");
    work.peer.curve = work.key->curve;
    work.peer.point = crypto_check_bytes(L, 2, CRYPTO_SECRET_MAX, &work.peer.point_length);
    crypto_run(L, crypto_key_cost(work.key), derive, &work);
    crypto_push(L, "secret");
    return 1;
}
