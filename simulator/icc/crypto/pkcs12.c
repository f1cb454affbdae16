/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/pkcs12.h"

#include <string.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/certificate.h"
#include "icc/crypto/file.h"
#include "icc/crypto/key.h"
#include "icc/crypto/password.h"

#define CERTIFICATES_MAX 16

struct pkcs12_work {
    const char *bytes, *password;
    size_t length, password_length;
    struct crypto_key *key;
    long left; /* steps, see password.h */
    EVP_PKEY *pkey;
    X509 *certificates[CERTIFICATES_MAX];
    size_t count;
};

static const char malformed[] = "not a PKCS#12 file, or a malformed one";

/* Bags */

static bool take_key(struct crypto *crypto, struct pkcs12_work *work, const PKCS12_SAFEBAG *bag)
{
    if (work->pkey)
        return true; /* the first one is the key */
    if (PKCS12_SAFEBAG_get_nid(bag) == NID_keyBag)
        return crypto_open_pkcs8(crypto, PKCS12_SAFEBAG_get0_p8inf(bag), &work->pkey);
    return crypto_decrypt_pkcs8(crypto, PKCS12_SAFEBAG_get0_pkcs8(bag), work->password, work->password_length,
                                &work->left, &work->pkey);
}

static bool take_certificate(struct crypto *crypto, struct pkcs12_work *work, const PKCS12_SAFEBAG *bag)
{
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return true;
    if (work->count == CERTIFICATES_MAX)
        return crypto_fail(crypto, "the file has more than %d certificates", CERTIFICATES_MAX);
    X509 *x509 = PKCS12_SAFEBAG_get1_cert(bag);
    if (!x509)
        return crypto_fail(crypto, "%s", malformed);
    work->certificates[work->count++] = x509;
    return true;
}

static bool take_bags(struct crypto *crypto, struct pkcs12_work *work, const STACK_OF(PKCS12_SAFEBAG) * bags)
{
    bool ok = bags != NULL;

    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags) && ok; i++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);
        int kind = PKCS12_SAFEBAG_get_nid(bag);
        if (kind == NID_keyBag || kind == NID_pkcs8ShroudedKeyBag)
            ok = take_key(crypto, work, bag);
        else if (kind == NID_certBag)
            ok = take_certificate(crypto, work, bag);
    }
    return ok;
}

static STACK_OF(PKCS12_SAFEBAG) * open_safe(struct crypto *crypto, struct pkcs12_work *work, PKCS7 *safe)
{
    if (PKCS7_type_is_data(safe))
        return PKCS12_unpack_p7data(safe);
    if (!PKCS7_type_is_encrypted(safe) ||
        !crypto_count_iterations(crypto, safe->d.encrypted->enc_data->algorithm, &work->left))
        return NULL;
    STACK_OF(PKCS12_SAFEBAG) *bags =
        PKCS12_unpack_p7encdata(safe, work->password, (int)work->password_length);
    if (!bags)
        crypto_fail(crypto, "its encryption is not supported by this OpenSSL");
    return bags;
}

static bool take_safes(struct crypto *crypto, struct pkcs12_work *work, const PKCS12 *file)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(file);
    bool ok = safes != NULL;

    for (int i = 0; i < sk_PKCS7_num(safes) && ok; i++) {
        STACK_OF(PKCS12_SAFEBAG) *bags = open_safe(crypto, work, sk_PKCS7_value(safes, i));
        ok = bags && take_bags(crypto, work, bags);
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return ok;
}

/* The file */

static bool check_mac(struct crypto *crypto, struct pkcs12_work *work, PKCS12 *file)
{
    const X509_ALGOR *algorithm;
    const ASN1_INTEGER *steps;

    if (!PKCS12_mac_present(file))
        return crypto_fail(crypto, "the file has no MAC, so the password cannot be checked");
    PKCS12_get0_mac(NULL, &algorithm, NULL, &steps, file);
    if (OBJ_obj2nid(algorithm->algorithm) == NID_pbmac1)
        return crypto_fail(crypto, "its MAC (PBMAC1) is not supported");
    if (steps && !crypto_count_steps(crypto, steps, &work->left)) /* without a number it is one step */
        return false;
    return PKCS12_verify_mac(file, work->password, (int)work->password_length) ||
           crypto_fail(crypto, "wrong password");
}

/* The key's certificate, and the others in the order of the file */
static bool give_certificates(struct crypto *crypto, const struct pkcs12_work *work)
{
    size_t own = 0;
    bool ok = true;

    while (own < work->count && X509_check_private_key(work->certificates[own], work->pkey) != 1)
        own++;
    for (size_t i = 0; i < work->count && ok; i++)
        ok = crypto_give_certificate(crypto, i == own ? "certificate" : "chain", work->certificates[i]);
    return ok;
}

static bool read_pkcs12(struct crypto *crypto, void *arg)
{
    struct pkcs12_work *work = arg;
    const unsigned char *p = (const unsigned char *)work->bytes;
    PKCS12 *file = PKCS12_init_ex(NID_pkcs7_data, crypto->libctx, NULL);
    bool ok = file && d2i_PKCS12(&file, &p, (long)work->length);

    crypto_fail(crypto, "%s", malformed); /* unless there is a better reason */
    ok = ok && check_mac(crypto, work, file);
    if (ok)
        crypto_fail(crypto, "%s", malformed);
    ok = ok && take_safes(crypto, work, file);
    if (ok && !work->pkey)
        ok = crypto_fail(crypto, "the file has no private key");
    ok = ok && give_certificates(crypto, work);
    if (ok)
        ok = crypto_set_foreign_key(crypto, work->key, work->pkey);
    else
        EVP_PKEY_free(work->pkey);
    for (size_t i = 0; i < work->count; i++)
        X509_free(work->certificates[i]);
    PKCS12_free(file);
    return ok;
}

int crypto_pkcs12(lua_State *L)
{
    struct pkcs12_work work = {.left = CRYPTO_ITERATIONS_MAX};
    const struct crypto *crypto = crypto_get(L);

    work.bytes = crypto_check_bytes(L, 1, CRYPTO_FILE_MAX, &work.length);
    work.password = crypto_check_bytes(L, 2, CRYPTO_SECRET_MAX, &work.password_length);
    work.key = crypto_push_key(L);
    crypto_run(L, 20, read_pkcs12, &work);
    crypto_push(L, "certificate");
    lua_newtable(L);
    for (size_t i = 0, n = 0; i < crypto->result_count; i++) {
        if (strcmp(crypto->results[i].name, "chain") != 0)
            continue;
        lua_pushlstring(L, (const char *)crypto->results[i].bytes, crypto->results[i].length);
        lua_rawseti(L, -2, (lua_Integer)++n);
    }
    return 3;
}
