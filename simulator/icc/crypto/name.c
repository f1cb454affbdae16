/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/crypto/name.h"

#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

/* Names */

/* Copies a part of a name, up to the next comma, without backslashes. Returns what follows the comma, or the
 * final zero. */
static const char *copy_part(const char *text, char out[CRYPTO_NAME_MAX + 1])
{
    size_t length = 0;

    while (*text == ' ')
        text++;
    while (*text && *text != ',') {
        if (*text == '\\' && text[1])
            text++;
        out[length++] = *text++;
    }
    out[length] = '\0';
    return *text ? text + 1 : text;
}

/* text has at most CRYPTO_NAME_MAX bytes. */
bool crypto_read_name(struct crypto *crypto, const char *text, X509_NAME *name)
{
    char part[CRYPTO_NAME_MAX + 1];

    while (*text) {
        text = copy_part(text, part);
        char *value = strchr(part, '=');
        if (!value)
            return crypto_fail(crypto, "the name has a part '%.40s', expected one like CN=Alice", part);
        *value++ = '\0';
        if (!X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8, (const unsigned char *)value, -1, -1, 0))
            return crypto_fail(crypto, "the name cannot have the part '%.40s=%.40s'", part, value);
    }
    return true;
}

static void write_value(BIO *out, const ASN1_STRING *value)
{
    unsigned char *text;
    int length = ASN1_STRING_to_UTF8(&text, value);

    for (int i = 0; i < length; i++) {
        if (text[i] == ',' || text[i] == '\\')
            BIO_write(out, "\\", 1);
        BIO_write(out, &text[i], 1);
    }
    if (length >= 0)
        OPENSSL_free(text);
}

static bool give_memory(struct crypto *crypto, const char *result, BIO *bio)
{
    char *text;
    long length = BIO_get_mem_data(bio, &text);

    return crypto_give(crypto, result, length > 0 ? text : "", (size_t)length);
}

bool crypto_give_name(struct crypto *crypto, const char *result, const X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char kind[128];

    if (!out)
        return false;
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
        int nid = OBJ_obj2nid(object);
        if (nid == NID_undef)
            OBJ_obj2txt(kind, sizeof kind, object, 1);
        BIO_printf(out, "%s%s=", i > 0 ? "," : "", nid == NID_undef ? kind : OBJ_nid2sn(nid));
        write_value(out, X509_NAME_ENTRY_get_data(entry));
    }
    bool ok = give_memory(crypto, result, out);
    BIO_free(out);
    return ok;
}

/* Dates */

bool crypto_read_date(struct crypto *crypto, const char *text, ASN1_TIME *date)
{
    unsigned year, month, day, hour = 0, minute = 0, second = 0;
    int end = 0;
    char digits[64];

    if (sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &end) == 3 && text[end] == ' ')
        end += sscanf(text + end, " %2u:%2u:%2u", &hour, &minute, &second) == 3 ? 9 : 0;
    bool whole = (end == 10 || end == 19) && strlen(text) == (size_t)end;
    if (whole)
        snprintf(digits, sizeof digits, "%04u%02u%02u%02u%02u%02uZ", year, month, day, hour, minute, second);
    return (whole && ASN1_TIME_set_string_X509(date, digits)) ||
           crypto_fail(crypto, "the date '%.40s' is not like 2026-11-28 or 2026-11-28 12:00:00", text);
}

bool crypto_give_date(struct crypto *crypto, const char *result, const ASN1_TIME *date)
{
    struct tm tm;
    char text[64];

    if (!ASN1_TIME_to_tm(date, &tm))
        return crypto_fail(crypto, "not a certificate: its dates are malformed");
    int length = snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900,
                          tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return crypto_give(crypto, result, text, (size_t)length);
}
