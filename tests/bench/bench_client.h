/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of bench_client share. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <winscard.h>

#include <jansson.h>

#include <stdint.h>

#define NS_IN_MS INT64_C(1000000)

/* Ends the program, with a line on the standard error. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t now_ns(void); /* on CLOCK_MONOTONIC */

/*
 * bench_managed.c: libscardmanage beside PC/SC itself, with the same card and in turns. Returns samples of
 * all four: a command over a locked card, and three commands in a transaction or unit of their own.
 */
json_t *measure_managed(SCARDHANDLE bare, const char *reader, unsigned rounds, long ms);

#endif
