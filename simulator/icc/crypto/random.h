/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers for OpenSSL from the rig's seed: a provider inside this program, whose only algorithm
 * is a random generator that asks the card's host. With it, the same seed gives the same keys,
 * signatures and blinding.
 */
#ifndef CARDRIG_ICC_CRYPTO_RANDOM_H
#define CARDRIG_ICC_CRYPTO_RANDOM_H

#include <stdbool.h>

#include <openssl/types.h>

#include "icc/card.h"

/*
 * Makes the host the only source of random numbers of libctx, in which nobody has used any yet. host
 * must live as long as libctx. Sets *provider, which the caller unloads before it frees libctx, or to
 * NULL. Returns false if OpenSSL cannot do that: do not use libctx then. Uses no random numbers.
 */
bool crypto_random_install(OSSL_LIB_CTX *libctx, const struct card_host *host, OSSL_PROVIDER **provider);

#endif
