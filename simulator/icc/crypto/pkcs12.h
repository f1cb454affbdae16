/* SPDX-License-Identifier: BSD-3-Clause */
/* PKCS#12 files. */
#ifndef CARDRIG_ICC_CRYPTO_PKCS12_H
#define CARDRIG_ICC_CRYPTO_PKCS12_H

#include <lua.h>

/* crypto.pkcs12(bytes, password) */
int crypto_pkcs12(lua_State *L);

#endif
