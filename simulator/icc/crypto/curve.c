/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/curve.h"

#include <string.h>

#include <openssl/evp.h>

const struct crypto_curve *crypto_curve(unsigned i)
{
    static const struct crypto_curve curves[] = {
        {"P-224", "secp224r1", 28, false, true, true},
        {"P-256", "prime256v1", 32, false, true, true},
        {"P-384", "secp384r1", 48, false, true, true},
        {"P-521", "secp521r1", 66, false, true, true},
        {"secp256k1", "secp256k1", 32, false, true, true},
        {"brainpoolP256r1", "brainpoolP256r1", 32, false, true, true},
        {"brainpoolP384r1", "brainpoolP384r1", 48, false, true, true},
        {"brainpoolP512r1", "brainpoolP512r1", 64, false, true, true},
        {"Ed25519", "ED25519", 32, true, true, false},
        {"Ed448", "ED448", 57, true, true, false},
        {"X25519", "X25519", 32, true, false, true},
        {"X448", "X448", 56, true, false, true},
    };

    return i < sizeof curves / sizeof curves[0] ? &curves[i] : NULL;
}

const char *crypto_curve_name(unsigned i)
{
    const struct crypto_curve *curve = crypto_curve(i);

    return curve ? curve->name : NULL;
}

const struct crypto_curve *crypto_curve_of(const EVP_PKEY *key)
{
    const struct crypto_curve *curve;
    char group[64];
    bool ec = EVP_PKEY_is_a(key, "EC");

    if (ec && !EVP_PKEY_get_group_name(key, group, sizeof group, NULL))
        return NULL;
    for (unsigned i = 0; (curve = crypto_curve(i)); i++)
        if (ec ? !curve->raw && strcmp(curve->openssl, group) == 0
               : curve->raw && EVP_PKEY_is_a(key, curve->openssl))
            return curve;
    return NULL;
}
