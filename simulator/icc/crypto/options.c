/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/options.h"

#include <string.h>

#include <lauxlib.h>

#include "icc/crypto/arguments.h"
#include "icc/crypto/hash.h"

static const char *sign_option(unsigned i)
{
    static const char *const names[] = {"hash", "padding", "salt", "format", NULL};
    return names[i];
}

static const char *encrypt_option(unsigned i)
{
    static const char *const names[] = {"hash", "padding", NULL};
    return names[i];
}

static const char *sign_padding(unsigned i)
{
    static const char *const names[] = {"PKCS1", "PSS", "none", NULL};
    return names[i];
}

static const char *encrypt_padding(unsigned i)
{
    static const char *const names[] = {"PKCS1", "OAEP", "none", NULL};
    return names[i];
}

static const char *format(unsigned i)
{
    static const char *const names[] = {"DER", "raw", NULL};
    return names[i];
}

/* Returns the index of the field's text among `names`, or 0 if there is no field. */
static unsigned choose(lua_State *L, int index, const char *field, name_list *names)
{
    size_t length;

    if (!crypto_check_field(L, index, field, CRYPTO_SECRET_MAX, &length))
        return 0;
    return crypto_check_name(L, lua_gettop(L), names, field);
}

static const char *check_hash_option(lua_State *L, int index)
{
    size_t length;

    return crypto_check_field(L, index, "hash", CRYPTO_SECRET_MAX, &length)
               ? crypto_check_hash(L, lua_gettop(L))
               : NULL;
}

static bool has(lua_State *L, int index, const char *field)
{
    lua_pushstring(L, field);
    return lua_rawget(L, index) != LUA_TNIL;
}

static int check_salt(lua_State *L, int index)
{
    int is_integer;

    if (!has(L, index, "salt"))
        return -1;
    lua_Integer salt = lua_tointegerx(L, -1, &is_integer);
    luaL_argcheck(L, is_integer && salt >= 0 && salt <= CRYPTO_RSA_MAX / 8, index,
                  "salt must be a number of bytes");
    return (int)salt;
}

static void check_rsa(lua_State *L, int index, struct crypto_options *options)
{
    static const char *const paddings[] = {"pkcs1", "pss", "none"};

    options->padding = paddings[choose(L, index, "padding", sign_padding)];
    options->salt = check_salt(L, index);
    bool pss = strcmp(options->padding, "pss") == 0;
    luaL_argcheck(L, options->hash || !pss, index, "PSS needs the name of the hash");
    luaL_argcheck(L, !options->hash || strcmp(options->padding, "none") != 0, index,
                  "with the padding 'none' there is no hash");
    luaL_argcheck(L, options->salt < 0 || pss, index, "only PSS has a salt");
    luaL_argcheck(L, !has(L, index, "format"), index, "only keys on curves have a format");
}

static void check_curve(lua_State *L, int index, const struct crypto_curve *curve,
                        struct crypto_options *options)
{
    luaL_argcheck(L, !has(L, index, "padding") && !has(L, index, "salt"), index,
                  "only RSA keys have a padding and a salt");
    luaL_argcheck(L, !curve->raw || (!options->hash && !has(L, index, "format")), index,
                  "Ed25519 and Ed448 have no options");
    options->raw = choose(L, index, "format", format) == 1;
}

void crypto_check_sign_options(lua_State *L, int index, const struct crypto_key *key,
                               struct crypto_options *options)
{
    *options = (struct crypto_options){.padding = key->curve ? NULL : "pkcs1", .salt = -1};
    if (lua_isnoneornil(L, index))
        return;
    crypto_check_fields(L, index, sign_option);
    options->hash = check_hash_option(L, index);
    if (key->curve)
        check_curve(L, index, key->curve, options);
    else
        check_rsa(L, index, options);
}

void crypto_check_encrypt_options(lua_State *L, int index, struct crypto_options *options)
{
    static const char *const paddings[] = {"pkcs1", "oaep", "none"};

    *options = (struct crypto_options){.padding = "pkcs1"};
    if (lua_isnoneornil(L, index))
        return;
    crypto_check_fields(L, index, encrypt_option);
    options->hash = check_hash_option(L, index);
    options->padding = paddings[choose(L, index, "padding", encrypt_padding)];
    bool oaep = strcmp(options->padding, "oaep") == 0;
    luaL_argcheck(L, !options->hash || oaep, index, "only OAEP has a hash");
    if (oaep && !options->hash)
        options->hash = "SHA-1"; /* RFC 8017, A.2.1 */
}
