/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys in Lua: a userdata, and its fields `type`, `curve`, `bits` and `private`. */
#ifndef CARDRIG_ICC_CRYPTO_KEY_H
#define CARDRIG_ICC_CRYPTO_KEY_H

#include <stdbool.h>

#include <lauxlib.h>
#include <openssl/types.h>

#include "icc/crypto/curve.h"
#include "icc/crypto/state.h"

#define CRYPTO_RSA_MIN 512 /* bits */
#define CRYPTO_RSA_MAX 8192

struct crypto_key {
    EVP_PKEY **slot;                  /* in struct crypto, which owns the key; NULL: not set yet */
    const struct crypto_curve *curve; /* NULL: an RSA key */
    int bits;
    bool private;
};

/* Makes the methods of keys, of which the last one has no name. Must be called once for a Lua state. */
void crypto_open_keys(lua_State *L, const luaL_Reg *methods);

/* Pushes a key that is not set yet. Raises a Lua error if the card has too many. */
struct crypto_key *crypto_push_key(lua_State *L);

/* For works: sets the key. Takes pkey even if it fails: if it is NULL, or not of a kind that cards can
 * use. */
bool crypto_set_key(struct crypto *crypto, struct crypto_key *key, EVP_PKEY *pkey);

/* The same for a key from outside: also checks its numbers and points, and whether its private and its public
 * part belong together. */
bool crypto_set_foreign_key(struct crypto *crypto, struct crypto_key *key, EVP_PKEY *pkey);

/* Returns the key in an argument, or raises a Lua error. */
const struct crypto_key *crypto_check_key(lua_State *L, int index);
const struct crypto_key *crypto_check_private_key(lua_State *L, int index);

/* The cost of an operation with a private key of this kind, in intervals of the instruction budget */
int crypto_kind_cost(const struct crypto_curve *curve, size_t bits);
int crypto_key_cost(const struct crypto_key *key);

#endif
