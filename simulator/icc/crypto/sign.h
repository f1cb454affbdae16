/* SPDX-License-Identifier: BSD-3-Clause */
/* Signatures. */
#ifndef CARDRIG_ICC_CRYPTO_SIGN_H
#define CARDRIG_ICC_CRYPTO_SIGN_H

#include <lua.h>

/* key:sign(data, options), key:verify(data, signature, options) */
int crypto_key_sign(lua_State *L);
int crypto_key_verify(lua_State *L);

#endif
