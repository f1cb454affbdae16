/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/cipher.h"
#include "icc/crypto/state.h"

static const char *hash_name(unsigned i)
{
    static const char *const names[] = {"MD5",      "RIPEMD-160", "SHA-1",    "SHA-224",
                                        "SHA-256",  "SHA-384",    "SHA-512",  "SHA3-224",
                                        "SHA3-256", "SHA3-384",   "SHA3-512", NULL};
    return names[i];
}

const char *crypto_check_hash(lua_State *L, int index)
{
    return hash_name(crypto_check_name(L, index, hash_name, "hash"));
}

struct hash_work {
    const char *mac, *name; /* mac: NULL for a hash */
    const char *key, *data;
    size_t key_length, length;
};

static bool hash(struct crypto *crypto, void *arg)
{
    const struct hash_work *work = arg;
    unsigned char out[EVP_MAX_MD_SIZE];
    size_t length;

    if (!EVP_Q_digest(crypto->libctx, work->name, NULL, work->data, work->length, out, &length))
        return crypto_fail(crypto, "%s is not available in this OpenSSL", work->name);
    return crypto_give(crypto, "hash", out, length);
}

int crypto_hash(lua_State *L)
{
    struct hash_work work = {.name = crypto_check_hash(L, 1)};

    work.data = crypto_check_bytes(L, 2, CRYPTO_DATA_MAX, &work.length);
    crypto_run(L, crypto_cost(work.length), hash, &work);
    crypto_push(L, "hash");
    return 1;
}

static bool mac(struct crypto *crypto, void *arg)
{
    const struct hash_work *work = arg;
    unsigned char out[EVP_MAX_MD_SIZE];
    size_t length;

    if (!EVP_Q_mac(crypto->libctx, work->mac, NULL, work->name, NULL, work->key, work->key_length,
                   (const unsigned char *)work->data, work->length, out, sizeof out, &length))
        return crypto_fail(crypto, "%s with %s is not available in this OpenSSL", work->mac, work->name);
    return crypto_give(crypto, "mac", out, length);
}

int crypto_hmac(lua_State *L)
{
    struct hash_work work = {.mac = "HMAC", .name = crypto_check_hash(L, 1)};

    work.key = crypto_check_bytes(L, 2, CRYPTO_SECRET_MAX, &work.key_length);
    work.data = crypto_check_bytes(L, 3, CRYPTO_DATA_MAX, &work.length);
    crypto_run(L, crypto_cost(work.length), mac, &work);
    crypto_push(L, "mac");
    return 1;
}

static const char *mac_cipher(unsigned i)
{
    static const char *const names[] = {"AES", "3DES", NULL};
    return names[i];
}

int crypto_cmac(lua_State *L)
{
    unsigned cipher = crypto_check_name(L, 1, mac_cipher, "cipher");
    struct crypto_cipher_key key;
    struct hash_work work = {.mac = "CMAC"};

    crypto_check_cipher_key(L, 2, cipher == 0 ? "AES" : "3DES", "CBC", &key);
    work.name = key.name;
    work.key = (const char *)key.bytes;
    work.key_length = key.length;
    work.data = crypto_check_bytes(L, 3, CRYPTO_DATA_MAX, &work.length);
    crypto_run(L, crypto_cost(work.length), mac, &work);
    OPENSSL_cleanse(&key, sizeof key);
    crypto_push(L, "mac");
    return 1;
}
