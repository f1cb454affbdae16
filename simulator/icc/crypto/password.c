/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/password.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

int crypto_refuse_password(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

bool crypto_count_steps(struct crypto *crypto, const ASN1_INTEGER *steps, long *left)
{
    int64_t count;

    if (!steps || !ASN1_INTEGER_get_int64(&count, steps) || count < 1 || count > *left)
        return crypto_fail(crypto, "the password's key takes more than %d iterations", CRYPTO_ITERATIONS_MAX);
    *left -= (long)count;
    return true;
}

static bool count_pbkdf2(struct crypto *crypto, const X509_ALGOR *function, long *left)
{
    PBKDF2PARAM *pbkdf2 = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), function->parameter);
    bool ok = pbkdf2 && OBJ_obj2nid(function->algorithm) == NID_id_pbkdf2;

    if (ok)
        ok = crypto_count_steps(crypto, pbkdf2->iter, left);
    else
        crypto_fail(crypto, "the password's key is derived by a function that is not supported");
    PBKDF2PARAM_free(pbkdf2);
    return ok;
}

bool crypto_count_iterations(struct crypto *crypto, const X509_ALGOR *algorithm, long *left)
{
    bool ok;

    if (OBJ_obj2nid(algorithm->algorithm) == NID_pbes2) {
        PBE2PARAM *pbes2 = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
        ok = pbes2 ? count_pbkdf2(crypto, pbes2->keyfunc, left)
                   : crypto_fail(crypto, "the parameters of its encryption are malformed");
        PBE2PARAM_free(pbes2);
        return ok;
    }
    PBEPARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    ok = pbe ? crypto_count_steps(crypto, pbe->iter, left)
             : crypto_fail(crypto, "it is encrypted in a way that is not supported");
    PBEPARAM_free(pbe);
    return ok;
}
