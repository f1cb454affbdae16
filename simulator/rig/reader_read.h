/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the table of a reader script. For reader_load.c. */
#ifndef CARDRIG_RIG_READER_READ_H
#define CARDRIG_RIG_READER_READ_H

#include "icc/script_read.h"
#include "rig/reader_script.h"

struct reader_load {
    struct load load;
    struct reader_script *script;
    struct reader_options *options;
};

/* A Lua function for sandbox_call(), whose argument is a struct reader_load. Runs the script, and sets script
 * and options. reader_options_end() is left to the caller. */
int reader_read(lua_State *L);

#endif
