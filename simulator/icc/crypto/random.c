/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/random.h"

#include <stdlib.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#define PROVIDER  "cardrig"
#define GENERATOR "CARDRIG-RAND"

/* The provider's context. It is also the context of each of its generators, because they are all the same. */
struct source {
    const struct card_host *host;
};

/* The generator: provider-rand(7) */

static void *new_generator(void *source, void *parent, const OSSL_DISPATCH *parent_calls)
{
    (void)parent;
    (void)parent_calls;
    return source;
}

static void free_generator(void *source)
{
    (void)source;
}

static int instantiate(void *source, unsigned strength, int resistance, const unsigned char *text,
                       size_t length, const OSSL_PARAM params[])
{
    (void)source, (void)strength, (void)resistance, (void)text, (void)length, (void)params;
    return 1;
}

static int uninstantiate(void *source)
{
    (void)source;
    return 1;
}

static int generate(void *source, unsigned char *out, size_t length, unsigned strength, int resistance,
                    const unsigned char *text, size_t text_length)
{
    const struct card_host *host = ((struct source *)source)->host;

    (void)strength, (void)resistance, (void)text, (void)text_length;
    if (!host)
        return 0;
    /* not sandbox_random(): OpenSSL must not be left here, and crypto_run() holds the watchdog already */
    host->random(host->arg, out, length);
    return 1;
}

static int enable_locking(void *source)
{
    (void)source; /* only one thread at a time uses a card */
    return 1;
}

static int get_params(void *source, OSSL_PARAM params[])
{
    OSSL_PARAM *p;

    (void)source;
    return (!(p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE)) ||
            OSSL_PARAM_set_int(p, EVP_RAND_STATE_READY)) &&
           (!(p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH)) || OSSL_PARAM_set_uint(p, 256)) &&
           (!(p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST)) || OSSL_PARAM_set_size_t(p, 65536));
}

/* The provider: provider(7) */

static const OSSL_ALGORITHM *query(void *source, int operation, int *no_cache)
{
    static const OSSL_DISPATCH calls[] = {
        {OSSL_FUNC_RAND_NEWCTX, (void (*)(void))new_generator},
        {OSSL_FUNC_RAND_FREECTX, (void (*)(void))free_generator},
        {OSSL_FUNC_RAND_INSTANTIATE, (void (*)(void))instantiate},
        {OSSL_FUNC_RAND_UNINSTANTIATE, (void (*)(void))uninstantiate},
        {OSSL_FUNC_RAND_GENERATE, (void (*)(void))generate},
        {OSSL_FUNC_RAND_ENABLE_LOCKING, (void (*)(void))enable_locking},
        {OSSL_FUNC_RAND_GET_CTX_PARAMS, (void (*)(void))get_params},
        {0, NULL},
    };
    static const OSSL_ALGORITHM generators[] = {{GENERATOR, "provider=" PROVIDER, calls, NULL},
                                                {NULL, NULL, NULL, NULL}};

    (void)source;
    *no_cache = 0;
    return operation == OSSL_OP_RAND ? generators : NULL;
}

static int start_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                          void **source)
{
    static const OSSL_DISPATCH calls[] = {
        {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))free},
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {0, NULL},
    };

    (void)handle;
    (void)in;
    *source = calloc(1, sizeof(struct source));
    *out = calls;
    return *source != NULL;
}

/* Returns whether libctx uses our generator and no other. */
static bool is_installed(EVP_RAND_CTX *generator)
{
    return generator && EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(generator), GENERATOR);
}

bool crypto_random_install(OSSL_LIB_CTX *libctx, const struct card_host *host, OSSL_PROVIDER **provider)
{
    *provider = NULL;
    if (!OSSL_PROVIDER_add_builtin(libctx, PROVIDER, start_provider))
        return false;
    *provider = OSSL_PROVIDER_load(libctx, PROVIDER);
    if (!*provider)
        return false;
    ((struct source *)OSSL_PROVIDER_get0_provider_ctx(*provider))->host = host;
    return RAND_set_DRBG_type(libctx, GENERATOR, NULL, NULL, NULL) &&
           is_installed(RAND_get0_primary(libctx)) && is_installed(RAND_get0_public(libctx)) &&
           is_installed(RAND_get0_private(libctx));
}
