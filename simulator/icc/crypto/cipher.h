/* SPDX-License-Identifier: BSD-3-Clause */
/* Encryption with AES and DES. */
#ifndef CARDRIG_ICC_CRYPTO_CIPHER_H
#define CARDRIG_ICC_CRYPTO_CIPHER_H

#include <stddef.h>

#include <lua.h>

struct crypto_cipher_key {
    char name[16]; /* OpenSSL's name of the cipher */
    unsigned char bytes[32];
    size_t length;
};

/*
 * Takes the key for a cipher, "AES", "3DES" or "DES", and a mode from an argument. Its length chooses
 * the variant; of a short key for 3DES it makes one of 24 bytes. Raises a Lua error if the length is
 * wrong.
 */
void crypto_check_cipher_key(lua_State *L, int index, const char *cipher, const char *mode,
                             struct crypto_cipher_key *key);

/* crypto.encrypt(cipher, key, data, iv, aad), crypto.decrypt(cipher, key, data, iv, aad) */
int crypto_encrypt(lua_State *L);
int crypto_decrypt(lua_State *L);

#endif
