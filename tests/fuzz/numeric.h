/* SPDX-License-Identifier: BSD-3-Clause */
/* For targets that come to a host's name: linked with --wrap=getaddrinfo, so that none is looked up. */
#ifndef CARDRIG_FUZZ_NUMERIC_H
#define CARDRIG_FUZZ_NUMERIC_H

#include <netdb.h>

int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found);

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    struct addrinfo numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    return __real_getaddrinfo(name, service, &numeric, found);
}

#endif
