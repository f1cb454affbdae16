/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/cipher.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/state.h"

#define TAG_LENGTH 16 /* of AES-GCM: what follows the encrypted data */
#define IV_MAX     128

static const struct {
    const char *name, *cipher, *mode;
    size_t block; /* the data are a multiple of it */
    size_t iv;    /* 0: none */
} ciphers[] = {
    {"AES-ECB", "AES", "ECB", 16, 0}, {"AES-CBC", "AES", "CBC", 16, 16}, {"AES-CTR", "AES", "CTR", 1, 16},
    {"AES-GCM", "AES", "GCM", 1, 12}, {"3DES-ECB", "3DES", "ECB", 8, 0}, {"3DES-CBC", "3DES", "CBC", 8, 8},
    {"DES-ECB", "DES", "ECB", 8, 0},  {"DES-CBC", "DES", "CBC", 8, 8},
};

static const char *cipher_name(unsigned i)
{
    return i < sizeof ciphers / sizeof ciphers[0] ? ciphers[i].name : NULL;
}

void crypto_check_cipher_key(lua_State *L, int index, const char *cipher, const char *mode,
                             struct crypto_cipher_key *key)
{
    bool aes = cipher[0] == 'A', single = cipher[0] == 'D';
    size_t length;
    const char *bytes = crypto_check_bytes(L, index, CRYPTO_DATA_MAX, &length);

    if (aes      ? length != 16 && length != 24 && length != 32
        : single ? length != 8
                 : length != 16 && length != 24)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "a key of %I bytes, but %s has keys of %s", (lua_Integer)length,
                                      cipher,
                                      aes      ? "16, 24 or 32"
                                      : single ? "8"
                                               : "16 or 24"));
    if (aes)
        snprintf(key->name, sizeof key->name, "AES-%u-%.3s", (unsigned)length * 8, mode);
    else
        snprintf(key->name, sizeof key->name, "DES-EDE3-%.3s", mode);
    key->length = aes ? length : 24;
    for (size_t i = 0; i < key->length;
         i++) /* DES is 3DES with three equal keys; of two, the first is the third */
        key->bytes[i] = (unsigned char)bytes[i % length];
}

struct cipher_work {
    struct crypto_cipher_key key;
    const char *data, *iv, *aad;
    size_t length, iv_length, aad_length;
    bool encrypt, gcm;
};

static bool start(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct cipher_work *work)
{
    size_t iv_length = work->iv_length;
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, &iv_length),
                                 OSSL_PARAM_construct_end()};
    int length;

    return EVP_CipherInit_ex2(ctx, cipher, NULL, NULL, work->encrypt, work->gcm ? params : NULL) &&
           EVP_CipherInit_ex2(ctx, NULL, work->key.bytes, (const unsigned char *)work->iv, work->encrypt,
                              NULL) &&
           EVP_CIPHER_CTX_set_padding(ctx, 0) &&
           (work->aad_length == 0 ||
            EVP_CipherUpdate(ctx, NULL, &length, (const unsigned char *)work->aad, (int)work->aad_length));
}

static bool set_tag(EVP_CIPHER_CTX *ctx, const char *tag)
{
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (void *)tag, TAG_LENGTH),
        OSSL_PARAM_construct_end()};

    return EVP_CIPHER_CTX_set_params(ctx, params);
}

static bool get_tag(EVP_CIPHER_CTX *ctx, unsigned char *tag)
{
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, TAG_LENGTH),
                           OSSL_PARAM_construct_end()};

    return EVP_CIPHER_CTX_get_params(ctx, params);
}

/* Encrypts or decrypts, and keeps the result. If the tag is wrong, there is no result. */
static bool convert(struct crypto *crypto, EVP_CIPHER_CTX *ctx, const struct cipher_work *work)
{
    size_t tag = work->gcm ? TAG_LENGTH : 0;
    size_t length = work->encrypt ? work->length : work->length - tag;
    int count = 0, rest = 0;

    if (!crypto_give(crypto, "data", NULL, work->encrypt ? length + tag : length))
        return false;
    unsigned char *out = crypto_last(crypto)->bytes;
    bool ok =
        (length == 0 || EVP_CipherUpdate(ctx, out, &count, (const unsigned char *)work->data, (int)length)) &&
        (work->encrypt || !work->gcm || set_tag(ctx, work->data + length));
    if (!ok)
        return crypto_fail_because(crypto, "%s has failed", work->key.name);
    if (!EVP_CipherFinal_ex(ctx, out + count, &rest)) {
        if (work->encrypt || !work->gcm)
            return crypto_fail_because(crypto, "%s has failed", work->key.name);
        crypto_last(crypto)->name = "wrong";
        return true;
    }
    if (work->encrypt && work->gcm && !get_tag(ctx, out + length))
        return crypto_fail_because(crypto, "%s has failed", work->key.name);
    return true;
}

static bool run_cipher(struct crypto *crypto, void *arg)
{
    const struct cipher_work *work = arg;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(crypto->libctx, work->key.name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = cipher && ctx && start(ctx, cipher, work);

    if (ok)
        ok = convert(crypto, ctx, work);
    else
        crypto_fail(crypto, "%s is not available in this OpenSSL", work->key.name);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok;
}

/* Takes the initialisation vector from argument 4. */
static void check_iv(lua_State *L, unsigned cipher, struct cipher_work *work)
{
    static const char zeros[16];
    const char *name = ciphers[cipher].name;
    size_t expected = ciphers[cipher].iv;

    if (expected == 0) {
        luaL_argcheck(L, lua_isnoneornil(L, 4), 4, "ECB has no initialisation vector");
        return;
    }
    if (lua_isnoneornil(L, 4) && strcmp(ciphers[cipher].mode, "CBC") == 0) {
        work->iv = zeros;
        work->iv_length = expected;
        return;
    }
    work->iv = crypto_check_bytes(L, 4, CRYPTO_DATA_MAX, &work->iv_length);
    if (work->gcm ? work->iv_length == 0 || work->iv_length > IV_MAX : work->iv_length != expected)
        luaL_argerror(
            L, 4,
            work->gcm
                ? lua_pushfstring(L, "an initialisation vector of %I bytes, expected 1 to %d, usually 12",
                                  (lua_Integer)work->iv_length, IV_MAX)
                : lua_pushfstring(L, "an initialisation vector of %I bytes, but %s needs one of %I",
                                  (lua_Integer)work->iv_length, name, (lua_Integer)expected));
}

static int encrypt_or_decrypt(lua_State *L, bool encrypt)
{
    unsigned cipher = crypto_check_name(L, 1, cipher_name, "cipher");
    size_t block = ciphers[cipher].block;
    struct cipher_work work = {.encrypt = encrypt, .gcm = strcmp(ciphers[cipher].mode, "GCM") == 0};

    work.data = crypto_check_bytes(L, 3, CRYPTO_DATA_MAX, &work.length);
    if (work.length % block != 0)
        luaL_argerror(L, 3,
                      lua_pushfstring(L, "%I bytes, but %s needs a multiple of %I", (lua_Integer)work.length,
                                      ciphers[cipher].name, (lua_Integer)block));
    check_iv(L, cipher, &work);
    if (work.gcm && !lua_isnoneornil(L, 5))
        work.aad = crypto_check_bytes(L, 5, CRYPTO_DATA_MAX, &work.aad_length);
    else
        luaL_argcheck(L, lua_isnoneornil(L, 5), 5, "only AES-GCM has additional data");
    if (work.gcm && !encrypt && work.length < TAG_LENGTH) {
        lua_pushnil(L);
        return 1;
    }
    crypto_check_cipher_key(L, 2, ciphers[cipher].cipher, ciphers[cipher].mode, &work.key);
    crypto_run(L, crypto_cost(work.length + work.aad_length), run_cipher, &work);
    OPENSSL_cleanse(&work.key, sizeof work.key);
    crypto_push(L, "data");
    return 1;
}

int crypto_encrypt(lua_State *L)
{
    return encrypt_or_decrypt(L, true);
}

int crypto_decrypt(lua_State *L)
{
    return encrypt_or_decrypt(L, false);
}
