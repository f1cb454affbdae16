/* SPDX-License-Identifier: BSD-3-Clause */
/* For targets in which large buffers come and go with each card or connection: AddressSanitizer does not keep
 * them for long. */
#ifndef CARDRIG_FUZZ_QUARANTINE_H
#define CARDRIG_FUZZ_QUARANTINE_H

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=4";
}

#endif
