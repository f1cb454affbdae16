/* SPDX-License-Identifier: BSD-3-Clause */
/* New keys. */
#ifndef CARDRIG_ICC_CRYPTO_GENERATE_H
#define CARDRIG_ICC_CRYPTO_GENERATE_H

#include <lua.h>

/* crypto.generate("RSA", bits, e), crypto.generate(curve) */
int crypto_generate(lua_State *L);

#endif
