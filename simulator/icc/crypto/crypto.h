/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table `crypto` of card scripts: cryptography of OpenSSL's libcrypto. cardrig-card(5) describes its
 * functions. state.h says how they call OpenSSL. Without it (-DCARDRIG_CRYPTO=OFF), none.c
 * takes the place of all other files.
 */
#ifndef CARDRIG_ICC_CRYPTO_H
#define CARDRIG_ICC_CRYPTO_H

#include <lua.h>

/* Sets the global `crypto` in the Lua state of a sandbox. Must run inside a protected call. */
void crypto_open(lua_State *L);

#endif
