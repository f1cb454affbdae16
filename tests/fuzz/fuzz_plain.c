/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the state that a card has kept. What is a state encodes to bytes of the same length, which are one, too. */
#include "fuzz.h"

#include "icc/plain.h"

#include <lauxlib.h>

static const uint8_t *state;
static size_t state_size;

static int decode(lua_State *L)
{
    size_t length;
    plain_decode(L, (const char *)state, state_size, "it");
    plain_encode(L, -1, "it");
    const char *bytes = lua_tolstring(L, -1, &length);
    CHECK(length <= state_size); /* a key may be there twice */
    plain_decode(L, bytes, length, "it");
    plain_encode(L, -1, "it");
    CHECK(lua_rawlen(L, -1) == length);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return 0;
    state = exact_copy(data, size);
    state_size = size;
    lua_pushcfunction(L, decode);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        CHECK(lua_type(L, -1) == LUA_TSTRING);
    free((void *)state);
    lua_close(L);
    return 0;
}
