/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/key.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "icc/watchdog.h"

static const char metatable[] = "key of crypto";

/* Slots */

static EVP_PKEY **free_slot(struct crypto *crypto)
{
    for (size_t i = 0; i < CRYPTO_KEYS_MAX; i++)
        if (!crypto->keys[i])
            return &crypto->keys[i];
    return NULL;
}

struct crypto_key *crypto_push_key(lua_State *L)
{
    struct crypto *crypto = crypto_get(L);

    if (!free_slot(crypto))
        lua_gc(L,
               LUA_GCCOLLECT); /* Lua does not know how large keys are, so it is in no hurry to free them */
    if (!free_slot(crypto))
        luaL_error(L, "the card has %d keys already, and cannot have more", CRYPTO_KEYS_MAX);
    struct crypto_key *key = lua_newuserdatauv(L, sizeof *key, 0);
    memset(key, 0, sizeof *key);
    luaL_setmetatable(L, metatable);
    return key;
}

static bool has_private_part(const EVP_PKEY *pkey, const struct crypto_curve *curve)
{
    BIGNUM *number = NULL;
    size_t length;

    if (curve && curve->raw)
        return EVP_PKEY_get_raw_private_key(pkey, NULL, &length);
    EVP_PKEY_get_bn_param(pkey, curve ? OSSL_PKEY_PARAM_PRIV_KEY : OSSL_PKEY_PARAM_RSA_D, &number);
    BN_clear_free(number);
    return number != NULL;
}

static bool is_supported(struct crypto *crypto, const EVP_PKEY *pkey, const struct crypto_curve *curve)
{
    int bits = EVP_PKEY_get_bits(pkey);

    if (curve)
        return true;
    if (EVP_PKEY_is_a(pkey, "EC"))
        return crypto_fail(crypto, "the key is on a curve that is not supported");
    if (!EVP_PKEY_is_a(pkey, "RSA"))
        return crypto_fail(crypto, "the key is neither RSA nor on a known curve");
    if (bits < CRYPTO_RSA_MIN || bits > CRYPTO_RSA_MAX)
        return crypto_fail(crypto, "an RSA key of %d bits, expected %d to %d", bits, CRYPTO_RSA_MIN,
                           CRYPTO_RSA_MAX);
    return true;
}

bool crypto_set_key(struct crypto *crypto, struct crypto_key *key, EVP_PKEY *pkey)
{
    EVP_PKEY **slot = free_slot(crypto);
    const struct crypto_curve *curve = pkey ? crypto_curve_of(pkey) : NULL;

    if (!pkey || !is_supported(crypto, pkey, curve) || !slot) {
        EVP_PKEY_free(pkey);
        return false;
    }
    *slot = pkey;
    *key = (struct crypto_key){.slot = slot,
                               .curve = curve,
                               .bits = EVP_PKEY_get_bits(pkey),
                               .private = has_private_part(pkey, curve)};
    return true;
}

/* Validation */

/* OpenSSL's own check would look for the primes' factors, for seconds. What matters is that encryption and
 * decryption are the reverse of each other. */
static bool rsa_works(struct crypto *crypto, const struct crypto_key *key)
{
    unsigned char plain[CRYPTO_RSA_MAX / 8], secret[CRYPTO_RSA_MAX / 8], found[CRYPTO_RSA_MAX / 8];
    size_t length = (size_t)EVP_PKEY_get_size(*key->slot), secret_length = length, found_length = length;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(crypto->libctx, *key->slot, NULL);

    memset(plain, 0xA5, length);
    plain[0] = 0;
    bool ok = ctx && EVP_PKEY_encrypt_init(ctx) > 0 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0 &&
              EVP_PKEY_encrypt(ctx, secret, &secret_length, plain, length) > 0;
    if (ok && key->private)
        ok = EVP_PKEY_decrypt_init(ctx) > 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0 &&
             EVP_PKEY_decrypt(ctx, found, &found_length, secret, secret_length) > 0 &&
             found_length == length && memcmp(plain, found, length) == 0;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static bool rsa_is_sound(struct crypto *crypto, const struct crypto_key *key)
{
    BIGNUM *n = NULL, *e = NULL;
    bool ok = EVP_PKEY_get_bn_param(*key->slot, OSSL_PKEY_PARAM_RSA_N, &n) &&
              EVP_PKEY_get_bn_param(*key->slot, OSSL_PKEY_PARAM_RSA_E, &e);

    if (ok && !BN_is_odd(n))
        ok = crypto_fail(crypto, "not an RSA key: its modulus is even");
    else if (ok && (!BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > 64))
        ok = crypto_fail(crypto, "not an RSA key: its public exponent is not an odd number of 3 to 2^64");
    else if (ok && !rsa_works(crypto, key))
        ok = crypto_fail(crypto, "not an RSA key: its numbers do not belong together");
    BN_free(n);
    BN_free(e);
    return ok;
}

static bool curve_is_sound(struct crypto *crypto, const struct crypto_key *key)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(crypto->libctx, *key->slot, NULL);
    bool ok = ctx && (key->private ? EVP_PKEY_check(ctx) : EVP_PKEY_public_check(ctx)) > 0;

    EVP_PKEY_CTX_free(ctx);
    return ok ||
           crypto_fail(crypto, "not a key on %s: %s", key->curve->name,
                       key->private ? "its numbers do not belong together" : "its point is not on the curve");
}

bool crypto_set_foreign_key(struct crypto *crypto, struct crypto_key *key, EVP_PKEY *pkey)
{
    if (!crypto_set_key(crypto, key, pkey))
        return false;
    if (!key->curve)
        return rsa_is_sound(crypto, key);
    return key->curve->raw || curve_is_sound(crypto, key);
}

/* Keys as Lua values */

const struct crypto_key *crypto_check_key(lua_State *L, int index)
{
    const struct crypto_key *key = luaL_testudata(L, index, metatable);

    if (!key || !key->slot)
        luaL_typeerror(L, index, "key");
    return key;
}

const struct crypto_key *crypto_check_private_key(lua_State *L, int index)
{
    const struct crypto_key *key = crypto_check_key(L, index);

    luaL_argcheck(L, key->private, index, "a public key, expected a private one");
    return key;
}

int crypto_kind_cost(const struct crypto_curve *curve, size_t bits)
{
    int kilobits = (int)(bits + 1023) / 1024;

    if (curve)
        return curve->raw ? 1 : 1 + (int)curve->length / 8;
    return 1 + kilobits * kilobits * kilobits;
}

int crypto_key_cost(const struct crypto_key *key)
{
    return crypto_kind_cost(key->curve, (size_t)key->bits);
}

/* The upvalue is the table of methods. */
static int key_index(lua_State *L)
{
    const struct crypto_key *key = crypto_check_key(L, 1);
    const char *field = luaL_checkstring(L, 2);

    if (strcmp(field, "type") == 0)
        lua_pushstring(L, key->curve ? "EC" : "RSA");
    else if (strcmp(field, "curve") == 0)
        lua_pushstring(L, key->curve ? key->curve->name : NULL);
    else if (strcmp(field, "bits") == 0)
        lua_pushinteger(L, key->bits);
    else if (strcmp(field, "private") == 0)
        lua_pushboolean(L, key->private);
    else
        lua_getfield(L, lua_upvalueindex(1), field);
    return 1;
}

/* Not with an address, which would differ in each run. */
static int key_text(lua_State *L)
{
    const struct crypto_key *key = crypto_check_key(L, 1);
    const char *kind = key->private ? "private" : "public";

    if (key->curve)
        lua_pushfstring(L, "%s key: %s", kind, key->curve->name);
    else
        lua_pushfstring(L, "%s key: RSA, %d bits", kind, key->bits);
    return 1;
}

static int key_free(lua_State *L)
{
    struct crypto_key *key = luaL_checkudata(L, 1, metatable);

    watchdog_hold();
    if (key->slot) {
        EVP_PKEY_free(*key->slot);
        *key->slot = NULL;
        key->slot = NULL;
    }
    watchdog_release();
    return 0;
}

void crypto_open_keys(lua_State *L, const luaL_Reg *methods)
{
    luaL_newmetatable(L, metatable);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, key_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, key_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, key_free);
    lua_setfield(L, -2, "__gc");
    lua_pushliteral(L, "key");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false); /* the script cannot get at __gc */
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}
