/* SPDX-License-Identifier: BSD-3-Clause */
/* `crypto` of card scripts: the scripts in the folder crypto compare it with published vectors, and
 * check its errors. */
#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* All of it in one line, so that errors show the lines of the script. */
static const char prelude[] =
    "local function dump(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end "
    "local function same(a, b) assert(a == hex(b), 'found ' .. dump(a)) end "
    "local function fails(text, f, ...) local ok, why = pcall(f, ...) "
    "assert(not ok and why:find(text, 1, true), ok and 'no error' or why) end ";

static const char *const scripts[] = {"hash.lua",    "cipher.lua",    "key_files.lua", "key_count.lua",
                                      "key_rsa.lua", "key_curve.lua", "sign.lua",      "secret.lua"};

static void read_script(const char *name, char *text, size_t size)
{
    char path[512];
    FILE *file;
    size_t length;

    snprintf(path, sizeof path, "%s/%s", CRYPTO_SCRIPTS_DIR, name);
    file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    strcpy(text, prelude);
    length = strlen(text);
    length += fread(text + length, 1, size - length, file);
    ck_assert_uint_lt(length, size);
    text[length] = '\0';
    fclose(file);
}

START_TEST(test_script)
{
    static char text[65536];
    struct error error;

    read_script(scripts[_i], text, sizeof text);
    struct card *card = card_load_text(scripts[_i], text, strlen(text), &test_host, &error);
    ck_assert_msg(card != NULL, "%s", error.text);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crypto");
    TCase *tc = add_card_case(suite, "scripts");

    tcase_add_loop_test(tc, test_script, 0, COUNT(scripts));
    return run_suite(suite);
}
