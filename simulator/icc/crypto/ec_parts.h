/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys on curves as a private number and a public point. */
#ifndef CARDRIG_ICC_CRYPTO_EC_PARTS_H
#define CARDRIG_ICC_CRYPTO_EC_PARTS_H

#include <openssl/types.h>

#include "icc/crypto/curve.h"
#include "icc/crypto/state.h"

/*
 * d is an unsigned number, the most significant byte first, and point is as in SEC 1, 2.3.3. For raw keys
 * (struct crypto_curve) both are as in RFC 7748 and RFC 8032. Only one of them may be NULL.
 */
struct crypto_ec_parts {
    const struct crypto_curve *curve;
    const char *d, *point;
    size_t d_length, point_length;
};

/* For works: makes a key. Returns NULL on failure. crypto_validate() must check the key. */
EVP_PKEY *crypto_ec_from_parts(struct crypto *crypto, const struct crypto_ec_parts *parts);

/* For works: gives the parts as results. The point is not compressed, and d has the length of the curve. */
bool crypto_ec_give_parts(struct crypto *crypto, const EVP_PKEY *pkey, const struct crypto_curve *curve);

#endif
