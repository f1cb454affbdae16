/* SPDX-License-Identifier: BSD-3-Clause */
/* RSA keys as numbers: unsigned, the most significant byte first. */
#ifndef CARDRIG_ICC_CRYPTO_RSA_PARTS_H
#define CARDRIG_ICC_CRYPTO_RSA_PARTS_H

#include <openssl/types.h>

#include "icc/crypto/state.h"

/* As in RFC 8017, 3.2: dp, dq and qi are the exponents and the coefficient of the CRT. */
enum rsa_part { RSA_N, RSA_E, RSA_D, RSA_P, RSA_Q, RSA_DP, RSA_DQ, RSA_QI, RSA_PARTS };

struct crypto_rsa_part {
    const char *bytes; /* NULL: not given */
    size_t length;
};

const char *crypto_rsa_part_name(unsigned part); /* NULL after the last one */

/*
 * For works: makes a key of n, or of p and q, or of more parts. e is 65537 if it is not given, and what
 * follows from other parts is computed. Returns NULL on failure. crypto_validate() must check the key.
 */
EVP_PKEY *crypto_rsa_from_parts(struct crypto *crypto, const struct crypto_rsa_part parts[RSA_PARTS]);

/* For works: gives the parts of a key as results. n and d have the length of the modulus, the others except
 * e half of it, so that they fit into the data objects of cards. */
bool crypto_rsa_give_parts(struct crypto *crypto, const EVP_PKEY *pkey);

#endif
