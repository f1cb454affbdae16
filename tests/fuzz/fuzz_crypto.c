/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes for the functions of `crypto` that read what comes from outside a card: keys, certificates,
 * PKCS#12 files, numbers of keys, points, signatures. The first byte says which function; what it makes
 * of the rest is used once more.
 */
#include "base/error.h"
#include "fuzz.h"

#include "icc/script_card.h"
#include "icc/watchdog.h"

#include <pthread.h>

static const char script[] =
    "local ec, x = crypto.ec { curve = 'P-256', d = '\\1\\2' }, crypto.ec { curve = 'X448', d = ('x'):rep(56) }\n"
    "local rsa = crypto.generate('RSA', 1024)\n"
    "local names = { 'P-224', 'P-256', 'P-384', 'P-521', 'secp256k1', 'brainpoolP256r1', 'Ed25519', 'X25519' }\n"
    "local function use(key)\n"
    "  assert(crypto.key(key:der()):der() == key:der() and crypto.key(key:pem()):pem() == key:pem())\n"
    "  local whole, public = (key.type == 'RSA' and crypto.rsa or crypto.ec)(key:parts()), key:public()\n"
    "  for name, part in pairs(key:parts()) do assert(whole:parts()[name] == part) end\n"
    "  for name, part in pairs(public:parts()) do assert(whole:parts()[name] == part) end\n"
    "  assert(tostring(key):find('key'))\n"
    "end\n"
    "local function parts(data)\n"
    "  local t, at = {}, 1\n"
    "  for _, name in ipairs { 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi' } do\n"
    "    local ok, s, after = pcall(string.unpack, 's1', data, at)\n"
    "    if ok and #s > 0 then t[name], at = s, after end\n"
    "  end\n"
    "  return t\n"
    "end\n"
    "local functions = {\n"
    "  function(data) use(crypto.key(data)) end,\n"
    "  function(data) use(crypto.key(data, 'secret')) end,\n"
    "  function(data)\n"
    "    local read = crypto.read_certificate(data)\n"
    "    assert(crypto.read_certificate(read.der).subject == read.subject)\n"
    "    if read.key then use(read.key) end\n"
    "  end,\n"
    "  function(data) use((crypto.pkcs12(data, 'secret'))) end,\n"
    "  function(data) use(crypto.rsa(parts(data))) end,\n"
    "  function(data) use(crypto.ec { curve = names[data:byte() % 8 + 1], d = data:sub(2) }) end,\n"
    "  function(data) use(crypto.ec { curve = names[data:byte() % 8 + 1], point = data:sub(2) }) end,\n"
    "  function(data) assert(ec:verify('hash', data) == false) ec:verify('hash', data, { format = 'raw' }) end,\n"
    "  function(data) rsa:verify('hash', data) rsa:decrypt(data) rsa:decrypt(data, { padding = 'OAEP' }) end,\n"
    "  function(data) ec:derive(data) x:derive(data) end,\n"
    "  function(data) crypto.read_certificate(crypto.certificate { subject = data, key = ec }) end,\n"
    "  function(data) crypto.certificate { subject = 'CN=A', key = ec, not_before = data, serial = '\\1' } end,\n"
    "  function(data) assert(crypto.decrypt('AES-GCM', ('k'):rep(16), data, 'iv') == nil) end,\n"
    "}\n"
    "return { atr = '3B 00', commands = { { '00', function(cmd)\n"
    "  if cmd.p1 < #functions then\n"
    "    local ok, why = pcall(functions[cmd.p1 + 1], cmd.data)\n"
    "    if not ok and why:find('assert') then return hex '6FFF' end\n"
    "  end\n"
    "  return hex '9000'\n"
    "end } } }\n";

static void give_random(void *arg, uint8_t *out, size_t length)
{
    uint32_t *state = arg;
    for (size_t i = 0; i < length; i++) {
        *state = *state * 1664525 + 1013904223;
        out[i] = (uint8_t)(*state >> 24);
    }
}

static uint32_t seed = 1;
static struct card *card;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const struct card_host host = {.arg = &seed, .random = give_random};
    struct error error;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, WATCHDOG_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* as in fuzz_card.c */
    watchdog_set_limit(250, 40);
    card = card_load_text("fuzz.lua", script, sizeof script - 1, &host, &error);
    CHECK(card);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t command[7 + 65535], response[CARD_RESPONSE_MAX];
    size_t length;
    if (size < 2 || size > 65535)
        return 0;
    size_t nc = size - 1;
    const uint8_t head[] = {0, 0, data[0], 0, 0, (uint8_t)(nc >> 8), (uint8_t)nc};
    memcpy(command, head, sizeof head);
    memcpy(command + sizeof head, data + 1, nc);
    seed = 1;
    card_command(card, command, sizeof head + nc, response, sizeof response, &length);
    CHECK(length == 2 && response[0] == 0x90);
    return 0;
}
