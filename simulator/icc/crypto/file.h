/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys as files: PEM and DER. */
#ifndef CARDRIG_ICC_CRYPTO_FILE_H
#define CARDRIG_ICC_CRYPTO_FILE_H

#include <lua.h>
#include <openssl/types.h>
#include <openssl/x509.h>

#include "icc/crypto/state.h"

/* Returns whether a file is PEM; else it may be DER. */
bool crypto_is_pem(const char *bytes, size_t length);

/* For works: makes the key in a PKCS#8 structure, if it is of a kind that cards can use. */
bool crypto_open_pkcs8(struct crypto *crypto, const PKCS8_PRIV_KEY_INFO *info, EVP_PKEY **pkey);

/* For works: decrypts an encrypted PKCS#8 structure. *left as in password.h. */
bool crypto_decrypt_pkcs8(struct crypto *crypto, const X509_SIG *encrypted, const char *password,
                          size_t length, long *left, EVP_PKEY **pkey);

/* crypto.key(pem_or_der, password) */
int crypto_read_key(lua_State *L);

/* key:pem(part), key:der(part), part being "public" or "private" */
int crypto_key_pem(lua_State *L);
int crypto_key_der(lua_State *L);

#endif
