/* SPDX-License-Identifier: BSD-3-Clause */
/* What ThreadSanitizer, if cardrig is built for it, is not to report. */

__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);

/* libpcsclite (1.9.9, at least) keeps the readers' states in one array for all contexts, under a
 * lock of each context's (readerStates in winscard_clnt.c). Relays have a context for each
 * thread, which is all that they can do. */
const char *__tsan_default_suppressions(void)
{
    return "race:libpcsclite.so";
}
