/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names and dates of certificates as text. A name is "CN=Alice,O=Example", in the order of the certificate; a
 * backslash precedes a comma in a value. A date is "2026-11-28" or "2026-11-28 12:00:00", in UTC.
 */
#ifndef CARDRIG_ICC_CRYPTO_NAME_H
#define CARDRIG_ICC_CRYPTO_NAME_H

#include <openssl/types.h>

#include "icc/crypto/state.h"

#define CRYPTO_NAME_MAX ((size_t)1024) /* bytes */

/* For works: appends the parts of the text to name. */
bool crypto_read_name(struct crypto *crypto, const char *text, X509_NAME *name);

/* For works: gives a name, or a date, as a result. */
bool crypto_give_name(struct crypto *crypto, const char *result, const X509_NAME *name);
bool crypto_give_date(struct crypto *crypto, const char *result, const ASN1_TIME *date);

/* For works: sets the date. */
bool crypto_read_date(struct crypto *crypto, const char *text, ASN1_TIME *date);

#endif
