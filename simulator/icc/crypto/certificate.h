/* SPDX-License-Identifier: BSD-3-Clause */
/* X.509 certificates. */
#ifndef CARDRIG_ICC_CRYPTO_CERTIFICATE_H
#define CARDRIG_ICC_CRYPTO_CERTIFICATE_H

#include <lua.h>
#include <openssl/types.h>

#include "icc/crypto/state.h"

/* For works: keeps a certificate as a result, in DER. */
bool crypto_give_certificate(struct crypto *crypto, const char *name, const X509 *x509);

/* crypto.certificate{subject, key, ...}, crypto.read_certificate(pem_or_der) */
int crypto_certificate(lua_State *L);
int crypto_read_certificate(lua_State *L);

#endif
