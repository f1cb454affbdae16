/* SPDX-License-Identifier: BSD-3-Clause */
/* `crypto` without OpenSSL: the same functions, and each says why it fails. crypto_open() is that of
 * none.c here. */
#include "icc/crypto/crypto.h"
#include "icc/globals.h"
#include "icc/sandbox.h"

#include "cards.h"
#include "run_suite.h"

#include <check.h>
#include <lauxlib.h>

static void open_both(lua_State *L)
{
    globals_open(L);
    lua_getglobal(L, "crypto");
    lua_setglobal(L, "built");
    crypto_open(L);
}

static int compare(lua_State *L)
{
    static const char script[] =
        "for name in pairs(built) do\n"
        "  local ok, why = pcall(crypto[name], 'SHA-1', '')\n"
        "  assert(not ok and why == 'this cardrig was built without cryptography (-DCARDRIG_CRYPTO=OFF)', why)\n"
        "end\n"
        "for name in pairs(crypto) do assert(built[name], name) end";

    if (luaL_loadstring(L, script) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 0);
    return 0;
}

START_TEST(test_none)
{
    struct faults faults = {0};
    struct error error;
    struct sandbox *sandbox = sandbox_new(&test_host, &faults, open_both, "test.lua", &error);

    ck_assert_ptr_nonnull(sandbox);
    ck_assert_msg(sandbox_call(sandbox, compare, NULL, 1, &error), "%s", error.text);
    sandbox_free(sandbox);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crypto_none");
    TCase *tc = add_card_case(suite, "none");

    tcase_add_test(tc, test_none);
    return run_suite(suite);
}
