/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking a pcscd whether it serves clients yet. */
#ifndef CARDRIG_PCSCD_QUESTION_H
#define CARDRIG_PCSCD_QUESTION_H

enum question_state { QUESTION_OPEN, QUESTION_ANSWERED, QUESTION_REFUSED };

struct question {
    int fd; /* readable when there is something for question_step; -1: nothing will come */
    enum question_state state;
};

/* Asks the pcscd whose socket is at path. Never waits. */
void question_ask(struct question *question, const char *path);

/* Takes what has come. */
void question_step(struct question *question);

void question_end(struct question *question);

#endif
