/* SPDX-License-Identifier: BSD-3-Clause */
/* How many elements an array has: for loops over tables, and tcase_add_loop_test(). */
#ifndef TESTS_SUPPORT_COUNT_H
#define TESTS_SUPPORT_COUNT_H

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
