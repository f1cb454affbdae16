/* SPDX-License-Identifier: BSD-3-Clause */
/* Assertions for hot loops. ck_assert() writes to a file each time, even if the condition holds. */
#ifndef TESTS_SUPPORT_MUST_H
#define TESTS_SUPPORT_MUST_H

#include <check.h>

#define must_say(condition, ...)                                                                             \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg(__VA_ARGS__);                                                                       \
    } while (0)
#define must(condition) must_say(condition, "%s", #condition)

#endif
