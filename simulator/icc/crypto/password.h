/* SPDX-License-Identifier: BSD-3-Clause */
/* What passwords protect. A key is derived from the password, by so many steps as the file says. */
#ifndef CARDRIG_ICC_CRYPTO_PASSWORD_H
#define CARDRIG_ICC_CRYPTO_PASSWORD_H

#include <openssl/types.h>

#include "icc/crypto/state.h"

#define CRYPTO_ITERATIONS_MAX 300000

/* A pem_password_cb that gives none. Without it OpenSSL would ask for a password at the terminal. */
int crypto_refuse_password(char *buf, int size, int rwflag, void *arg);

/*
 * For works: takes the steps by which this algorithm (PBES1, PBES2 or of PKCS#12) derives a key from
 * *left, at first CRYPTO_ITERATIONS_MAX. Fails if there are too many, since nothing can interrupt them.
 */
bool crypto_count_iterations(struct crypto *crypto, const X509_ALGOR *algorithm, long *left);

/* The same for a number of steps from elsewhere; NULL: unknown. */
bool crypto_count_steps(struct crypto *crypto, const ASN1_INTEGER *steps, long *left);

#endif
