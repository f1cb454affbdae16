/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace: whole lines, whatever readers and cards are called. */
#include "base/error.h"
#include "ifd/trace.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void no_report(void *arg, const char *line)
{
    (void)arg;
    ck_abort_msg("reported: %s", line);
}

START_TEST(lines)
{
    char path[] = "/tmp/trace-XXXXXX", text[600];
    struct error error;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    struct trace *trace = trace_open(path, no_report, NULL, &error);
    ck_assert_msg(trace != NULL, "%s", error.text);
    trace_note(trace, "cardrig/0", 0, "card inserted: %s", "a\nb\x1b[31m\xe2\x80\xae\xff");
    trace_character(trace, "caf\xc3\xa9\xe2\x80\xae/1", 10340, true, 0x3B, true);
    trace_close(trace);
    ssize_t length = read(fd, text, sizeof text - 1);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    ck_assert_str_eq(text, "#     0.000000 cardrig/0 card inserted: a\\nb\\x1B[31m\\xE2\\x80\\xAE\\xFF\n"
                           "      0.010340 caf\xc3\xa9\\xE2\\x80\\xAE/1 card 3B parity error\n");
    close(fd);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, lines);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
