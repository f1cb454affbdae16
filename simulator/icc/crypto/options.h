/* SPDX-License-Identifier: BSD-3-Clause */
/* How a key is used: the last argument of its methods. */
#ifndef CARDRIG_ICC_CRYPTO_OPTIONS_H
#define CARDRIG_ICC_CRYPTO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "icc/crypto/key.h"

struct crypto_options {
    const char *padding; /* OpenSSL's name: "pkcs1", "pss", "oaep", "none"; NULL: not an RSA key */
    const char *hash;    /* NULL: not given */
    int salt;            /* bytes; -1: as many as the hash has */
    bool raw;            /* ECDSA: r and s, each in the length of the curve, instead of DER */
};

/* Takes the options for a signature, or for encryption, from an argument. Raises a Lua error if the key
 * cannot be used so. */
void crypto_check_sign_options(lua_State *L, int index, const struct crypto_key *key,
                               struct crypto_options *options);
void crypto_check_encrypt_options(lua_State *L, int index, struct crypto_options *options);

#endif
