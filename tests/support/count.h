/* SPDX-License-Identifier: BSD-3-Clause */
/* The number of elements of an array, for loops over tables and for tcase_add_loop_test(). */
#ifndef TESTS_SUPPORT_COUNT_H
#define TESTS_SUPPORT_COUNT_H

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
