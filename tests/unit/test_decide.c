/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reconnect of libscardmanage decides: each row of the tables in docs/RECONNECT.md. */
#include "decide.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    scardmanage_result result;
} results[] = {
    {"ok", SCARDMANAGE_S_OK},
    {"no-service", SCARDMANAGE_E_NO_SERVICE},
    {"unavailable", SCARDMANAGE_E_READER_UNAVAILABLE},
    {"no-card", SCARDMANAGE_E_NO_SMARTCARD},
    {"invalid-handle", SCARDMANAGE_E_INVALID_HANDLE},
    {"timeout", SCARDMANAGE_E_TIMEOUT},
    {"cancelled", SCARDMANAGE_E_CANCELLED},
    {"out-of-memory", SCARDMANAGE_E_OUTOFMEMORY},
    {"removed", SCARDMANAGE_W_REMOVED_CARD},
    {"reset", SCARDMANAGE_W_RESET_CARD},
    {"proto-mismatch", SCARDMANAGE_E_PROTO_MISMATCH},
    {"unresponsive", SCARDMANAGE_W_UNRESPONSIVE_CARD},
    {"sharing-violation", SCARDMANAGE_E_SHARING_VIOLATION},
};

static const char *const steps[] = {"none", "leave", "warm", "cold", "reopen", "restart"};

static scardmanage_result result_of(const char *name)
{
    for (size_t i = 0; i < COUNT(results); i++)
        if (strcmp(results[i].name, name) == 0)
            return results[i].result;
    ck_abort_msg("no such result: %s", name);
}

static const char *name_of(scardmanage_result result)
{
    for (size_t i = 0; i < COUNT(results); i++)
        if (results[i].result == result)
            return results[i].name;
    return "another result";
}

static scardmanage_step step_of(const char *name)
{
    for (size_t i = 0; i < COUNT(steps); i++)
        if (strcmp(steps[i], name) == 0)
            return (scardmanage_step)i;
    ck_abort_msg("no such step: %s", name);
}

/* Returns what follows the beginning, or null. */
static const char *after(const char *word, const char *beginning)
{
    size_t length = strlen(beginning);
    return strncmp(word, beginning, length) == 0 ? word + length : NULL;
}

/*
 * The table of decisions
 */

static void set_done(struct situation *s, const char *done)
{
    char what[16];
    const char *equals = strchr(done, '=');
    ck_assert_ptr_nonnull(equals);
    snprintf(what, sizeof what, "%.*s", (int)(equals - done), done);
    s->result = result_of(equals + 1);
    if (strcmp(what, "open") == 0) {
        s->progress = PROGRESS_OPENED;
        s->step = SCARDMANAGE_STEP_REOPEN;
    } else if (strcmp(what, "lock") == 0) {
        s->progress = PROGRESS_LOCKED;
    } else {
        s->progress = PROGRESS_STEP;
        s->step = step_of(what);
    }
}

static bool set_flag(struct situation *s, const char *word)
{
    const struct {
        const char *name;
        bool *flag, value;
    } flags[] = {
        {"restarted", &s->restarted, true},
        {"may-wait", &s->may_wait, true},
        {"may-not-restart", &s->may_restart, false},
        {"no-card", &s->is_present, false},
        {"by-handle", &s->by_handle, true},
        {"reader-unknown", &s->is_observed, false},
        {"refused", &s->is_refused, true},
        {"waits-for-own-card", &s->waits_for_own_card, true},
        {"ready", &s->is_ready, true},
        {"unresponsive", &s->is_unresponsive, true},
        {"protocol-impossible", &s->may_offer_protocol, false},
        {"any-protocol", &s->accepts_any_protocol, true},
        {"removal-checked", &s->removal_checked, true},
        {"mute", &s->is_mute, true},
    };
    for (size_t i = 0; i < COUNT(flags); i++)
        if (strcmp(flags[i].name, word) == 0) {
            *flags[i].flag = flags[i].value;
            return true;
        }
    return false;
}

static void set_word(struct situation *s, const char *word)
{
    static const char *const handles[] = {"none", "usable", "dead", "lost"};
    const char *value;
    if (set_flag(s, word))
        return;
    if ((value = after(word, "reader="))) {
        s->reader = result_of(value);
        s->is_observed = s->is_present = false;
    } else if ((value = after(word, "handle-result="))) {
        s->handle_result = result_of(value);
    } else if ((value = after(word, "handle="))) {
        for (size_t i = 0; i < COUNT(handles); i++)
            if (strcmp(handles[i], value) == 0)
                s->handle = (enum handle_state)i;
    } else if ((value = after(word, "verdict="))) {
        s->verdict = strcmp(value, "unchanged") == 0   ? SCARDMANAGE_VERDICT_UNCHANGED
                     : strcmp(value, "different") == 0 ? SCARDMANAGE_VERDICT_DIFFERENT
                                                       : SCARDMANAGE_VERDICT_RESET;
    } else if ((value = after(word, "first="))) {
        s->first_step = step_of(value);
    } else if ((value = after(word, "last="))) {
        s->last_step = step_of(value);
    } else if ((value = after(word, "round="))) {
        s->round = (unsigned)atoi(value);
    } else if ((value = after(word, "done:"))) {
        set_done(s, value);
    } else {
        ck_abort_msg("not a word of the table: %s", word);
    }
}

static void describe(const struct decision *d, char *text, size_t size)
{
    static const char *const actions[] = {
        "end",    "open a context",     "open a handle",    "open with any protocol",
        "step",   "look for a removal", "restore the lock", "wait",
        "observe"};
    const char *more = d->action == ACTION_STEP ? steps[d->step] : name_of(d->result);
    bool has_more = d->action == ACTION_STEP || d->action == ACTION_FINISH || d->action == ACTION_WAIT ||
                    d->action == ACTION_OBSERVE;
    snprintf(text, size, "%s%s%s", actions[d->action], has_more ? ": " : "", has_more ? more : "");
}

static void check_decision(char *words, const char *wanted)
{
    char said[100], row[400];
    struct situation s = {
        .may_restart = true,
        .first_step = SCARDMANAGE_STEP_LEAVE,
        .last_step = SCARDMANAGE_STEP_RESTART,
        .is_observed = true,
        .is_present = true,
        .handle = HANDLE_USABLE,
        .verdict = SCARDMANAGE_VERDICT_RESET,
        .may_offer_protocol = true,
        .round = 1,
    };
    snprintf(row, sizeof row, "%s", words);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        set_word(&s, word);
    if (s.is_observed && !s.is_present)
        s.verdict = SCARDMANAGE_VERDICT_ABSENT;
    struct decision d = decide(&s);
    describe(&d, said, sizeof said);
    ck_assert_msg(strcmp(said, wanted) == 0, "%s: %s, not %s", row, said, wanted);
}

/*
 * The table of verdicts
 */

static void set_sighting(struct sighting *s, const char *word)
{
    if (strcmp(word, "reset-event") == 0)
        s->event = SCARDMANAGE_W_RESET_CARD;
    else if (strcmp(word, "removed-event") == 0)
        s->event = SCARDMANAGE_W_REMOVED_CARD;
    else if (strcmp(word, "unreported-reset") == 0)
        s->unreported_event = SCARDMANAGE_W_RESET_CARD;
    else if (strcmp(word, "unreported-removal") == 0)
        s->unreported_event = SCARDMANAGE_W_REMOVED_CARD;
    else if (strcmp(word, "unreported-reinserted") == 0)
        s->unreported_verdict = SCARDMANAGE_VERDICT_REINSERTED;
    else if (strcmp(word, "unreported-different") == 0)
        s->unreported_verdict = SCARDMANAGE_VERDICT_DIFFERENT;
    else if (strcmp(word, "was-removed") == 0)
        s->was_removed = true;
    else if (strcmp(word, "other-atr") == 0)
        s->has_known_atr = false;
    else if (strcmp(word, "no-atr") == 0)
        s->has_atr = false;
    else if (strcmp(word, "no-known-card") == 0)
        s->is_known = false;
    else if (strcmp(word, "reader-unknown") == 0)
        s->is_observed = false;
    else
        ck_abort_msg("not a word of the table: %s", word);
}

static void check_verdict(char *words, const char *wanted)
{
    char row[400];
    struct sighting s = {.is_observed = true, .is_known = true, .has_atr = true, .has_known_atr = true};
    static const char *const names[] = {"unknown",        "unchanged",  "reset",  "reinserted",
                                        "different card", "first card", "no card"};
    snprintf(row, sizeof row, "%s", words);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        set_sighting(&s, word);
    ck_assert_msg(strcmp(names[decide_verdict(&s)], wanted) == 0, "%s: %s, not %s", row,
                  names[decide_verdict(&s)], wanted);
}

/*
 * The document
 */

/* Checks each row of the table with this head. Returns their number. */
static unsigned check_table(const char *head, void (*check)(char *words, const char *wanted))
{
    char line[400], words[400], wanted[100];
    unsigned rows = 0;
    bool is_in_table = false;
    FILE *file = fopen(RECONNECT_MD, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, head, strlen(head)) == 0)
            is_in_table = true;
        else if (line[0] != '|')
            is_in_table = false;
        else if (is_in_table && strncmp(line, "| -", 3) != 0 && strncmp(line, "| **", 4) != 0) {
            bool is_empty = strncmp(line, "| | ", 4) == 0;
            int fields = is_empty ? sscanf(line, "| | %99[^|\n]", wanted) + 1
                                  : sscanf(line, "| %399[^|] | %99[^|\n]", words, wanted);
            ck_assert_msg(fields == 2, "%s", line);
            for (size_t length = strlen(wanted); length > 0 && wanted[length - 1] == ' '; length--)
                wanted[length - 1] = '\0';
            if (is_empty)
                words[0] = '\0';
            check(words, wanted);
            rows++;
        }
    }
    fclose(file);
    return rows;
}

START_TEST(each_row_of_the_decisions)
{
    ck_assert_uint_ge(check_table("| observed, known and done | next |", check_decision), 70);
}
END_TEST

START_TEST(each_row_of_the_verdicts)
{
    ck_assert_uint_ge(check_table("| observed and known | verdict |", check_verdict), 16);
}
END_TEST

/* Whatever the card and the service do, a reconnect ends: no state leads back to itself without the help of another
 * event. Each action is answered with each result, in each order. */
static unsigned longest;

static void follow(struct situation s, unsigned depth)
{
    static const scardmanage_result failures[] = {SCARDMANAGE_S_OK, SCARDMANAGE_W_UNRESPONSIVE_CARD,
                                                  SCARDMANAGE_E_PROTO_MISMATCH, SCARDMANAGE_W_REMOVED_CARD};
    struct decision d = decide(&s);
    if (depth > longest)
        longest = depth;
    ck_assert_uint_lt(depth, 20);
    for (size_t i = 0; i < COUNT(failures); i++) {
        struct situation next = s;
        next.result = failures[i];
        switch (d.action) {
        case ACTION_OPEN:
        case ACTION_OPEN_ANY:
            next.progress = PROGRESS_OPENED;
            next.step = SCARDMANAGE_STEP_REOPEN;
            next.accepts_any_protocol |= d.action == ACTION_OPEN_ANY;
            break;
        case ACTION_STEP:
            next.progress = PROGRESS_STEP;
            next.step = d.step;
            break;
        case ACTION_CHECK_REMOVAL:
            next.removal_checked = true;
            break;
        case ACTION_LOCK:
            next.progress = PROGRESS_LOCKED;
            break;
        case ACTION_RESTART:
            next.restarted = true;
            next.reader = failures[i];
            next.result = SCARDMANAGE_S_OK;
            break;
        default: /* the round ends */
            return;
        }
        follow(next, depth + 1);
    }
}

START_TEST(each_round_ends)
{
    for (unsigned bits = 0; bits < 1u << 7; bits++)
        for (int handle = HANDLE_NONE; handle <= HANDLE_LOST; handle++)
            for (int first = SCARDMANAGE_STEP_LEAVE; first <= SCARDMANAGE_STEP_REOPEN; first++)
                follow((struct situation){.by_handle = bits & 1,
                                          .may_restart = bits & 2,
                                          .may_wait = bits & 4,
                                          .is_present = true,
                                          .is_observed = true,
                                          .is_unresponsive = bits & 8,
                                          .is_ready = bits & 16,
                                          .may_offer_protocol = bits & 32,
                                          .reader = bits & 64 ? SCARDMANAGE_E_NO_SERVICE : SCARDMANAGE_S_OK,
                                          .handle = (enum handle_state)handle,
                                          .verdict = SCARDMANAGE_VERDICT_UNCHANGED,
                                          .first_step = (scardmanage_step)first,
                                          .last_step = SCARDMANAGE_STEP_RESTART,
                                          .round = 1},
                       0);
    ck_assert_uint_gt(longest, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decide");
    TCase *tc = tcase_create("all");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, each_row_of_the_decisions);
    tcase_add_test(tc, each_row_of_the_verdicts);
    tcase_add_test(tc, each_round_ends);
    return run_suite(suite);
}
