/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/crypto.h"

#include <lauxlib.h>

static int not_built(lua_State *L)
{
    return luaL_error(L, "this cardrig was built without cryptography (-DCARDRIG_CRYPTO=OFF)");
}

void crypto_open(lua_State *L)
{
    static const char *const names[] = {"certificate", "cmac",     "decrypt", "ec",
                                        "encrypt",     "generate", "hash",    "hmac",
                                        "key",         "pkcs12",   "rsa",     "read_certificate"};

    lua_newtable(L);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lua_pushcfunction(L, not_built);
        lua_setfield(L, -2, names[i]);
    }
    lua_setglobal(L, "crypto");
}
