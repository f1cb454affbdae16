/* SPDX-License-Identifier: BSD-3-Clause */
/* The curves that keys can be on, and their names. */
#ifndef CARDRIG_ICC_CRYPTO_CURVE_H
#define CARDRIG_ICC_CRYPTO_CURVE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

struct crypto_curve {
    const char *name;
    const char *openssl; /* OpenSSL's name: of the group, or of the kind of key if the key is `raw` */
    size_t length;       /* bytes of the private key; if the key is raw, also of the public one */
    bool raw;            /* keys are byte strings, not numbers and points: RFC 7748, RFC 8032 */
    bool signs, derives;
};

/* Returns the curve, or its name, with index i, and NULL after the last one. */
const struct crypto_curve *crypto_curve(unsigned i);
const char *crypto_curve_name(unsigned i);

/* Returns the curve of a key, or NULL if it is another kind of key, or on another curve. */
const struct crypto_curve *crypto_curve_of(const EVP_PKEY *key);

#endif
