/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader of transcripts, which other tests rely on. */
#include "count.h"
#include "run_suite.h"
#include "transcript.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(reads_transcripts)
{
    struct transcripts transcripts;
    char error[100], *text = strdup("# comment\n\n== one\n> 01\n# comment\n< 02\n\n== two: 2\nlast\n");

    ck_assert(transcripts_parse(&transcripts, "file", text, error, sizeof error));
    ck_assert_int_eq(transcripts.count, 2);
    const struct transcript *one = &transcripts.transcripts[0], *two = one + 1;
    ck_assert_str_eq(one->name, "one");
    ck_assert_str_eq(one->file, "file");
    ck_assert_int_eq(one->count, 2);
    ck_assert_str_eq(one->lines[0].text, "> 01");
    ck_assert_uint_eq(one->lines[0].number, 4);
    ck_assert_str_eq(one->lines[1].text, "< 02");
    ck_assert_uint_eq(one->lines[1].number, 6);
    ck_assert_str_eq(two->name, "two: 2");
    ck_assert_int_eq(two->count, 1);
    ck_assert_str_eq(two->lines[0].text, "last");
    transcripts_free(&transcripts);
    ck_assert_int_eq(transcripts.count, 0);
}
END_TEST

static const struct {
    const char *text, *error;
} mistakes[] = {
    {"", "file:0: the file ends without a transcript, or its last one has no lines"},
    {"# comment\n", "file:1: the file ends without a transcript, or its last one has no lines"},
    {"== one\n", "file:1: the file ends without a transcript, or its last one has no lines"},
    {"== one\n\n== two\nline\n", "file:3: the transcript before this one has no lines"},
    {"line\n== one\n", "file:1: a line before the first transcript"},
    {"== one\nline\n== one\nline\n", "file:3: a transcript has this name already"},
    {"== one\nline", "file:2: the last line has no end"},
    {"== one\n line\n", "file:2: a blank at the beginning or the end of the line"},
    {"== one\nline \n", "file:2: a blank at the beginning or the end of the line"},
    {"== one\nli\tne\n", "file:2: a control character"},
    {"== one\nline\r\n", "file:2: a control character"},
};

START_TEST(names_the_line_of_a_mistake)
{
    struct transcripts transcripts;
    char error[100];

    ck_assert(!transcripts_parse(&transcripts, "file", strdup(mistakes[_i].text), error, sizeof error));
    ck_assert_str_eq(error, mistakes[_i].error);
    ck_assert_ptr_null(transcripts.text);
}
END_TEST

static Suite *transcript_suite(void)
{
    Suite *suite = suite_create("transcript");
    TCase *tc = tcase_create("transcript");

    tcase_add_test(tc, reads_transcripts);
    tcase_add_loop_test(tc, names_the_line_of_a_mistake, 0, COUNT(mistakes));
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(transcript_suite());
}
