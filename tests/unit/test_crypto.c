/* SPDX-License-Identifier: BSD-3-Clause */
/* `crypto` of card scripts: the scripts in the folder crypto compare it with published vectors, and
 * check its errors. */
#include "cards.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* All of it in one line, so that errors show the lines of the script. */
static const char prelude[] =
    "local function dump(s) return (s:gsub('.', function(c) return ('%02x'):format(c:byte()) end)) end "
    "local function same(a, b) assert(a == hex(b), 'found ' .. dump(a)) end "
    "local function fails(text, f, ...) local ok, why = pcall(f, ...) "
    "assert(not ok and why:find(text, 1, true), ok and 'no error' or why) end ";

static const char *const scripts[] = {"hash.lua",        "cipher.lua",    "key_files.lua", "key_count.lua",
                                      "key_rsa.lua",     "key_curve.lua", "sign.lua",      "secret.lua",
                                      "certificate.lua", "pkcs12.lua"};

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

    /* any random number that does not come from the card's host would be an error now */
    ck_assert_int_eq(RAND_set_DRBG_type(NULL, "none", NULL, NULL, NULL), 1);
    read_script(scripts[_i], text, sizeof text);
    struct card *card = card_load_text(scripts[_i], text, strlen(text), &test_host, &error);
    ck_assert_msg(card != NULL, "%s", error.text);
    card_free(card);
}
END_TEST

/* What a card makes, others accept. */
START_TEST(test_certificate)
{
    struct card *card = load_commands(
        "local root, leaf = crypto.generate('P-384'), crypto.generate('Ed25519')",
        "{ '00 01', function() return crypto.certificate { subject = 'CN=Root', key = root, ca = true,\n"
        "    usage = { 'keyCertSign' } }, 0x9000 end },\n"
        "{ '00 02', function() return crypto.certificate { subject = 'CN=Leaf', key = leaf:public(),\n"
        "    issuer = 'CN=Root', signer = root, usage = { 'digitalSignature' } }, 0x9000 end }");
    X509 *root, *leaf;
    const uint8_t *p = answer;

    send_command(card, "00 01 00 00 00 00 00");
    root = d2i_X509(NULL, &p, (long)answer_length - 2);
    ck_assert_ptr_nonnull(root);
    p = answer;
    send_command(card, "00 02 00 00 00 00 00");
    leaf = d2i_X509(NULL, &p, (long)answer_length - 2);
    ck_assert_ptr_nonnull(leaf);
    ck_assert_int_eq(X509_verify(root, X509_get0_pubkey(root)), 1);
    ck_assert_int_eq(X509_verify(leaf, X509_get0_pubkey(root)), 1);
    ck_assert_int_ne(X509_verify(leaf, X509_get0_pubkey(leaf)), 1);
    ck_assert_int_eq(X509_check_issued(root, leaf), X509_V_OK);
    ck_assert_int_gt(X509_check_ca(root), 0);
    ck_assert_int_eq(X509_check_ca(leaf), 0);
    ck_assert_uint_eq(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
    X509_free(root);
    X509_free(leaf);
    card_free(card);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crypto");
    TCase *tc = add_card_case(suite, "scripts");

    tcase_add_loop_test(tc, test_script, 0, COUNT(scripts));
    tcase_add_test(tc, test_certificate);
    return run_suite(suite);
}
