/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/certificate.h"

#include <string.h>

#include <lauxlib.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/file.h"
#include "icc/crypto/hash.h"
#include "icc/crypto/key.h"
#include "icc/crypto/name.h"
#include "icc/crypto/password.h"

#define SERIAL_MAX 20 /* bytes: RFC 5280, 4.1.2.2 */

/* Making one */

struct make_work {
    const struct crypto_key *key, *signer;
    const char *subject, *issuer, *not_before, *not_after, *hash, *serial;
    size_t serial_length;
    unsigned usage; /* bits: RFC 5280, 4.2.1.3 */
    bool has_usage, ca;
};

static bool set_serial(X509 *x509, const struct make_work *work)
{
    BIGNUM *number = BN_bin2bn((const unsigned char *)work->serial, (int)work->serial_length, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));

    BN_free(number);
    return ok;
}

static bool add_constraints(X509 *x509)
{
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
    bool ok = constraints != NULL;

    if (ok) {
        constraints->ca = 0xFF; /* the content of TRUE in DER: X.690, 11.1 */
        ok = X509_add1_ext_i2d(x509, NID_basic_constraints, constraints, 1, X509V3_ADD_DEFAULT) == 1;
    }
    BASIC_CONSTRAINTS_free(constraints);
    return ok;
}

static bool add_usage(X509 *x509, unsigned usage)
{
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    bool ok = bits != NULL;

    for (int i = 0; i < 9 && ok; i++)
        if (usage & 1u << i)
            ok = ASN1_BIT_STRING_set_bit(bits, i, 1);
    ok = ok && X509_add1_ext_i2d(x509, NID_key_usage, bits, 1, X509V3_ADD_DEFAULT) == 1;
    ASN1_BIT_STRING_free(bits);
    return ok;
}

static bool fill(struct crypto *crypto, X509 *x509, const struct make_work *work)
{
    return crypto_read_name(crypto, work->subject, X509_get_subject_name(x509)) &&
           crypto_read_name(crypto, work->issuer, X509_get_issuer_name(x509)) &&
           crypto_read_date(crypto, work->not_before, X509_getm_notBefore(x509)) &&
           crypto_read_date(crypto, work->not_after, X509_getm_notAfter(x509)) &&
           X509_set_version(x509, X509_VERSION_3) && set_serial(x509, work) &&
           X509_set_pubkey(x509, *work->key->slot) && (!work->ca || add_constraints(x509)) &&
           (!work->has_usage || add_usage(x509, work->usage));
}

static bool sign(struct crypto *crypto, X509 *x509, const struct make_work *work)
{
    bool raw = work->signer->curve && work->signer->curve->raw; /* Ed25519 and Ed448 have no hash */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx &&
              EVP_DigestSignInit_ex(ctx, NULL, raw ? NULL : work->hash, crypto->libctx, NULL,
                                    *work->signer->slot, NULL) > 0 &&
              X509_sign_ctx(x509, ctx) > 0;

    EVP_MD_CTX_free(ctx);
    return ok || crypto_fail_because(crypto, "cannot sign the certificate");
}

bool crypto_give_certificate(struct crypto *crypto, const char *name, const X509 *x509)
{
    unsigned char *der = NULL;
    int length = i2d_X509(x509, &der);
    bool ok = length >= 0 && crypto_give(crypto, name, der, (size_t)length);

    OPENSSL_free(der);
    return ok;
}

static bool make(struct crypto *crypto, void *arg)
{
    const struct make_work *work = arg;
    X509 *x509 = X509_new_ex(crypto->libctx, NULL);
    bool ok = x509 && fill(crypto, x509, work) && sign(crypto, x509, work) &&
              crypto_give_certificate(crypto, "der", x509);

    X509_free(x509);
    return ok;
}

static const char *field_name(unsigned i)
{
    static const char *const names[] = {"subject", "issuer", "serial", "not_before", "not_after", "key",
                                        "signer",  "hash",   "ca",     "usage",      NULL};
    return names[i];
}

static const char *usage_name(unsigned i)
{
    static const char *const names[] = {
        "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
        "keyCertSign",      "cRLSign",        "encipherOnly",    "decipherOnly",     NULL};
    return names[i];
}

/* Returns a field of the table at index 1, which stays on the stack. */
static const char *text_field(lua_State *L, const char *field, const char *otherwise)
{
    size_t length;
    const char *text = crypto_check_field(L, 1, field, CRYPTO_NAME_MAX, &length);

    luaL_argcheck(L, !text || strlen(text) == length, 1, "a text with a zero byte");
    return text ? text : otherwise;
}

static const struct crypto_key *key_field(lua_State *L, const char *field)
{
    lua_pushstring(L, field);
    return lua_rawget(L, 1) == LUA_TNIL ? NULL : crypto_check_key(L, lua_gettop(L));
}

/* usage is a list of names. */
static void check_usage(lua_State *L, struct make_work *work)
{
    lua_pushliteral(L, "usage");
    work->has_usage = lua_rawget(L, 1) != LUA_TNIL;
    if (!work->has_usage)
        return;
    luaL_argcheck(L, lua_istable(L, -1), 1, "usage must be a list of names");
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
        work->usage |= 1u << crypto_check_name(L, lua_gettop(L), usage_name, "usage");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    luaL_argcheck(L, work->usage != 0, 1, "usage must not be empty");
}

static void check_fields(lua_State *L, struct make_work *work)
{
    crypto_check_fields(L, 1, field_name);
    work->subject = text_field(L, "subject", NULL);
    luaL_argcheck(L, work->subject, 1, "expected a subject");
    work->issuer = text_field(L, "issuer", NULL);
    work->not_before = text_field(L, "not_before", "2020-01-01");
    work->not_after = text_field(L, "not_after", "2049-12-31 23:59:59");
    work->serial = crypto_check_field(L, 1, "serial", SERIAL_MAX, &work->serial_length);
    if (!work->serial) {
        work->serial = "\1";
        work->serial_length = 1;
    }
    work->hash = text_field(L, "hash", NULL) ? crypto_check_hash(L, lua_gettop(L)) : "SHA-256";
    lua_pushliteral(L, "ca");
    lua_rawget(L, 1);
    work->ca = lua_toboolean(L, -1);
    check_usage(L, work);
}

static void check_keys(lua_State *L, struct make_work *work)
{
    work->key = key_field(L, "key");
    luaL_argcheck(L, work->key, 1, "expected a key");
    work->signer = key_field(L, "signer");
    luaL_argcheck(L, !work->signer || work->issuer, 1, "expected the signer's name as issuer");
    if (!work->signer)
        work->signer = work->key;
    if (!work->issuer)
        work->issuer = work->subject;
    luaL_argcheck(L, work->signer->private, 1, "the certificate must be signed by a private key");
    luaL_argcheck(L, !work->signer->curve || work->signer->curve->signs, 1,
                  "a key for X25519 or X448 cannot sign");
}

int crypto_certificate(lua_State *L)
{
    struct make_work work = {0};

    lua_settop(L, 1);
    check_fields(L, &work);
    check_keys(L, &work);
    crypto_run(L, crypto_key_cost(work.signer) + 2, make, &work);
    crypto_push(L, "der");
    return 1;
}

/* Reading one */

struct read_work {
    const char *bytes;
    size_t length;
    struct crypto_key *key;
    bool has_key;
};

static X509 *decode(struct crypto *crypto, const struct read_work *work)
{
    X509 *x509 = X509_new_ex(crypto->libctx, NULL);
    const unsigned char *p = (const unsigned char *)work->bytes, *end = p + work->length;
    bool ok;

    if (crypto_is_pem(work->bytes, work->length)) {
        BIO *bio = BIO_new_mem_buf(work->bytes, (int)work->length);
        ok = x509 && bio && PEM_read_bio_X509(bio, &x509, crypto_refuse_password, NULL);
        BIO_free(bio);
    } else {
        ok = x509 && d2i_X509(&x509, &p, (long)work->length) && p == end;
    }
    if (ok)
        return x509;
    X509_free(x509);
    crypto_fail(crypto, "not a certificate: expected PEM or DER");
    return NULL;
}

static bool give_serial(struct crypto *crypto, const X509 *x509)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);

    return crypto_give(crypto, "serial", ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
}

static bool read_certificate(struct crypto *crypto, void *arg)
{
    struct read_work *work = arg;
    X509 *x509 = decode(crypto, work);
    bool ok = x509 && crypto_give_certificate(crypto, "der", x509) &&
              crypto_give_name(crypto, "subject", X509_get_subject_name(x509)) &&
              crypto_give_name(crypto, "issuer", X509_get_issuer_name(x509)) && give_serial(crypto, x509) &&
              crypto_give_date(crypto, "not_before", X509_get0_notBefore(x509)) &&
              crypto_give_date(crypto, "not_after", X509_get0_notAfter(x509));

    /* cards cannot use each key */
    work->has_key = ok && crypto_set_foreign_key(crypto, work->key, X509_get_pubkey(x509));
    X509_free(x509);
    return ok;
}

int crypto_read_certificate(lua_State *L)
{
    struct read_work work = {0};

    work.bytes = crypto_check_bytes(L, 1, CRYPTO_FILE_MAX, &work.length);
    work.key = crypto_push_key(L);
    crypto_run(L, 5, read_certificate, &work);
    lua_newtable(L);
    crypto_set_fields(L);
    if (work.has_key) {
        lua_pushvalue(L, -2);
        lua_setfield(L, -2, "key");
    }
    return 1;
}
