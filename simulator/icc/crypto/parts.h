/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys as numbers and points, which is how cards store them. */
#ifndef CARDRIG_ICC_CRYPTO_PARTS_H
#define CARDRIG_ICC_CRYPTO_PARTS_H

#include <lua.h>

/* crypto.rsa{n, e, d, p, q, dp, dq, qi}, crypto.ec{curve, d, point} */
int crypto_rsa(lua_State *L);
int crypto_ec(lua_State *L);

/* key:parts(), key:public() */
int crypto_key_parts(lua_State *L);
int crypto_key_public(lua_State *L);

#endif
