/* SPDX-License-Identifier: BSD-3-Clause */
/* Encryption with RSA keys, and secrets that two keys on a curve have in common. */
#ifndef CARDRIG_ICC_CRYPTO_SECRET_H
#define CARDRIG_ICC_CRYPTO_SECRET_H

#include <lua.h>

/* key:encrypt(data, options), key:decrypt(data, options), key:derive(point) */
int crypto_key_encrypt(lua_State *L);
int crypto_key_decrypt(lua_State *L);
int crypto_key_derive(lua_State *L);

#endif
