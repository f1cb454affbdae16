/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes and message authentication codes. */
#ifndef CARDRIG_ICC_CRYPTO_HASH_H
#define CARDRIG_ICC_CRYPTO_HASH_H

#include <lua.h>

/* Returns the name of the hash in this argument, as OpenSSL knows it. Raises a Lua error if there is none. */
const char *crypto_check_hash(lua_State *L, int index);

/* crypto.hash(name, data), crypto.hmac(hash, key, data), crypto.cmac(cipher, key, data) */
int crypto_hash(lua_State *L);
int crypto_hmac(lua_State *L);
int crypto_cmac(lua_State *L);

#endif
