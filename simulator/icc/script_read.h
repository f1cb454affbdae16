/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a script and reads its table: functions for those who load scripts of one kind, such as script_load.c,
 * which loads cards. All run inside sandbox_call(), and report failures as Lua errors.
 */
#ifndef CARDRIG_ICC_SCRIPT_READ_H
#define CARDRIG_ICC_SCRIPT_READ_H

#include <lua.h>

#include "icc/script.h"

struct load {
    struct script_head *head;
    struct script *script; /* of a card; NULL for scripts of other kinds */
    struct sandbox *sandbox;
    const struct source *source;
    const struct card_name *given; /* may be NULL */
};

/*
 * script_head.c
 */

/* Sets the head's name to that of the script if it gives none: the file name without directories and ".lua". */
void load_default_name(struct script_head *head, const char *path);

/* Runs the script, and pushes the table that it returns. */
void load_run(lua_State *L, const struct load *load);

/* Reads the field name. */
void load_name(lua_State *L, const struct load *load, int table);

/*
 * script_read.c
 */

/* Raises "file:line: reason". */
_Noreturn void load_refuse(lua_State *L, const struct load *load, int line, const char *format, ...);

/* Each returns a line, or 0 (or less, for a function in C) if it is not known. */
int load_line_of_field(const struct load *load, const char *field);
int load_line_of_string(lua_State *L, const struct load *load, int index);
int load_line_of_function(lua_State *L, int index);
int load_line_or(int line, int otherwise);

/* Returns a block that lives as long as the card. If there is no room, runs Lua's garbage collector, because
 * a block that is not Lua's does not trigger it. */
void *load_permanent(lua_State *L, const struct load *load, size_t size);
/* Returns a copy of the string at index. */
const char *load_permanent_string(lua_State *L, const struct load *load, int index);

/* Pushes the key at index as messages show it, and returns it. */
const char *load_pushed_key(lua_State *L, int index);

/*
 * Checks the table on top of the stack. Refuses one with a metatable, which could give different values each
 * time, and one with a field that is not in fields. The message names the first such field: strings come
 * before numbers, and these before the rest.
 */
void load_check_table(lua_State *L, const struct load *load, const char *what, const char *const *fields,
                      const char *expected);

/* Checks the list on top of the stack. Returns the number of its entries. */
lua_Integer load_check_list(lua_State *L, const struct load *load, const char *what);

/* Pushes a field of the table at index `table`. Returns its type. */
int load_get_field(lua_State *L, int table, const char *field);

/* If the field `what` exists, checks that it is a table with these fields and pushes it. Returns whether it
 * exists. */
bool load_get_table(lua_State *L, const struct load *load, int table, const char *what,
                    const char *const *fields, const char *expected);

/* Keeps the function on top of the stack in the registry. */
void load_keep_function(lua_State *L, int line, struct script_function *out);

/*
 * script_commands.c
 */

/* Reads the field commands of the table at index `table`. */
void load_command_list(lua_State *L, const struct load *load, int table, struct script_list *out);

/* Reads the pair on top of the stack, a pattern and an answer, and pops it. */
void load_command(lua_State *L, const struct load *load, const char *what, int number,
                  struct script_command *out);

/*
 * script_arguments.c
 */

/* Sets the global args to a table of the arguments that were given. */
void load_args(lua_State *L, const struct load *load);

/* Reads the field arguments, and refuses arguments that were given, but that the script does not know. */
void load_arguments(lua_State *L, const struct load *load, int table);

/*
 * script_antenna.c
 */

/* Reads the field antenna. */
void load_antenna(lua_State *L, const struct load *load, int table);

/*
 * script_applications.c
 */

/* Reads the fields applications and channels. */
void load_applications(lua_State *L, const struct load *load, int table);

#endif
