/* SPDX-License-Identifier: BSD-3-Clause */
/* Asks a pcscd whether it serves clients yet. */
#ifndef CARDRIG_PCSCD_QUESTION_H
#define CARDRIG_PCSCD_QUESTION_H

enum question_state { QUESTION_OPEN, QUESTION_ANSWERED, QUESTION_REFUSED };

struct question {
    int fd; /* poll it for reading, then call question_step; -1: the question is closed */
    enum question_state state;
};

/* Sends the question to the pcscd whose socket is at path, and sets question->state to QUESTION_OPEN, or to
 * QUESTION_REFUSED if that fails. Does not wait for the answer. */
void question_ask(struct question *question, const char *path);

/* Reads the answer, if it has arrived, updates question->state, and closes the connection. Does nothing if no
 * answer has arrived yet. */
void question_step(struct question *question);

/* Closes the connection, if it is open. */
void question_end(struct question *question);

#endif
