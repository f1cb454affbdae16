/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/generate.h"

#include <lauxlib.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/key.h"
#include "icc/watchdog.h"

#define GENERATE_MIN 1024 /* bits */
#define GENERATE_MAX 4096

struct generate_work {
    struct crypto_key *key;
    const struct crypto_curve *curve; /* NULL: RSA */
    size_t bits;
    uint64_t exponent;
};

/* OpenSSL calls it between its attempts to find a prime. */
static int may_continue(EVP_PKEY_CTX *ctx)
{
    const struct sandbox *sandbox = EVP_PKEY_CTX_get_app_data(ctx);

    return !atomic_load_explicit(&sandbox->interrupted, memory_order_relaxed);
}

static bool generate(struct crypto *crypto, void *arg)
{
    struct generate_work *work = arg;
    const struct crypto_curve *curve = work->curve;
    const char *kind = !curve ? "RSA" : curve->raw ? curve->openssl : "EC";
    OSSL_PARAM rsa[] = {OSSL_PARAM_construct_size_t(OSSL_PKEY_PARAM_RSA_BITS, &work->bits),
                        OSSL_PARAM_construct_uint64(OSSL_PKEY_PARAM_RSA_E, &work->exponent),
                        OSSL_PARAM_construct_end()};
    OSSL_PARAM ec[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                        curve ? (char *)curve->openssl : NULL, 0),
                       OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(crypto->libctx, kind, NULL);
    EVP_PKEY *pkey = NULL;

    bool ok = ctx && EVP_PKEY_keygen_init(ctx) > 0 &&
              (curve && curve->raw ? 1 : EVP_PKEY_CTX_set_params(ctx, curve ? ec : rsa)) > 0;
    if (ok) {
        EVP_PKEY_CTX_set_app_data(ctx, crypto->sandbox);
        EVP_PKEY_CTX_set_cb(ctx, may_continue);
        ok = EVP_PKEY_generate(ctx, &pkey) > 0;
    }
    if (!ok)
        crypto_fail_because(crypto, "cannot generate a key for %s", curve ? curve->name : "RSA");
    EVP_PKEY_CTX_free(ctx);
    watchdog_restart(); /* how long it takes is a matter of luck; the instruction budget limits it */
    return ok && crypto_set_key(crypto, work->key, pkey);
}

static const char *kind_name(unsigned i)
{
    return i == 0 ? "RSA" : crypto_curve_name(i - 1);
}

int crypto_generate(lua_State *L)
{
    unsigned kind = crypto_check_name(L, 1, kind_name, "kind of key");
    struct generate_work work = {.curve = kind > 0 ? crypto_curve(kind - 1) : NULL, .exponent = 65537};
    int cost = crypto_kind_cost(work.curve, 0);

    if (work.curve) {
        luaL_argcheck(L, lua_isnoneornil(L, 2), 2, "the curve says how long the key is");
    } else {
        lua_Integer bits = luaL_checkinteger(L, 2), e = luaL_optinteger(L, 3, 65537);
        luaL_argcheck(L, bits >= GENERATE_MIN && bits <= GENERATE_MAX && bits % 8 == 0, 2,
                      "expected 1024 to 4096 bits, a multiple of 8");
        luaL_argcheck(L, e >= 3 && e % 2 == 1, 3, "the public exponent must be an odd number from 3 on");
        work.bits = (size_t)bits;
        work.exponent = (uint64_t)e;
        cost = (int)(bits / 512 * (bits / 512) * 6); /* two keys of 4096 bits use up a call's budget */
    }
    work.key = crypto_push_key(L);
    crypto_run(L, cost, generate, &work);
    return 1;
}
