/* SPDX-License-Identifier: BSD-3-Clause */
/* A heap with a limit. */
#include "icc/heap.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_heap)
{
    struct heap heap;
    void *a, *b;

    heap_init(&heap, 1000);
    a = heap_lua_alloc(&heap, NULL, 5, 100);
    b = heap_alloc(&heap, 200);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    memset(a, 1, 100);
    memset(b, 2, 200);
    ck_assert_uint_ge(heap.used, 300);
    ck_assert_ptr_null(heap_alloc(&heap, 800));
    ck_assert_ptr_null(heap_alloc(&heap, SIZE_MAX));
    ck_assert_ptr_null(heap_lua_alloc(&heap, a, 100, 900));
    ck_assert_ptr_null(heap_lua_alloc(&heap, a, 100, SIZE_MAX - 10));
    a = heap_lua_alloc(&heap, a, 100, 500);
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(((unsigned char *)a)[99], 1);
    a = heap_lua_alloc(&heap, a, 500, 10);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(heap_lua_alloc(&heap, a, 10, 0));
    ck_assert_ptr_null(heap_lua_alloc(&heap, NULL, 0, 0));
    heap_drop(&heap);
    ck_assert_uint_eq(heap.used, 0);
    a = heap_alloc(&heap, 0);
    ck_assert_ptr_nonnull(a);
    heap_drop(&heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *tc = tcase_create("heap");

    tcase_add_test(tc, test_heap);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
