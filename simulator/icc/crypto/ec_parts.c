/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/ec_parts.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

#define POINT_MAX (1 + 2 * 66) /* bytes, of P-521 */

/* Raw keys */

static EVP_PKEY *make_raw(struct crypto *crypto, const struct crypto_ec_parts *parts)
{
    const unsigned char *d = (const unsigned char *)parts->d, *point = (const unsigned char *)parts->point;
    const char *kind = parts->curve->openssl;
    unsigned char found[POINT_MAX];
    size_t length = sizeof found;
    EVP_PKEY *pkey =
        d ? EVP_PKEY_new_raw_private_key_ex(crypto->libctx, kind, NULL, d, parts->d_length)
          : EVP_PKEY_new_raw_public_key_ex(crypto->libctx, kind, NULL, point, parts->point_length);

    if (!pkey) {
        crypto_fail(crypto, "not a key on %s: expected %zu bytes", parts->curve->name, parts->curve->length);
    } else if (d && point &&
               (!EVP_PKEY_get_raw_public_key(pkey, found, &length) || length != parts->point_length ||
                memcmp(found, point, length) != 0)) {
        crypto_fail(crypto, "not a key on %s: d and point do not belong together", parts->curve->name);
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

/* Points */

/* Writes the point, or if there is none, d times the base point. Returns its length, 0 if it is not on the
 * curve. */
static size_t write_point(struct crypto *crypto, const struct crypto_ec_parts *parts, const BIGNUM *d,
                          unsigned char out[POINT_MAX])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name_ex(crypto->libctx, NULL, OBJ_sn2nid(parts->curve->openssl));
    EC_POINT *point = group ? EC_POINT_new(group) : NULL;
    BN_CTX *ctx = BN_CTX_secure_new_ex(crypto->libctx);
    size_t length = 0;

    if (point && ctx &&
        (parts->point
             ? EC_POINT_oct2point(group, point, (const unsigned char *)parts->point, parts->point_length, ctx)
             : EC_POINT_mul(group, point, d, NULL, NULL, ctx)) &&
        !EC_POINT_is_at_infinity(group, point))
        length = EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out, POINT_MAX, ctx);
    BN_CTX_free(ctx);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return length;
}

static EVP_PKEY *build(struct crypto *crypto, const struct crypto_curve *curve, const unsigned char *point,
                       size_t length, const BIGNUM *d)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(crypto->libctx, "EC", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;
    bool ok = builder && ctx &&
              OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl, 0) &&
              OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, length) &&
              (!d || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, d)) &&
              (params = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(ctx) > 0 &&
              EVP_PKEY_fromdata(ctx, &pkey, d ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) > 0;

    if (!ok)
        crypto_fail_because(crypto, "not a key on %s", curve->name);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

EVP_PKEY *crypto_ec_from_parts(struct crypto *crypto, const struct crypto_ec_parts *parts)
{
    unsigned char point[POINT_MAX];
    BIGNUM *d = NULL;
    EVP_PKEY *pkey = NULL;

    if (parts->curve->raw)
        return make_raw(crypto, parts);
    if (parts->d) {
        d = BN_secure_new();
        if (!d || !BN_bin2bn((const unsigned char *)parts->d, (int)parts->d_length, d))
            goto out;
    }
    size_t length = write_point(crypto, parts, d, point);
    if (length == 0)
        crypto_fail(crypto, "not a key on %s: its %s", parts->curve->name,
                    parts->point ? "point is not on the curve" : "d is not in the range of the curve");
    else
        pkey = build(crypto, parts->curve, point, length, d);
out:
    BN_clear_free(d);
    return pkey;
}

/* To parts */

static bool give_raw(struct crypto *crypto, const EVP_PKEY *pkey)
{
    unsigned char bytes[POINT_MAX];
    size_t length = sizeof bytes;
    bool ok =
        EVP_PKEY_get_raw_public_key(pkey, bytes, &length) && crypto_give(crypto, "point", bytes, length);

    length = sizeof bytes;
    if (ok && EVP_PKEY_get_raw_private_key(pkey, bytes, &length))
        ok = crypto_give(crypto, "d", bytes, length);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return ok;
}

/* The point is uncompressed, because EVP_PKEY_get_octet_string_param() has what the key's file had. */
static bool give_point(struct crypto *crypto, const EVP_PKEY *pkey, const struct crypto_curve *curve)
{
    unsigned char found[POINT_MAX], point[POINT_MAX];
    size_t length;

    if (!EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, found, sizeof found, &length))
        return crypto_fail_because(crypto, "the key has no point");
    struct crypto_ec_parts parts = {.curve = curve, .point = (const char *)found, .point_length = length};
    length = write_point(crypto, &parts, NULL, point);
    return length > 0 && crypto_give(crypto, "point", point, length);
}

bool crypto_ec_give_parts(struct crypto *crypto, const EVP_PKEY *pkey, const struct crypto_curve *curve)
{
    BIGNUM *d = NULL;

    if (curve->raw)
        return give_raw(crypto, pkey);
    if (!give_point(crypto, pkey, curve))
        return false;
    if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d))
        return true;
    int length = (int)curve->length;
    bool ok = crypto_give(crypto, "d", NULL, curve->length) &&
              BN_bn2binpad(d, crypto_last(crypto)->bytes, length) == length;
    BN_clear_free(d);
    return ok;
}
