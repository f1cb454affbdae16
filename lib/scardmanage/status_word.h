/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the status words of a card mean as results: one table for all interfaces. ISO/IEC 7816-4:2013,
 * 5.6, and the tables of the commands there. A status word means different things after different
 * commands, so the kind of command matters.
 */
#ifndef SCARDMANAGE_STATUS_WORD_H
#define SCARDMANAGE_STATUS_WORD_H

#include "scardmanage.h"

/* Kinds of commands. A command is of one kind. */
enum status_kind {
    STATUS_OF_CODE = 1 << 0,         /* VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER and so on */
    STATUS_OF_AUTHENTICATE = 1 << 1, /* EXTERNAL AUTHENTICATE */
    STATUS_OF_COMPUTE = 1 << 2,      /* GET CHALLENGE, INTERNAL AUTHENTICATE: the response data matter */
    STATUS_OF_SELECT_EF = 1 << 3,
    STATUS_OF_SELECT_DF = 1 << 4,
    STATUS_OF_READ = 1 << 5,  /* READ BINARY, READ RECORD, GET DATA */
    STATUS_OF_WRITE = 1 << 6, /* UPDATE, WRITE, ERASE and APPEND; CREATE, DELETE, ACTIVATE, PUT DATA */
};

/* Returns S_OK, or a code of PC/SC. Codes that have no meaning for the kind, and unknown ones, are
 * E_UNEXPECTED. */
scardmanage_result status_word_result(uint16_t status_word, enum status_kind kind);

/* Returns the number of tries that the status word of a command of the kind CODE or AUTHENTICATE says are left,
 * or -1 if it says nothing. */
int status_word_tries(uint16_t status_word);

#endif
