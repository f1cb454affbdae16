/* SPDX-License-Identifier: BSD-3-Clause */
/* `crypto` of card scripts at its limits: the same seed, no memory, no time, cards that die or are
 * removed, threads. */
#include "icc/globals.h"
#include "icc/sandbox.h"
#include "icc/watchdog.h"

#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <lauxlib.h>
#include <pthread.h>
#include <string.h>

/* The same seed */

static const char *const random_uses[] = {
    "crypto.generate('RSA', 1024):parts().p",
    "crypto.generate('P-256'):parts().d",
    "crypto.generate('Ed448'):parts().d",
    "ec:sign(hash, { format = 'raw' })",
    "rsa:sign(hash, { padding = 'PSS', hash = 'SHA-256' })",
    "rsa:public():encrypt('secret', { padding = 'OAEP' })",
    "rsa:public():encrypt('secret')",
};

static struct card *load_random_use(const char *use)
{
    char commands[512];

    snprintf(commands, sizeof commands, "{ '00 01', function() return %s, 0x9000 end }", use);
    return load_commands("local hash = crypto.hash('SHA-256', 'abc')\n"
                         "local ec = crypto.ec { curve = 'P-256', d = '\\1\\2\\3' }\n"
                         "local seed = random(4)\n"
                         "local rsa = crypto.generate('RSA', 1024)",
                         commands);
}

static void use_with_seed(const char *use, uint32_t seed, uint8_t *bytes, size_t *length)
{
    struct card *card;

    host_seed = 1;
    card = load_random_use(use);
    host_seed = seed;
    send_command(card, "00 01 00 00 00 00 00");
    ck_assert_msg(answer_length > 8, "%s", card_log.last);
    *length = answer_length;
    memcpy(bytes, answer, answer_length);
    card_free(card);
}

START_TEST(test_seed)
{
    static uint8_t first[4096], again[4096], other[4096];
    size_t length, again_length, other_length;

    use_with_seed(random_uses[_i], 5, first, &length);
    use_with_seed(random_uses[_i], 5, again, &again_length);
    use_with_seed(random_uses[_i], 6, other, &other_length);
    ck_assert_uint_eq(length, again_length);
    ck_assert_mem_eq(first, again, length);
    ck_assert(length != other_length || memcmp(first, other, length) != 0);
}
END_TEST

/* A card that uses no random numbers takes none from the rig: run --seed mentions it otherwise. */
START_TEST(test_no_random_numbers)
{
    struct card *card = load_commands(
        "", "{ '00 01', function() local k = crypto.ec { curve = 'Ed25519', d = ('x'):rep(32) }\n"
            "k:sign('') crypto.encrypt('AES-ECB', ('x'):rep(16), '')\n"
            "return crypto.hash('SHA-1', ''), 0x9000 end }");
    uint32_t before = host_seed;

    send_command(card, "00 01 00 00 00");
    ck_assert_uint_eq(answer_length, 22);
    ck_assert_uint_eq(host_seed, before);
    card_free(card);
}
END_TEST

/* No memory: each allocation of Lua fails once */

static const char *const operations[] = {
    "crypto.hash('SHA-256', 'abc')",
    "crypto.encrypt('AES-GCM', ('x'):rep(16), ('x'):rep(1000), 'iv', 'aad')",
    "local k = crypto.ec { curve = 'P-256', d = '\\1\\2' } k:verify('x', k:sign('x'))",
    ("local k = crypto.ec { curve = 'X25519', d = ('x'):rep(32) }"
     " return k:derive(k:parts().point), tostring(k)"),
    "local k = crypto.ec { curve = 'P-256', d = '\\1\\2' } crypto.key(k:pem()):public():der()",
    "pcall(crypto.key, 'no key') pcall(crypto.rsa, { n = ('x'):rep(128) }) pcall(crypto.hash, 'x', '')",
};

static int compile(lua_State *L)
{
    if (luaL_loadstring(L, lua_touserdata(L, 1)) != LUA_OK)
        return lua_error(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "operation");
    return 0;
}

static int call(lua_State *L)
{
    (void)lua_touserdata(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, "operation");
    lua_call(L, 0, 0);
    return 0;
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

START_TEST(test_no_memory)
{
    struct faults faults = {0};
    struct error error;
    struct sandbox *sandbox = sandbox_new(&test_host, &faults, globals_open, "test.lua", &error);
    size_t limit = 0, failed = 0;

    ck_assert_ptr_nonnull(sandbox);
    ck_assert(sandbox_call(sandbox, compile, (void *)operations[_i], 1, &error));
    ck_assert(sandbox_call(sandbox, call, NULL, 1, &error));
    do {
        sandbox->heap.limit = SANDBOX_MEMORY;
        ck_assert(sandbox_call(sandbox, collect, NULL, 1, &error));
        sandbox->heap.limit = sandbox->heap.used + limit;
        limit += 16;
        ck_assert_uint_lt(limit, 100000);
        failed++;
    } while (!sandbox_call(sandbox, call, NULL, 1, &error) && strstr(error.text, "not enough memory"));
    sandbox->heap.limit = SANDBOX_MEMORY;
    ck_assert_msg(sandbox_call(sandbox, call, NULL, 1, &error), "%s", error.text);
    ck_assert_uint_gt(failed, 3);
    sandbox_free(sandbox);
}
END_TEST

/* No time, or no instructions: the call ends */

static const char *const endless[] = {
    "local data = ('x'):rep(1 << 20) while true do crypto.hash('SHA-512', data) end",
    "local data = ('x'):rep(1 << 20) while true do pcall(crypto.hmac, 'MD5', '', data) end",
    "while true do crypto.generate('RSA', 1024) end",
    "while true do crypto.generate('P-521') end",
    "while true do pcall(crypto.key, 'x') end",
    "while true do key:sign('x') end",
    "while true do key:parts() end",
    "local keys = {} while true do pcall(function() keys[#keys + 1] = key:public() end) end",
};

START_TEST(test_endless)
{
    char commands[512];
    struct card *card;

    snprintf(commands, sizeof commands, "{ '00 01', function() %s end }, { '00 02', '90 00' }", endless[_i]);
    card = load_commands("local key = crypto.ec { curve = 'brainpoolP512r1', d = '\\1\\2' }", commands);
    assert_answer(card, "00 01 00 00", "6F 00");
    assert_log_contains("used up");
    assert_answer(card, "00 02 00 00", "90 00");
    ck_assert(!card_dead(card));
    card_free(card);
}
END_TEST

/* The time of a key's generation does not count: the watchdog would end it otherwise, since this one takes
 * several times the limit. Everything else takes a fraction of it. */
START_TEST(test_time_of_generation)
{
    struct card *card =
        load_commands("crypto.generate('P-256')",
                      "{ '', function() return crypto.generate('RSA', 3072):parts().e, 0x9000 end }");

    watchdog_set_limit(5, 8);
    assert_answer(card, "00 01 00 00 00", "01 00 01 90 00");
    card_free(card);
}
END_TEST

/* What the card had, and what the call in progress had, is freed. AddressSanitizer would report it
 * otherwise. */
START_TEST(test_dead)
{
    for (int i = 0; i < 20; i++) {
        watchdog_set_limit(WATCHDOG_TICK_MS, 20 * WATCHDOG_TICKS);
        struct card *card = load_commands(
            "local keys = { crypto.generate('P-256'), crypto.generate('X25519') }\n"
            "local data = ('x'):rep(1 << 20)",
            "{ '00 01', function() while true do pcall(crypto.hash, 'MD5', data) pcall(crypto.encrypt,"
            " 'AES-CTR',"
            " ('x'):rep(16), data, ('x'):rep(16)) pcall(string.rep, '', 1e6) end end },"
            "{ '00 02', function() while true do pcall(keys[1].sign, keys[1], 'x')"
            " pcall(string.rep, '', 1e5) end"
            " end }");
        watchdog_set_limit(1, 1);
        send_command(card, i % 2 ? "00 01 00 00" : "00 02 00 00");
        ck_assert(card_dead(card) || answer_length == 2);
        card_free(card);
    }
}
END_TEST

/* A card that is removed while it generates a key need not finish it. */

static struct card *to_remove;
static int random_calls;

static void remove_in_the_middle(void *arg, uint8_t *bytes, size_t length)
{
    test_host.random(arg, bytes, length);
    if (to_remove && ++random_calls == 10)
        card_interrupt(to_remove);
}

START_TEST(test_removed)
{
    static const char text[] =
        "return { atr = '3B 00', commands = { { '', function() crypto.generate('RSA', 4096)"
        " return '', 0x9000 end } } }";
    const struct card_host host = {.random = remove_in_the_middle, .log = test_host.log};
    struct error error;
    struct card *card = card_load_text("test.lua", text, sizeof text - 1, &host, &error);

    ck_assert_ptr_nonnull(card);
    random_calls = 0;
    to_remove = card;
    assert_answer(card, "00 01 00 00", "6F 00");
    to_remove = NULL;
    ck_assert_int_lt(random_calls, 200);
    card_free(card);
}
END_TEST

/* A thread uses a card, and ends after the card has been freed. */

static pthread_barrier_t used, freed;

static void *use_card(void *card)
{
    send_command(card, "00 01 00 00 00");
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&freed);
    return NULL;
}

START_TEST(test_threads)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_barrier_init(&used, NULL, 2), 0);
    ck_assert_int_eq(pthread_barrier_init(&freed, NULL, 2), 0);
    for (int i = 0; i < 5; i++) {
        struct card *card = load_random_use("rsa:sign('x')");
        ck_assert_int_eq(pthread_create(&thread, NULL, use_card, card), 0);
        pthread_barrier_wait(&used);
        ck_assert_uint_eq(answer_length, 130);
        card_free(card);
        pthread_barrier_wait(&freed);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crypto_limits");
    TCase *tc = add_card_case(suite, "limits");

    tcase_add_loop_test(tc, test_seed, 0, COUNT(random_uses));
    tcase_add_test(tc, test_no_random_numbers);
    tcase_add_loop_test(tc, test_no_memory, 0, COUNT(operations));
    tcase_add_loop_test(tc, test_endless, 0, COUNT(endless));
    tcase_add_test(tc, test_time_of_generation);
    tcase_add_test(tc, test_dead);
    tcase_add_test(tc, test_removed);
    tcase_add_test(tc, test_threads);
    return run_suite(suite);
}
