/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/crypto.h"

#include <lauxlib.h>

#include "icc/crypto/certificate.h"
#include "icc/crypto/cipher.h"
#include "icc/crypto/file.h"
#include "icc/crypto/generate.h"
#include "icc/crypto/hash.h"
#include "icc/crypto/key.h"
#include "icc/crypto/parts.h"
#include "icc/crypto/pkcs12.h"
#include "icc/crypto/secret.h"
#include "icc/crypto/sign.h"

void crypto_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"certificate", crypto_certificate},
                                         {"cmac", crypto_cmac},
                                         {"decrypt", crypto_decrypt},
                                         {"ec", crypto_ec},
                                         {"encrypt", crypto_encrypt},
                                         {"generate", crypto_generate},
                                         {"hash", crypto_hash},
                                         {"hmac", crypto_hmac},
                                         {"key", crypto_read_key},
                                         {"pkcs12", crypto_pkcs12},
                                         {"read_certificate", crypto_read_certificate},
                                         {"rsa", crypto_rsa},
                                         {NULL, NULL}};
    static const luaL_Reg methods[] = {{"decrypt", crypto_key_decrypt}, {"der", crypto_key_der},
                                       {"derive", crypto_key_derive},   {"encrypt", crypto_key_encrypt},
                                       {"parts", crypto_key_parts},     {"pem", crypto_key_pem},
                                       {"public", crypto_key_public},   {"sign", crypto_key_sign},
                                       {"verify", crypto_key_verify},   {NULL, NULL}};

    luaL_newlib(L, functions);
    lua_setglobal(L, "crypto");
    crypto_open_keys(L, methods);
}
