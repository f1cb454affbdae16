/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the functions of `crypto` call OpenSSL. Neither a Lua error nor the watchdog may leave OpenSSL in
 * the middle, and what OpenSSL allocates must not be lost. So each function has three steps:
 *
 * 1. It checks its arguments, in Lua.
 * 2. crypto_run() calls its work, a C function that calls OpenSSL and nothing of Lua, and frees all it
 *    allocates. The watchdog waits for its end, so it must be short. It keeps results with
 *    crypto_give(), keys with crypto_set_key().
 * 3. It pushes the results, in Lua.
 *
 * struct crypto owns results and keys. It is attached to the sandbox, which frees it even if the card
 * dies.
 */
#ifndef CARDRIG_ICC_CRYPTO_STATE_H
#define CARDRIG_ICC_CRYPTO_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>
#include <openssl/types.h>

#include "base/error.h"
#include "icc/sandbox.h"

#define CRYPTO_KEYS_MAX    256 /* keys per card */
#define CRYPTO_RESULTS_MAX 24

struct crypto_result {
    const char *name;
    unsigned char *bytes;
    size_t length;
};

struct crypto {
    struct sandbox *sandbox;
    OSSL_LIB_CTX *libctx; /* of this card alone, because its random numbers are */
    OSSL_PROVIDER *algorithms, *random;
    struct error error;                               /* why the work failed */
    struct crypto_result results[CRYPTO_RESULTS_MAX]; /* of the last work */
    size_t result_count;
    EVP_PKEY *keys[CRYPTO_KEYS_MAX]; /* NULL: free */
};

/* Returns the state of the card, which the first call makes. Raises a Lua error if OpenSSL cannot be used. */
struct crypto *crypto_get(lua_State *L);

/*
 * Calls work(crypto, arg), for `intervals` of the instruction budget. If work returns false, raises a
 * Lua error with the text that it has set by crypto_fail(). Frees the results of the work before.
 */
typedef bool crypto_work(struct crypto *crypto, void *arg);
void crypto_run(lua_State *L, int intervals, crypto_work *work, void *arg);

/* For works. Both return false. The second one adds the reason that OpenSSL gives. */
bool crypto_fail(struct crypto *crypto, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool crypto_fail_because(struct crypto *crypto, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For works: keeps a copy of bytes as a result. bytes may be NULL; the caller then fills crypto_last(). */
bool crypto_give(struct crypto *crypto, const char *name, const void *bytes, size_t length);
struct crypto_result *crypto_last(struct crypto *crypto);

/* Pushes the result with this name as a string, or nil if there is none. */
void crypto_push(lua_State *L, const char *name);

/* Sets a field of the table on top of the stack for each result. */
void crypto_set_fields(lua_State *L);

/* The cost of work on so many bytes, in intervals of the instruction budget */
int crypto_cost(size_t length);

#endif
