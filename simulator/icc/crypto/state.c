/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "icc/crypto/random.h"
#include "icc/watchdog.h"

/* The state */

static void drop_results(struct crypto *crypto)
{
    for (size_t i = 0; i < crypto->result_count; i++) {
        OPENSSL_cleanse(crypto->results[i].bytes, crypto->results[i].length);
        free(crypto->results[i].bytes);
    }
    crypto->result_count = 0;
}

/*
 * OpenSSL keeps for each thread what it has used of a library context, and frees it when the thread
 * ends. That would be too late: other threads may use this card, and free it.
 */
static void leave_openssl(struct crypto *crypto)
{
    ERR_clear_error();
    OPENSSL_thread_stop_ex(crypto->libctx);
}

static void free_state(void *state)
{
    struct crypto *crypto = state;

    drop_results(crypto);
    for (size_t i = 0; i < CRYPTO_KEYS_MAX; i++)
        EVP_PKEY_free(crypto->keys[i]);
    if (crypto->libctx)
        leave_openssl(crypto);
    if (crypto->random)
        OSSL_PROVIDER_unload(crypto->random);
    if (crypto->algorithms)
        OSSL_PROVIDER_unload(crypto->algorithms);
    OSSL_LIB_CTX_free(crypto->libctx);
    free(crypto);
}

static struct crypto *new_state(struct sandbox *sandbox)
{
    struct crypto *crypto = calloc(1, sizeof *crypto);
    /* threads of the rig may run until the process ends; and the machine's openssl.cnf must not change a
     * card */
    bool ok = crypto && OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG, NULL);

    if (ok)
        crypto->sandbox = sandbox;
    ok = ok && (crypto->libctx = OSSL_LIB_CTX_new()) &&
         (crypto->algorithms = OSSL_PROVIDER_load(crypto->libctx, "default")) &&
         crypto_random_install(crypto->libctx, &sandbox->host, &crypto->random);
    if (ok) {
        leave_openssl(crypto);
        return crypto;
    }
    ERR_clear_error();
    if (crypto)
        free_state(crypto);
    return NULL;
}

struct crypto *crypto_get(lua_State *L)
{
    struct sandbox *sandbox = sandbox_of(L);

    if (!sandbox->attached) {
        watchdog_hold();
        struct crypto *crypto = new_state(sandbox);
        if (crypto)
            sandbox_attach(sandbox, crypto, free_state);
        watchdog_release();
        if (!sandbox->attached)
            luaL_error(L, "OpenSSL cannot be used: it lacks its default provider, or memory");
    }
    return sandbox->attached;
}

/* Works */

int crypto_cost(size_t length)
{
    return 1 + (int)(length / 65536);
}

void crypto_run(lua_State *L, int intervals, crypto_work *work, void *arg)
{
    struct crypto *crypto = crypto_get(L);

    sandbox_charge(L, intervals);
    watchdog_hold();
    drop_results(crypto);
    ERR_clear_error();
    error_set(&crypto->error, "out of memory");
    bool ok = work(crypto, arg);
    leave_openssl(crypto);
    watchdog_release();
    if (!ok)
        luaL_error(L, "%s", crypto->error.text);
}

bool crypto_fail(struct crypto *crypto, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(crypto->error.text, sizeof crypto->error.text, format, arguments);
    va_end(arguments);
    return false;
}

bool crypto_fail_because(struct crypto *crypto, const char *format, ...)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error()); /* the first error is the cause */
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(crypto->error.text, sizeof crypto->error.text, format, arguments);
    va_end(arguments);
    if (reason)
        error_add(&crypto->error, ": %s", reason);
    return false;
}

/* Results */

bool crypto_give(struct crypto *crypto, const char *name, const void *bytes, size_t length)
{
    struct crypto_result *result = &crypto->results[crypto->result_count];

    if (crypto->result_count == CRYPTO_RESULTS_MAX)
        return crypto_fail(crypto, "too many results");
    result->bytes = malloc(length > 0 ? length : 1);
    if (!result->bytes)
        return crypto_fail(crypto, "out of memory");
    result->name = name;
    result->length = length;
    if (bytes)
        memcpy(result->bytes, bytes, length);
    crypto->result_count++;
    return true;
}

struct crypto_result *crypto_last(struct crypto *crypto)
{
    return &crypto->results[crypto->result_count - 1];
}

static void push_result(lua_State *L, const struct crypto_result *result)
{
    lua_pushlstring(L, (const char *)result->bytes, result->length);
}

void crypto_push(lua_State *L, const char *name)
{
    const struct crypto *crypto = crypto_get(L);

    for (size_t i = 0; i < crypto->result_count; i++) {
        if (strcmp(crypto->results[i].name, name) == 0) {
            push_result(L, &crypto->results[i]);
            return;
        }
    }
    lua_pushnil(L);
}

void crypto_set_fields(lua_State *L)
{
    const struct crypto *crypto = crypto_get(L);

    for (size_t i = 0; i < crypto->result_count; i++) {
        push_result(L, &crypto->results[i]);
        lua_setfield(L, -2, crypto->results[i].name);
    }
}
