/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of the functions of `crypto`. Each function here raises a Lua error if they are not as
 * expected. */
#ifndef CARDRIG_ICC_CRYPTO_ARGUMENTS_H
#define CARDRIG_ICC_CRYPTO_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "base/names.h"

#define CRYPTO_DATA_MAX   ((size_t)1024 * 1024) /* bytes, of data to hash or encrypt */
#define CRYPTO_FILE_MAX   ((size_t)64 * 1024)   /* bytes, of a key, a certificate, a PKCS#12 file */
#define CRYPTO_SECRET_MAX ((size_t)1024)        /* bytes, of a password or the key of a MAC */

/* Returns the bytes of a string of at most max bytes. */
const char *crypto_check_bytes(lua_State *L, int index, size_t max, size_t *length);

/* Returns the index of a name, which may be in other letters: "aes-cbc". `what` is what has these names. */
unsigned crypto_check_name(lua_State *L, int index, name_list *names, const char *what);

/* Refuses a table with fields that are not in `names`, because a misspelt one would be ignored. */
void crypto_check_fields(lua_State *L, int index, name_list *names);

/* Pushes a field of a table, which must be a string of 1 to max bytes, or nil. Returns its bytes, NULL
 * for nil. */
const char *crypto_check_field(lua_State *L, int index, const char *field, size_t max, size_t *length);

#endif
