/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/parts.h"

#include <lauxlib.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/ec_parts.h"
#include "icc/crypto/key.h"
#include "icc/crypto/rsa_parts.h"

/* RSA */

struct rsa_work {
    struct crypto_key *key;
    struct crypto_rsa_part parts[RSA_PARTS];
};

static bool make_rsa(struct crypto *crypto, void *arg)
{
    struct rsa_work *work = arg;

    return crypto_set_foreign_key(crypto, work->key, crypto_rsa_from_parts(crypto, work->parts));
}

int crypto_rsa(lua_State *L)
{
    struct rsa_work work = {0};
    const struct crypto_rsa_part *parts = work.parts;

    crypto_check_fields(L, 1, crypto_rsa_part_name);
    for (unsigned i = 0; i < RSA_PARTS; i++)
        work.parts[i].bytes =
            crypto_check_field(L, 1, crypto_rsa_part_name(i), CRYPTO_RSA_MAX / 8 + 1, &work.parts[i].length);
    luaL_argcheck(L, parts[RSA_N].bytes || (parts[RSA_P].bytes && parts[RSA_Q].bytes), 1,
                  "expected n, or p and q");
    luaL_argcheck(L, !parts[RSA_P].bytes == !parts[RSA_Q].bytes, 1, "expected both p and q, or neither");
    work.key = crypto_push_key(L);
    size_t primes = parts[RSA_P].length + parts[RSA_Q].length;
    size_t bytes = primes > parts[RSA_N].length ? primes : parts[RSA_N].length;
    crypto_run(L, crypto_kind_cost(NULL, 8 * bytes), make_rsa, &work);
    return 1;
}

/* Curves */

static const char *ec_part_name(unsigned i)
{
    static const char *const names[] = {"curve", "d", "point", NULL};
    return names[i];
}

struct ec_work {
    struct crypto_key *key;
    struct crypto_ec_parts parts;
};

static bool make_ec(struct crypto *crypto, void *arg)
{
    struct ec_work *work = arg;

    return crypto_set_foreign_key(crypto, work->key, crypto_ec_from_parts(crypto, &work->parts));
}

int crypto_ec(lua_State *L)
{
    struct ec_work work = {0};
    size_t length;

    crypto_check_fields(L, 1, ec_part_name);
    luaL_argcheck(L, crypto_check_field(L, 1, "curve", CRYPTO_SECRET_MAX, &length), 1,
                  "expected the name of the curve");
    work.parts.curve = crypto_curve(crypto_check_name(L, lua_gettop(L), crypto_curve_name, "curve"));
    work.parts.d = crypto_check_field(L, 1, "d", 66, &work.parts.d_length);
    work.parts.point = crypto_check_field(L, 1, "point", 1 + 2 * 66, &work.parts.point_length);
    luaL_argcheck(L, work.parts.d || work.parts.point, 1, "expected d, or point, or both");
    work.key = crypto_push_key(L);
    crypto_run(L, crypto_kind_cost(work.parts.curve, 0), make_ec, &work);
    return 1;
}

/* key:parts() */

static bool give_parts(struct crypto *crypto, void *arg)
{
    const struct crypto_key *key = arg;

    return key->curve ? crypto_ec_give_parts(crypto, *key->slot, key->curve)
                      : crypto_rsa_give_parts(crypto, *key->slot);
}

int crypto_key_parts(lua_State *L)
{
    const struct crypto_key *key = crypto_check_key(L, 1);

    crypto_run(L, 1, give_parts, (void *)key);
    lua_newtable(L);
    crypto_set_fields(L);
    if (key->curve) {
        lua_pushstring(L, key->curve->name);
        lua_setfield(L, -2, "curve");
    }
    return 1;
}

/* key:public() */

struct public_work {
    struct crypto_key *key;
    const struct crypto_key *whole;
};

static bool make_public(struct crypto *crypto, void *arg)
{
    struct public_work *work = arg;
    const EVP_PKEY *whole = *work->whole->slot;
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(crypto->libctx, EVP_PKEY_get0_type_name(whole), NULL);
    bool ok = ctx && EVP_PKEY_todata(whole, EVP_PKEY_PUBLIC_KEY, &params) &&
              EVP_PKEY_fromdata_init(ctx) > 0 &&
              EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) > 0;

    if (!ok)
        crypto_fail_because(crypto, "the key has no public part");
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return crypto_set_key(crypto, work->key, pkey);
}

int crypto_key_public(lua_State *L)
{
    struct public_work work = {.whole = crypto_check_key(L, 1)};

    work.key = crypto_push_key(L);
    crypto_run(L, 1, make_public, &work);
    return 1;
}
