/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/file.h"

#include <string.h>

#include <lauxlib.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/key.h"
#include "icc/crypto/password.h"

struct read_work {
    struct crypto_key *key;
    const char *text, *password; /* password: NULL: none */
    size_t length, password_length;
};

static const char not_a_key[] = "not a key: expected PEM or DER";
static const char wrong_password[] = "wrong password";
static const char no_password[] = "the key is encrypted, and needs a password";

bool crypto_is_pem(const char *bytes, size_t length)
{
    static const char begin[] = "-----BEGIN ";

    return memmem(bytes, length, begin, sizeof begin - 1);
}

/* DER */

bool crypto_open_pkcs8(struct crypto *crypto, const PKCS8_PRIV_KEY_INFO *info, EVP_PKEY **pkey)
{
    static const int kinds[] = {
        NID_rsaEncryption, NID_X9_62_id_ecPublicKey, NID_ED25519, NID_ED448, NID_X25519, NID_X448};
    const ASN1_OBJECT *object = NULL;
    bool known = false;

    PKCS8_pkey_get0(&object, NULL, NULL, NULL, info);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !known; i++)
        known = OBJ_obj2nid(object) == kinds[i];
    if (!known)
        return crypto_fail(crypto, "the key is neither RSA nor on a known curve");
    *pkey = EVP_PKCS82PKEY_ex(info, crypto->libctx, NULL);
    return *pkey || crypto_fail(crypto, "%s", not_a_key);
}

bool crypto_decrypt_pkcs8(struct crypto *crypto, const X509_SIG *encrypted, const char *password,
                          size_t length, long *left, EVP_PKEY **pkey)
{
    const X509_ALGOR *algorithm;

    X509_SIG_get0(encrypted, &algorithm, NULL);
    if (!crypto_count_iterations(crypto, algorithm, left))
        return false;
    PKCS8_PRIV_KEY_INFO *info = PKCS8_decrypt_ex(encrypted, password, (int)length, crypto->libctx, NULL);
    bool ok = info ? crypto_open_pkcs8(crypto, info, pkey) : crypto_fail(crypto, "%s", wrong_password);
    PKCS8_PRIV_KEY_INFO_free(info);
    return ok;
}

/* PKCS#1 and SEC 1 */
static bool decode_as(struct crypto *crypto, const char *kind, int selection, const unsigned char *der,
                      size_t length, EVP_PKEY **pkey)
{
    OSSL_DECODER_CTX *ctx =
        OSSL_DECODER_CTX_new_for_pkey(pkey, "DER", "type-specific", kind, selection, crypto->libctx, NULL);
    bool ok = ctx && OSSL_DECODER_CTX_set_pem_password_cb(ctx, crypto_refuse_password, NULL) &&
              OSSL_DECODER_from_data(ctx, &der, &length) && *pkey && length == 0;

    OSSL_DECODER_CTX_free(ctx);
    if (!ok) {
        EVP_PKEY_free(*pkey);
        *pkey = NULL;
    }
    return ok;
}

static bool decode_spki(struct crypto *crypto, const unsigned char *der, size_t length, EVP_PKEY **pkey)
{
    const unsigned char *p = der;

    *pkey = d2i_PUBKEY_ex(NULL, &p, (long)length, crypto->libctx, NULL);
    if (*pkey && p != der + length) {
        EVP_PKEY_free(*pkey);
        *pkey = NULL;
    }
    return *pkey != NULL;
}

/*
 * Not with one decoder for everything, which would also read keys of other kinds. For a private DSA key
 * it would compute the public one, from numbers of any size.
 */
static bool decode_plain(struct crypto *crypto, const unsigned char *der, size_t length, EVP_PKEY **pkey)
{
    const unsigned char *p = der;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)length);

    if (info && p == der + length) {
        bool ok = crypto_open_pkcs8(crypto, info, pkey);
        PKCS8_PRIV_KEY_INFO_free(info);
        return ok;
    }
    PKCS8_PRIV_KEY_INFO_free(info);
    return decode_spki(crypto, der, length, pkey) ||
           decode_as(crypto, "RSA", EVP_PKEY_KEYPAIR, der, length, pkey) ||
           decode_as(crypto, "EC", EVP_PKEY_KEYPAIR, der, length, pkey) ||
           decode_as(crypto, "RSA", EVP_PKEY_PUBLIC_KEY, der, length, pkey) ||
           crypto_fail(crypto, "%s", not_a_key);
}

static bool decode_der(struct crypto *crypto, const struct read_work *work, const unsigned char *der,
                       size_t length, EVP_PKEY **pkey)
{
    const unsigned char *p = der;
    X509_SIG *encrypted = d2i_X509_SIG(NULL, &p, (long)length);
    long left = CRYPTO_ITERATIONS_MAX;
    bool ok;

    if (!encrypted)
        return decode_plain(crypto, der, length, pkey);
    if (!work->password)
        ok = crypto_fail(crypto, "%s", no_password);
    else
        ok = crypto_decrypt_pkcs8(crypto, encrypted, work->password, work->password_length, &left, pkey);
    X509_SIG_free(encrypted);
    return ok;
}

/* PEM */

static int give_password(char *buf, int size, int rwflag, void *arg)
{
    const struct read_work *work = arg;

    (void)rwflag;
    if (!work->password || work->password_length > (size_t)size)
        return -1;
    memcpy(buf, work->password, work->password_length);
    return (int)work->password_length;
}

/* Decrypts a block whose header names a cipher, as in old files of OpenSSL. */
static bool decrypt_block(struct crypto *crypto, const struct read_work *work, char *header,
                          unsigned char *data, long *length)
{
    EVP_CIPHER_INFO cipher;

    if (!PEM_get_EVP_CIPHER_INFO(header, &cipher))
        return crypto_fail(crypto, "the key is encrypted in a way that is not supported");
    if (cipher.cipher && !work->password)
        return crypto_fail(crypto, "%s", no_password);
    return PEM_do_header(&cipher, data, length, give_password, (void *)work) ||
           crypto_fail(crypto, "%s", wrong_password);
}

static bool decode_pem(struct crypto *crypto, const struct read_work *work, EVP_PKEY **pkey)
{
    BIO *bio = BIO_new_mem_buf(work->text, (int)work->length);
    bool found = false, ok = false;

    while (bio && !found) {
        char *name, *header;
        unsigned char *data;
        long length;
        if (!PEM_read_bio(bio, &name, &header, &data, &length)) {
            crypto_fail(crypto, "not a key: its PEM has no block of a key");
            break;
        }
        long size = length; /* decryption makes it shorter */
        found = strlen(name) >= 4 && strcmp(name + strlen(name) - 4, " KEY") == 0;
        if (found)
            ok = decrypt_block(crypto, work, header, data, &length) &&
                 decode_der(crypto, work, data, (size_t)length, pkey);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)size);
    }
    BIO_free(bio);
    return ok;
}

static bool read_key(struct crypto *crypto, void *arg)
{
    const struct read_work *work = arg;
    EVP_PKEY *pkey = NULL;
    bool ok = crypto_is_pem(work->text, work->length)
                  ? decode_pem(crypto, work, &pkey)
                  : decode_der(crypto, work, (const unsigned char *)work->text, work->length, &pkey);

    if (!ok) {
        EVP_PKEY_free(pkey);
        return false;
    }
    return crypto_set_foreign_key(crypto, work->key, pkey);
}

int crypto_read_key(lua_State *L)
{
    struct read_work work = {0};

    work.text = crypto_check_bytes(L, 1, CRYPTO_FILE_MAX, &work.length);
    if (!lua_isnoneornil(L, 2))
        work.password = crypto_check_bytes(L, 2, CRYPTO_SECRET_MAX, &work.password_length);
    work.key = crypto_push_key(L);
    crypto_run(L, work.password ? 20 : 5, read_key, &work);
    return 1;
}

/* Writing */

struct write_work {
    const struct crypto_key *key;
    const char *format;
    bool private;
};

static bool write_key(struct crypto *crypto, void *arg)
{
    const struct write_work *work = arg;
    OSSL_ENCODER_CTX *ctx = OSSL_ENCODER_CTX_new_for_pkey(
        *work->key->slot, work->private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, work->format,
        work->private ? "PrivateKeyInfo" : "SubjectPublicKeyInfo", NULL);
    unsigned char *bytes = NULL;
    size_t length = 0;
    bool ok = ctx && OSSL_ENCODER_to_data(ctx, &bytes, &length);

    ok = ok ? crypto_give(crypto, "key", bytes, length) : crypto_fail_because(crypto, "cannot write the key");
    OPENSSL_clear_free(bytes, length);
    OSSL_ENCODER_CTX_free(ctx);
    return ok;
}

static int push_file(lua_State *L, const char *format)
{
    static const char *const parts[] = {"public", "private", NULL};
    const struct crypto_key *key = crypto_check_key(L, 1);
    struct write_work work = {.key = key, .format = format};

    work.private = luaL_checkoption(L, 2, key->private ? "private" : "public", parts) == 1;
    luaL_argcheck(L, key->private || !work.private, 2, "the key has no private part");
    crypto_run(L, 1, write_key, &work);
    crypto_push(L, "key");
    return 1;
}

int crypto_key_pem(lua_State *L)
{
    return push_file(L, "PEM");
}

int crypto_key_der(lua_State *L)
{
    return push_file(L, "DER");
}
