/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/rsa_parts.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

static const struct {
    const char *name, *openssl;
} names[] = {
    [RSA_N] = {"n", OSSL_PKEY_PARAM_RSA_N},           [RSA_E] = {"e", OSSL_PKEY_PARAM_RSA_E},
    [RSA_D] = {"d", OSSL_PKEY_PARAM_RSA_D},           [RSA_P] = {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
    [RSA_Q] = {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},     [RSA_DP] = {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    [RSA_DQ] = {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, [RSA_QI] = {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

const char *crypto_rsa_part_name(unsigned part)
{
    return part < RSA_PARTS ? names[part].name : NULL;
}

/* From parts */

/* Sets *number to numerator mod (prime - 1), unless it is given. */
static bool derive_exponent(BIGNUM **number, const BIGNUM *d, const BIGNUM *prime, BN_CTX *ctx)
{
    BIGNUM *order = *number ? NULL : BN_secure_new();
    bool ok = *number || (order && BN_copy(order, prime) && BN_sub_word(order, 1) && !BN_is_zero(order) &&
                          (*number = BN_secure_new()) && BN_mod(*number, d, order, ctx));

    BN_clear_free(order);
    return ok;
}

/* d = e^-1 mod (p - 1)(q - 1), unless it is given. */
static bool derive_d(BIGNUM *numbers[RSA_PARTS], BN_CTX *ctx)
{
    if (numbers[RSA_D])
        return true;
    BIGNUM *p1 = BN_dup(numbers[RSA_P]), *q1 = BN_dup(numbers[RSA_Q]), *order = BN_secure_new();
    bool ok = p1 && q1 && order && BN_sub_word(p1, 1) && BN_sub_word(q1, 1) && BN_mul(order, p1, q1, ctx) &&
              !BN_is_zero(order);

    if (ok) {
        BN_set_flags(order, BN_FLG_CONSTTIME);
        numbers[RSA_D] = BN_mod_inverse(NULL, numbers[RSA_E], order, ctx);
    }
    BN_clear_free(p1);
    BN_clear_free(q1);
    BN_clear_free(order);
    return numbers[RSA_D] != NULL;
}

/* Computes what follows from p, q and e, except what is given. */
static bool derive(BIGNUM *numbers[RSA_PARTS], BN_CTX *ctx)
{
    BIGNUM *p = numbers[RSA_P], *q = numbers[RSA_Q];

    if (!numbers[RSA_N] && (!(numbers[RSA_N] = BN_new()) || !BN_mul(numbers[RSA_N], p, q, ctx)))
        return false;
    if (!derive_d(numbers, ctx) || !derive_exponent(&numbers[RSA_DP], numbers[RSA_D], p, ctx) ||
        !derive_exponent(&numbers[RSA_DQ], numbers[RSA_D], q, ctx))
        return false;
    if (!numbers[RSA_QI])
        numbers[RSA_QI] = BN_mod_inverse(NULL, q, p, ctx);
    return numbers[RSA_QI] != NULL;
}

static bool read_numbers(struct crypto *crypto, const struct crypto_rsa_part parts[RSA_PARTS],
                         BIGNUM *numbers[RSA_PARTS])
{
    static const unsigned char f4[] = {1, 0, 1};
    BN_CTX *ctx = BN_CTX_secure_new_ex(crypto->libctx);
    bool ok = ctx != NULL, has_primes = parts[RSA_P].bytes && parts[RSA_Q].bytes;

    for (unsigned i = 0; i < RSA_PARTS && ok; i++) {
        if (parts[i].bytes)
            numbers[i] = BN_bin2bn((const unsigned char *)parts[i].bytes, (int)parts[i].length, NULL);
        else if (i == RSA_E)
            numbers[i] = BN_bin2bn(f4, sizeof f4, NULL);
        ok = numbers[i] || (!parts[i].bytes && i != RSA_E);
    }
    if (ok && has_primes)
        ok = (!BN_is_zero(numbers[RSA_P]) && !BN_is_zero(numbers[RSA_Q]) && derive(numbers, ctx)) ||
             crypto_fail(crypto, "not an RSA key: p, q and e do not belong together");
    BN_CTX_free(ctx);
    return ok;
}

static EVP_PKEY *build(struct crypto *crypto, BIGNUM *const numbers[RSA_PARTS])
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(crypto->libctx, "RSA", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;
    bool ok = builder && ctx;

    for (unsigned i = 0; i < RSA_PARTS && ok; i++) /* without p and q, dp, dq and qi are of no use */
        if (numbers[i] && (i <= RSA_D || numbers[RSA_P]))
            ok = OSSL_PARAM_BLD_push_BN(builder, names[i].openssl, numbers[i]);
    ok = ok && (params = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(ctx) > 0 &&
         EVP_PKEY_fromdata(ctx, &pkey, numbers[RSA_D] ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) > 0;
    if (!ok)
        crypto_fail_because(crypto, "not an RSA key");
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

EVP_PKEY *crypto_rsa_from_parts(struct crypto *crypto, const struct crypto_rsa_part parts[RSA_PARTS])
{
    BIGNUM *numbers[RSA_PARTS] = {NULL};
    EVP_PKEY *pkey = read_numbers(crypto, parts, numbers) ? build(crypto, numbers) : NULL;

    for (unsigned i = 0; i < RSA_PARTS; i++)
        BN_clear_free(numbers[i]);
    return pkey;
}

/* To parts */

bool crypto_rsa_give_parts(struct crypto *crypto, const EVP_PKEY *pkey)
{
    int modulus = EVP_PKEY_get_size(pkey);
    bool ok = true;

    for (unsigned i = 0; i < RSA_PARTS && ok; i++) {
        BIGNUM *number = NULL;
        if (!EVP_PKEY_get_bn_param(pkey, names[i].openssl, &number))
            continue;
        int length = BN_num_bytes(number);
        int padded = i == RSA_E ? length : i == RSA_N || i == RSA_D ? modulus : (modulus + 1) / 2;
        if (length < padded) /* the primes of an imported key may differ in length */
            length = padded;
        ok = crypto_give(crypto, names[i].name, NULL, (size_t)length) &&
             BN_bn2binpad(number, crypto_last(crypto)->bytes, length) == length;
        BN_clear_free(number);
    }
    return ok;
}
