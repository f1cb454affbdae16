/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads reader scripts. */
#ifndef CARDRIG_RIG_READER_LOAD_H
#define CARDRIG_RIG_READER_LOAD_H

#include "rig/reader_script.h"

/* Returns whether the text, as the option --reader takes it, names a script: its first field is the name of a
 * ready reader, has a '/', or ends in ".lua". */
bool reader_is_script(const char *text);

/* Reads the text of --reader, of either kind. Sets *options, and *script to the script as reader_load() returns it, or to
 * NULL. Returns false with one line in error if anything is wrong. */
bool reader_describe(const char *text, const struct reader_script_host *host, struct reader_options *options,
                     struct reader_script **script, struct error *error);

/*
 * Loads the script that text names: FILE or NAME[,KEY[=VALUE]]... A key of --reader sets that option, over
 * the script's own; any other one is an argument of the script. Sets *options. The caller frees the script
 * with reader_script_free(). Returns NULL with one line in error if anything is wrong.
 */
struct reader_script *reader_load(const char *text, const struct reader_script_host *host,
                                  struct reader_options *options, struct error *error);

#endif
