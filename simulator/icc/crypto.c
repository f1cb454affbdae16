/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto.h"

#include <lauxlib.h>

#include "icc/crypto_cipher.h"
#include "icc/crypto_hash.h"

void crypto_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"hash", crypto_hash},       {"hmac", crypto_hmac},
                                         {"cmac", crypto_cmac},       {"encrypt", crypto_encrypt},
                                         {"decrypt", crypto_decrypt}, {NULL, NULL}};

    luaL_newlib(L, functions);
    lua_setglobal(L, "crypto");
}
